//! Paths outside its own tree that a namespace may own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::path::SecretPath;

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

impl PathGrant {
    /// Whether it lets `namespace` own `path`.
    pub fn covers(&self, namespace: &str, path: &SecretPath) -> bool {
        let granted = if self.path.ends_with('/') {
            path.as_str().starts_with(&self.path)
        } else {
            path.as_str() == self.path
        };
        granted && self.namespace == namespace
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_a_prefix_only_where_it_ends_in_a_slash() {
        let covers = |grant: &str, namespace: &str, path: &str| {
            let grant = PathGrant { path: grant.into(), namespace: "old".into() };
            grant.covers(namespace, &SecretPath::parse(path).expect("a path"))
        };
        assert!(covers("legacy/", "old", "legacy/a"));
        assert!(covers("legacy/a", "old", "legacy/a"));
        assert!(!covers("legacy/a", "old", "legacy/ab"));
        assert!(!covers("legacy/a", "old", "legacy/a/b"));
        assert!(!covers("legacy/", "old", "legacy-b/a"));
        assert!(!covers("legacy/", "new", "legacy/a"));
    }
}
