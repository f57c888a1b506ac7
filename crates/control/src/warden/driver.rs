//! One reconciliation: observe, plan, apply, until there is nothing but to rest; then say so and
//! look again later.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::runtime::controller::Action;
use kube::{Api, Resource, ResourceExt};
use regent_api::RuntimeAuthority;
use regent_api::condition::{READY, Verdict, is_true};
use regent_api::runtime_authority::ReviewedBy;
use regent_protocol::ledger::Event;
use regent_types::Explain;
use regent_types::authority_names::{REGENT_MOUNT, chain_name};
use regent_types::identity::Identity;
use regent_types::labels::{AUTHORITY_NAME, AUTHORITY_SERVICE_URL};
use regent_vault::{Client, SealedShares, Session, Token};
use tokio::sync::{Mutex, watch};

use super::apply::happened;
use super::copy::Copies;
use super::objects::Objects;
use super::observe::health;
use super::plan::{Rest, RestState, Step, plan};
use super::repairs::Repairs;
use super::seen::Health;
use super::status::{self, Outcome};
use super::transport::Told;
use super::{Args, Error};
use regent_operator::Context;
use regent_operator::backoff::{Backoff, Growth};
use regent_operator::ledger::Ledger;
use regent_operator::write::{StatusWrite, merge_status};

/// Steps in one pass: a whole initialization takes ten.
const STEPS_PER_PASS_MAX: usize = 24;
/// Longest pass; a cold start takes well below a second, a silent authority at most a few request
/// deadlines.
const PASS_DEADLINE: Duration = Duration::from_secs(180);
/// How often an authority in order is asked for its health, which costs the API server nothing: one that was restarted
/// is sealed, and serves nobody until this look.
const HEALTH_EVERY: Duration = Duration::from_secs(5);
/// How often the configuration of an authority in order is compared.
const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(600);
/// Pauses while it is not in order. The longest is how late warden may notice that somebody helped.
const PAUSES: Growth = Growth::new(Duration::from_millis(200), Duration::from_secs(5));
/// Events kept while the ledger cannot be written; one unseal makes one.
const PENDING_MAX: usize = 256;

/// What one authority is talked to with.
pub(super) struct Link {
    written: String,
    /// The login mount.
    mount: String,
    pub(super) client: Client,
    pub(super) session: Session,
    pub(super) ledger: Ledger,
}

/// What warden remembers between passes. Losing it costs one look at everything.
#[derive(Default)]
pub(super) struct Memory {
    /// Root token of an initialization by this process; gone once it is revoked.
    pub(super) root: Option<Arc<Token>>,
    /// Sealed shares of an initialization by this process that Kubernetes does not hold yet.
    pub(super) unstored: Option<SealedShares>,
    /// Events that are not in the ledger yet.
    pub(super) pending: VecDeque<Event>,
    pub(super) repairs: Repairs,
    /// It was sealed at the last look and warden has not unsealed it since.
    pub(super) sealed_seen: bool,
    /// Whether an audit device was on at the last look at the configuration.
    audited: Option<bool>,
    /// Certificates whose issue this process has put among the events; the chain drops repeats.
    certificates: BTreeSet<String>,
    link: Option<Arc<Link>>,
    /// The last full look, if it found everything in order.
    in_order: Option<InOrder>,
}

/// A full look that found everything in order.
struct InOrder {
    generation: Option<i64>,
    at: Timestamp,
    rest: Rest,
}

impl Memory {
    /// Keeps an event until it is in the ledger; one of the same id is kept once.
    pub(super) fn happened(&mut self, event: Event) {
        if self.pending.iter().any(|known| known.id == event.id) {
            return;
        }
        if self.pending.len() >= PENDING_MAX {
            tracing::error!(reason = "LedgerBehind", "an event was dropped before it was recorded");
            self.pending.pop_front();
        }
        self.pending.push_back(event);
    }
}

/// Shared by all reconciliations.
pub(super) struct Driver {
    pub(super) cx: Context,
    pub(super) args: Args,
    pub(super) api: Api<RuntimeAuthority>,
    pub(super) objects: Objects,
    pub(super) copies: Copies,
    served: watch::Receiver<Option<bool>>,
    transport: watch::Receiver<Option<Told>>,
    memory: Mutex<Memory>,
    /// By the RuntimeAuthority's name.
    backoff: Backoff<String>,
}

/// What a pass ended with.
struct Pass {
    result: Result<Rest, Error>,
    health: Option<Health>,
    /// A full look, not the short one.
    full: bool,
}

impl Driver {
    pub(super) fn new(
        cx: Context,
        args: Args,
        served: watch::Receiver<Option<bool>>,
        transport: watch::Receiver<Option<Told>>,
    ) -> Self {
        let (api, objects) = (Api::all(cx.api.clone()), Objects::new(&cx));
        let copies = Copies::new(cx.api.clone(), cx.manager());
        let (memory, backoff) = (Mutex::default(), Backoff::new(PAUSES));
        Self { cx, args, api, objects, copies, served, transport, memory, backoff }
    }

    async fn fresh(&self, name: &str) -> Result<Option<RuntimeAuthority>, Error> {
        let object = format!("RuntimeAuthority {name}");
        self.api.get_opt(name).await.map_err(Error::api("read", &object))
    }

    /// The connection to the authority that the spec names; the old one is kept while it is the
    /// same.
    fn link(&self, authority: &RuntimeAuthority, memory: &mut Memory) -> Result<Arc<Link>, Error> {
        let written = match &authority.spec.external {
            Some(external) => external.address.as_str(),
            None => AUTHORITY_SERVICE_URL,
        };
        let mount = authority.spec.login().mount;
        let same = |link: &&Arc<Link>| link.written == written && link.mount == mount;
        if let Some(link) = memory.link.as_ref().filter(same) {
            return Ok(Arc::clone(link));
        }
        let role = Identity::Warden.account();
        let session = self.cx.session(written, &mount, &role);
        let session = session.map_err(Error::authority("connecting"))?;
        let chain = chain_name(Identity::Warden, &mount);
        let ledger = Ledger::start(session.kv(REGENT_MOUNT), &chain);
        let link = Arc::new(Link {
            written: written.to_owned(),
            mount,
            client: session.client().clone(),
            ledger,
            session,
        });
        // A root token is never shown to another authority; of the one left it is hunted later.
        memory.root = None;
        memory.link = Some(Arc::clone(&link));
        Ok(link)
    }

    /// Steps until there is nothing but to rest.
    async fn pass(
        &self,
        memory: &mut Memory,
        health_seen: &mut Option<Health>,
    ) -> Result<Rest, Error> {
        for _ in 0..STEPS_PER_PASS_MAX {
            let Some(authority) = self.fresh(AUTHORITY_NAME).await? else {
                return Ok(gone());
            };
            let link = self.link(&authority, memory)?;
            let observed = self.observe(&authority, &link, memory, self.cx.now()).await?;
            *health_seen = Some(observed.seen.health.clone());
            memory.audited = observed.audited.or(memory.audited);
            self.watch_seal(&observed.seen.health, memory);
            match plan(&observed.seen) {
                Step::Rest(rest) => return Ok(rest),
                step => {
                    tracing::debug!(?step, "warden step");
                    self.apply(&step, &authority, &link, memory, observed).await?;
                }
            }
        }
        let message = "more steps than any sequence needs; it goes on at the next pass";
        Ok(Rest::waiting("Busy", message))
    }

    /// An unseal that was not warden's own is in the ledger as well.
    fn watch_seal(&self, health: &Health, memory: &mut Memory) {
        match health {
            Health::Sealed => memory.sealed_seen = true,
            Health::Unsealed if memory.sealed_seen => {
                memory.sealed_seen = false;
                let detail = "with shares that did not come from warden";
                let event = happened(self, "unsealed", "", detail);
                let (actor, cause) = ("holder".to_owned(), "manual".to_owned());
                memory.happened(Event { actor, cause, ..event });
            }
            _ => {}
        }
    }

    /// The short look: an authority that was in order is asked for its health alone.
    async fn short_look(&self, authority: &RuntimeAuthority, memory: &mut Memory) -> Option<Rest> {
        let last = memory.in_order.as_ref()?;
        let due = self.cx.now().duration_since(last.at) >= LOOK_EVERY;
        if due || last.generation != authority.metadata.generation || !memory.pending.is_empty() {
            return None;
        }
        if !is_true(&authority.status.as_ref()?.conditions, READY) {
            return None;
        }
        let rest = last.rest.clone();
        let link = self.link(authority, memory).ok()?;
        (health(&link.client).await == Health::Unsealed).then_some(rest)
    }

    /// Takes in what was issued since the last pass.
    fn take_in_certificates(&self, memory: &mut Memory) {
        let issued = self.transport.borrow().as_ref().map(|t| t.issued.clone());
        let Some(issued) = issued else { return };
        let known = std::mem::take(&mut memory.certificates);
        for one in issued.iter().filter(|i| !known.contains(&i.fingerprint)) {
            let event = happened(self, "certificate-issued", &one.fingerprint, &one.detail);
            memory.happened(event);
        }
        memory.certificates = issued.into_iter().map(|i| i.fingerprint).collect();
    }

    async fn look(&self, authority: &RuntimeAuthority, memory: &mut Memory) -> Pass {
        if let Some(rest) = self.short_look(authority, memory).await {
            return Pass { result: Ok(rest), health: Some(Health::Unsealed), full: false };
        }
        let mut health = None;
        let pass = self.pass(memory, &mut health);
        let result = tokio::time::timeout(PASS_DEADLINE, pass).await;
        let result = result.unwrap_or(Err(Error::Deadline(PASS_DEADLINE)));
        Pass { result, health, full: true }
    }

    /// Writes what a pass came to, if it says anything new. Nothing new beside what the watch has `known` is not
    /// asked about again: whoever changes the status wakes this again.
    async fn report(
        &self,
        known: &RuntimeAuthority,
        pass: &Pass,
        memory: &Memory,
    ) -> Result<(), Error> {
        if !pass.full && self.news(known, pass, memory).is_none() {
            return Ok(());
        }
        let Some(authority) = self.fresh(AUTHORITY_NAME).await? else { return Ok(()) };
        let news = self.news(&authority, pass, memory);
        self.write_status(AUTHORITY_NAME, news).await
    }

    /// What the status of `authority` lacks of what a pass came to.
    fn news(
        &self,
        authority: &RuntimeAuthority,
        pass: &Pass,
        memory: &Memory,
    ) -> Option<serde_json::Value> {
        let old = authority.status.clone().unwrap_or_default();
        let (verdict, active) = match &pass.result {
            Ok(rest) => (rest.verdict.clone(), Some(rest.is_active())),
            Err(error) => {
                let message = format!("{error}; do: {}", error.advice().action);
                (Verdict::no(error.reason(), message), None)
            }
        };
        let link = memory.link.as_ref();
        let outcome = Outcome {
            verdict,
            active,
            health: pass.health.clone(),
            address: link.map(|l| l.written.clone()).unwrap_or_default(),
            served: *self.served.borrow(),
            transport: self.transport.borrow().clone(),
            head: link.and_then(|l| Some((l.ledger.writer().to_owned(), l.ledger.head()?.text()))),
            kubernetes: ReviewedBy {
                host: self.args.kubernetes_host.clone(),
                ca_cert: self.args.kubernetes_ca_cert.clone(),
            },
            audited: memory.audited,
        };
        let generation = authority.metadata.generation;
        let new = status::next(&old, &outcome, generation, self.cx.now());
        if old.phase != new.phase {
            tracing::info!(phase = new.phase, authoritative = new.authoritative, "phase");
        }
        status::changes(&old, &new)
    }

    async fn write_status(
        &self,
        name: &str,
        fields: Option<serde_json::Value>,
    ) -> Result<(), Error> {
        let Some(fields) = fields else { return Ok(()) };
        match merge_status(&self.api, &self.cx.manager(), name, &fields).await? {
            StatusWrite::Written | StatusWrite::Gone => Ok(()),
            StatusWrite::Changed => Err(Error::changed(name)),
        }
    }

    /// A RuntimeAuthority of another name only learns that it is not the one.
    async fn refuse(&self, other: &RuntimeAuthority) -> Result<(), Error> {
        let message = "there is one RuntimeAuthority and its name is regent: delete this one";
        let old = other.status.clone().unwrap_or_default();
        let mut new = old.clone();
        let (generation, now) = (other.metadata.generation, self.cx.now());
        let verdict = Verdict::no("NotTheOne", message);
        new.conditions =
            regent_api::condition::set(&old.conditions, READY, &verdict, generation, now);
        self.write_status(&other.name_any(), status::changes(&old, &new)).await
    }
}

fn gone() -> Rest {
    Rest::waiting("Gone", "there is no RuntimeAuthority regent")
}

/// Entry point of the controller. Failures become the `Ready` condition; only a status that cannot
/// be written is an error here.
pub(super) async fn reconcile(
    authority: Arc<RuntimeAuthority>,
    driver: Arc<Driver>,
) -> Result<Action, Error> {
    if authority.meta().deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    if authority.name_any() != AUTHORITY_NAME {
        driver.refuse(&authority).await?;
        driver.backoff.reset(&authority.name_any());
        return Ok(Action::await_change());
    }
    let mut memory = driver.memory.lock().await;
    driver.take_in_certificates(&mut memory);
    let pass = driver.look(&authority, &mut memory).await;
    if let Err(error) = &pass.result {
        tracing::warn!(reason = error.reason(), %error, "warden pass failed");
    }
    driver.report(&authority, &pass, &memory).await?;
    let active = pass.result.ok().filter(Rest::is_active);
    let Some(rest) = active else {
        memory.in_order = None;
        return Ok(Action::requeue(driver.backoff.next(authority.name_any())));
    };
    if pass.full {
        memory.repairs.helped();
        let (generation, at) = (authority.metadata.generation, driver.cx.now());
        let whole = rest.state == RestState::Active;
        memory.in_order = whole.then_some(InOrder { generation, at, rest });
    }
    driver.backoff.reset(&authority.name_any());
    Ok(Action::requeue(HEALTH_EVERY))
}

/// Only for a status that could not be written.
pub(super) fn error_policy(
    authority: Arc<RuntimeAuthority>,
    error: &Error,
    driver: Arc<Driver>,
) -> Action {
    tracing::warn!(reason = error.reason(), %error, "status of RuntimeAuthority was not written");
    Action::requeue(driver.backoff.next(authority.name_any()))
}
