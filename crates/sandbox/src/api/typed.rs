//! Built-in kinds against their types: fields of another type are refused, unknown ones go.
//!
//! Definitions of the types come from `k8s-openapi`; an object is read as its type and written again.

use k8s_openapi::api::{apps, batch, coordination, core, events, rbac};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::kinds::ResourceKind;

/// Normalizes `object`; returns the paths of unknown fields, or why it is not of its type.
pub(super) fn normalize(kind: &ResourceKind, object: &mut Value) -> Result<Vec<String>, String> {
    match (kind.group.as_str(), kind.kind.as_str()) {
        ("", "Namespace") => round::<core::v1::Namespace>(object),
        ("", "Secret") => round::<core::v1::Secret>(object),
        ("", "ConfigMap") => round::<core::v1::ConfigMap>(object),
        ("", "ServiceAccount") => round::<core::v1::ServiceAccount>(object),
        ("", "Service") => round::<core::v1::Service>(object),
        ("", "Pod") => round::<core::v1::Pod>(object),
        ("", "Event") => round::<core::v1::Event>(object),
        ("events.k8s.io", "Event") => round::<events::v1::Event>(object),
        ("apps", "Deployment") => round::<apps::v1::Deployment>(object),
        ("apps", "StatefulSet") => round::<apps::v1::StatefulSet>(object),
        ("apps", "DaemonSet") => round::<apps::v1::DaemonSet>(object),
        ("apps", "ReplicaSet") => round::<apps::v1::ReplicaSet>(object),
        ("batch", "Job") => round::<batch::v1::Job>(object),
        ("coordination.k8s.io", "Lease") => round::<coordination::v1::Lease>(object),
        ("rbac.authorization.k8s.io", "Role") => round::<rbac::v1::Role>(object),
        ("rbac.authorization.k8s.io", "RoleBinding") => round::<rbac::v1::RoleBinding>(object),
        ("rbac.authorization.k8s.io", "ClusterRole") => round::<rbac::v1::ClusterRole>(object),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding") => {
            round::<rbac::v1::ClusterRoleBinding>(object)
        }
        _ => {
            let mut gone = round::<ObjectMeta>(&mut object["metadata"])?;
            gone.iter_mut().for_each(|path| path.insert_str(0, "metadata."));
            Ok(gone)
        }
    }
}

fn round<T: DeserializeOwned + Serialize>(object: &mut Value) -> Result<Vec<String>, String> {
    let typed: T = serde_json::from_value(object.clone()).map_err(|e| e.to_string())?;
    let kept = serde_json::to_value(typed).map_err(|e| e.to_string())?;
    let mut gone = Vec::new();
    compare(object, &kept, "", &mut gone);
    *object = kept;
    Ok(gone)
}

/// Paths that are in `before` and not in `after`; `null` says nothing.
fn compare(before: &Value, after: &Value, at: &str, gone: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            for (key, value) in before.iter().filter(|(_, value)| !value.is_null()) {
                let path = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                match after.get(key) {
                    Some(kept) => compare(value, kept, &path, gone),
                    None => gone.push(path),
                }
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                compare(before, after, &format!("{at}[{index}]"), gone);
            }
        }
        _ => {}
    }
}
