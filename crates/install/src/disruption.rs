//! PodDisruptionBudgets: one pod of each workload may be moved at a time. `maxUnavailable`, not `minAvailable`: a
//! single replica must not keep a node from being drained.

use serde_json::{Value, json};

use super::authority::embedded;
use super::component::enabled;
use super::metadata::{COMPONENTS, labels_of, meta};
use super::template::when;
use regent_types::identity::Identity;

/// One for each workload.
pub(super) fn budgets() -> Vec<Value> {
    let components = COMPONENTS.into_iter().map(|i| when(&enabled(i), budget(i)));
    std::iter::once(when(&embedded(), budget(Identity::Authority))).chain(components).collect()
}

fn budget(identity: Identity) -> Value {
    json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta(identity),
        "spec": {
            "maxUnavailable": 1,
            // A pod that is not ready guards nothing: it must not hold up a drain either.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": { "matchLabels": labels_of(identity) },
        },
    })
}
