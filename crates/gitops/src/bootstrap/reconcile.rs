//! One reconcile of one manifest: fresh facts, one plan, at most one write, one status.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::api::Api;
use kube::runtime::controller::Action;
use kube::{Resource, ResourceExt};
use regent_api::EncryptedManifest;
use regent_types::Explain;

use super::BootstrapError;
use super::ctx::{Ctx, namespaced_name};
use super::hmac::HmacKey;
use super::open::{self, Opened};
use super::plan::{Holder, NotReady, Observed, Plan, Write, plan};
use super::produce::{self, Current, Provenance, Version};
use super::reason::Reason;
use super::report::was_silent;
use super::source::{self, Source};
use super::status::{self, Product};

/// Until handover, a bootstrap Secret that someone deleted is found missing this often: bootstrap
/// may not list or watch Secrets at large.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Longest wait for the first list of RuntimeSecrets.
const STORE_WAIT_MAX: Duration = Duration::from_secs(10);

/// Entry point of the controller.
pub(super) async fn reconcile(
    manifest: Arc<EncryptedManifest>,
    ctx: Arc<Ctx>,
) -> Result<Action, BootstrapError> {
    let name = namespaced_name(&manifest);
    if manifest.meta().deletion_timestamp.is_some() {
        ctx.backoff.reset(&name);
        return Ok(Action::await_change());
    }
    let listed = tokio::time::timeout(STORE_WAIT_MAX, ctx.listed.wait()).await;
    if listed.is_err() {
        ctx.report_error(&manifest, &BootstrapError::Blind).await;
        return Err(BootstrapError::Blind);
    }
    if ctx.is_settled(&manifest) {
        ctx.backoff.reset(&name);
        return Ok(Action::await_change());
    }
    let plan = match ctx.pass(&manifest).await {
        Ok(plan) => plan,
        Err(error) => {
            ctx.report_error(&manifest, &error).await;
            return Err(error);
        }
    };
    let action = match plan.reason {
        // The identity may come at any time, and nothing tells.
        Reason::NoIdentity | Reason::WrongIdentity => {
            return Ok(Action::requeue(ctx.backoff.next(name)));
        }
        Reason::Produced | Reason::NotMine | Reason::KeepsChanging => Action::requeue(LOOK_EVERY),
        Reason::HandedOver | Reason::IgnoredGitValue | Reason::Refused(_) | Reason::Failed(_) => {
            Action::await_change()
        }
    };
    ctx.backoff.reset(&name);
    Ok(action)
}

/// A pass that failed is repeated, ever more slowly (S5.7-1: it may be repeated for ever).
pub(super) fn error_policy(
    manifest: Arc<EncryptedManifest>,
    error: &BootstrapError,
    ctx: Arc<Ctx>,
) -> Action {
    let (object, reason) = (namespaced_name(&manifest), error.reason());
    let chain = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    tracing::warn!(component = "bootstrap", object, reason, %error, chain, "pass failed");
    Action::requeue(ctx.backoff.next(object))
}

impl Ctx {
    /// Silent for this generation already: nothing is read, opened or compared again.
    fn is_settled(&self, manifest: &EncryptedManifest) -> bool {
        let Some(status) = manifest.status.as_ref() else { return false };
        status.observed_generation == manifest.metadata.generation
            && was_silent(manifest)
            && self.watched_holder(manifest).1 == Holder::Authority
    }

    async fn pass(&self, manifest: &EncryptedManifest) -> Result<Plan, BootstrapError> {
        let key = self.keys.hmac().await?;
        let namespace = manifest.namespace().unwrap_or_default();
        let secrets: Api<Secret> = Api::namespaced(self.operator.api.clone(), &namespace);
        let opened = self.open(manifest, &key).await?;
        let current = produce::read(&secrets, &manifest.name_any()).await?;
        let watched = self.watched_holder(manifest);
        let now = self.operator.now();
        let mut plan = decide(manifest, &opened, current.as_ref(), &key, watched.1, now);
        if plan.write != Write::Nothing {
            let holder = self.read_holder(manifest, watched).await?;
            plan = decide(manifest, &opened, current.as_ref(), &key, holder, now);
        }
        let mut version = current.as_ref().map(Current::version).unwrap_or_default();
        if let (true, Ok(opened)) = (plan.write != Write::Nothing, &opened) {
            version = self.write(manifest, &secrets, opened, current.as_ref(), plan.write).await?;
        }
        let (uid, resource_version) = version;
        let product = opened.as_ref().ok();
        let product = product.map(|o| Product { hmac: o.hmac.clone(), uid, resource_version });
        self.update_status(manifest, &plan, product.as_ref()).await?;
        Ok(plan)
    }

    /// Opens the manifest; identities are read again once where those at hand do not fit.
    async fn open(
        &self,
        manifest: &EncryptedManifest,
        key: &Arc<HmacKey>,
    ) -> Result<Result<Opened, NotReady>, BootstrapError> {
        let mut newer_than = None;
        loop {
            let (identities, read) = self.keys.identities(newer_than).await?;
            let outcome = match identities {
                Ok(identities) => open::open(manifest, identities, Arc::clone(key)).await?,
                Err(not_ready) => Err(not_ready),
            };
            let may_be_stale = newer_than.is_none()
                && outcome.as_ref().is_err_and(|not_ready| not_ready.reason.awaits_identity());
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
        write: Write,
    ) -> Result<Version, BootstrapError> {
        let name = namespaced_name(manifest);
        let uid = manifest.uid().unwrap_or_default();
        let source = source::find(&self.operator.api, manifest).await;
        let provenance =
            Provenance { manifest: &name, uid: &uid, source: &source, at: self.operator.now() };
        let manager = self.operator.manager();
        let written =
            produce::write(secrets, opened, &provenance, current, write, &manager).await?;
        let (object, commit) = (name.as_str(), source.commit.as_str());
        tracing::info!(component = "bootstrap", object, commit, "bootstrap Secret written");
        Ok(written)
    }
}

fn decide(
    manifest: &EncryptedManifest,
    opened: &Result<Opened, NotReady>,
    current: Option<&Current>,
    key: &HmacKey,
    holder: Holder,
    now: Timestamp,
) -> Plan {
    let existing = current.map(|c| c.facts(key, opened.as_ref().ok()));
    let source = Source::stated(manifest);
    plan(&Observed {
        manifest: &namespaced_name(manifest),
        uid: &manifest.uid().unwrap_or_default(),
        produced: manifest.status.as_ref().and_then(|s| s.plaintext_hmac.as_deref()),
        was_silent: was_silent(manifest),
        source: source.as_ref(),
        opened: opened.as_ref().map(|o| o.hmac.as_str()),
        existing: existing.as_ref(),
        holder,
        keeps_changing: manifest.status.as_ref().is_some_and(|s| status::keeps_changing(s, now)),
    })
}
