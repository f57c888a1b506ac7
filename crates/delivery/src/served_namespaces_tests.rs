//! An API server that serves one namespace to the materializer, and another one later.

use std::sync::Arc;

use k8s_openapi::jiff::SignedDuration;
use kube::api::{DeleteParams, PostParams};
use kube::core::DynamicObject;
use kube::core::{ApiResource, GroupVersionKind};
use regent_operator::{Endpoints, Shutdown};
use regent_sandbox::{Options, Sandbox};
use regent_types::identity::Identity;
use regent_types::labels::SYSTEM_NAMESPACE;
use regent_vault::FileJwt;
use serde_json::{Value, json};

use super::*;

async fn create(sandbox: &Sandbox, api_version: &str, kind: &str, mut object: Value) {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    let namespace = object["metadata"]["namespace"].as_str().map(str::to_owned);
    object["apiVersion"] = json!(api_version);
    object["kind"] = json!(kind);
    let api: Api<DynamicObject> = match &namespace {
        Some(namespace) => Api::namespaced_with(sandbox.admin(), namespace, &resource),
        None => Api::all_with(sandbox.admin(), &resource),
    };
    let object = serde_json::from_value(object).expect("an object");
    api.create(&PostParams::default(), &object).await.expect("created");
}

/// Lets the materializer list Secrets of `namespace`.
pub(crate) async fn serve(sandbox: &Sandbox, namespace: &str) {
    let account = Identity::Materializer.account();
    let binding = json!({
        "metadata": { "name": "secrets", "namespace": namespace },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "secrets" },
        "subjects": [{ "kind": "ServiceAccount", "name": account, "namespace": SYSTEM_NAMESPACE }],
    });
    create(sandbox, "rbac.authorization.k8s.io/v1", "RoleBinding", binding).await;
}

pub(crate) async fn materializer(sandbox: &Sandbox) -> Context {
    for namespace in [SYSTEM_NAMESPACE, "payments", "orders"] {
        create(sandbox, "v1", "Namespace", json!({ "metadata": { "name": namespace } })).await;
    }
    let account = Identity::Materializer.account();
    let meta = json!({ "name": account, "namespace": SYSTEM_NAMESPACE });
    create(sandbox, "v1", "ServiceAccount", json!({ "metadata": meta })).await;
    let rule = json!({ "apiGroups": [""], "resources": ["secrets"], "verbs": ["list"] });
    let role = json!({ "metadata": { "name": "secrets" }, "rules": [rule] });
    create(sandbox, "rbac.authorization.k8s.io/v1", "ClusterRole", role).await;
    let accounts: Api<k8s_openapi::api::core::v1::ServiceAccount> =
        Api::namespaced(sandbox.admin(), SYSTEM_NAMESPACE);
    let request = serde_json::from_value(json!({ "metadata": {}, "spec": { "audiences": [] } }));
    let request = request.expect("a TokenRequest");
    let answer = accounts.create_token_request(&account, &PostParams::default(), &request).await;
    let token = answer.expect("a token").status.expect("a status").token;
    Context {
        identity: Identity::Materializer,
        api: sandbox.client(Arc::new(move || token.clone()), SYSTEM_NAMESPACE),
        endpoints: Endpoints::default(),
        jwt: Arc::new(FileJwt { path: "none".into() }),
        shutdown: Shutdown::new().1,
    }
}

#[tokio::test]
async fn a_namespace_is_served_once_its_secrets_may_be_listed_and_nothing_is_refused_before() {
    let sandbox = Sandbox::start(Options::default()).expect("a sandbox");
    let served = ServedNamespaces::new(materializer(&sandbox).await, "list");
    let start: Timestamp = "2026-01-01T12:00:00Z".parse().expect("a time");
    let later = |seconds: i64| start + SignedDuration::from_secs(seconds);
    let asked =
        async |namespace: &str, at| served.is_served(namespace, at).await.expect("answered");

    serve(&sandbox, "payments").await;
    assert!(asked("payments", start).await);
    assert!(!asked("orders", start).await);
    serve(&sandbox, "orders").await;
    assert!(!asked("orders", start).await, "it rests");
    assert!(asked("orders", later(60)).await);
    assert_eq!(sandbox.refusals(), Vec::<String>::new());

    served.refused("orders", later(60));
    assert!(!asked("orders", later(60)).await, "a refusal is believed for a while");
    assert!(asked("orders", start).await, "a clock that was set back delays nothing");
    served.refused("orders", later(60));
    served.forget("orders");
    assert!(asked("orders", later(60)).await);
}

/// A default of Kubernetes that an installation may not have.
#[tokio::test]
async fn who_may_not_ask_tries() {
    let sandbox = Sandbox::start(Options::default()).expect("a sandbox");
    let served = ServedNamespaces::new(materializer(&sandbox).await, "list");
    let group = GroupVersionKind::gvk("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding");
    let bindings: Api<DynamicObject> =
        Api::all_with(sandbox.admin(), &ApiResource::from_gvk(&group));
    bindings.delete("system:basic-user", &DeleteParams::default()).await.expect("deleted");
    let now: Timestamp = "2026-01-01T12:00:00Z".parse().expect("a time");
    assert!(served.is_served("orders", now).await.expect("tried"));
    served.refused("orders", now);
    assert!(!served.is_served("orders", now).await.expect("known"));
}

#[test]
fn an_object_in_a_namespace_that_is_not_served_names_the_command_that_serves_it() {
    let not_ready = not_served("orders");
    assert_eq!(not_ready.reason, "NamespaceNotServed");
    let command = "`regent install --namespace orders | kubectl apply --server-side -f -`";
    assert!(not_ready.message.contains(command), "{}", not_ready.message);
}

#[test]
fn only_a_secret_that_may_not_be_read_says_that_nothing_is_served() {
    let error = |verb, object, code| {
        let mut status = kube::core::Status::failure("no", "Forbidden");
        status.code = code;
        ReconcileError::api(verb, object, &kube::Error::Api(Box::new(status)))
    };
    assert!(is_refused_read(&error("get", "Secret orders/db", 403)));
    assert!(!is_refused_read(&error("create", "Secret orders/db", 403)), "admission refuses too");
    assert!(!is_refused_read(&error("get", "Secret orders/db", 401)));
    assert!(!is_refused_read(&error("get", "SecretStore orders/db", 403)));
}
