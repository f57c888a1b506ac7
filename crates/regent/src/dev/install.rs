//! What `regent install` would put into an empty cluster, put there as the cluster's admin: namespaces, CRDs,
//! accounts, RBAC, and the one thing a person brings: the identity that opens manifests.

use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use regent_types::Sensitive;
use regent_types::access::rbac;
use regent_types::labels::{MANIFEST_IDENTITY_SECRET, SYSTEM_NAMESPACE};
use regent_types::resources;
use serde_json::{Value, json};

/// Installs regent for `namespaces`.
pub(super) async fn install(
    admin: &kube::Client,
    namespaces: &[String],
    manifest_identities: Option<&Sensitive<String>>,
) -> anyhow::Result<()> {
    for namespace in std::iter::once(SYSTEM_NAMESPACE).chain(namespaces.iter().map(String::as_str))
    {
        let object =
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
        apply(admin, &object).await?;
    }
    for crd in resources::all_crds() {
        apply(admin, &serde_json::to_value(&crd)?).await?;
    }
    for object in rbac::objects(namespaces) {
        apply(admin, &object).await?;
    }
    let Some(manifest_identities) = manifest_identities else { return Ok(()) };
    let secrets: Api<k8s_openapi::api::core::v1::Secret> =
        Api::namespaced(admin.clone(), SYSTEM_NAMESPACE);
    let secret = serde_json::from_value(json!({
        "metadata": { "name": MANIFEST_IDENTITY_SECRET },
        "stringData": { "identities": manifest_identities.expose() },
    }))?;
    secrets.create(&PostParams::default(), &secret).await?;
    Ok(())
}

/// Server-side apply of one object of any kind, as the admin.
pub(super) async fn apply(admin: &kube::Client, object: &Value) -> anyhow::Result<()> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (group, version) = match text("/apiVersion").split_once('/') {
        Some((group, version)) => (group, version),
        None => ("", text("/apiVersion")),
    };
    let kind = GroupVersionKind::gvk(group, version, text("/kind"));
    let resource = ApiResource::from_gvk(&kind);
    let api: Api<DynamicObject> =
        match object.pointer("/metadata/namespace").and_then(Value::as_str) {
            Some(namespace) => Api::namespaced_with(admin.clone(), namespace, &resource),
            None => Api::all_with(admin.clone(), &resource),
        };
    let params = PatchParams::apply("regent-install").force();
    api.patch(text("/metadata/name"), &params, &Patch::Apply(object)).await?;
    Ok(())
}
