//! CustomResourceDefinitions. Regent's own are brought up to date by an upgrade. Those of External Secrets kinds are
//! placed only where there is none, or the one that regent placed: a neighbour's is never changed. An uninstall
//! leaves them all, since every object of a kind goes with its definition.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::metadata::{PART_OF_LABEL, REGENT, part_of};
use super::template::{Condition, when};

/// Annotation by which Helm leaves an object where it is.
pub(super) const KEEP: &str = "helm.sh/resource-policy";
/// Group of regent's own kinds.
const OWN_GROUP: &str = "regent.dev";

/// Annotations of what outlives an uninstall.
pub(super) fn keep() -> Value {
    json!({ KEEP: "keep" })
}

/// Whether an uninstall leaves `object`.
pub fn is_kept(object: &Value) -> bool {
    object["metadata"]["annotations"][KEEP] == "keep"
}

/// Names of the definitions that a neighbour may have brought.
pub fn shared() -> BTreeSet<String> {
    let all = regent_api::all_crds().into_iter().filter(|crd| crd.spec.group != OWN_GROUP);
    all.filter_map(|crd| crd.metadata.name).collect()
}

/// Whether a definition that is in the cluster was placed by regent.
pub fn is_own(labels: &BTreeMap<String, String>) -> bool {
    labels.get(PART_OF_LABEL).is_some_and(|by| by == REGENT)
}

pub(super) fn objects() -> Result<Vec<Value>, serde_json::Error> {
    let shared = shared();
    let all = regent_api::all_crds().into_iter().map(|crd| {
        let mut object = serde_json::to_value(&crd)?;
        object["metadata"]["labels"] = part_of();
        object["metadata"]["annotations"] = keep();
        Ok(match crd.metadata.name {
            Some(name) if shared.contains(&name) => when(&Condition::Placeable(name), object),
            _ => object,
        })
    });
    all.collect()
}
