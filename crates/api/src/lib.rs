//! The resources, one file a kind, and the one list of all CustomResourceDefinitions.
//!
//! Own group `regent.dev/v1alpha1`; External Secrets Operator kinds under their own groups, so that existing
//! manifests work unchanged. Spec and status never hold a value, except ciphertext in [`EncryptedManifest`].

#![allow(
    clippy::duplicated_attributes,
    reason = "#[kube(...)] repeats printcolumn and shortname on purpose, one a line"
)]
#![allow(unreachable_pub, reason = "the CustomResource derive emits items that this lint misreads")]

pub mod condition;
pub mod encrypted_manifest;
pub mod eso;
pub mod event_trigger;
pub mod git_source;
pub mod runtime_authority;
pub mod runtime_secret;
pub mod workflow;
pub mod workflow_run;

pub use encrypted_manifest::{EncryptedManifest, EncryptedManifestSpec, EncryptedManifestStatus};
pub use eso::external_secret::{ExternalSecret, ExternalSecretSpec, ExternalSecretStatus};
pub use eso::push_secret::{PushSecret, PushSecretSpec, PushSecretStatus};
pub use eso::secret_store::{
    ClusterSecretStore, ClusterSecretStoreSpec, SecretStore, SecretStoreSpec, StoreStatus,
};
pub use event_trigger::{EventTrigger, EventTriggerSpec, EventTriggerStatus};
pub use git_source::{GitSource, GitSourceSpec, GitSourceStatus};
pub use runtime_authority::{RuntimeAuthority, RuntimeAuthoritySpec, RuntimeAuthorityStatus};
pub use runtime_secret::{RuntimeSecret, RuntimeSecretSpec, RuntimeSecretStatus};
pub use workflow::{Workflow, WorkflowSpec};
pub use workflow_run::{WorkflowRun, WorkflowRunSpec, WorkflowRunStatus};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

/// Every CustomResourceDefinition regent brings, in the order they are installed.
pub fn all_crds() -> Vec<CustomResourceDefinition> {
    vec![
        GitSource::crd(),
        EncryptedManifest::crd(),
        RuntimeAuthority::crd(),
        RuntimeSecret::crd(),
        Workflow::crd(),
        WorkflowRun::crd(),
        EventTrigger::crd(),
        ExternalSecret::crd(),
        SecretStore::crd(),
        ClusterSecretStore::crd(),
        PushSecret::crd(),
    ]
}

/// Schema of a field whose content is kept as it is, whatever it holds.
pub(crate) fn preserved(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

/// Schema of a list whose items are kept as they are.
pub(crate) fn preserved_list(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array",
        "items": { "type": "object", "x-kubernetes-preserve-unknown-fields": true }
    })
}
