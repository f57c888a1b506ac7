//! Shares as ciphertext: one age message a share, safe to publish.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::config::SealConfig;
use super::shamir::Share;
use crate::engines::{Cause, Fault};

/// Where they are stored.
pub(crate) const SHARES_KEY: &str = "seal/shares";

/// One share, sealed to one recipient (PROTOCOLS.md §3; answer of `sys/regent/sealed-shares`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SealedShare {
    /// Who it is for; `unattended` for the unseal identity.
    pub(crate) holder: String,
    /// The age recipient that it is sealed to.
    pub(crate) recipient: String,
    /// The age message, armored.
    pub(crate) armored: String,
    /// `sha256:` and the hash of the armored text: tells copies apart without opening them.
    pub(crate) digest: String,
}

/// Seals each of `shares` to its recipient in `config`.
pub(crate) fn seal_shares(
    config: &SealConfig,
    shares: &[Share],
) -> Result<Vec<SealedShare>, Fault> {
    let recipients = config.recipients();
    if recipients.len() != shares.len() {
        return Err(Fault::Internal(Cause::SealShare));
    }
    let seal = |(holder, share): (super::Holder, &Share)| {
        let armored = encrypt(&holder.recipient, share).map_err(|()| {
            Fault::invalid(format!("holder {:?}: not an age recipient", holder.name))
        })?;
        let digest = format!("sha256:{}", crate::random::hex(&Sha256::digest(&armored)));
        Ok(SealedShare { holder: holder.name, recipient: holder.recipient, armored, digest })
    };
    recipients.into_iter().zip(shares).map(seal).collect()
}

fn encrypt(recipient: &str, share: &[u8]) -> Result<String, ()> {
    regent_manifest::keys::encrypt_to(&[recipient], share).map_err(|_| ())
}
