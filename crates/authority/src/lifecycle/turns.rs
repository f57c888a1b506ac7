//! Who waits for whom: nobody with a good token for strangers, nobody at all for a login.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::ApiError;

/// Calls at once, each with at most a 1 MiB body; more wait their turn within the request's
/// deadline.
const CALLS_MAX: usize = 256;
/// Calls that wait: one a connection, and there are no more connections than that.
const CALLS_WAITING_MAX: usize = 4096;

/// Logins at once: an API server that answers in 5 ms serves 10,000 a second this way.
const LOGINS_MAX: usize = 64;
const LOGINS_WAITING_MAX: usize = 256;

/// Changes without a token at once (init, unseal, generate-root): people and warden make one at a
/// time.
const SYSTEM_MAX: usize = 8;
const SYSTEM_WAITING_MAX: usize = 64;

/// Bytes of bodies in memory at once, whoever sends them with a good token.
const BODIES_BYTES_MAX: usize = 64 << 20;
/// The same of those who have none (yet).
const STRANGERS_BYTES_MAX: usize = 4 << 20;

/// What a request needs before it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It shows a token.
    Call,
    /// It shows none, and asks an auth method for one.
    Login,
    /// It shows none, and is about the seal.
    System,
}

/// The turns of one authority.
pub(crate) struct Turns {
    calls: Pool,
    logins: Pool,
    system: Pool,
    bodies: Budget,
    strangers: Budget,
}

/// One of so many turns; ends when it is dropped.
pub(crate) struct Turn(#[expect(dead_code, reason = "held, never read")] OwnedSemaphorePermit);

struct Pool {
    free: Arc<Semaphore>,
    waiting: AtomicUsize,
    waiting_max: usize,
}

struct Budget(Arc<Semaphore>);

/// Grain of the budgets: a permit a KiB.
const GRAIN_BYTES: usize = 1024;

impl Default for Turns {
    fn default() -> Self {
        Self {
            calls: Pool::new(CALLS_MAX, CALLS_WAITING_MAX),
            logins: Pool::new(LOGINS_MAX, LOGINS_WAITING_MAX),
            system: Pool::new(SYSTEM_MAX, SYSTEM_WAITING_MAX),
            bodies: Budget::new(BODIES_BYTES_MAX),
            strangers: Budget::new(STRANGERS_BYTES_MAX),
        }
    }
}

impl Turns {
    /// Waits for a turn. Fails with 429 where too many wait already.
    pub(crate) async fn turn(&self, kind: Kind) -> Result<Turn, ApiError> {
        match kind {
            Kind::Call => self.calls.turn().await,
            Kind::Login => self.logins.turn().await,
            Kind::System => self.system.turn().await,
        }
    }

    /// Waits until a body of `bytes` may be in memory; it may as long as the answer is held.
    pub(crate) async fn body(&self, kind: Kind, bytes: usize) -> Result<Turn, ApiError> {
        match kind {
            Kind::Call => self.bodies.take(bytes).await,
            Kind::Login | Kind::System => self.strangers.take(bytes).await,
        }
    }
}

impl Pool {
    fn new(at_once: usize, waiting_max: usize) -> Self {
        let free = Arc::new(Semaphore::new(at_once));
        Self { free, waiting: AtomicUsize::new(0), waiting_max }
    }

    async fn turn(&self) -> Result<Turn, ApiError> {
        if let Ok(permit) = self.free.clone().try_acquire_owned() {
            return Ok(Turn(permit));
        }
        let waiting = Waiting::join(&self.waiting, self.waiting_max).ok_or(ApiError::Busy)?;
        let permit = self.free.clone().acquire_owned().await.map_err(|_| ApiError::Busy)?;
        drop(waiting);
        Ok(Turn(permit))
    }
}

impl Budget {
    fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes / GRAIN_BYTES)))
    }

    async fn take(&self, bytes: usize) -> Result<Turn, ApiError> {
        let grains = u32::try_from(bytes.div_ceil(GRAIN_BYTES)).map_err(|_| ApiError::TooLarge)?;
        let permit = self.0.clone().acquire_many_owned(grains).await;
        permit.map(Turn).map_err(|_| ApiError::Busy)
    }
}

/// Counts one who waits until it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn join(count: &'a AtomicUsize, max: usize) -> Option<Self> {
        let joined = Self(count);
        (count.fetch_add(1, Ordering::Relaxed) < max).then_some(joined)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn v06_who_waits_is_bounded_and_waits_in_his_own_queue() {
        let turns = Turns::default();
        let mut held = Vec::new();
        for _ in 0..LOGINS_MAX {
            held.push(turns.turn(Kind::Login).now_or_never().unwrap().unwrap());
        }
        let mut waiting: Vec<_> =
            (0..LOGINS_WAITING_MAX).map(|_| Box::pin(turns.turn(Kind::Login))).collect();
        for one in &mut waiting {
            assert!(futures::poll!(one).is_pending());
        }
        let more = turns.turn(Kind::Login).now_or_never().unwrap();
        assert!(matches!(more, Err(ApiError::Busy)));
        assert!(turns.turn(Kind::Call).now_or_never().unwrap().is_ok());
        assert!(turns.turn(Kind::System).now_or_never().unwrap().is_ok());
        drop(waiting);
        held.clear();
        assert!(turns.turn(Kind::Login).now_or_never().unwrap().is_ok());
    }

    #[tokio::test]
    async fn v07_bodies_share_a_budget_and_strangers_have_their_own() {
        let turns = Turns::default();
        let mib = 1 << 20;
        let mut held = Vec::new();
        for _ in 0..BODIES_BYTES_MAX / mib {
            held.push(turns.body(Kind::Call, mib).now_or_never().unwrap().unwrap());
        }
        assert!(turns.body(Kind::Call, 1).now_or_never().is_none(), "the next one waits");
        assert!(turns.body(Kind::Login, 1).now_or_never().unwrap().is_ok());
        held.pop();
        assert!(turns.body(Kind::Call, mib).now_or_never().unwrap().is_ok());
    }
}
