//! `sys/rotate`: a new key seals from now on; older records stay readable.

use std::sync::Arc;

use jiff::Timestamp;

use super::core::Core;
use crate::barrier::KEYRING_KEY;
use crate::error::ApiError;
use crate::storage::Write;

impl Core {
    /// Adds a key to the keyring. It is on disk before it seals anything.
    pub(crate) async fn rotate(&self, now: Timestamp) -> Result<(), ApiError> {
        let _transition = self.transition.lock().await;
        let next = self.barrier.keyring()?.rotate(now)?;
        let term = next.status()?.term;
        self.store.commit(vec![Write::Put(KEYRING_KEY.to_owned(), next.to_record()?)]).await?;
        self.barrier.replace(Some(Arc::new(next)));
        tracing::info!(component = "authority", term, "keyring rotated");
        Ok(())
    }
}
