//! Writes to the API server: with the component's field manager, and under the conditions that make them safe to repeat.

use std::fmt::Debug;

use kube::api::{DeleteParams, PatchParams, PostParams, Preconditions};
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

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

    /// Its name.
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
    /// It is written.
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
    match api.replace_status(&name, &manager.post(), object).await {
        Ok(_) => Ok(StatusWrite::Written),
        Err(error) => {
            let error = ApiError::new("update status of", key(object), &error);
            match error.category() {
                Category::NotFound => Ok(StatusWrite::Gone),
                Category::Conflict => Ok(StatusWrite::Changed),
                Category::Forbidden | Category::Invalid | Category::Transient => Err(error),
            }
        }
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
