//! What is there before the table runs. Made by a master, whom every policy lets through.

use anyhow::{Context, Result};
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use regent_install::access::admission;
use regent_install::access::admission::{OVERRIDE_RESOURCE, OVERRIDE_VERB, Settings};
use regent_install::access::rbac;
use regent_types::labels;
use serde_json::{Value, json};

use super::people::Who;
use crate::worlds;

/// Where the table plays.
pub(super) const HOME: &str = "admission-table";
const WRITER: &str = "admission-table-writer";
const PLATFORM: &str = "admission-table-platform";
const HOLDER: &str = "admission-table-holder";
const KEEPER: &str = "admission-table-keeper";

/// The API of an object's kind and namespace.
pub(super) fn api(client: &kube::Client, object: &Value) -> Api<DynamicObject> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (group, version) = text("/apiVersion").split_once('/').unwrap_or(("", text("/apiVersion")));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, text("/kind")));
    match object.pointer("/metadata/namespace").and_then(Value::as_str) {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

pub(super) async fn apply(admin: &kube::Client, object: &Value) -> Result<DynamicObject> {
    let name = object["metadata"]["name"].as_str().context("a name")?;
    let params = PatchParams::apply("admission-table").force();
    let applied = api(admin, object).patch(name, &params, &Patch::Apply(object)).await;
    applied.with_context(|| format!("applying {} {name}", object["kind"]))
}

/// The policies and bindings.
pub async fn install(admin: &kube::Client) -> Result<()> {
    for object in admission::objects(&Settings::default()) {
        apply(admin, &object).await?;
    }
    Ok(())
}

/// The components' accounts and Roles, with the namespaces that they are in.
pub async fn accounts(admin: &kube::Client) -> Result<()> {
    apply(admin, &namespace(labels::SYSTEM_NAMESPACE)).await?;
    apply(admin, &namespace(HOME)).await?;
    for object in rbac::objects(&[HOME.to_owned()]) {
        apply(admin, &object).await?;
    }
    Ok(())
}

/// Everything that rows name.
pub(super) async fn prepare(admin: &kube::Client) -> Result<()> {
    crds(admin).await?;
    accounts(admin).await?;
    for object in roles() {
        apply(admin, &object).await?;
    }
    install(admin).await?;
    let owner = apply(admin, &external("owned")).await?.metadata.uid.context("a uid")?;
    let others = declarations();
    for object in secrets(&owner).iter().chain(&others).chain(&definitions()) {
        apply(admin, object).await?;
    }
    Ok(())
}

async fn crds(admin: &kube::Client) -> Result<()> {
    for crd in regent_api::all_crds() {
        let object = serde_json::to_value(&crd)?;
        apply(admin, &object).await?;
        let name = crd.metadata.name.context("a name")?;
        let crds = Api::all(admin.clone());
        worlds::established(&crds, &name).await?;
    }
    Ok(())
}

pub(super) fn namespace(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Namespace",
        "metadata": { "name": name, "labels": { "datasource.regent.dev/postgres": "true" } } })
}

fn roles() -> Vec<Value> {
    const RBAC: &str = "rbac.authorization.k8s.io/v1";
    const GROUP: &str = "rbac.authorization.k8s.io";
    let role = |name: &str, rules: Value| json!({ "apiVersion": RBAC, "kind": "ClusterRole", "metadata": { "name": name }, "rules": rules });
    let subjects = |all: &[Who]| -> Vec<Value> {
        all.iter().map(|w| json!({ "apiGroup": GROUP, "kind": "User", "name": w.user() })).collect()
    };
    let reference = |name: &str| json!({ "apiGroup": GROUP, "kind": "ClusterRole", "name": name });
    let here = |name: &str, all: &[Who]| {
        json!({ "apiVersion": RBAC, "kind": "RoleBinding", "metadata": { "name": name, "namespace": HOME },
            "roleRef": reference(name), "subjects": subjects(all) })
    };
    let everywhere = |name: &str, to: &str, who: Who| {
        json!({ "apiVersion": RBAC, "kind": "ClusterRoleBinding", "metadata": { "name": name },
            "roleRef": reference(to), "subjects": subjects(&[who]) })
    };
    let all = |group: &str, resources: &[&str]| json!({ "apiGroups": [group], "resources": resources, "verbs": ["*"] });
    let declared = [
        all("external-secrets.io", &["pushsecrets"]),
        all("regent.dev", &["runtimesecrets", "workflowruns"]),
    ];
    vec![
        role(WRITER, json!([all("", &["secrets"]), declared[0], declared[1]])),
        role(PLATFORM, json!([all("", &["*"]), all(GROUP, &["*"]), declared[0], declared[1]])),
        role(
            HOLDER,
            json!([{ "apiGroups": ["regent.dev"], "resources": [OVERRIDE_RESOURCE],
            "verbs": [OVERRIDE_VERB] }]),
        ),
        here(WRITER, &Who::writers()),
        here(HOLDER, &[Who::Holder]),
        role(KEEPER, json!([all("", &["configmaps"])])),
        json!({ "apiVersion": RBAC, "kind": "RoleBinding",
            "metadata": { "name": KEEPER, "namespace": labels::SYSTEM_NAMESPACE },
            "roleRef": reference(KEEPER), "subjects": subjects(&Who::writers()) }),
        everywhere(PLATFORM, PLATFORM, Who::PlatformAdmin),
        everywhere("admission-table-cluster-admin", "cluster-admin", Who::ClusterAdmin),
    ]
}

/// A Secret of the table's namespace.
pub(super) fn secret(name: &str, marks: Value, notes: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": { "name": name, "namespace": HOME, "labels": marks, "annotations": notes },
        "data": { "password": "b25l", "username": "YXBw" },
    })
}

/// A materialized one, as the materializer makes it.
pub(super) fn materialized(name: &str) -> Value {
    secret(
        name,
        json!({ labels::CLASS: labels::CLASS_MATERIALIZED }),
        json!({ labels::VERSIONS: "{\"runtime/a/b\":\"1@t\"}" }),
    )
}

/// A bootstrap Secret, as bootstrap makes it.
pub(super) fn bootstrap(name: &str) -> Value {
    secret(
        name,
        json!({ labels::CLASS: labels::CLASS_BOOTSTRAP, labels::MANIFEST_UID: "u" }),
        json!({
            labels::SOURCE_REPO: "r", labels::SOURCE_COMMIT: "c", labels::SOURCE_FILE: "f",
            labels::PRODUCED_AT: "1970-01-01T00:00:00Z", labels::MANIFEST: format!("{HOME}/{name}"),
        }),
    )
}

/// The reference by which ExternalSecret `name` owns a Secret.
pub(super) fn owner(name: &str, uid: &str) -> Value {
    json!([{ "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "name": name, "uid": uid,
        "controller": true, "blockOwnerDeletion": true }])
}

/// An ExternalSecret that nobody serves: its store does not exist.
pub(super) fn external(name: &str) -> Value {
    json!({ "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
        "metadata": { "name": name, "namespace": HOME },
        "spec": { "secretStoreRef": { "name": "none" },
            "data": [{ "secretKey": "k", "remoteRef": { "key": "runtime/a/b" } }] } })
}

fn secrets(owner_uid: &str) -> Vec<Value> {
    let mut owned = materialized("owned");
    owned["metadata"]["ownerReferences"] = owner("owned", owner_uid);
    let mut kept = materialized("kept");
    kept["metadata"]["annotations"][labels::OWNED_BY] = "owned".into();
    let mut all = vec![
        owned,
        kept,
        materialized("shared"),
        secret("plain", json!({}), json!({})),
        bootstrap("live"),
    ];
    for mark in ["delete", "inert", "ignore", "become"] {
        let mut marked = bootstrap(&format!("marked-{mark}"));
        marked["metadata"]["annotations"][labels::HANDED_OVER] = mark.into();
        marked["metadata"]["annotations"][labels::HANDED_OVER_TO] = format!("{HOME}/db").into();
        all.push(marked);
    }
    all
}

/// A definition of no interest to anybody; `marks` are its labels, `notes` its annotations.
pub(super) fn definition(plural: &str, marks: Value, notes: Value) -> Value {
    const GROUP: &str = "admission-table.example";
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{plural}.{GROUP}"), "labels": marks, "annotations": notes },
        "spec": {
            "group": GROUP, "scope": "Namespaced",
            "names": { "kind": plural, "listKind": format!("{plural}List"), "plural": plural, "singular": plural },
            "versions": [{ "name": "v1", "served": true, "storage": true,
                "schema": { "openAPIV3Schema": { "type": "object" } } }],
        },
    })
}

/// The definitions that rows delete: regent's, one of regent's that somebody means to delete, and a neighbour's.
pub(super) fn definitions() -> [Value; 3] {
    let ours = || json!({ labels::PART_OF: labels::REGENT });
    [
        definition("ours", ours(), json!({ labels::CONFIRM_DELETION: "yes" })),
        definition("meant", ours(), json!({ labels::CONFIRM_DELETION: "true" })),
        definition("theirs", json!({ labels::PART_OF: "another" }), json!({})),
    ]
}

/// A publication that every rule is content with.
pub(super) fn push(name: &str) -> Value {
    json!({
        "apiVersion": "external-secrets.io/v1alpha1", "kind": "PushSecret",
        "metadata": { "name": name, "namespace": HOME },
        "spec": {
            "secretStoreRefs": [{ "name": labels::STORE_NAME, "kind": "ClusterSecretStore" }],
            "selector": { "secret": { "name": "plain" } },
            "data": [{ "match": { "secretKey": "password",
                "remoteRef": { "remoteKey": "platform-data/postgres/web", "property": "password" } } }],
        },
    })
}

/// A RuntimeSecret handed over from `live`.
pub(super) fn runtime(name: &str) -> Value {
    json!({
        "apiVersion": "regent.dev/v1alpha1", "kind": "RuntimeSecret",
        "metadata": { "name": name, "namespace": HOME },
        "spec": { "owner": "o", "purpose": "p", "introduce": { "handover": { "bootstrapSecret": "live" } } },
    })
}

/// A ConfigMap of regent's own namespace.
/// A run that says that `by` caused it.
pub(super) fn caused(by: &str) -> Value {
    json!({
        "apiVersion": "regent.dev/v1alpha1", "kind": "WorkflowRun",
        "metadata": { "name": "by-hand", "namespace": HOME },
        "spec": { "runtimeSecret": "db", "uses": "rotate", "cause": { "kind": "manual", "by": by } },
    })
}

pub(super) fn config(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": name, "namespace": labels::SYSTEM_NAMESPACE },
        "data": { "key": "as-warden-wrote-it" },
    })
}

fn declarations() -> Vec<Value> {
    vec![push("published"), runtime("db"), config(labels::AUTHORITY_CA_BUNDLE), config("neighbour")]
}
