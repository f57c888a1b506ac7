//! The seal's config in memory: whoever asks for health is answered from it.

use std::sync::{Arc, PoisonError, RwLock};

use crate::seal::{CONFIG_KEY, SealConfig};
use crate::storage::{Store, StoreError};

/// The config, and its stored form, to which the wrapped root key is bound.
pub(crate) struct StoredSeal {
    pub(crate) config: SealConfig,
    pub(crate) bytes: Vec<u8>,
}

/// What is stored of the seal; `None` before initialization.
pub(super) struct SealCache(RwLock<Option<Arc<StoredSeal>>>);

impl SealCache {
    /// As stored. Fails where it does not read.
    pub(super) fn load(store: &Store) -> Result<Self, StoreError> {
        Ok(Self(RwLock::new(stored(store)?)))
    }

    pub(super) fn get(&self) -> Option<Arc<StoredSeal>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks again, after a commit that may have changed it, however that went.
    pub(super) fn reload(&self, store: &Store) {
        if let Ok(found) = stored(store) {
            *self.0.write().unwrap_or_else(PoisonError::into_inner) = found;
        }
    }
}

fn stored(store: &Store) -> Result<Option<Arc<StoredSeal>>, StoreError> {
    let Some(bytes) = store.get_now(CONFIG_KEY)? else { return Ok(None) };
    let config =
        serde_json::from_slice(&bytes).map_err(|_| StoreError::Unreadable("seal config"))?;
    Ok(Some(Arc::new(StoredSeal { config, bytes })))
}
