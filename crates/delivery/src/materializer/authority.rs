//! Reading from the authority: one session a server, one read a path and version.
//!
//! A value is shared only among passes that run at the same time, and only if it was asked for
//! after they began, or has the version that they are to see. When no pass runs, none is held.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use regent_types::VersionPair;
use regent_types::identity::Identity;
use regent_vault::{Error, KvSecret, Session};

use super::request::Place;
use crate::not_ready::NotReady;
use crate::store::Served;
use regent_operator::Context;
use regent_operator::trusted_authority::AuthorityEndpoint;

/// Paths whose value is held while passes run; idle ones beyond it are let go at once.
const HELD_MAX: usize = 64;
/// After a failure to reach an authority, others fail for this long without trying: one probe a
/// second rather than one an ExternalSecret.
const DOWN: Duration = Duration::from_secs(1);
/// Authorities of one installation: its own and a few external ones.
const SERVERS_MAX: usize = 16;

/// What one read found; `None`: nothing was ever written there, or its metadata was deleted.
pub(crate) type Read = Arc<Option<KvSecret>>;

type Slot = Arc<tokio::sync::Mutex<Option<(Instant, Read)>>>;

/// The authorities, as the materializer reads them.
pub(crate) struct Authorities {
    cx: Context,
    sessions: Mutex<HashMap<AuthorityEndpoint, Session>>,
    slots: Mutex<HashMap<(AuthorityEndpoint, Place), Slot>>,
    down: Mutex<HashMap<AuthorityEndpoint, (Instant, NotReady)>>,
    passes: AtomicUsize,
}

/// A pass under way; while there is one, values may be shared.
pub(crate) struct Pass<'a>(&'a Authorities);

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.0.passes.fetch_sub(1, Ordering::AcqRel) == 1 {
            lock(&self.0.slots).clear();
        }
    }
}

impl Authorities {
    /// None is contacted before the first read.
    pub(crate) fn new(cx: Context) -> Self {
        Self {
            cx,
            sessions: Mutex::default(),
            slots: Mutex::default(),
            down: Mutex::default(),
            passes: AtomicUsize::new(0),
        }
    }

    pub(crate) fn pass(&self) -> Pass<'_> {
        self.passes.fetch_add(1, Ordering::AcqRel);
        Pass(self)
    }

    /// Reads `place` from the authority of `store`. `expected` is the version that a RuntimeSecret tells.
    pub(crate) async fn read(
        &self,
        store: &Served,
        place: &Place,
        expected: Option<&VersionPair>,
    ) -> Result<Read, NotReady> {
        let began = Instant::now();
        if let Some((at, not_ready)) = lock(&self.down).get(&store.endpoint)
            && began.duration_since(*at) < DOWN
        {
            return Err(not_ready.clone());
        }
        let slot = self.slot(&store.endpoint, place);
        let mut held = slot.lock().await;
        if let Some((asked, read)) = &*held {
            let version = (**read).as_ref().map(|secret| &secret.version);
            if *asked >= began || (expected.is_some() && version == expected) {
                return Ok(Arc::clone(read));
            }
        }
        let asked = Instant::now();
        let kv = self.session(&store.endpoint).map_err(|e| unread(&e))?.kv(&store.mount);
        match kv.read(place.path.as_str(), place.version).await {
            Ok(secret) => {
                lock(&self.down).remove(&store.endpoint);
                let read = Arc::new(secret);
                *held = Some((asked, Arc::clone(&read)));
                Ok(read)
            }
            Err(error) => {
                let not_ready = unread(&error);
                if error.is_sealed() || error.is_transient() {
                    lock(&self.down).insert(store.endpoint.clone(), (asked, not_ready.clone()));
                }
                Err(not_ready)
            }
        }
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

/// What a person sees of a failed read. The Secret is kept in every case.
fn unread(error: &Error) -> NotReady {
    let reason = if error.is_sealed() {
        "AuthoritySealed"
    } else if error.is_unreachable() || error.is_transient() {
        "AuthorityUnreachable"
    } else if error.is_denied() {
        "AuthorityDenied"
    } else {
        "SecretSyncedError"
    };
    NotReady::until_retry(reason, format!("{error}; the Secret is kept"))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
