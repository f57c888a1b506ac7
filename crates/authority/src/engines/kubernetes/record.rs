//! Config and roles as records of the mount's storage.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::barrier::{Batch, View};
use crate::error::ApiError;
use crate::wipe::encode;

/// What is kept at `key`; `what` names it in an error.
pub(super) async fn load<T: DeserializeOwned>(
    view: &View,
    key: &str,
    what: &'static str,
) -> Result<Option<T>, ApiError> {
    let Some(bytes) = view.get(key).await? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|_| ApiError::corrupt(what))
}

/// Keeps `value` at `key`, in one commit.
pub(super) async fn store<T: Serialize>(
    view: &View,
    key: &str,
    what: &'static str,
    value: &T,
) -> Result<(), ApiError> {
    let mut batch = Batch::new();
    batch.put(key, encode(value, what)?);
    Ok(view.commit(batch).await?)
}
