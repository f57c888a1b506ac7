//! Who is installed, and the labels and metadata by which what belongs together is found.

use serde_json::{Value, json};

use regent_types::identity::Identity;
use regent_types::labels::SYSTEM_NAMESPACE;

/// The components, each a Deployment, in the order in which they become active (C4-2).
pub const COMPONENTS: [Identity; 7] = [
    Identity::Intent,
    Identity::Bootstrap,
    Identity::Warden,
    Identity::Orchestrator,
    Identity::Triggers,
    Identity::Materializer,
    Identity::Publisher,
];
pub(super) const REGENT: &str = regent_types::labels::REGENT;
pub(super) const PART_OF_LABEL: &str = regent_types::labels::PART_OF;
pub(super) const COMPONENT_LABEL: &str = "app.kubernetes.io/component";

/// The label of everything that is installed, by which it is found again.
pub(super) fn part_of() -> Value {
    json!({ PART_OF_LABEL: REGENT })
}

/// Labels of the pods of `identity`, by which they are selected.
pub(super) fn labels_of(identity: Identity) -> Value {
    json!({ PART_OF_LABEL: REGENT, COMPONENT_LABEL: identity.name() })
}

/// Metadata of the workload of `identity` and of what belongs to it.
pub(super) fn meta(identity: Identity) -> Value {
    json!({ "name": identity.account(), "namespace": SYSTEM_NAMESPACE, "labels": labels_of(identity) })
}

/// Metadata of an object in regent's own namespace that belongs to no one workload.
pub(super) fn meta_named(name: &str) -> Value {
    json!({ "name": name, "namespace": SYSTEM_NAMESPACE, "labels": part_of() })
}
