//! Everything at rest is ciphertext: AES-256-GCM under a keyring, the storage key as associated
//! data.
//!
//! ```text
//! KEK (Shamir shares) ── wraps ──▶ root key ── seals ──▶ keyring (`core/keyring`) ── seals ──▶ records
//! ```
//!
//! Sealed means: no keyring in memory. Then `get`, `list`, `commit` and sealing a record all answer
//! [`BarrierError::Sealed`]. A record moved to another key does not open.

mod keyring;
mod record;
#[cfg(test)]
mod tests;

use std::sync::{Arc, PoisonError, RwLock};

use zeroize::Zeroizing;

pub(crate) use self::keyring::{KEYRING_KEY, Keyring};
pub(crate) use self::record::{open_with, seal_with};
use crate::storage::{Store, StoreError, Write};

/// Why a record was not sealed or opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BarrierError {
    /// No keyring in memory.
    #[error("sealed")]
    Sealed,
    /// The data file did not serve.
    #[error("storage failed")]
    Store(#[from] StoreError),
    /// The record is too short or of an unknown version.
    #[error("the record at {0} is not one of this barrier")]
    Malformed(String),
    /// The record was altered, or moved from another key.
    #[error("the record at {0} is not authentic")]
    NotAuthentic(String),
    /// The record names a key that the keyring does not have.
    #[error("the record at {key} needs key term {term}, which the keyring lacks")]
    NoSuchTerm {
        /// Where the record is.
        key: String,
        /// The term it names.
        term: u32,
    },
    /// The operating system gave no random bytes.
    #[error("no random bytes")]
    Random,
    /// A key has sealed as many records as is safe; rotate.
    #[error("key term {0} has sealed as many records as is safe: rotate the keyring (sys/rotate)")]
    Exhausted(u32),
}

/// The store behind its keyring.
pub(crate) struct Barrier {
    store: Arc<Store>,
    keyring: RwLock<Option<Arc<Keyring>>>,
}

impl Barrier {
    /// A barrier over `store`; sealed if there is no `keyring`.
    pub(crate) fn new(store: Arc<Store>, keyring: Option<Arc<Keyring>>) -> Self {
        Self { store, keyring: RwLock::new(keyring) }
    }

    /// The keyring in use.
    pub(crate) fn keyring(&self) -> Result<Arc<Keyring>, BarrierError> {
        let guard = self.keyring.read().unwrap_or_else(PoisonError::into_inner);
        guard.clone().ok_or(BarrierError::Sealed)
    }

    /// Puts another keyring in its place, or none: that seals.
    pub(crate) fn replace(&self, keyring: Option<Arc<Keyring>>) {
        *self.keyring.write().unwrap_or_else(PoisonError::into_inner) = keyring;
    }

    /// The record at `key`, opened.
    pub(crate) async fn get(
        &self,
        key: String,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, BarrierError> {
        let keyring = self.keyring()?;
        match self.store.get(key.clone()).await? {
            Some(record) => keyring.open(&key, &record).map(Some),
            None => Ok(None),
        }
    }

    /// See [`Store::list`].
    pub(crate) async fn list(&self, prefix: String) -> Result<Vec<String>, BarrierError> {
        self.keyring()?;
        Ok(self.store.list(prefix).await?)
    }

    /// See [`Store::scan`].
    pub(crate) async fn scan(
        &self,
        prefix: String,
        after: String,
        limit: usize,
    ) -> Result<Vec<String>, BarrierError> {
        self.keyring()?;
        Ok(self.store.scan(prefix, after, limit).await?)
    }

    /// `value` as a record for `key`.
    pub(crate) fn seal_record(&self, key: &str, value: &[u8]) -> Result<Vec<u8>, BarrierError> {
        self.keyring()?.seal(key, value)
    }

    /// Commits sealed records together.
    pub(crate) async fn commit(&self, writes: Vec<Write>) -> Result<(), BarrierError> {
        self.keyring()?;
        Ok(self.store.commit(writes).await?)
    }
}
