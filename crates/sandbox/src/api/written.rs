//! What the API server and its own controllers derive from an object once it was written.

use serde_json::Value;

use super::{admit, gc};
use crate::kinds::ResourceKind;
use crate::seed;
use crate::state::ClusterState;
use crate::store::ObjectKey;

/// Follows up on `object`, which was written.
pub(super) fn written(state: &ClusterState, kind: &ResourceKind, object: &Value) {
    match kind.kind.as_str() {
        "CustomResourceDefinition" => state.kinds.define(object),
        "Namespace" => namespace_written(state, object),
        _ => {}
    }
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let meta = &object["metadata"];
    let (namespace, name) = (text(&meta["namespace"]), text(&meta["name"]));
    state.reload_policies(kind);
    gc::written(state, &ObjectKey { resource: kind.stored_as(), namespace, name }, object);
}

/// A new namespace gets its account; one that ends may be gone now.
fn namespace_written(state: &ClusterState, object: &Value) {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    if !object["metadata"]["deletionTimestamp"].is_null() {
        return gc::empty(state, name);
    }
    let key = ObjectKey {
        resource: "serviceaccounts".into(),
        namespace: name.to_owned(),
        name: "default".into(),
    };
    let mut tx = state.store.tx();
    if tx.get(&key).is_none()
        && let Ok(uid) = admit::uid()
    {
        // A full store refuses: the next write of the namespace tries again.
        let _stored = tx.put(&key, seed::account(name, &uid));
    }
}
