//! What comes from Git never acts (C4-1): intent makes no Pod, Role, binding, webhook, policy or token anywhere, and
//! gains none of it by acting as the one account that an admin let it act as.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use http::{Method, Request};
use kube::api::{Api, DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use regent_types::identity::Identity;
use regent_types::labels::SYSTEM_NAMESPACE;
use serde_json::{Value, json};

use crate::kubernetes::refused;

const NAMESPACES: [&str; 4] = [SYSTEM_NAMESPACE, "payments", "default", "kube-system"];
/// Collections in a namespace: what runs, what grants, what holds values.
const NAMESPACED: [&str; 14] = [
    "api/v1 pods",
    "api/v1 secrets",
    "api/v1 serviceaccounts",
    "api/v1 services",
    "api/v1 replicationcontrollers",
    "apis/apps/v1 deployments",
    "apis/apps/v1 statefulsets",
    "apis/apps/v1 daemonsets",
    "apis/apps/v1 replicasets",
    "apis/batch/v1 jobs",
    "apis/batch/v1 cronjobs",
    "apis/rbac.authorization.k8s.io/v1 roles",
    "apis/rbac.authorization.k8s.io/v1 rolebindings",
    "apis/networking.k8s.io/v1 networkpolicies",
];
/// Collections of the cluster.
const CLUSTER: [&str; 10] = [
    "apis/rbac.authorization.k8s.io/v1/clusterroles",
    "apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
    "apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
    "apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
    "apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
    "apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "apis/apiregistration.k8s.io/v1/apiservices",
    "apis/certificates.k8s.io/v1/certificatesigningrequests",
    "api/v1/persistentvolumes",
];
/// An account that an admin lets intent act as.
const APPLIER: &str = "applier";
/// Looks at whether a Role is in force yet, which nothing announces.
const LOOKS_MAX: u32 = 200;
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What was not refused.
pub(crate) async fn wrong(admin: &kube::Client, intent: &kube::Client) -> Result<Vec<String>> {
    let mut wrong = makes(intent, None).await?;
    for identity in Identity::ALL.into_iter().filter(|i| *i != Identity::Intent) {
        acts(intent, &identity.user_name(), None, &mut wrong).await?;
    }
    for (user, group) in [
        ("somebody", Some("system:masters")),
        ("system:kube-controller-manager", None),
        ("system:serviceaccount:payments:default", None),
        ("system:serviceaccount:kube-system:default", Some("system:masters")),
    ] {
        acts(intent, user, group, &mut wrong).await?;
    }
    let applier = let_act(admin, intent).await?;
    wrong.extend(makes(intent, Some(&applier)).await?);
    acts(intent, &applier, Some("system:masters"), &mut wrong).await?;
    acts(intent, &Identity::Bootstrap.user_name(), None, &mut wrong).await?;
    Ok(wrong)
}

/// Tries, dry, to make one of each, everywhere.
async fn makes(intent: &kube::Client, act_as: Option<&str>) -> Result<Vec<String>> {
    let mut paths: Vec<String> = CLUSTER.iter().map(|path| format!("/{path}")).collect();
    for namespace in NAMESPACES {
        for collection in NAMESPACED {
            let (version, plural) = collection.split_once(' ').context("version and plural")?;
            paths.push(format!("/{version}/namespaces/{namespace}/{plural}"));
        }
        for account in ["default", "regent-bootstrap"] {
            let accounts = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
            paths.push(format!("{accounts}/{account}/token"));
        }
    }
    let mut wrong = Vec::new();
    for path in paths {
        let uri = format!("{path}?dryRun=All");
        if !refused(ask(intent, Method::POST, &uri, act_as, None).await)? {
            wrong.push(format!("create {path} as {act_as:?}: expected a refusal"));
        }
    }
    Ok(wrong)
}

/// Tries to act as `user`.
async fn acts(
    intent: &kube::Client,
    user: &str,
    group: Option<&str>,
    wrong: &mut Vec<String>,
) -> Result<()> {
    if !refused(ask(intent, Method::GET, HARMLESS, Some(user), group).await)? {
        wrong.push(format!("acting as {user} of {group:?}: expected a refusal"));
    }
    Ok(())
}

/// What anybody who is authenticated may look at.
const HARMLESS: &str = "/version";

async fn ask(
    client: &kube::Client,
    method: Method,
    uri: &str,
    act_as: Option<&str>,
    group: Option<&str>,
) -> kube::Result<()> {
    let mut request =
        Request::builder().method(method).uri(uri).header("content-type", "application/json");
    if let Some(user) = act_as {
        request = request.header("impersonate-user", user);
    }
    if let Some(group) = group {
        request = request.header("impersonate-group", group);
    }
    let request = request.body(b"{}".to_vec()).map_err(kube::Error::HttpError)?;
    client.request::<Value>(request).await.map(drop)
}

/// As docs/security.md says; returns the account's user name once it is in force.
async fn let_act(admin: &kube::Client, intent: &kube::Client) -> Result<String> {
    let meta = |name: &str| json!({ "name": name, "namespace": SYSTEM_NAMESPACE });
    let group = "rbac.authorization.k8s.io";
    let rbac = format!("{group}/v1");
    for object in [
        json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta(APPLIER) }),
        json!({ "apiVersion": rbac, "kind": "Role", "metadata": meta("act"), "rules": [{
            "apiGroups": [""], "resources": ["serviceaccounts"], "resourceNames": [APPLIER],
            "verbs": ["impersonate"],
        }] }),
        json!({ "apiVersion": rbac, "kind": "RoleBinding", "metadata": meta("act"),
            "roleRef": { "apiGroup": group, "kind": "Role", "name": "act" },
            "subjects": [{ "kind": "ServiceAccount", "name": Identity::Intent.account(),
                "namespace": SYSTEM_NAMESPACE }] }),
    ] {
        let version = object["apiVersion"].as_str().unwrap_or_default();
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        let kind = object["kind"].as_str().unwrap_or_default();
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let api: Api<DynamicObject> =
            Api::namespaced_with(admin.clone(), SYSTEM_NAMESPACE, &resource);
        api.create(&PostParams::default(), &serde_json::from_value(object)?).await?;
    }
    let user = format!("system:serviceaccount:{SYSTEM_NAMESPACE}:{APPLIER}");
    let mut looks = 0;
    while refused(ask(intent, Method::GET, HARMLESS, Some(&user), None).await)? {
        looks += 1;
        ensure!(looks < LOOKS_MAX, "intent may not act as the account that it was granted");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    Ok(user)
}
