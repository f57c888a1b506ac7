//! When snapshots are taken: one after the other, when one is due or asked for, while the authority is unsealed.

use std::sync::Arc;
use std::time::Duration;

use super::entry::{Kind, name};
use super::error::SnapshotError;
use super::report::Running;
use super::snapshots::Snapshots;
use super::standing::is_due;

/// How often it is looked whether one is due, at most and at least.
const LOOK_MIN: Duration = Duration::from_millis(200);
const LOOK_MAX: Duration = Duration::from_secs(5);

/// What is under way until it is dropped: a round that is given up is none any more.
struct UnderWay<'a>(&'a Snapshots);

impl Snapshots {
    /// Takes snapshots for ever. It may be dropped at any time: what it was writing is given up then.
    pub(crate) async fn keep(self: Arc<Self>) {
        let pause = Duration::try_from(self.interval).unwrap_or(LOOK_MAX) / 10;
        loop {
            match self.look().await {
                Ok(()) | Err(SnapshotError::Sealed | SnapshotError::NotInitialized) => {}
                Err(error) => tracing::warn!(
                    component = "authority",
                    error = &error as &dyn std::error::Error,
                    "what is known of snapshots could not be read or stored; it is tried again"
                ),
            }
            let _elapsed =
                tokio::time::timeout(pause.clamp(LOOK_MIN, LOOK_MAX), self.asked.notified()).await;
        }
    }

    /// Takes one if it is due or asked for.
    pub(super) async fn look(&self) -> Result<(), SnapshotError> {
        let now = self.clock.now();
        self.load(now).await?;
        let cluster = self.cluster()?;
        let wanted = {
            let mut state = self.lock();
            let history = state.history.get_or_insert_default();
            let is_due = is_due(history.begun, history.failure.is_some(), self.interval, now);
            let kind = Kind::Scheduled;
            let due = is_due.then(|| Running { name: name(&cluster, kind, now), kind, since: now });
            let Some(wanted) = state.requested.take().or(due) else { return Ok(()) };
            state.running = Some(wanted.clone());
            wanted
        };
        let _under_way = UnderWay(self);
        self.round(&wanted).await
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.lock().running = None;
    }
}
