//! What must be done now and then, done beside a request that came anyway: there is no timer.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::core::Core;
use super::unsealed::Unsealed;
use crate::error::ApiError;

/// Expired tokens removed in one go. Logins of ten components a minute make fewer.
const TOKENS_SWEPT_MAX: usize = 500;

/// A key seals for this long. At 1,000 writes a second, day and night, it stays below the 2^32
/// records that one AES-GCM key may seal with random nonces.
pub(crate) const KEY_AGE_MAX: SignedDuration = SignedDuration::from_hours(30 * 24);

impl Core {
    /// Starts upkeep if it is due; the request does not wait for it. At most one a minute runs.
    pub(crate) fn upkeep(self: &Arc<Self>, now: Timestamp) {
        let Some(unsealed) = self.unsealed() else { return };
        if !self.upkeep.admits(now) {
            return;
        }
        let core = self.clone();
        tokio::spawn(async move {
            match core.maintain(&unsealed, now).await {
                Ok(()) | Err(ApiError::Sealed) => {}
                Err(error) => tracing::warn!(
                    component = "authority",
                    error = &error as &dyn std::error::Error,
                    "upkeep failed; it is tried again in a minute"
                ),
            }
        });
    }

    async fn maintain(&self, unsealed: &Unsealed, now: Timestamp) -> Result<(), ApiError> {
        unsealed.services.tokens.sweep(now, TOKENS_SWEPT_MAX).await?;
        let status = self.barrier.keyring()?.status()?;
        if status.needs_rotation() || now.duration_since(status.installed) > KEY_AGE_MAX {
            self.rotate(now).await?;
        }
        Ok(())
    }
}
