//! A version of a secret: the pair (number, created_time), because a number alone does not survive a restore
//! or a metadata delete (PROTOCOLS.md §1.5).

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A KV v2 version: its number and the authority's `created_time` as it printed it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VersionPair {
    /// Version number, from 1.
    #[schemars(range(min = 1))]
    pub number: i64,
    /// `created_time` of that version, RFC 3339, compared as text.
    pub created_time: String,
}

impl VersionPair {
    /// A pair from its parts.
    pub fn new(number: i64, created_time: impl Into<String>) -> Self {
        Self { number, created_time: created_time.into() }
    }

    /// Reads `number@created_time`, the form used in annotations.
    pub fn parse(text: &str) -> Option<Self> {
        let (number, created_time) = text.split_once('@')?;
        let number = number.parse().ok().filter(|n| *n >= 1)?;
        (!created_time.is_empty()).then(|| Self::new(number, created_time))
    }
}

impl fmt::Display for VersionPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.number, self.created_time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_annotation_form_round_trips() {
        let pair = VersionPair::new(3, "2026-11-24T03:00:00.123Z");
        assert_eq!(VersionPair::parse(&pair.to_string()), Some(pair));
        for bad in ["", "3", "0@t", "x@t", "3@"] {
            assert_eq!(VersionPair::parse(bad), None, "{bad}");
        }
    }
}
