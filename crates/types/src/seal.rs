//! Sealed shares: the Shamir shares of an authority's seal as ciphertext, one age file a share
//! (PROTOCOLS.md §3). Nothing here is secret; all of it may be published.

use serde::{Deserialize, Serialize};

/// Holder name of the shares that are sealed to a cluster's unseal identity.
pub const UNATTENDED: &str = "unattended";

/// A share sealed to its holder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedShare {
    /// Holder's name; [`UNATTENDED`] for the unseal identity.
    pub holder: String,
    /// age recipient that it is sealed to.
    pub recipient: String,
    /// The encrypted share, an ASCII-armored age file.
    pub armored: String,
    /// `sha256:` and the hash of the armored text: tells copies apart without opening them.
    #[serde(default)]
    pub digest: String,
}

/// All sealed shares in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedShares {
    /// One per holder, then those of the unseal identity.
    pub sealed_shares: Vec<SealedShare>,
    /// How many open the seal.
    pub threshold: i64,
}

impl SealedShares {
    /// The shares that people hold.
    pub fn of_holders(&self) -> impl Iterator<Item = &SealedShare> {
        self.sealed_shares.iter().filter(|share| share.holder != UNATTENDED)
    }
}
