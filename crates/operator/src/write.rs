//! Writes to the API server: with the component's field manager, and under the conditions that make them safe to repeat.

use std::fmt::Debug;

use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Context;
use crate::api_error::{ApiError, Category};

/// Parameters of the writes of one field manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldManager(String);

impl FieldManager {
    /// The field manager `name`.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// As `managedFields` and audit logs have it.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Of a create or a replace.
    pub fn post(&self) -> PostParams {
        PostParams { field_manager: Some(self.0.clone()), ..PostParams::default() }
    }

    /// Of a merge patch.
    pub fn patch(&self) -> PatchParams {
        PatchParams { field_manager: Some(self.0.clone()), ..PatchParams::default() }
    }

    /// Of a server-side apply that leaves fields of others to them.
    pub fn apply(&self) -> PatchParams {
        PatchParams::apply(&self.0)
    }
}

impl Context {
    /// Parameters of this component's writes.
    pub fn manager(&self) -> FieldManager {
        FieldManager::new(self.field_manager())
    }
}

/// Deletes exactly the object that was read: its uid and, where given, its resourceVersion.
pub fn delete_exactly(uid: Option<String>, resource_version: Option<String>) -> DeleteParams {
    DeleteParams::default().preconditions(Preconditions { uid, resource_version })
}

/// What became of a status that was to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusWrite {
    /// The API server holds it.
    Written,
    /// The object is gone: nothing to say, nobody to say it to.
    Gone,
    /// The object changed after it was read: the event of that change wakes the reconcile again.
    Changed,
}

/// Replaces the status of `object`, under the resourceVersion that it was read with.
///
/// # Errors
/// Every refusal but that the object is gone or has changed.
pub async fn write_status<K>(
    api: &Api<K>,
    manager: &FieldManager,
    object: &K,
) -> Result<StatusWrite, ApiError>
where
    K: Resource<DynamicType = ()> + Serialize + DeserializeOwned + Clone + Debug,
{
    let name = object.name_any();
    outcome(api.replace_status(&name, &manager.post(), object).await, || key(object))
}

/// Merges `fields` into the status of the cluster-wide object `name`, whatever its resourceVersion: for a status that
/// several components write, each its own fields.
///
/// # Errors
/// Every refusal but that the object is gone or has changed.
pub async fn merge_status<K>(
    api: &Api<K>,
    manager: &FieldManager,
    name: &str,
    fields: &Value,
) -> Result<StatusWrite, ApiError>
where
    K: Resource<DynamicType = ()> + DeserializeOwned + Clone + Debug,
{
    let patch = Patch::Merge(serde_json::json!({ "status": fields }));
    let patched = api.patch_status(name, &manager.patch(), &patch).await;
    outcome(patched, || format!("{} {name}", K::kind(&())))
}

/// The one rule of status writes: who is gone needs none, and who has changed is decided about anew.
fn outcome<K>(
    written: kube::Result<K>,
    object: impl FnOnce() -> String,
) -> Result<StatusWrite, ApiError> {
    let Err(error) = written else { return Ok(StatusWrite::Written) };
    let error = ApiError::new("update status of", object(), &error);
    match error.category() {
        Category::NotFound => Ok(StatusWrite::Gone),
        Category::Conflict => Ok(StatusWrite::Changed),
        Category::Forbidden | Category::Invalid | Category::Transient => Err(error),
    }
}

/// How logs and errors name an object: `Kind namespace/name`, or `Kind name`.
pub fn key<K: Resource<DynamicType = ()>>(object: &K) -> String {
    let (kind, name) = (K::kind(&()), object.name_any());
    match object.namespace() {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    #[test]
    fn an_object_that_is_gone_or_has_changed_is_no_failure() {
        let answer = |code: u16| {
            let mut status = Status::failure("no", "Reason");
            status.code = code;
            outcome::<()>(Err(kube::Error::Api(Box::new(status))), || "Kind a/b".into())
        };
        assert_eq!(outcome(Ok(()), || "Kind a/b".into()), Ok(StatusWrite::Written));
        assert_eq!(answer(404), Ok(StatusWrite::Gone));
        assert_eq!(answer(409), Ok(StatusWrite::Changed));
        for code in [403, 422, 503] {
            let error = answer(code).unwrap_err().to_string();
            assert_eq!(error, format!("update status of Kind a/b: {code} Reason"));
        }
    }
}
