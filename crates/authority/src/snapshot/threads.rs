//! Threads for what may hang. Nobody joins one: it is waited for until its time is over, and then given up. How many hang at
//! once is bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;

use super::error::SnapshotError;

/// Threads at once, those that were given up and have not ended included.
const THREADS_MAX: usize = 4;

/// Starts threads, and knows how many live.
#[derive(Clone, Default)]
pub(super) struct Threads(Arc<AtomicUsize>);

/// Counts a thread until it ends, however it does.
struct Counted(Arc<AtomicUsize>);

/// What a thread will have come to.
pub(super) struct Started<T> {
    answer: oneshot::Receiver<Result<T, SnapshotError>>,
    doing: &'static str,
}

impl Threads {
    /// Runs `act` on a thread of its own. Fails where too many hang already.
    pub(super) fn start<T: Send + 'static>(
        &self,
        doing: &'static str,
        act: impl FnOnce() -> Result<T, SnapshotError> + Send + 'static,
    ) -> Result<Started<T>, SnapshotError> {
        let counted = Counted(self.0.clone());
        let before = self.0.fetch_add(1, Ordering::AcqRel);
        if before >= THREADS_MAX {
            return Err(SnapshotError::StillHangs(before));
        }
        let (answers, answer) = oneshot::channel();
        std::thread::Builder::new().name("authority-snapshot".to_owned()).spawn(move || {
            let done = act();
            drop(counted);
            // Who gave it up needs no answer.
            let _ = answers.send(done);
        })?;
        Ok(Started { answer, doing })
    }

    /// Runs `act` on a thread of its own and waits for it, at most for `limit`.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        doing: &'static str,
        limit: Duration,
        act: impl FnOnce() -> Result<T, SnapshotError> + Send + 'static,
    ) -> Result<T, SnapshotError> {
        let started = self.start(doing, act)?;
        let hung = SnapshotError::Hung { doing, limit };
        tokio::time::timeout(limit, started.answer()).await.unwrap_or(Err(hung))
    }
}

impl<T> Started<T> {
    /// Its answer, whenever that comes.
    pub(super) async fn answer(self) -> Result<T, SnapshotError> {
        self.answer.await.unwrap_or(Err(SnapshotError::Lost(self.doing)))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
