//! Writing to the authority: one session and one ledger chain a server.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use k8s_openapi::jiff::Timestamp;
use regent_protocol::ledger::{Event, event_id, kinds};
use regent_types::authority_names::{REGENT_MOUNT, SECRET_MOUNT, chain_name};
use regent_types::identity::Identity;
use regent_types::{Explain, SecretData, SecretPath, VersionPair};
use regent_vault::{Kv, Session};

use super::plan::{Plan, marks, other_publisher, plan};
use super::released::is_released;
use super::withdraw::{Withdrawal, withdrawal};
use crate::not_ready::NotReady;
use crate::unanswered::{self, not_asked};
use regent_operator::Context;
use regent_operator::circuit::Circuits;
use regent_operator::ledger::{Ledger, LedgerError};
use regent_operator::ledger_heads::LedgerHeads;
use regent_operator::published_head::Published;
use regent_operator::trusted_authority::AuthorityEndpoint;

/// Authorities of one installation: its own and a few external ones.
const SERVERS_MAX: usize = 16;
/// Paths are published one at a time within a shard, so that two PushSecrets cannot both claim a
/// new path.
const SHARDS: usize = 16;

/// The authorities, as the publisher writes to them.
pub(crate) struct Authorities {
    cx: Context,
    open: Mutex<HashMap<AuthorityEndpoint, Open>>,
    circuits: Circuits<AuthorityEndpoint, NotReady>,
    shards: [tokio::sync::Mutex<()>; SHARDS],
}

#[derive(Clone)]
struct Open {
    session: Session,
    ledger: Ledger,
}

/// Who publishes and why, for mark and ledger.
pub(crate) struct Author<'a> {
    pub(crate) publisher: &'a str,
    pub(crate) only_new: bool,
    /// Whether this process has not compared this PushSecret before: then the event of a write that
    /// a crash cut off is told now.
    pub(crate) first: bool,
}

impl Authorities {
    /// None is contacted before the first publication. `concurrency`: how many passes there are at once.
    pub(crate) fn new(cx: Context, concurrency: u16) -> Self {
        let circuits = Circuits::new(concurrency, SERVERS_MAX);
        Self { cx, open: Mutex::default(), circuits, shards: Default::default() }
    }

    /// Makes `path` at `server` hold `wanted`; returns the version at which it does.
    pub(crate) async fn publish(
        &self,
        server: &AuthorityEndpoint,
        path: &SecretPath,
        wanted: &SecretData,
        author: &Author<'_>,
        now: Timestamp,
    ) -> Result<VersionPair, NotReady> {
        self.asked(server, self.publish_now(server, path, wanted, author, now)).await
    }

    /// Takes `properties`, which `publisher` put there, away from `path` at `server`.
    pub(crate) async fn withdraw(
        &self,
        server: &AuthorityEndpoint,
        path: &SecretPath,
        properties: &BTreeSet<String>,
        publisher: &str,
        now: Timestamp,
    ) -> Result<(), NotReady> {
        self.asked(server, self.withdraw_now(server, path, properties, publisher, now)).await
    }

    /// Does `work` with `server`, unless it is known not to answer.
    async fn asked<T>(
        &self,
        server: &AuthorityEndpoint,
        work: impl Future<Output = Result<T, NotReady>>,
    ) -> Result<T, NotReady> {
        let asking = self.circuits.enter(server).await.map_err(|e| not_asked(server, e))?;
        let done = work.await;
        match &done {
            Err(error) if ["AuthoritySealed", "AuthorityUnreachable"].contains(&error.reason) => {
                asking.failed(error.clone());
            }
            _ => asking.answered(),
        }
        done
    }

    async fn publish_now(
        &self,
        server: &AuthorityEndpoint,
        path: &SecretPath,
        wanted: &SecretData,
        author: &Author<'_>,
        now: Timestamp,
    ) -> Result<VersionPair, NotReady> {
        let open = self.open(server).map_err(|e| unwritten(server, &e))?;
        let kv = open.session.kv(SECRET_MOUNT);
        let _one_at_a_time = self.turn(server, path).await;
        let current = kv.read(path.as_str(), None).await.map_err(|e| unwritten(server, &e))?;
        let former = match other_publisher(current.as_ref(), author.publisher) {
            Some(other) if is_released(&self.cx.api, author.publisher, other, path).await => {
                Some(other)
            }
            _ => None,
        };
        let step = plan(path, current.as_ref(), author.publisher, former, wanted, author.only_new)?;
        drop(current);
        let version = match step {
            Plan::Nothing(version) if !author.first => return Ok(version),
            Plan::Nothing(version) => version,
            Plan::Claim(version) => {
                claim(server, &kv, path, author.publisher).await?;
                version
            }
            Plan::Write { data, json, cas, claim: claimed } => {
                let written = kv.write_typed(path.as_str(), &data, &json, Some(cas)).await;
                let version = written.map_err(|e| unwritten(server, &e))?;
                if claimed {
                    claim(server, &kv, path, author.publisher).await?;
                }
                tracing::info!(
                    component = "publisher", %path, %version, object = author.publisher, "published"
                );
                version
            }
        };
        let event = event(kinds::PUBLISHED, path, &version, author.publisher, now);
        open.ledger.append(event).await.map_err(|e| ledger_behind(&e))?;
        Ok(version)
    }

    async fn withdraw_now(
        &self,
        server: &AuthorityEndpoint,
        path: &SecretPath,
        properties: &BTreeSet<String>,
        publisher: &str,
        now: Timestamp,
    ) -> Result<(), NotReady> {
        let open = self.open(server).map_err(|e| unwritten(server, &e))?;
        let kv = open.session.kv(SECRET_MOUNT);
        let _one_at_a_time = self.turn(server, path).await;
        let current = kv.read(path.as_str(), None).await.map_err(|e| unwritten(server, &e))?;
        let step = withdrawal(current.as_ref(), publisher, properties);
        drop(current);
        let (kind, version) = match step {
            Withdrawal::Nothing => return Ok(()),
            Withdrawal::Write { data, json, cas } => {
                let written = kv.write_typed(path.as_str(), &data, &json, Some(cas)).await;
                (kinds::PUBLISHED, written.map_err(|e| unwritten(server, &e))?)
            }
            Withdrawal::Delete(version) => {
                let deleted = kv.delete(path.as_str(), &[version.number]).await;
                deleted.map_err(|e| unwritten(server, &e))?;
                (kinds::WITHDRAWN, version)
            }
        };
        tracing::info!(component = "publisher", %path, %version, object = publisher, "withdrawn");
        let event = event(kind, path, &version, publisher, now);
        open.ledger.append(event).await.map(drop).map_err(|e| ledger_behind(&e))
    }

    async fn turn(
        &self,
        server: &AuthorityEndpoint,
        path: &SecretPath,
    ) -> tokio::sync::MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        server.hash(&mut hasher);
        path.hash(&mut hasher);
        let shard = usize::try_from(hasher.finish() % SHARDS as u64).unwrap_or_default();
        self.shards[shard].lock().await
    }

    fn open(&self, server: &AuthorityEndpoint) -> Result<Open, regent_vault::Error> {
        let mut all = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = all.get(server) {
            return Ok(open.clone());
        }
        let session =
            self.cx.session(&server.address, &server.mount, &Identity::Publisher.account())?;
        let chain = chain_name(Identity::Publisher, &server.mount);
        // The heads of the installation's own authority; others are judged by their entries alone.
        let own = all.is_empty();
        let published = match own {
            true => Published::In(self.cx.api.clone()),
            false => Published::Nowhere,
        };
        let ledger = Ledger::start(session.kv(REGENT_MOUNT), &chain, published);
        if own {
            let (cx, heads) = (self.cx.clone(), ledger.heads());
            tokio::spawn(async move {
                let stop = cx.shutdown.clone().wait();
                LedgerHeads::new(cx).follow(&chain, heads, stop).await
            });
        }
        if all.len() >= SERVERS_MAX {
            all.clear();
        }
        let open = Open { session, ledger };
        all.insert(server.clone(), open.clone());
        Ok(open)
    }
}

async fn claim(
    server: &AuthorityEndpoint,
    kv: &Kv,
    path: &SecretPath,
    publisher: &str,
) -> Result<(), NotReady> {
    let claimed = kv.patch_custom_metadata(path.as_str(), &marks(publisher)).await;
    claimed.map_err(|e| unwritten(server, &e))
}

/// The event of one publication or withdrawal; the same for a repeat of it (PROTOCOLS.md §8).
fn event(
    kind: &str,
    path: &SecretPath,
    version: &VersionPair,
    publisher: &str,
    now: Timestamp,
) -> Event {
    let cause = match kind {
        kinds::WITHDRAWN => "change: the PushSecret with deletionPolicy Delete maps it no more",
        _ => "change: the source Secret of the PushSecret",
    };
    Event {
        id: event_id(kind, Some(path.as_str()), Some(version), None, publisher),
        kind: kind.into(),
        at: now,
        writer: Identity::Publisher.name().into(),
        actor: publisher.to_owned(),
        cause: cause.into(),
        path: Some(path.to_string()),
        version: Some(version.clone()),
        run: None,
        result: "succeeded".into(),
        detail: String::new(),
    }
}

fn unwritten(server: &AuthorityEndpoint, error: &regent_vault::Error) -> NotReady {
    let is_no_text = matches!(error, regent_vault::Error::NotText { .. });
    unanswered::failed(server, error, if is_no_text { "NotText" } else { "Errored" })
}

fn ledger_behind(error: &LedgerError) -> NotReady {
    let message =
        format!("published, but the ledger does not tell it yet: {} ({error})", error.reason());
    // Where a person must act first, the reason says so.
    let reason = if error.is_transient() { "LedgerBehind" } else { error.reason() };
    NotReady::until_retry(reason, message)
}
