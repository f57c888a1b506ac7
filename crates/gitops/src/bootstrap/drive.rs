//! One look at one manifest: fresh facts, one plan, at most one write, one status.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ListParams};
use kube::runtime::controller::Action;
use kube::runtime::events::EventType;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Resource, ResourceExt};
use regent_api::condition;
use regent_api::condition::READY;
use regent_api::{EncryptedManifest, RuntimeSecret};
use regent_types::Explain;

use super::error::BootstrapError;
use super::hmac::HmacKey;
use super::keys::Keys;
use super::open::{self, Opened};
use super::plan::{Closed, Holder, Look, Plan, Write, plan};
use super::produce::{self, Current, Trace};
use super::reason::Reason;
use super::source::{self, Source};
use super::status::{self, Product};
use super::Args;
use regent_operator::Context;
use regent_operator::backoff::Backoff;
use regent_operator::cache_sync::CacheSync;
use regent_operator::events::{Announcement, EventRecorder};
use regent_operator::write::{StatusWrite, write_status};

/// Until handover, a bootstrap Secret that someone deleted is found missing this often: bootstrap
/// may not list or watch Secrets at large.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Longest wait for the first list of RuntimeSecrets.
const STORE_WAIT_MAX: Duration = Duration::from_secs(10);

/// Shared by all reconciliations.
pub(super) struct Driver {
    cx: Context,
    keys: Keys,
    secrets: Store<RuntimeSecret>,
    events: EventRecorder,
    listed: CacheSync,
    backoff: Backoff<String>,
}

impl Driver {
    pub(super) fn new(cx: Context, args: Args, secrets: Store<RuntimeSecret>) -> Self {
        let (keys, events) = (Keys::new(&cx, &args.system_namespace), cx.event_recorder());
        let listed = CacheSync::of(&secrets);
        Self { cx, keys, secrets, events, listed, backoff: Backoff::default() }
    }
}

fn title(manifest: &EncryptedManifest) -> String {
    format!("{}/{}", manifest.namespace().unwrap_or_default(), manifest.name_any())
}

/// Entry point of the controller.
pub(super) async fn reconcile(
    manifest: Arc<EncryptedManifest>,
    driver: Arc<Driver>,
) -> Result<Action, BootstrapError> {
    let name = title(&manifest);
    if manifest.meta().deletion_timestamp.is_some() {
        driver.backoff.reset(&name);
        return Ok(Action::await_change());
    }
    let listed = tokio::time::timeout(STORE_WAIT_MAX, driver.listed.wait()).await;
    if listed.is_err() {
        return Err(BootstrapError::Blind);
    }
    if driver.is_settled(&manifest) {
        driver.backoff.reset(&name);
        return Ok(Action::await_change());
    }
    let plan = match driver.pass(&manifest).await {
        Ok(plan) => plan,
        Err(error) => {
            driver.confess(&manifest, &error).await;
            return Err(error);
        }
    };
    if plan.reason.awaits_identity() {
        // The identity may come at any time, and nothing tells.
        return Ok(Action::requeue(driver.backoff.next(name)));
    }
    driver.backoff.reset(&name);
    Ok(match plan.reason {
        Reason::Produced | Reason::NotMine => Action::requeue(LOOK_EVERY),
        _ => Action::await_change(),
    })
}

/// A pass that failed is repeated, ever more slowly (S5.7-1: it may be repeated for ever).
pub(super) fn on_error(
    manifest: Arc<EncryptedManifest>,
    error: &BootstrapError,
    driver: Arc<Driver>,
) -> Action {
    let (object, reason) = (title(&manifest), error.reason());
    let chain = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    tracing::warn!(component = "bootstrap", object, reason, %error, chain, "pass failed");
    Action::requeue(driver.backoff.next(object))
}

impl Driver {
    /// Silent for this generation already: nothing is read, opened or compared again.
    fn is_settled(&self, manifest: &EncryptedManifest) -> bool {
        let Some(status) = manifest.status.as_ref() else { return false };
        status.observed_generation == manifest.metadata.generation
            && was_silent(manifest)
            && self.known(manifest).1 == Holder::Authority
    }

    /// What the watch last said: the RuntimeSecret that names this bootstrap Secret, and where it
    /// stands.
    fn known(&self, manifest: &EncryptedManifest) -> (Option<ObjectRef<RuntimeSecret>>, Holder) {
        let (namespace, name) = (&manifest.metadata.namespace, manifest.name_any());
        let mut found = (None, Holder::Unnamed);
        for secret in self.secrets.state() {
            if secret.metadata.namespace != *namespace || !names(&secret, &name) {
                continue;
            }
            let stands = stands(&secret);
            if found.1 != Holder::Authority {
                found = (Some(ObjectRef::from_obj(secret.as_ref())), stands);
            }
        }
        found
    }

    /// The same, asked just now: before an effect the watch does not count (PROTOCOLS.md §1.3), and least of all where
    /// it knows of none, as after a time in which it was broken.
    async fn fresh(
        &self,
        manifest: &EncryptedManifest,
        known: (Option<ObjectRef<RuntimeSecret>>, Holder),
    ) -> Result<Holder, BootstrapError> {
        let name = manifest.name_any();
        let namespace = manifest.namespace().unwrap_or_default();
        let api: Api<RuntimeSecret> = Api::namespaced(self.cx.api.clone(), &namespace);
        let object = format!("RuntimeSecrets of {namespace}");
        let failed = |e: kube::Error| BootstrapError::api("read", &object, &e);
        // By default it has the name of its bootstrap Secret.
        let likely = known.0.map_or_else(|| name.clone(), |reference| reference.name);
        let secret = api.get_opt(&likely).await.map_err(failed)?;
        if let Some(secret) = secret.filter(|s| names(s, &name)) {
            return Ok(stands(&secret));
        }
        let all = api.list(&ListParams::default()).await.map_err(failed)?;
        let mut naming = all.items.iter().filter(|s| names(s, &name)).map(stands);
        let first = naming.next().unwrap_or(Holder::Unnamed);
        Ok(naming.fold(first, |holder, next| match next {
            Holder::Authority => next,
            _ => holder,
        }))
    }

    async fn pass(&self, manifest: &EncryptedManifest) -> Result<Plan, BootstrapError> {
        let key = self.keys.hmac().await?;
        let namespace = manifest.namespace().unwrap_or_default();
        let secrets: Api<Secret> = Api::namespaced(self.cx.api.clone(), &namespace);
        let opened = self.open(manifest, &key).await?;
        let current = produce::read(&secrets, &manifest.name_any()).await?;
        let known = self.known(manifest);
        let mut plan = decide(manifest, &opened, current.as_ref(), &key, known.1);
        if plan.write != Write::Nothing {
            let holder = self.fresh(manifest, known).await?;
            plan = decide(manifest, &opened, current.as_ref(), &key, holder);
        }
        let mut uid = current.as_ref().and_then(Current::uid);
        if let (true, Ok(opened)) = (plan.write != Write::Nothing, &opened) {
            uid = self.write(manifest, &secrets, opened, current.as_ref()).await?;
        }
        let product = opened.as_ref().ok().map(|o| Product { hmac: o.hmac.clone(), uid });
        self.conclude(manifest, &plan, product.as_ref()).await?;
        Ok(plan)
    }

    /// Opens the manifest; identities are read again once where those at hand do not fit.
    async fn open(
        &self,
        manifest: &EncryptedManifest,
        key: &Arc<HmacKey>,
    ) -> Result<Result<Opened, Closed>, BootstrapError> {
        let mut newer_than = None;
        loop {
            let (identities, read) = self.keys.identities(newer_than).await?;
            let outcome = match identities {
                Ok(identities) => open::open(manifest, identities, Arc::clone(key)).await?,
                Err(closed) => Err(closed),
            };
            let may_be_stale = newer_than.is_none()
                && outcome.as_ref().is_err_and(|closed| closed.reason.awaits_identity());
            if !may_be_stale {
                return Ok(outcome);
            }
            newer_than = Some(read);
        }
    }

    async fn write(
        &self,
        manifest: &EncryptedManifest,
        secrets: &Api<Secret>,
        opened: &Opened,
        current: Option<&Current>,
    ) -> Result<Option<String>, BootstrapError> {
        let name = title(manifest);
        let uid = manifest.uid().unwrap_or_default();
        let source = source::find(&self.cx.api, manifest).await;
        let trace = Trace { manifest: &name, uid: &uid, source: &source, at: self.cx.now() };
        let manager = self.cx.manager();
        let written = produce::write(secrets, opened, &trace, current, &manager).await?;
        let (object, commit) = (name.as_str(), source.commit.as_str());
        tracing::info!(component = "bootstrap", object, commit, "bootstrap Secret written");
        Ok(written)
    }

    /// Writes the status where it differs, and an Event where something new must be looked at.
    async fn conclude(
        &self,
        manifest: &EncryptedManifest,
        plan: &Plan,
        product: Option<&Product>,
    ) -> Result<(), BootstrapError> {
        let old = manifest.status.clone().unwrap_or_default();
        let generation = manifest.metadata.generation;
        let new = status::next(&old, plan, product, generation, self.cx.now());
        if new == old {
            return Ok(());
        }
        let before = condition::get(&old.conditions, READY).map(|c| c.reason.clone());
        let namespace = manifest.namespace().unwrap_or_default();
        let api: Api<EncryptedManifest> = Api::namespaced(self.cx.api.clone(), &namespace);
        let mut object = manifest.clone();
        object.metadata.managed_fields = None;
        object.status = Some(new);
        match write_status(&api, &self.cx.manager(), &object).await? {
            StatusWrite::Written => {}
            StatusWrite::Gone => return Ok(()),
            StatusWrite::Changed => return Err(BootstrapError::Changed),
        }
        if before.as_deref() != Some(plan.reason.text()) {
            self.announce(manifest, plan).await;
        }
        Ok(())
    }

    /// Says in the status what keeps the manifest from producing, where a person can help. A
    /// manifest that is silent stays so: its status is what remembers that.
    async fn confess(&self, manifest: &EncryptedManifest, error: &BootstrapError) {
        let lasting = match error {
            BootstrapError::Secret(error) => !error.is_transient(),
            BootstrapError::BadKey { .. } => true,
            BootstrapError::Api(_)
            | BootstrapError::Changed
            | BootstrapError::Blind
            | BootstrapError::Host { .. } => false,
        };
        if !lasting || was_silent(manifest) {
            return;
        }
        let message = format!("{error}; {}", error.advice().action);
        let plan = Plan::failed(error.reason(), message);
        if let Err(error) = self.conclude(manifest, &plan, None).await {
            tracing::debug!(component = "bootstrap", %error, "status not written");
        }
    }

    async fn announce(&self, manifest: &EncryptedManifest, plan: &Plan) {
        let (object, reason) = (title(manifest), plan.reason.text());
        if plan.ready {
            tracing::info!(component = "bootstrap", object, reason, "manifest settled");
            return;
        }
        tracing::error!(component = "bootstrap", object, reason, detail = plan.message, "manifest");
        let (severity, action) = (EventType::Warning, "Open");
        let said = Announcement { severity, reason, action, note: &plan.message };
        if let Err(error) = self.events.emit(&manifest.object_ref(&()), &said).await {
            // The condition says the same; the Event is a courtesy.
            tracing::debug!(component = "bootstrap", object, %error, "event not emitted");
        }
    }
}

fn decide(
    manifest: &EncryptedManifest,
    opened: &Result<Opened, Closed>,
    current: Option<&Current>,
    key: &HmacKey,
    holder: Holder,
) -> Plan {
    let existing = current.map(|c| c.facts(key));
    let source = Source::stated(manifest);
    plan(&Look {
        manifest: &title(manifest),
        uid: &manifest.uid().unwrap_or_default(),
        produced: manifest.status.as_ref().and_then(|s| s.plaintext_hmac.as_deref()),
        was_silent: was_silent(manifest),
        source: source.as_ref(),
        opened: opened.as_ref().map(|o| o.hmac.as_str()),
        existing: existing.as_ref(),
        holder,
    })
}

fn was_silent(manifest: &EncryptedManifest) -> bool {
    let conditions = manifest.status.as_ref().map(|s| s.conditions.as_slice());
    condition::get(conditions.unwrap_or_default(), READY)
        .is_some_and(|c| Reason::was_silent(&c.reason))
}

fn names(secret: &RuntimeSecret, bootstrap_secret: &str) -> bool {
    let from = secret.spec.introduce.handover.as_ref();
    from.is_some_and(|from| from.bootstrap_secret == bootstrap_secret)
}

fn stands(secret: &RuntimeSecret) -> Holder {
    match secret.status.as_ref().and_then(|s| s.authority.as_deref()) {
        Some("runtime") => Holder::Authority,
        Some("git") => Holder::Git,
        _ => Holder::Undecided,
    }
}
