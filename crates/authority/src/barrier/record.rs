//! One sealed record: term (4 bytes, big endian) · version (1) · nonce (12) · ciphertext · tag
//! (16).
//!
//! The layout is Vault's barrier record (reference: barrier); version 2 means that the storage key
//! is the associated data. Term 0 is never a keyring term: it marks what is sealed by a key above
//! the keyring.

use aes_gcm::aead::{Aead as _, Payload};
use aes_gcm::{Aes256Gcm, KeyInit as _, Nonce};
use zeroize::Zeroizing;

use super::error::BarrierError;

/// Records whose associated data is the storage key.
const VERSION: u8 = 2;

const NONCE_LEN: usize = 12;
const HEADER_LEN: usize = 4 + 1;

/// Seals `value` for `key` under `cipher`, naming `term`.
pub(super) fn seal(
    cipher: &Aes256Gcm,
    term: u32,
    key: &str,
    aad: &[u8],
    value: &[u8],
) -> Result<Vec<u8>, BarrierError> {
    let mut nonce = [0; NONCE_LEN];
    getrandom::fill(&mut nonce).map_err(|_| BarrierError::Random)?;
    let sealed = cipher
        .encrypt(Nonce::from_slice(&nonce), Payload { msg: value, aad })
        .map_err(|_| BarrierError::Malformed(key.to_owned()))?;
    let mut record = Vec::with_capacity(HEADER_LEN + NONCE_LEN + sealed.len());
    record.extend_from_slice(&term.to_be_bytes());
    record.push(VERSION);
    record.extend_from_slice(&nonce);
    record.extend_from_slice(&sealed);
    Ok(record)
}

/// The term that `record` names.
pub(super) fn term(key: &str, record: &[u8]) -> Result<u32, BarrierError> {
    match record {
        [a, b, c, d, VERSION, ..] => Ok(u32::from_be_bytes([*a, *b, *c, *d])),
        _ => Err(BarrierError::Malformed(key.to_owned())),
    }
}

/// Opens a record sealed by [`seal`] with the same `aad`.
pub(super) fn open(
    cipher: &Aes256Gcm,
    key: &str,
    aad: &[u8],
    record: &[u8],
) -> Result<Zeroizing<Vec<u8>>, BarrierError> {
    let malformed = || BarrierError::Malformed(key.to_owned());
    let rest = record.get(HEADER_LEN..).ok_or_else(malformed)?;
    let (nonce, sealed) = rest.split_at_checked(NONCE_LEN).ok_or_else(malformed)?;
    cipher
        .decrypt(Nonce::from_slice(nonce), Payload { msg: sealed, aad })
        .map(Zeroizing::new)
        .map_err(|_| BarrierError::NotAuthentic(key.to_owned()))
}

/// Seals `value` under a key that stands above the keyring (term 0).
pub(crate) fn seal_with(
    secret: &[u8; 32],
    key: &str,
    aad: &[u8],
    value: &[u8],
) -> Result<Vec<u8>, BarrierError> {
    seal(&Aes256Gcm::new(secret.into()), 0, key, aad, value)
}

/// Opens what [`seal_with`] sealed.
pub(crate) fn open_with(
    secret: &[u8; 32],
    key: &str,
    aad: &[u8],
    record: &[u8],
) -> Result<Zeroizing<Vec<u8>>, BarrierError> {
    match term(key, record)? {
        0 => open(&Aes256Gcm::new(secret.into()), key, aad, record),
        term => Err(BarrierError::NoSuchTerm { key: key.to_owned(), term }),
    }
}
