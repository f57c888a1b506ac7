//! What steps are made of: the components they name, the conditions and values they compare.

use anyhow::{Context, Result};
use regent_types::identity::Identity;
use serde_json::Value;

pub(super) fn identity(component: &str) -> Result<Identity> {
    let found = Identity::ALL.into_iter().find(|i| i.name() == component);
    found.with_context(|| format!("no component {component}"))
}

/// Whether condition `Ready` has the reason, or is true where none is named.
pub(super) fn ready(reason: Option<&str>) -> impl Fn(Option<&Value>) -> Result<(), String> {
    move |object| {
        let all = object.and_then(|o| o["status"]["conditions"].as_array());
        let found = all.and_then(|all| all.iter().find(|c| c["type"] == "Ready"));
        let fine = found.is_some_and(|c| match reason {
            Some(reason) => c["reason"] == reason,
            None => c["status"] == "True",
        });
        if fine { Ok(()) } else { Err(format!("expected {reason:?}, found {found:?}")) }
    }
}

pub(super) fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
