//! Reading from the authority: one session a server, one read a path and version.
//!
//! A value is shared among passes that were woken before it was asked for, or that are to see the version that it has. It
//! is held while passes run, and a moment longer, so that a thousand consumers of one path cost one read; then none is.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use regent_types::identity::Identity;
use regent_types::{SecretPath, VersionPair};
use regent_vault::{Error, KvSecret, Session, VersionState};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::request::Place;
use crate::not_ready::NotReady;
use crate::store::Served;
use crate::unanswered::{self, not_asked};
use regent_operator::Context;
use regent_operator::circuit::{Asking, Circuits};
use regent_operator::trusted_authority::AuthorityEndpoint;

/// Paths whose value is held while passes run; idle ones beyond it are let go at once.
const HELD_MAX: usize = 64;
/// How long values are held after the last pass: the next of a crowd begins within it.
const HELD_AFTER: Duration = Duration::from_secs(1);
/// How old a value may be for who looks because its interval is over.
const SHARED_FOR: Duration = Duration::from_secs(1);
/// How long the answer to a probe holds for other stores of the same authority.
const PROBED_FOR: Duration = Duration::from_secs(5);
/// Authorities of one installation: its own and a few external ones.
const SERVERS_MAX: usize = 16;
/// Paths of which the version is remembered; beyond it the rest is refreshed on time alone.
const SEEN_MAX: usize = 20_000;

/// What one read found; `None`: nothing was ever written there, or its metadata was deleted.
pub(crate) type Read = Arc<Option<KvSecret>>;

type Slot = Arc<tokio::sync::Mutex<Option<(Instant, Read)>>>;
type Probe = Arc<tokio::sync::Mutex<Option<(Instant, Result<(), NotReady>)>>>;

/// What is known of the newest version of a path. No value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Nothing was ever written there, or its metadata was deleted.
    Absent,
    /// A version, and whether it has data.
    At(VersionPair, bool),
}

impl Seen {
    fn of(read: &Option<KvSecret>) -> Self {
        read.as_ref().map_or(Self::Absent, |secret| {
            Self::At(secret.version.clone(), secret.state == VersionState::Live)
        })
    }
}

/// The authorities, as the materializer reads them.
pub(crate) struct Authorities {
    cx: Context,
    sessions: Mutex<HashMap<AuthorityEndpoint, Session>>,
    slots: Mutex<HashMap<(AuthorityEndpoint, Place), Slot>>,
    probes: Mutex<HashMap<AuthorityEndpoint, Probe>>,
    circuits: Circuits<AuthorityEndpoint, NotReady>,
    seen: Mutex<HashMap<(Served, SecretPath), Seen>>,
    passes: AtomicUsize,
    idle: Notify,
}

/// A pass under way; while there is one, values may be shared.
pub(crate) struct Pass<'a>(&'a Authorities);

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.0.passes.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_one();
        }
    }
}

/// The monotonic time, for ages and pauses.
pub(crate) fn instant() -> Instant {
    Instant::now()
}

impl Authorities {
    /// None is contacted before the first read. `concurrency`: how many passes there are at once.
    pub(crate) fn new(cx: Context, concurrency: u16) -> Self {
        Self {
            cx,
            circuits: Circuits::new(concurrency, SERVERS_MAX),
            sessions: Mutex::default(),
            slots: Mutex::default(),
            probes: Mutex::default(),
            seen: Mutex::default(),
            passes: AtomicUsize::new(0),
            idle: Notify::new(),
        }
    }

    pub(crate) fn pass(&self) -> Pass<'_> {
        self.passes.fetch_add(1, Ordering::AcqRel);
        Pass(self)
    }

    /// Lets values go a moment after the last pass. It never ends.
    pub(crate) async fn let_go(&self) {
        loop {
            self.idle.notified().await;
            tokio::time::sleep(HELD_AFTER).await;
            if self.passes.load(Ordering::Acquire) == 0 {
                lock(&self.slots).clear();
            } else {
                // The pass that runs tells when it ends.
                continue;
            }
        }
    }

    /// Reads `place` from the authority of `store`, or takes what was asked for at `since` or later. `expected` is the
    /// version that a RuntimeSecret tells.
    pub(crate) async fn read(
        &self,
        store: &Served,
        place: &Place,
        expected: Option<&VersionPair>,
        since: Option<Instant>,
    ) -> Result<Read, NotReady> {
        let began = instant();
        let since = since.unwrap_or_else(|| began.checked_sub(SHARED_FOR).unwrap_or(began));
        let endpoint = &store.endpoint;
        let slot = self.slot(endpoint, place);
        let held = self.circuits.wait(endpoint, slot.lock()).await;
        let mut held = held.map_err(|e| not_asked(endpoint, e))?;
        if let Some((asked, read)) = &*held {
            let version = (**read).as_ref().map(|secret| &secret.version);
            let behind = expected.is_some_and(|e| version.is_none_or(|v| v.number < e.number));
            let told = expected.is_some() && version == expected;
            if told || *asked >= began || (*asked >= since && !behind) {
                return Ok(Arc::clone(read));
            }
        }
        let asking = self.circuits.enter(endpoint).await.map_err(|e| not_asked(endpoint, e))?;
        let asked = instant();
        let kv = self.session(endpoint).map_err(|e| unread(endpoint, &e))?.kv(&store.mount);
        match kv.read(place.path.as_str(), place.version).await {
            Ok(secret) => {
                asking.answered();
                if place.version.is_none() {
                    self.note(store, &place.path, Seen::of(&secret));
                }
                let read = Arc::new(secret);
                *held = Some((asked, Arc::clone(&read)));
                Ok(read)
            }
            Err(error) => Err(failed(endpoint, asking, &error)),
        }
    }

    /// Whether the authority of `store` answers and is unsealed, as of five seconds ago at most.
    pub(crate) async fn answers(&self, store: &Served) -> Result<(), NotReady> {
        let probe = {
            let mut probes = lock(&self.probes);
            if probes.len() >= SERVERS_MAX {
                probes.clear();
            }
            Arc::clone(probes.entry(store.endpoint.clone()).or_default())
        };
        let mut held = probe.lock().await;
        if let Some((at, answer)) = &*held
            && instant().duration_since(*at) < PROBED_FOR
        {
            return answer.clone();
        }
        let answer = self.probe(store).await;
        *held = Some((instant(), answer.clone()));
        answer
    }

    async fn probe(&self, store: &Served) -> Result<(), NotReady> {
        let endpoint = &store.endpoint;
        let session = self.session(endpoint).map_err(|e| unread(endpoint, &e))?;
        let health = session.client().health().await.map_err(|e| unread(endpoint, &e))?;
        let not_ready = |reason, what: &str| {
            let message = format!("the authority at {} is {what}", store.endpoint.address);
            Err(NotReady::until_retry(reason, message))
        };
        if !health.initialized {
            return not_ready("AuthorityNotInitialized", "not initialized");
        }
        if health.sealed {
            return not_ready("AuthoritySealed", "sealed");
        }
        Ok(())
    }

    /// The newest version of `path`, by its metadata: no value is read.
    pub(crate) async fn version(&self, store: &Served, path: &SecretPath) -> Result<Seen, Error> {
        let kv = self.session(&store.endpoint)?.kv(&store.mount);
        let Some(metadata) = kv.metadata(path.as_str()).await? else { return Ok(Seen::Absent) };
        let number = metadata.current_version;
        let Some(info) = metadata.versions.get(&number) else { return Ok(Seen::Absent) };
        let now = self.cx.now();
        let deleted =
            info.deletion_time.parse().is_ok_and(|at: k8s_openapi::jiff::Timestamp| at <= now);
        let pair = VersionPair::new(number, info.created_time.clone());
        Ok(Seen::At(pair, !info.destroyed && !deleted))
    }

    /// The paths that were read, and what was seen of each.
    pub(crate) fn seen(&self) -> Vec<((Served, SecretPath), Seen)> {
        lock(&self.seen).iter().map(|(site, seen)| (site.clone(), seen.clone())).collect()
    }

    /// Notes what is known of `path` now.
    pub(crate) fn note(&self, store: &Served, path: &SecretPath, now: Seen) {
        let mut seen = lock(&self.seen);
        let site = (store.clone(), path.clone());
        if seen.len() < SEEN_MAX || seen.contains_key(&site) {
            seen.insert(site, now);
        }
    }

    /// Nobody asks for `path` any more.
    pub(crate) fn unsee(&self, site: &(Served, SecretPath)) {
        lock(&self.seen).remove(site);
    }

    fn slot(&self, site: &AuthorityEndpoint, place: &Place) -> Slot {
        let mut slots = lock(&self.slots);
        if slots.len() >= HELD_MAX {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        Arc::clone(slots.entry((site.clone(), place.clone())).or_default())
    }

    fn session(&self, site: &AuthorityEndpoint) -> Result<Session, Error> {
        let mut sessions = lock(&self.sessions);
        if let Some(session) = sessions.get(site) {
            return Ok(session.clone());
        }
        let session =
            self.cx.session(&site.address, &site.mount, &Identity::Materializer.account())?;
        if sessions.len() >= SERVERS_MAX {
            sessions.clear();
        }
        sessions.insert(site.clone(), session.clone());
        Ok(session)
    }
}

/// Notes how a read failed: what a working authority refuses is an answer.
fn failed(endpoint: &AuthorityEndpoint, asking: Asking<NotReady>, error: &Error) -> NotReady {
    let not_ready = unread(endpoint, error);
    if error.is_sealed() || error.is_transient() {
        asking.failed(not_ready.clone());
    } else {
        asking.answered();
    }
    not_ready
}

/// What a person sees of a failed read.
fn unread(endpoint: &AuthorityEndpoint, error: &Error) -> NotReady {
    unanswered::failed(endpoint, error, "SecretSyncedError")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
