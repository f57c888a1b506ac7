//! Regent's own namespace, in which only pods without special powers may run.

use serde_json::{Value, json};

use super::definitions::keep;
use super::metadata::part_of;
use super::template::{Condition, when};
use regent_types::labels::SYSTEM_NAMESPACE;

/// The namespace. An uninstall leaves it: the authority's volume and sealed shares are in it.
pub(super) fn objects() -> Vec<Value> {
    let mut labels = part_of();
    for mode in ["enforce", "audit", "warn"] {
        labels[format!("pod-security.kubernetes.io/{mode}")] = json!("restricted");
    }
    let object = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": { "name": SYSTEM_NAMESPACE, "labels": labels, "annotations": keep() },
    });
    vec![when(&Condition::OwnNamespace, object)]
}
