//! Writes to the API server: with the component's field manager, and under the conditions that make them safe to repeat.

use std::fmt::Debug;

use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Context;
use crate::api_error::{ApiError, Category};
use crate::error::ReconcileError;

/// Tries of one status write against changes by others.
const STATUS_TRIES_MAX: usize = 3;

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatusWrite<K> {
    /// The API server holds it: the object as it said in its answer.
    Written(Box<K>),
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
) -> Result<StatusWrite<K>, ApiError>
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
) -> Result<StatusWrite<K>, ApiError>
where
    K: Resource<DynamicType = ()> + DeserializeOwned + Clone + Debug,
{
    let patch = Patch::Merge(serde_json::json!({ "status": fields }));
    let patched = api.patch_status(name, &manager.patch(), &patch).await;
    outcome(patched, || format!("{} {name}", K::kind(&())))
}

/// The one rule of status writes: who is gone needs none, and who has changed is decided about anew.
fn outcome<K: Resource>(
    written: kube::Result<K>,
    object: impl FnOnce() -> String,
) -> Result<StatusWrite<K>, ApiError> {
    let error = match written {
        Ok(object) => return Ok(StatusWrite::Written(Box::new(object))),
        Err(error) => error,
    };
    let error = ApiError::new("update status of", object(), &error);
    match error.category() {
        Category::NotFound => Ok(StatusWrite::Gone),
        Category::Conflict => Ok(StatusWrite::Changed),
        Category::Forbidden | Category::Invalid | Category::Transient => Err(error),
    }
}

/// Replaces the status of `object` by what `next` makes of it. Where somebody changed the object meanwhile, `next` is asked
/// again of what it is by then, three times in all; it returns the object with its new status, or `None`
/// where there is nothing to say.
///
/// # Errors
/// The API server refused or could not be reached, or the object changed again and again.
pub async fn write_status_anew<K>(
    api: &Api<K>,
    manager: &FieldManager,
    object: &K,
    next: impl Fn(&K) -> Option<K>,
) -> Result<(), ReconcileError>
where
    K: Resource<DynamicType = ()> + Serialize + DeserializeOwned + Clone + Debug,
{
    let mut written = next(object);
    for _ in 0..STATUS_TRIES_MAX {
        let Some(new) = written else { return Ok(()) };
        if !matches!(write_status(api, manager, &new).await?, StatusWrite::Changed) {
            return Ok(());
        }
        let fresh = api.get_opt(&new.name_any()).await;
        let fresh = fresh.map_err(|e| ApiError::new("get", key(object), &e))?;
        written = fresh.as_ref().and_then(&next);
    }
    Err(ReconcileError::Changed { object: key(object) })
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
#[path = "write_tests.rs"]
mod tests;
