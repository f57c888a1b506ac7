//! A mount's part of the encrypted storage.
//!
//! **How a read-modify-write is made safe.** `lock(key)` takes one of [`STRIPES`] async locks,
//! chosen by the key's hash; hold it across get → decide → commit of that key and of nothing else.
//! Take at most one lock at a time (two stripes taken in different orders would deadlock), and
//! never across anything but storage. Calls run in tasks of their own (`pipeline`), so a guard is
//! not dropped before its commit has landed. A [`Batch`] is committed atomically and durably: after
//! `commit` returns, it survives a power cut.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use zeroize::Zeroizing;

use super::encrypted_store::{Barrier, Linked};
use super::error::BarrierError;
use crate::storage::Write;

/// Enough that unrelated keys rarely meet: who waits for another's commit is not in its batch. Of 128
/// writes at once 2 meet.
const STRIPES: usize = 4096;

/// Async locks shared by all views of one barrier.
pub(crate) struct Stripes(Vec<Arc<RwLock<()>>>);

/// Everything below one prefix, decrypted on the way out and encrypted on the way in.
#[derive(Clone)]
pub(crate) struct View {
    barrier: Arc<Barrier>,
    stripes: Arc<Stripes>,
    prefix: String,
}

/// Changes that happen together or not at all. Keys are relative to the view.
#[derive(Default)]
pub(crate) struct Batch(Vec<(String, Option<Zeroizing<Vec<u8>>>)>);

/// Keeps others from a key until dropped.
pub(crate) struct KeyGuard(
    #[expect(dead_code, reason = "held, never read")] OwnedRwLockWriteGuard<()>,
);

/// Keeps those who change a key from it until dropped.
pub(crate) struct SharedKeyGuard(
    #[expect(dead_code, reason = "held, never read")] OwnedRwLockReadGuard<()>,
);

impl Stripes {
    pub(crate) fn new() -> Self {
        Self((0..STRIPES).map(|_| Arc::default()).collect())
    }

    fn stripe(&self, key: &str) -> Arc<RwLock<()>> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let index = usize::try_from(hasher.finish() % STRIPES as u64).unwrap_or(0);
        // `index` < STRIPES = len: there always is one.
        self.0.get(index).cloned().unwrap_or_default()
    }
}

impl Batch {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Stores `value` under `key`.
    pub(crate) fn put(&mut self, key: impl Into<String>, value: impl Into<Zeroizing<Vec<u8>>>) {
        self.0.push((key.into(), Some(value.into())));
    }

    /// Removes `key`; nothing happens if it is absent.
    pub(crate) fn delete(&mut self, key: impl Into<String>) {
        self.0.push((key.into(), None));
    }

    /// Whether there is nothing to do.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl View {
    /// The view of everything below `prefix` (which ends in `/`).
    pub(crate) fn new(barrier: Arc<Barrier>, stripes: Arc<Stripes>, prefix: String) -> Self {
        Self { barrier, stripes, prefix }
    }

    /// A narrower view: `prefix` ends in `/`.
    pub(crate) fn below(&self, prefix: &str) -> Self {
        Self { prefix: format!("{}{prefix}", self.prefix), ..self.clone() }
    }

    /// Another number after each write anywhere in the store.
    pub(crate) fn generation(&self) -> u64 {
        self.barrier.generation()
    }

    /// The value at `key`, opened; `None` if it is absent.
    pub(crate) async fn get(&self, key: &str) -> Result<Option<Zeroizing<Vec<u8>>>, BarrierError> {
        self.barrier.get(self.full(key)).await
    }

    /// What `look` makes of the value at `key`, and the value at the key that it names (relative to the
    /// view), from one snapshot; `None` if the first is absent.
    pub(crate) async fn get_linked<T: Send + 'static>(
        &self,
        key: &str,
        look: impl Fn(&[u8]) -> (T, Option<String>) + Send + 'static,
    ) -> Result<Option<Linked<T>>, BarrierError> {
        let prefix = self.prefix.clone();
        let look = move |value: &[u8]| {
            let (seen, key) = look(value);
            (seen, key.map(|key| format!("{prefix}{key}")))
        };
        self.barrier.get_linked(self.full(key), look).await
    }

    /// Names directly below `prefix` (empty, or ending in `/`), sorted; a folder once, with its
    /// `/`.
    pub(crate) async fn list(&self, prefix: &str) -> Result<Vec<String>, BarrierError> {
        self.barrier.list(self.full(prefix)).await
    }

    /// At most `limit` keys at any depth below `prefix` that sort after `after` (a key or ""),
    /// relative to the view.
    pub(crate) async fn scan(
        &self,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<String>, BarrierError> {
        let after = if after.is_empty() { String::new() } else { self.full(after) };
        let keys = self.barrier.scan(self.full(prefix), after, limit).await?;
        Ok(keys
            .iter()
            .filter_map(|key| key.strip_prefix(&self.prefix))
            .map(str::to_owned)
            .collect())
    }

    /// Keeps other callers of `lock(key)` out until the guard is dropped.
    pub(crate) async fn lock(&self, key: &str) -> KeyGuard {
        KeyGuard(self.stripes.stripe(&self.full(key)).write_owned().await)
    }

    /// Keeps callers of `lock(key)` out until the guard is dropped, but not those of `lock_shared`:
    /// for whoever only needs that nobody changes `key` meanwhile.
    pub(crate) async fn lock_shared(&self, key: &str) -> SharedKeyGuard {
        SharedKeyGuard(self.stripes.stripe(&self.full(key)).read_owned().await)
    }

    /// Commits `batch` atomically and durably.
    pub(crate) async fn commit(&self, batch: Batch) -> Result<(), BarrierError> {
        if batch.is_empty() {
            return Ok(());
        }
        let writes = self.seal(batch)?;
        self.barrier.commit(writes).await
    }

    /// The batch as storage takes it, encrypted, to be committed with others of its kind.
    pub(crate) fn seal(&self, batch: Batch) -> Result<Vec<Write>, BarrierError> {
        let seal = |(key, value): (String, Option<Zeroizing<Vec<u8>>>)| {
            let key = self.full(&key);
            Ok(match value {
                Some(value) => {
                    let sealed = self.barrier.seal_record(&key, &value)?;
                    Write::Put(key, sealed)
                }
                None => Write::Delete(key),
            })
        };
        batch.0.into_iter().map(seal).collect()
    }

    fn full(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }
}
