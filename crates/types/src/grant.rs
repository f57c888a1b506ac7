//! Paths outside its own tree that a namespace may own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A path prefix that a namespace may own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PathGrant {
    /// Mount-relative prefix, ending in `/`, or one whole path.
    #[schemars(length(min = 1, max = 560))]
    pub path: String,
    /// The namespace it is granted to.
    #[schemars(length(min = 1, max = 63))]
    pub namespace: String,
}
