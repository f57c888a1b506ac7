//! The four kinds of patch.

mod apply;
mod list_types;
mod strategic;

use serde_json::Value;

use crate::status::Failure;

pub(crate) use apply::{Apply, track};
pub(crate) use list_types::ListTypes;

pub(crate) fn json(object: &mut Value, patch: &[u8]) -> Result<(), Failure> {
    let patch: json_patch::Patch = serde_json::from_slice(patch)
        .map_err(|e| Failure::bad_request(format!("not a JSON patch: {e}")))?;
    let rejected = "the server rejected our request due to an error in our request";
    json_patch::patch(object, &patch).map_err(|_| Failure::new(422, "Invalid", rejected))
}

pub(crate) fn merge(object: &mut Value, patch: &[u8]) -> Result<(), Failure> {
    let patch = parse(patch)?;
    json_patch::merge(object, &patch);
    Ok(())
}

pub(crate) fn strategic(object: &mut Value, patch: &[u8]) -> Result<(), Failure> {
    let patch = parse(patch)?;
    strategic::merge(object, &patch, "");
    Ok(())
}

fn parse(patch: &[u8]) -> Result<Value, Failure> {
    serde_json::from_slice(patch).map_err(|e| Failure::bad_request(format!("not JSON: {e}")))
}
