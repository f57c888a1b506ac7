//! What a pass does for an ExternalSecret that may have what it asks for: look fresh, read, write under a condition, say
//! so.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use regent_api::ExternalSecret;
use regent_api::condition::{READY, get};
use regent_operator::error::ReconcileError;
use regent_operator::wiped_secret::WipedSecret;
use regent_types::{SecretPath, VersionPair};
use regent_vault::{KvSecret, VersionState};
use tokio::time::Instant;

use super::authority::{Read, instant};
use super::contest;
use super::declared::ExpectedVersions;
use super::ended::{Ended, write_status};
use super::index::Key;
use super::leftovers;
use super::owner::Owner;
use super::render::{KEPT, Live, Reads, Rendered, render};
use super::request::{Creation, Deletion, Place, Refresh, Request};
use super::status::Outcome;
use super::sync_decision::{Cause, LastSync, ObjectVersion, Observed, SyncDecision, decide};
use super::target::{self, Versions};
use super::went_back::went_back;
use super::worker::Worker;
use super::write::{self, Done, Plan};
use crate::fingerprint::fingerprint;
use crate::not_ready::{NotReady, Until};
use crate::store::Served;

/// Between the first look that finds a source gone and the one that is believed: a standby may be behind.
const CONFIRMED_AFTER: Duration = Duration::from_secs(2);
/// How long the watch may lag behind an own write.
const LAG: Duration = Duration::from_secs(5);

/// Reason of the condition while somebody undoes each write.
const CHANGED_BACK: &str = "ChangedBack";

/// What one pass works on.
pub(crate) struct Job<'a> {
    pub(crate) worker: &'a Worker,
    pub(crate) es: &'a ExternalSecret,
    pub(crate) key: Key,
    pub(crate) store: Served,
    pub(crate) request: Request,
    pub(crate) expected_versions: ExpectedVersions,
}

/// What a pass left of the Secret.
struct Left {
    before: Option<ObjectVersion>,
    now: Option<ObjectVersion>,
    refreshed: bool,
    wrote: bool,
}

impl Job<'_> {
    pub(crate) async fn run(&self) -> Result<Ended, ReconcileError> {
        let (last_sync, publish_count) = self.worker.tables().recall(&self.key);
        let fingerprint = fingerprint(&self.es.metadata);
        let watched = self.worker.secrets.version_of(&self.place());
        let version = match &last_sync {
            Some(last_sync) => last_sync.observed(watched, instant()),
            None => watched,
        };
        let old = self.es.status.clone().unwrap_or_default();
        let observed = Observed {
            fingerprint: &fingerprint,
            synced: old.synced_resource_version.as_deref(),
            refreshed: old.refresh_time.as_ref().map(|t| t.0),
            secret: version.as_ref(),
            expected_versions: &self.expected_versions,
            publish_count,
        };
        let (refresh, creation) = (self.request.refresh, self.request.creation);
        let now = self.worker.cx.now();
        let cause = match decide(refresh, creation, last_sync.as_ref(), &observed, now) {
            SyncDecision::Idle(next) => {
                let lag = last_sync.and_then(|l| l.lag).map(|_| LAG);
                let next = next.into_iter().chain(lag).min();
                return Ok(self.tidy().await?.unwrap_or(Ended::Well(next)));
            }
            SyncDecision::Presence => match self.look().await? {
                None if creation != Creation::Nothing => Cause::Drift,
                now => {
                    let left = Left { before: now.clone(), now, refreshed: false, wrote: false };
                    return self.finish(left, publish_count).await;
                }
            },
            SyncDecision::Now(Cause::Drift) => {
                let there = version.is_some();
                if let Some(rest) = self.worker.contests.rest(&self.key, there, instant()) {
                    return self.contested(rest).await;
                }
                // The watch may lag behind an own write: only a fresh look says that it is drift.
                if let Some(last_sync) = &last_sync
                    && last_sync.secret == self.look().await?
                {
                    return Ok(self.tidy().await?.unwrap_or(Ended::Well(None)));
                }
                Cause::Drift
            }
            SyncDecision::Now(Cause::Refresh) => Cause::Refresh,
        };
        let is_new = last_sync.is_none() && version.is_none() && old.conditions.is_empty();
        self.synced(cause, &fingerprint, publish_count, is_new && self.request.makes()).await
    }

    /// `is_new`: nobody has looked at it before, and nothing of regent's is known to stand under its Secret's name. Then the
    /// Secret is made without a look first: one that is there all the same refuses that, and is looked at.
    async fn synced(
        &self,
        cause: Cause,
        fingerprint: &str,
        publish_count: u64,
        is_new: bool,
    ) -> Result<Ended, ReconcileError> {
        let done = match self.sync(fingerprint, is_new).await {
            Err(ReconcileError::Api(refused)) if is_new && refused.is_conflict() => {
                self.sync(fingerprint, false).await?
            }
            done => done?,
        };
        match done {
            Ok(Done::Gone) => {
                write_status(self.worker, self.es, &Outcome::Deleted).await?;
                self.remember(None, None, publish_count);
                Ok(Ended::Well(self.interval()))
            }
            Ok(Done::Written { before, now, wrote }) => {
                let refreshed = wrote || cause == Cause::Refresh;
                self.finish(Left { before, now, refreshed, wrote }, publish_count).await
            }
            Err(not_ready) => Ok(Ended::NotReady(not_ready)),
        }
    }

    /// Somebody undoes what this writes: it is left so for a while.
    async fn contested(&self, rest: Duration) -> Result<Ended, ReconcileError> {
        let said = self.es.status.as_ref().and_then(|s| get(&s.conditions, READY));
        if let Some(said) = said.filter(|said| {
            said.reason == CHANGED_BACK && said.observed_generation == self.es.metadata.generation
        }) {
            let (reason, message) = (CHANGED_BACK, said.message.clone());
            return Ok(Ended::NotReady(NotReady { reason, message, until: Until::After(rest) }));
        }
        let found = self.api().get_opt(&self.request.target).await;
        let found = found.map_err(|e| ReconcileError::api("get", &self.object(), &e))?;
        let Some(secret) = found.map(WipedSecret::new) else {
            return Ok(Ended::NotReady(self.rests(rest, "it is deleted again and again")));
        };
        let managers = contest::managers(&secret, self.worker.cx.manager().name());
        let by = if managers.is_empty() {
            "somebody".to_owned()
        } else {
            format!("field manager {}", managers.join(", "))
        };
        let what =
            format!("what this ExternalSecret writes is changed back again and again by {by}");
        Ok(Ended::NotReady(self.rests(rest, &what)))
    }

    fn rests(&self, rest: Duration, what: &str) -> NotReady {
        let message = format!(
            "{}: {what}; it is repaired ever more seldom. Let one of the two write it: take it out of the other's \
             declaration, or out of this one",
            self.object()
        );
        NotReady { reason: CHANGED_BACK, message, until: Until::After(rest) }
    }

    async fn finish(&self, left: Left, publish_count: u64) -> Result<Ended, ReconcileError> {
        let target = self.request.target.clone();
        let Left { before, now, refreshed, wrote } = left;
        // Before the status, so that what the watch tells meanwhile is known for an own write.
        let lag = wrote.then_some(before);
        self.remember(now, lag, publish_count);
        let outcome = Outcome::Synced { target, refreshed, wrote };
        if let Err(error) = write_status(self.worker, self.es, &outcome).await {
            self.worker.tables().block(&self.key);
            return Err(error);
        }
        Ok(self.tidy().await?.unwrap_or_else(|| Ended::Well(self.interval())))
    }

    /// Takes away what this put into Secrets that it does not name any more, now that the one it names is there.
    async fn tidy(&self) -> Result<Option<Ended>, ReconcileError> {
        if self.request.creation == Creation::Nothing {
            return Ok(None);
        }
        let target = &self.request.target;
        let owner = self.owner(&|_| false);
        let left = leftovers::take_away(self.worker, &self.key, target, &owner).await?;
        Ok(left.err().map(Ended::NotReady))
    }

    fn interval(&self) -> Option<Duration> {
        match self.request.refresh {
            Refresh::Every(interval) => Some(interval),
            Refresh::Once | Refresh::OnChange => None,
        }
    }

    fn remember(
        &self,
        secret: Option<ObjectVersion>,
        before_write: Option<Option<ObjectVersion>>,
        publish_count: u64,
    ) {
        let expected_versions = self.expected_versions.clone();
        let lag = before_write.map(|before| (before, instant() + LAG));
        let last_sync = LastSync { secret, expected_versions, publish_count, lag };
        self.worker.tables().remember(&self.key, last_sync);
    }

    fn place(&self) -> Key {
        (self.key.0.clone(), self.request.target.clone())
    }

    fn api(&self) -> Api<Secret> {
        Api::namespaced(self.worker.cx.api.clone(), &self.key.0)
    }

    /// The Secret's present state, without its values.
    async fn look(&self) -> Result<Option<ObjectVersion>, ReconcileError> {
        let found = self.api().get_metadata_opt(&self.request.target).await;
        let found = found.map_err(|e| ReconcileError::api("get", &self.object(), &e))?;
        Ok(found.map(|meta| ObjectVersion::of(&meta)))
    }

    fn object(&self) -> String {
        format!("Secret {}/{}", self.key.0, self.request.target)
    }

    fn owner<'a>(&'a self, lives: &'a (dyn Fn(&str) -> bool + Sync)) -> Owner<'a> {
        Owner {
            namespace: &self.key.0,
            name: &self.key.1,
            uid: self.es.metadata.uid.as_deref().unwrap_or_default(),
            meta: &self.es.metadata,
            lives,
        }
    }

    /// Reads, renders and writes; `is_new`: what it makes, without a look whether it is there.
    async fn sync(
        &self,
        fingerprint: &str,
        is_new: bool,
    ) -> Result<Result<Done, NotReady>, ReconcileError> {
        let existing = match self.request.creation {
            Creation::Nothing => None,
            _ if is_new => None,
            _ => {
                let found = self.api().get_opt(&self.request.target).await;
                found
                    .map_err(|e| ReconcileError::api("get", &self.object(), &e))?
                    .map(WipedSecret::new)
            }
        };
        let lives = |name: &str| self.worker.writes(&self.key.0, name, &self.request.target);
        let owner = self.owner(&lives);
        let existing = existing.as_deref();
        if let Err(not_ready) = target::may_write(&self.request, &owner, existing) {
            return Ok(Err(not_ready));
        }
        let decided = match self.read().await {
            Ok(reads) => self.decide(&owner, existing, &reads),
            Err(not_ready) => Err(NotReady { message: not_ready.message + KEPT, ..not_ready }),
        };
        if is_new && matches!(decided, Ok(Plan::Delete)) {
            return Box::pin(self.sync(fingerprint, false)).await;
        }
        let (api, object) = (self.api(), self.object());
        let at = write::At { api: &api, name: &self.request.target, object: &object };
        let done = match decided {
            Ok(Plan::Write(write, versions)) => {
                let written = write::write(self.worker, &at, existing, write).await?;
                if let Ok(Done::Written { wrote: true, .. }) = &written {
                    let digest = format!("{fingerprint} {versions:?}");
                    self.worker.contests.wrote(&self.key, &digest, instant());
                }
                written
            }
            Ok(Plan::Delete) => write::delete(&at, &owner, existing).await?,
            Err(not_ready) => Err(not_ready),
        };
        let not_ready = match done {
            Ok(done) => return Ok(Ok(done)),
            Err(not_ready) => not_ready,
        };
        let is_there = existing.is_some() || (is_new && self.look().await?.is_some());
        Ok(Err(self.of_what_is_there(is_there, not_ready)))
    }

    /// A message says that the Secret is kept only where it is there.
    fn of_what_is_there(&self, is_there: bool, not_ready: NotReady) -> NotReady {
        if is_there || self.request.creation == Creation::Nothing {
            return not_ready;
        }
        let missing = format!("; {} is not there, and is made as soon as it can be", self.object());
        NotReady { message: not_ready.message.replace(KEPT, &missing), ..not_ready }
    }

    async fn read(&self) -> Result<BTreeMap<Place, Read>, NotReady> {
        let since = self.worker.wakes.told(&self.key);
        let places: BTreeSet<&Place> = self.request.entries.iter().map(|e| e.place()).collect();
        let mut reads = BTreeMap::new();
        for place in places {
            let expected = self.expected_versions.get(&place.path);
            let expected = expected.filter(|_| place.version.is_none());
            let read = self.worker.authorities.read(&self.store, place, expected, since).await?;
            reads.insert(place.clone(), read);
        }
        Ok(reads)
    }

    fn decide(
        &self,
        owner: &Owner<'_>,
        existing: Option<&Secret>,
        reads: &BTreeMap<Place, Read>,
    ) -> Result<Plan, NotReady> {
        let pair = |read: &Read| (**read).as_ref().map(|secret| secret.version.clone());
        // Pinned versions go back and forth as the ExternalSecret says.
        let newest = reads.iter().filter(|(place, _)| place.version.is_none());
        let newest: BTreeMap<SecretPath, Option<VersionPair>> =
            newest.map(|(place, read)| (place.path.clone(), pair(read))).collect();
        went_back(existing, owner.name, &newest, &self.expected_versions)?;
        let live: Reads<'_> =
            reads.iter().map(|(place, read)| (place, (**read).as_ref().and_then(live))).collect();
        self.confirmed(existing, &live)?;
        let data = match render(&self.request, &live)? {
            Rendered::Data(data) => data,
            Rendered::Gone => return Ok(Plan::Delete),
        };
        let mut versions = Versions::new();
        // Places are sorted, the newest of a path before its pinned versions: it is the one
        // recorded.
        for (place, read) in reads {
            if let Some(version) = pair(read) {
                versions.entry(place.path.clone()).or_insert(version);
            }
        }
        let write = target::plan(&self.request, owner, existing, &data, &versions)?;
        Ok(Plan::Write(write, versions))
    }

    /// Before something is taken away because its source is gone, that is seen twice.
    fn confirmed(&self, existing: Option<&Secret>, reads: &Reads<'_>) -> Result<(), NotReady> {
        let gone = reads.iter().find(|(_, live)| live.is_none()).map(|(place, _)| place);
        let mut tables = self.worker.tables();
        let (Some(place), Some(_)) = (gone, existing) else {
            tables.present(&self.key);
            return Ok(());
        };
        if self.request.deletion == Deletion::Retain {
            return Ok(());
        }
        let now: Instant = instant();
        let seen_for = now.duration_since(tables.absent_since(&self.key, now));
        if seen_for >= CONFIRMED_AFTER {
            return Ok(());
        }
        let message = format!(
            "the authority holds no value at {} any more; it is looked at once more before target.deletionPolicy is \
             followed",
            place.path
        );
        let until = Until::After(CONFIRMED_AFTER.saturating_sub(seen_for));
        Err(NotReady { reason: "SecretSyncedError", message, until })
    }
}

fn live(secret: &KvSecret) -> Option<Live<'_>> {
    let data = secret.data.as_ref().filter(|_| secret.state == VersionState::Live)?;
    Some(Live { data, json: &secret.json })
}
