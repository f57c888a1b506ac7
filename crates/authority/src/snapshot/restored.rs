//! What a data file says that was made from a snapshot: outside the barrier, so that it is readable while sealed.

use hmac::Mac as _;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::format::{HASH_LEN, Trailer};
use crate::barrier::Keyring;
use crate::random;

/// Storage key, below those of the seal.
pub(crate) const RESTORED_KEY: &str = "seal/restored";

/// That a data file was made from a snapshot, and from which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Restored {
    /// Name of the file it was made from.
    pub(crate) from: String,
    /// When the snapshot was taken.
    pub(crate) taken: Timestamp,
    /// When it was restored, by the clock of whoever did it.
    pub(crate) at: Timestamp,
    /// How often this authority was restored: one more than the snapshot says of itself.
    pub(crate) epoch: u64,
    keys: u64,
    chunks: u64,
    chain: String,
    mac: String,
}

impl Restored {
    pub(super) fn new(
        from: String,
        taken: Timestamp,
        at: Timestamp,
        epoch: u64,
        trailer: &Trailer,
    ) -> Self {
        let Trailer { chain, keys, chunks, mac } = trailer;
        let (chain, mac) = (random::hex(chain), random::hex(mac));
        Self { from, taken, at, epoch, keys: *keys, chunks: *chunks, chain, mac }
    }

    /// Whether the snapshot was made by who can open this authority's seal. What was restored has the chain that is noted:
    /// who restored it computed it. That the right one made that chain could only be known once the seal is open.
    pub(crate) fn is_authentic(&self, keyring: &Keyring) -> bool {
        let (Some(chain), Some(mac)) = (unhex(&self.chain), unhex(&self.mac)) else { return false };
        let Ok(mut own) = keyring.snapshot_mac() else { return false };
        own.update(&Trailer::authenticated(&chain, self.keys, self.chunks));
        own.verify_slice(&mac).is_ok()
    }
}

fn unhex(text: &str) -> Option<[u8; HASH_LEN]> {
    let mut bytes = [0; HASH_LEN];
    if text.len() != 2 * HASH_LEN || !text.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}
