//! What must be done now and then, done beside a request that came anyway: there is no timer.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};

use super::{Active, Core};
use crate::engines::Fault;

/// At most this often.
const EVERY_S: i64 = 60;

/// Expired tokens removed in one go. Logins of ten components a minute make fewer.
const TOKENS_SWEPT_MAX: usize = 500;

/// A key seals for this long. At 1,000 writes a second, day and night, it stays below the 2^32
/// records that one AES-GCM key may seal with random nonces.
const KEY_AGE_MAX: SignedDuration = SignedDuration::from_hours(30 * 24);

/// When upkeep is due again.
#[derive(Default)]
pub(super) struct Due(AtomicI64);

impl Due {
    /// Whether it is due; only one caller is told so.
    fn take(&self, now: Timestamp) -> bool {
        let due = self.0.load(Ordering::Relaxed);
        now.as_second() >= due
            && self
                .0
                .compare_exchange(
                    due,
                    now.as_second() + EVERY_S,
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                )
                .is_ok()
    }
}

impl Core {
    /// Starts upkeep if it is due; the request does not wait for it. At most one a minute runs.
    pub(crate) fn upkeep(self: &Arc<Self>, now: Timestamp) {
        let Some(active) = self.active() else { return };
        if !self.due.take(now) {
            return;
        }
        let core = self.clone();
        tokio::spawn(async move {
            match core.maintain(&active, now).await {
                Ok(()) | Err(Fault::Sealed) => {}
                Err(fault) => tracing::warn!(
                    component = "authority",
                    error = &fault as &dyn std::error::Error,
                    "upkeep failed; it is tried again in a minute"
                ),
            }
        });
    }

    async fn maintain(&self, active: &Active, now: Timestamp) -> Result<(), Fault> {
        active.services.tokens.sweep(now, TOKENS_SWEPT_MAX).await?;
        let status = self.barrier.keyring()?.status()?;
        if status.is_worn() || now.duration_since(status.installed) > KEY_AGE_MAX {
            self.rotate(now).await?;
        }
        Ok(())
    }
}
