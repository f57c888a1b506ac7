//! The finalizer of a PushSecret with `deletionPolicy: Delete`: it stays until what it published is taken away.

use kube::api::Patch;
use kube::{Api, ResourceExt};
use regent_api::PushSecret;
use regent_operator::api_error::ApiError;
use regent_operator::write::{FieldManager, key};
use serde_json::json;

const FINALIZER: &str = "regent.dev/pushsecret";
/// External Secrets Operator's, on objects that it served before: nobody else would take it away.
const OF_ESO: &str = "pushsecret.externalsecrets.io/finalizer";

/// Whether `object`, which regent serves, has the finalizers that it should have.
pub(super) fn is_as_wanted(object: &PushSecret, is_wanted: bool) -> bool {
    let is_clean = object.finalizers().iter().all(|name| name != OF_ESO);
    is_clean && is_held(object) == is_wanted
}

/// Whether `object` stays until the publisher's finalizer is gone.
pub(super) fn is_held(object: &PushSecret) -> bool {
    object.finalizers().iter().any(|name| name == FINALIZER)
}

/// Adds the finalizer, or takes it away, under the version that `object` was read at; returns the object since.
pub(super) async fn set(
    api: &Api<PushSecret>,
    manager: &FieldManager,
    object: &PushSecret,
    is_wanted: bool,
) -> Result<PushSecret, ApiError> {
    let mut finalizers = object.finalizers().to_vec();
    finalizers.retain(|name| name != FINALIZER && name != OF_ESO);
    finalizers.extend(is_wanted.then(|| FINALIZER.to_owned()));
    let version = object.resource_version();
    let patch = json!({ "metadata": { "finalizers": finalizers, "resourceVersion": version } });
    let patched = api.patch(&object.name_any(), &manager.patch(), &Patch::Merge(&patch)).await;
    patched.map_err(|error| ApiError::new("patch", key(object), &error))
}
