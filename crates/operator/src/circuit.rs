//! How many may wait at once for a server that may not answer.
//!
//! A component works on a few objects at the same time. A server that hangs would take up all of these places, and whoever
//! asks another server would wait as well. So half of the places at most wait for one server; once nothing has come back
//! for a second, whoever else asks is told so at once. Of a server that failed everybody is told the same for a
//! moment, and then one asks it again, until it answers; who comes meanwhile waits for what that one learns.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// How long after a failure nobody asks.
const REST: Duration = Duration::from_secs(1);
/// How long somebody waits for a place, and without an answer to anybody at all.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// The servers of a component, by `K`; `E` is what a failed request is told as.
pub struct Circuits<K, E> {
    places: usize,
    kept_max: usize,
    all: Mutex<HashMap<K, Arc<Circuit<E>>>>,
}

/// Why a server is not asked now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAsked<E> {
    /// The last request failed like this.
    Failed(E),
    /// As many as may ask wait for an answer.
    Busy,
}

struct Circuit<E> {
    places: Arc<Semaphore>,
    state: Mutex<State<E>>,
    /// A trial has ended.
    tried: Notify,
}

struct State<E> {
    failed: Option<(Instant, E)>,
    /// Somebody finds out whether it answers again.
    is_tried: bool,
    asking: usize,
    /// When the last answer came, or the first of those who ask now began.
    moved: Instant,
}

/// The right to ask once. Dropped without a verdict it changes nothing of what is known.
pub struct Asking<E> {
    circuit: Arc<Circuit<E>>,
    is_trial: bool,
    _place: OwnedSemaphorePermit,
}

impl<K: Clone + Eq + Hash, E: Clone> Circuits<K, E> {
    /// For a component that works on `concurrency` objects at once; at most `kept_max` servers are remembered.
    pub fn new(concurrency: u16, kept_max: usize) -> Self {
        let places = usize::from(concurrency).div_ceil(2).max(1);
        Self { places, kept_max, all: Mutex::default() }
    }

    /// Waits at most a second for the right to ask `server`.
    ///
    /// # Errors
    /// It failed a moment ago, or as many as may ask wait for an answer.
    pub async fn enter(&self, server: &K) -> Result<Asking<E>, NotAsked<E>> {
        let circuit = self.circuit(server);
        circuit.is_up().await?;
        let place = circuit.place().await?;
        // Those before in the queue may have found out, or one of them finds out now.
        let is_trial = match circuit.begins() {
            Ok(is_trial) => is_trial,
            Err(_) => {
                circuit.is_up().await?;
                circuit.begins().map_err(NotAsked::Failed)?
            }
        };
        Ok(Asking { circuit, is_trial, _place: place })
    }

    /// Waits for `turn`, which somebody who asks `server` has, as long as answers come.
    ///
    /// # Errors
    /// None has come for a second.
    pub async fn wait<T>(
        &self,
        server: &K,
        turn: impl Future<Output = T>,
    ) -> Result<T, NotAsked<E>> {
        self.circuit(server).wait(turn).await
    }

    fn circuit(&self, server: &K) -> Arc<Circuit<E>> {
        let mut all = lock(&self.all);
        if all.len() >= self.kept_max && !all.contains_key(server) {
            all.retain(|_, circuit| Arc::strong_count(circuit) > 1);
        }
        let new = || {
            let state = State { failed: None, is_tried: false, asking: 0, moved: Instant::now() };
            let places = Arc::new(Semaphore::new(self.places));
            Arc::new(Circuit { places, state: Mutex::new(state), tried: Notify::new() })
        };
        Arc::clone(all.entry(server.clone()).or_insert_with(new))
    }
}

impl<E: Clone> Circuit<E> {
    /// Fails with the failure that still holds. While somebody finds out whether it does, that is waited for.
    async fn is_up(&self) -> Result<(), NotAsked<E>> {
        let ended = self.tried.notified();
        let mut ended = std::pin::pin!(ended);
        ended.as_mut().enable();
        let is_tried = lock(&self.state).is_tried;
        if is_tried && self.wait(ended).await.is_err() {
            let failed = lock(&self.state).failed.as_ref().map(|(_, error)| error.clone());
            return Err(failed.map_or(NotAsked::Busy, NotAsked::Failed));
        }
        lock(&self.state).holds().map_or(Ok(()), |error| Err(NotAsked::Failed(error)))
    }

    /// Whether who asks now finds out whether it answers again.
    fn begins(&self) -> Result<bool, E> {
        let mut state = lock(&self.state);
        let is_trial = state.failed.is_some();
        if let Some(error) = state.holds() {
            return Err(error);
        }
        if let (true, Some((_, error))) = (state.is_tried, &state.failed) {
            return Err(error.clone());
        }
        if state.asking == 0 {
            state.moved = Instant::now();
        }
        state.asking += 1;
        state.is_tried |= is_trial;
        Ok(is_trial)
    }
}

impl<E: Clone> State<E> {
    /// A failure of a moment ago.
    fn holds(&self) -> Option<E> {
        let (at, error) = self.failed.as_ref()?;
        (at.elapsed() < REST).then(|| error.clone())
    }
}

impl<E> Circuit<E> {
    async fn place(&self) -> Result<OwnedSemaphorePermit, NotAsked<E>> {
        let place = self.wait(Arc::clone(&self.places).acquire_owned()).await?;
        place.map_err(|_| NotAsked::Busy)
    }

    /// What is there already is never waited for.
    async fn wait<T>(&self, turn: impl Future<Output = T>) -> Result<T, NotAsked<E>> {
        let limit = if self.is_stuck() { Duration::ZERO } else { WAIT_MAX };
        tokio::time::timeout(limit, turn).await.map_err(|_| NotAsked::Busy)
    }

    /// Whether nothing has come back for longer than anybody waits.
    fn is_stuck(&self) -> bool {
        let state = lock(&self.state);
        state.asking > 0 && state.moved.elapsed() >= WAIT_MAX
    }
}

impl<E> Asking<E> {
    /// The server answered, whatever it said.
    pub fn answered(self) {
        let mut state = lock(&self.circuit.state);
        (state.failed, state.moved) = (None, Instant::now());
    }

    /// It did not, or not as a server that works.
    pub fn failed(self, error: E) {
        let mut state = lock(&self.circuit.state);
        (state.failed, state.moved) = (Some((Instant::now(), error)), Instant::now());
    }
}

impl<E> Drop for Asking<E> {
    fn drop(&mut self) {
        let mut state = lock(&self.circuit.state);
        state.asking -= 1;
        if self.is_trial {
            state.is_tried = false;
            self.circuit.tried.notify_waiters();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn c22_half_of_the_places_wait_for_one_server_and_the_others_are_told() {
        let circuits = Circuits::<&str, &str>::new(4, 2);
        let first = circuits.enter(&"slow").await.expect("a place");
        let _second = circuits.enter(&"slow").await.expect("a place");
        let began = Instant::now();
        assert_eq!(circuits.enter(&"slow").await.err(), Some(NotAsked::Busy));
        assert_eq!(began.elapsed(), SECOND);
        circuits.enter(&"other").await.expect("another server is asked").answered();
        assert_eq!(began.elapsed(), SECOND);
        // By now nobody waits any more.
        assert_eq!(circuits.enter(&"slow").await.err(), Some(NotAsked::Busy));
        let waited = circuits.wait(&"slow", std::future::pending::<()>()).await;
        assert_eq!((waited, began.elapsed()), (Err(NotAsked::Busy), SECOND));
        first.answered();
        assert!(circuits.enter(&"slow").await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_failed_is_tried_by_one_until_it_answers() {
        let circuits = Circuits::<&str, &str>::new(8, 2);
        circuits.enter(&"a").await.expect("a place").failed("down");
        assert_eq!(circuits.enter(&"a").await.err(), Some(NotAsked::Failed("down")));
        tokio::time::sleep(SECOND).await;
        let trial = circuits.enter(&"a").await.expect("the trial");
        // A trial that takes long is not waited for.
        assert_eq!(circuits.enter(&"a").await.err(), Some(NotAsked::Failed("down")));
        // One that is given up is followed by another.
        drop(trial);
        circuits.enter(&"a").await.expect("the trial").failed("still down");
        assert_eq!(circuits.enter(&"a").await.err(), Some(NotAsked::Failed("still down")));
        tokio::time::sleep(SECOND).await;
        let trial = circuits.enter(&"a").await.expect("the trial");
        let told = async {
            tokio::task::yield_now().await;
            trial.answered();
        };
        let (waited, ()) = tokio::join!(circuits.enter(&"a"), told);
        assert!(waited.is_ok(), "who waits learns that it answers");
        let several = [circuits.enter(&"a").await, circuits.enter(&"a").await];
        assert!(several.iter().all(Result::is_ok));
    }
}
