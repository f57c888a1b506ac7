//! Paths in the `secret/` KV v2 mount (RFC rows C5a-2, C5a-3; DESIGN.md §3).

use std::fmt;

/// Longest path accepted, in bytes. Vault itself allows more; Kubernetes names bound ours:
/// `platform-config/` + two names of 253 + separators.
pub const PATH_LEN_MAX: usize = 560;

/// A path below the `secret/` mount, without mount and without `data/` or `metadata/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretPath(String);

/// Which tree of the mount a path lies in, and so who may write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tree {
    /// `runtime/{namespace}/{name}`: handed-over and generated secrets; only the orchestrator writes.
    Runtime,
    /// `platform-data/{datasource}/{consumer}`: published secrets; only the publisher writes.
    PlatformData,
    /// `platform-config/{datasource}/{instance}`: published configuration; only the publisher writes.
    PlatformConfig,
    /// Anything else: reachable only where RuntimeAuthority grants it.
    Other,
}

/// Why a text is no path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Empty, too long, or not of lowercase letters, digits, `-`, `.` and `/`.
    #[error(
        "expected lowercase letters, digits, '-' and '.' in segments between single '/', found {0:?}"
    )]
    Form(String),
    /// A platform path with other than three segments.
    #[error("expected {expected}, found {found:?}")]
    Shape {
        /// The form of the tree.
        expected: &'static str,
        /// The path that was given, whole.
        found: String,
    },
}

impl SecretPath {
    /// Parses `text`. Segments are DNS-1123 like; `.`, `..` and empty segments are refused.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let form = || PathError::Form(text.chars().take(80).collect());
        if text.is_empty() || text.len() > PATH_LEN_MAX {
            return Err(form());
        }
        let fine = |s: &str| {
            let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
            s.starts_with(edge)
                && s.ends_with(edge)
                && s.chars().all(|c| edge(c) || c == '-' || c == '.')
        };
        let segments: Vec<&str> = text.split('/').collect();
        if !segments.iter().all(|s| fine(s)) {
            return Err(form());
        }
        let shape = match segments[0] {
            "runtime" => Some("runtime/{namespace}/{name}"),
            "platform-data" => Some("platform-data/{datasource}/{consumer}"),
            "platform-config" => Some("platform-config/{datasource}/{instance}"),
            _ => None,
        };
        match shape {
            Some(expected) if segments.len() != 3 => {
                Err(PathError::Shape { expected, found: text.to_owned() })
            }
            _ => Ok(Self(text.to_owned())),
        }
    }

    /// The default path of a RuntimeSecret. Fails where a name holds characters a path may not.
    pub fn runtime(namespace: &str, name: &str) -> Result<Self, PathError> {
        Self::parse(&format!("runtime/{namespace}/{name}"))
    }

    /// The path as text, mount-relative.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The tree this path lies in.
    pub fn tree(&self) -> Tree {
        match self.segment(0) {
            Some("runtime") => Tree::Runtime,
            Some("platform-data") => Tree::PlatformData,
            Some("platform-config") => Tree::PlatformConfig,
            _ => Tree::Other,
        }
    }

    /// Segment `index`, from 0: `runtime`, namespace, name or `platform-data`, datasource, consumer.
    pub fn segment(&self, index: usize) -> Option<&str> {
        self.0.split('/').nth(index)
    }
}

impl fmt::Display for SecretPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platform_paths_have_three_segments_of_lowercase() {
        for good in ["runtime/payments/db", "platform-data/postgres/payments", "legacy/a", "a"] {
            assert!(SecretPath::parse(good).is_ok(), "{good}");
        }
        for bad in
            ["", "/a", "a/", "a//b", "runtime/a", "runtime/a/b/c", "A/b", "a/../b", "a/.", "a b"]
        {
            assert!(SecretPath::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn trees_are_told_by_the_first_segment() {
        let tree = |t: &str| SecretPath::parse(t).map(|p| p.tree());
        assert_eq!(tree("runtime/a/b"), Ok(Tree::Runtime));
        assert_eq!(tree("platform-config/a/b"), Ok(Tree::PlatformConfig));
        assert_eq!(tree("team/a"), Ok(Tree::Other));
    }
}
