//! An epoch: how a chain goes on behind a gap that nobody can fill, once a person has accepted it.

use serde::{Deserialize, Serialize};

use super::{GENESIS, Head};

/// The link of the first entry behind a gap. Entries between the two heads are lost, or hang together with nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Epoch {
    /// The head that was known before, as [`Head::text`].
    pub known: String,
    /// The last entry that was found to hang together with the first, as [`Head::text`], or [`GENESIS`].
    pub found: String,
    /// Who accepted it.
    pub by: String,
    /// `namespace/name` of the run in which he did.
    pub run: String,
}

impl Epoch {
    /// Whether the gap begins behind `head`.
    pub fn follows(&self, head: Option<&Head>) -> bool {
        self.found == head.map_or_else(|| GENESIS.to_owned(), Head::text)
    }
}
