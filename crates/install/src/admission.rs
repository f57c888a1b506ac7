//! The write paths that the API server enforces, from the access table; who is exempt is said by the values.

use serde_json::Value;

use super::template::at;
use crate::access::admission::{self, Settings};

/// ValidatingAdmissionPolicies and their bindings. Inside them each list of names is one hole.
pub(super) fn objects() -> Vec<Value> {
    let list = |field: &str| vec![at(&format!("admission.{field}"))];
    admission::objects(&Settings {
        kubernetes: list("kubernetes"),
        gitops: list("gitops"),
        stores: list("stores"),
    })
}
