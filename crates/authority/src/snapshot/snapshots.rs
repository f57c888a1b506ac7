//! The snapshots of one authority: what it has of them, what is asked of it, what it says.

use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

use super::directory::Directory;
use super::entry::{Kind, name};
use super::error::SnapshotError;
use super::history::{HISTORY_KEY, History};
use super::place::Place;
use super::report::{Report, Running};
use super::standing::{Facts, Standing, standing};
use super::threads::Threads;
use crate::barrier::Barrier;
use crate::options::{Clock, SnapshotOptions};
use crate::seal::{CONFIG_KEY, SealConfig};
use crate::storage::{Store, Write};

/// Longest that one use of the place may take, and shortest: an interval may be short, a network is not.
const LIMIT_MAX: Duration = Duration::from_secs(600);
const LIMIT_MIN: Duration = Duration::from_secs(5);

/// Longest that a listing, or a removal, may take.
const LOOK_LIMIT: Duration = Duration::from_secs(10);

/// From one that was asked for to the next that may be.
const REQUESTS_EVERY: SignedDuration = SignedDuration::from_secs(10);

/// The snapshots of one authority.
pub(crate) struct Snapshots {
    pub(super) store: Arc<Store>,
    pub(super) barrier: Arc<Barrier>,
    pub(super) clock: Clock,
    pub(super) place: Arc<dyn Place>,
    pub(super) threads: Threads,
    pub(super) interval: SignedDuration,
    pub(super) keep: usize,
    /// Longest that writing one, or trying one, may take.
    pub(super) limit: Duration,
    /// Longest that a listing, or a removal, may take.
    pub(super) look_limit: Duration,
    /// Folder of the data files of trials.
    pub(super) scratch: PathBuf,
    /// Trials so far: each has a file of its own, since one that was given up may still have its.
    pub(super) trials: AtomicU64,
    pub(super) state: Mutex<State>,
    /// Somebody asked for one.
    pub(super) asked: Notify,
}

/// What is known, and what is under way.
#[derive(Default)]
pub(super) struct State {
    /// Since when any can be made; `None` while sealed.
    pub(super) since: Option<Timestamp>,
    /// As stored; `None` until it was read after unsealing.
    pub(super) history: Option<History>,
    /// Asked for and not begun.
    pub(super) requested: Option<Running>,
    pub(super) running: Option<Running>,
    /// When one was asked for last.
    pub(super) last_request: Option<Timestamp>,
    pub(super) rounds: usize,
}

/// What became of asking for a snapshot.
pub(crate) enum Asked {
    /// It will be taken, or is being taken.
    Coming(Running),
    /// One was asked for a moment ago.
    TooSoon,
}

impl Snapshots {
    /// Those that `options` names; what earlier trials left is removed.
    pub(crate) fn new(
        options: &SnapshotOptions,
        store: Arc<Store>,
        barrier: Arc<Barrier>,
        clock: Clock,
    ) -> Self {
        // A folder that cannot be cleaned is found out by the first trial.
        let _ = std::fs::remove_dir_all(&options.scratch);
        let place = Arc::new(Directory::new(options.directory.clone()));
        Self::at(place, options, store, barrier, clock)
    }

    pub(super) fn at(
        place: Arc<dyn Place>,
        options: &SnapshotOptions,
        store: Arc<Store>,
        barrier: Arc<Barrier>,
        clock: Clock,
    ) -> Self {
        Self {
            store,
            barrier,
            clock,
            place,
            threads: Threads::default(),
            interval: SignedDuration::try_from(options.interval).unwrap_or(SignedDuration::MAX),
            keep: options.keep,
            limit: (options.interval / 4).clamp(LIMIT_MIN, LIMIT_MAX),
            look_limit: LOOK_LIMIT,
            scratch: options.scratch.clone(),
            trials: AtomicU64::new(0),
            state: Mutex::default(),
            asked: Notify::new(),
        }
    }

    /// Asks for a snapshot now; one that is under way or due is that one.
    pub(crate) fn request(&self, now: Timestamp) -> Result<Asked, SnapshotError> {
        let cluster = self.cluster()?;
        let mut state = self.lock();
        if let Some(coming) = state.running.as_ref().or(state.requested.as_ref()) {
            return Ok(Asked::Coming(coming.clone()));
        }
        if state.last_request.is_some_and(|last| now.duration_since(last).abs() < REQUESTS_EVERY) {
            return Ok(Asked::TooSoon);
        }
        let kind = Kind::Requested;
        let coming = Running { name: name(&cluster, kind, now), kind, since: now };
        state.last_request = Some(now);
        state.requested = Some(coming.clone());
        self.asked.notify_one();
        Ok(Asked::Coming(coming))
    }

    /// What is said of them at `now`.
    pub(crate) async fn report(&self, now: Timestamp) -> Result<Report, SnapshotError> {
        self.load(now).await?;
        let state = self.lock();
        let history = state.history.clone().unwrap_or_default();
        let last_good = history.last_good().cloned();
        let facts = Facts {
            since: state.since.unwrap_or(now),
            interval: self.interval,
            last_good: last_good.as_ref().map(|entry| entry.at),
            has_failed: history.failure.is_some(),
        };
        let standing = standing(&facts, now);
        let message = match (standing, &last_good, &history.failure) {
            (Standing::Failing, _, Some(failure)) => failure.error.clone(),
            (Standing::Waiting, ..) => "the first one has not been taken yet".to_owned(),
            (_, Some(good), _) => format!("{} was restored on trial, all of it opened", good.name),
            (_, None, _) => "none could be restored on trial".to_owned(),
        };
        Ok(Report {
            place: self.place.describe(),
            interval_s: self.interval.as_secs(),
            keep: self.keep,
            standing,
            message,
            running: state.running.clone().or_else(|| state.requested.clone()),
            last_good,
            last_error: history.failure,
            snapshots: history.entries,
        })
    }

    pub(super) fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Id of the authority.
    pub(super) fn cluster(&self) -> Result<String, SnapshotError> {
        let config = self.store.get_now(CONFIG_KEY)?.ok_or(SnapshotError::NotInitialized)?;
        let config: SealConfig = serde_json::from_slice(&config)
            .map_err(|_| SnapshotError::Record(CONFIG_KEY.to_owned()))?;
        Ok(config.cluster_id)
    }

    /// Reads what is stored of them, once after an unsealing. An error while sealed.
    pub(super) async fn load(&self, now: Timestamp) -> Result<(), SnapshotError> {
        let is_open = self.barrier.keyring().is_ok();
        {
            let mut state = self.lock();
            if !is_open {
                (state.since, state.requested) = (None, None);
                return Err(SnapshotError::Sealed);
            }
            state.since.get_or_insert(now);
            if state.history.is_some() {
                return Ok(());
            }
        }
        let stored = self.barrier.get(HISTORY_KEY.to_owned()).await?;
        let history = match stored.as_deref().map(|stored| serde_json::from_slice(stored)) {
            // What a later release wrote is found again at the place.
            Some(Err(_)) | None => History::default(),
            Some(Ok(history)) => history,
        };
        self.lock().history.get_or_insert(history);
        Ok(())
    }

    /// Stores what is known.
    pub(super) async fn save(&self) -> Result<(), SnapshotError> {
        let history = self.lock().history.clone().unwrap_or_default();
        let history = serde_json::to_vec(&history).map_err(std::io::Error::from)?;
        let record = self.barrier.seal_record(HISTORY_KEY, &history)?;
        Ok(self.barrier.commit(vec![Write::Put(HISTORY_KEY.to_owned(), record)]).await?)
    }
}
