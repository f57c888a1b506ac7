//! The account that intent acts as for kinds beyond its own: intent may act as it, and on the run's own cluster it may do
//! everything. On a real one its rights are what its owner granted.

use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use regent_types::identity::Identity;
use regent_types::labels::SYSTEM_NAMESPACE;
use serde_json::{Value, json};

/// Who puts these objects there.
const MANAGER: &str = "regent-install";

/// Makes `account` one that intent may act as, and on a cluster of the run's own (`own`) an admin.
pub(super) async fn lend(admin: &kube::Client, account: &str, own: bool) -> anyhow::Result<()> {
    for object in objects(account, own) {
        let text = |at: &str| object.pointer(at).and_then(Value::as_str).unwrap_or_default();
        let (group, version) = text("/apiVersion").split_once('/').unwrap_or(("", "v1"));
        let kind = GroupVersionKind::gvk(group, version, text("/kind"));
        let resource = ApiResource::from_gvk(&kind);
        let api: Api<DynamicObject> = match text("/metadata/namespace") {
            "" => Api::all_with(admin.clone(), &resource),
            namespace => Api::namespaced_with(admin.clone(), namespace, &resource),
        };
        let params = PatchParams::apply(MANAGER).force();
        api.patch(text("/metadata/name"), &params, &Patch::Apply(&object)).await?;
    }
    Ok(())
}

fn objects(account: &str, own: bool) -> Vec<Value> {
    const RBAC: &str = "rbac.authorization.k8s.io";
    let api = format!("{RBAC}/v1");
    let home = |name: &str| json!({ "name": name, "namespace": SYSTEM_NAMESPACE });
    let subject = |name: &str| json!([{ "kind": "ServiceAccount", "name": name, "namespace": SYSTEM_NAMESPACE }]);
    let acts = format!("regent-intent-as-{account}");
    let mut all = vec![
        json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": home(account) }),
        json!({ "apiVersion": api, "kind": "Role", "metadata": home(&acts), "rules": [{
            "apiGroups": [""], "resources": ["serviceaccounts"], "resourceNames": [account],
            "verbs": ["impersonate"] }] }),
        json!({ "apiVersion": api, "kind": "RoleBinding", "metadata": home(&acts),
            "roleRef": { "apiGroup": RBAC, "kind": "Role", "name": acts },
            "subjects": subject(&Identity::Intent.account()) }),
    ];
    if own {
        let name = format!("regent-dev-{account}");
        all.push(json!({ "apiVersion": api, "kind": "ClusterRole", "metadata": { "name": name },
            "rules": [{ "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] }] }));
        all.push(json!({ "apiVersion": api, "kind": "ClusterRoleBinding",
            "metadata": { "name": name },
            "roleRef": { "apiGroup": RBAC, "kind": "ClusterRole", "name": name },
            "subjects": subject(account) }));
    }
    all
}
