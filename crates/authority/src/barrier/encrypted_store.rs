//! The store behind its keyring: what goes in is sealed, what comes out was opened.

use std::sync::{Arc, PoisonError, RwLock};

use zeroize::Zeroizing;

use super::error::BarrierError;
use super::keyring::Keyring;
use crate::storage::{Snapshot, Store, Write};

/// What was made of a record, and the one that it led to.
pub(crate) type Linked<T> = (T, Option<Zeroizing<Vec<u8>>>);

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

    /// The keyring in use. Fails with [`BarrierError::Sealed`] if there is none.
    pub(crate) fn keyring(&self) -> Result<Arc<Keyring>, BarrierError> {
        let guard = self.keyring.read().unwrap_or_else(PoisonError::into_inner);
        guard.clone().ok_or(BarrierError::Sealed)
    }

    /// Puts another keyring in its place, or none: that seals.
    pub(crate) fn replace(&self, keyring: Option<Arc<Keyring>>) {
        *self.keyring.write().unwrap_or_else(PoisonError::into_inner) = keyring;
    }

    pub(crate) fn generation(&self) -> u64 {
        self.store.generation()
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

    /// What `look` makes of the record at `key`, and the record at the key that it names, opened, from one
    /// snapshot: a commit that lands in between changes neither.
    pub(crate) async fn get_linked<T: Send + 'static>(
        &self,
        key: String,
        look: impl Fn(&[u8]) -> (T, Option<String>) + Send + 'static,
    ) -> Result<Option<Linked<T>>, BarrierError> {
        let keyring = self.keyring()?;
        let read = move |snapshot: &Snapshot<'_>| {
            let Some(record) = snapshot.get(&key)? else { return Ok(None) };
            let first = match keyring.open(&key, &record) {
                Ok(first) => first,
                Err(error) => return Ok(Some(Err(error))),
            };
            let (seen, key) = look(&first);
            let Some(key) = key else { return Ok(Some(Ok((seen, None)))) };
            let second = snapshot.get(&key)?.map(|record| keyring.open(&key, &record));
            Ok(Some(second.transpose().map(|second| (seen, second))))
        };
        self.store.snapshot(read).await?.transpose()
    }

    /// What [`Store::list`] says; an error while sealed.
    pub(crate) async fn list(&self, prefix: String) -> Result<Vec<String>, BarrierError> {
        self.keyring()?;
        Ok(self.store.list(prefix).await?)
    }

    /// What [`Store::scan`] says; an error while sealed.
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

    /// Commits records that were sealed before, together; fails if the barrier has been sealed since.
    pub(crate) async fn commit(&self, writes: Vec<Write>) -> Result<(), BarrierError> {
        self.keyring()?;
        Ok(self.store.commit(writes).await?)
    }
}
