//! What a snapshot looks like.
//!
//! ```text
//! magic (8) · version (2) · header's length (4) · header (JSON) · chain (32)
//! length (4) · records · chain (32)                                            one or more of these
//! 0 (4) · records (8) · chunks (8) · MAC (32) · SHA-256 of the chain's end and of this trailer (32)
//! ```
//!
//! A record is: key's length (4) · value's length (4) · key · value. Numbers are big endian. Each chain value is the SHA-256
//! of the one before it and of everything since, so that a chunk is proven before anything in it is read, and none can be
//! left out, repeated or moved.

use std::io;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::error::SnapshotError;
use crate::storage::Pair;

pub(super) const MAGIC: &[u8; 8] = b"RGNTSNAP";

pub(super) const VERSION: u16 = 1;

/// A header is some 150 bytes.
pub(super) const HEADER_LEN_MAX: usize = 4096;

/// Records are gathered until they are this long. One that is longer is a chunk of its own.
pub(super) const CHUNK_LEN: usize = 1 << 20;

/// Longest chunk that is read: far above any record, far below what memory holds.
pub(super) const CHUNK_LEN_MAX: usize = 64 << 20;

pub(super) const HASH_LEN: usize = 32;

/// What a snapshot says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    /// Id of the authority that made it.
    pub(super) cluster: String,
    /// Term of the key that sealed when it was made.
    pub(super) term: u32,
    /// When it was begun.
    pub(super) taken: Timestamp,
    /// How many records it holds.
    pub(super) keys: u64,
}

/// The end of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trailer {
    /// Last value of the chain.
    pub(super) chain: [u8; HASH_LEN],
    pub(super) keys: u64,
    pub(super) chunks: u64,
    pub(super) mac: [u8; HASH_LEN],
}

impl Trailer {
    /// What the MAC is over.
    pub(super) fn authenticated(chain: &[u8; HASH_LEN], keys: u64, chunks: u64) -> Vec<u8> {
        [&chain[..], &keys.to_be_bytes(), &chunks.to_be_bytes()].concat()
    }

    /// SHA-256 over everything, the MAC too: what anybody can check.
    pub(super) fn digest(&self) -> [u8; HASH_LEN] {
        let mut all = Self::authenticated(&self.chain, self.keys, self.chunks);
        all.extend_from_slice(&self.mac);
        Sha256::digest(&all).into()
    }
}

/// The next value of a chain.
pub(super) fn link(before: &[u8; HASH_LEN], parts: &[&[u8]]) -> [u8; HASH_LEN] {
    let mut hash = Sha256::new();
    hash.update(before);
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// Appends a record to a chunk's payload.
pub(super) fn append(payload: &mut Vec<u8>, key: &str, value: &[u8]) -> Result<(), SnapshotError> {
    let long = || SnapshotError::RecordTooLong(key.to_owned());
    let key_len = u32::try_from(key.len()).map_err(|_| long())?;
    let value_len = u32::try_from(value.len()).map_err(|_| long())?;
    if 8 + key.len() + value.len() > CHUNK_LEN_MAX {
        return Err(long());
    }
    payload.extend_from_slice(&key_len.to_be_bytes());
    payload.extend_from_slice(&value_len.to_be_bytes());
    payload.extend_from_slice(key.as_bytes());
    payload.extend_from_slice(value);
    Ok(())
}

/// The records of a payload whose chain value held; `None` where it is none all the same.
pub(super) fn records(mut payload: &[u8]) -> Option<Vec<Pair>> {
    let mut all = Vec::new();
    while !payload.is_empty() {
        let (key_len, rest) = payload.split_first_chunk::<4>()?;
        let (value_len, rest) = rest.split_first_chunk::<4>()?;
        let key_len = usize::try_from(u32::from_be_bytes(*key_len)).ok()?;
        let value_len = usize::try_from(u32::from_be_bytes(*value_len)).ok()?;
        let (key, rest) = rest.split_at_checked(key_len)?;
        let (value, rest) = rest.split_at_checked(value_len)?;
        all.push((String::from_utf8(key.to_vec()).ok()?, value.to_vec()));
        payload = rest;
    }
    Some(all)
}

/// Fills `buffer`; an end before that is a truncation.
pub(super) fn read_exact(from: &mut dyn io::Read, buffer: &mut [u8]) -> Result<(), SnapshotError> {
    from.read_exact(buffer).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => SnapshotError::Truncated,
        _ => SnapshotError::Io(error),
    })
}
