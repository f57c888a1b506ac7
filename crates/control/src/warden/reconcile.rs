//! One reconcile: observe, plan, apply, until there is nothing but to rest; then say so and come back later.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use kube::runtime::controller::Action;
use kube::{Resource, ResourceExt};
use regent_api::RuntimeAuthority;
use regent_api::condition::{READY, is_true};
use regent_types::Explain;
use regent_types::labels::AUTHORITY_NAME;

use super::Error;
use super::ctx::Ctx;
use super::ledger_event::by;
use super::memory::{InOrder, Memory};
use super::observe::health;
use super::observed::Health;
use super::plan::{Rest, RestState, Step, plan};
use super::report::Pass;

/// Steps in one pass: a whole initialization takes ten.
const STEPS_PER_PASS_MAX: usize = 24;
/// Longest pass; a cold start takes well below a second, a silent authority at most a few request
/// deadlines.
const PASS_DEADLINE: Duration = Duration::from_secs(180);
/// How often an authority in order is asked for its health, which costs the API server nothing: one that was restarted
/// is sealed, and serves nobody until it was asked.
const HEALTH_EVERY: Duration = Duration::from_secs(5);
/// How often the configuration of an authority in order is compared.
const FULL_PASS_EVERY: SignedDuration = SignedDuration::from_secs(600);

/// Entry point of the controller. Failures become the `Ready` condition; only a status that cannot
/// be written is an error here.
pub(super) async fn reconcile(
    authority: Arc<RuntimeAuthority>,
    ctx: Arc<Ctx>,
) -> Result<Action, Error> {
    let name = authority.name_any();
    if authority.meta().deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    if name != AUTHORITY_NAME {
        ctx.reject(&authority).await?;
        ctx.backoff.reset(&name);
        return Ok(Action::await_change());
    }
    let mut memory = ctx.memory.lock().await;
    ctx.record_certificates(&mut memory);
    let pass = ctx.pass(&authority, &mut memory).await;
    if let Err(error) = &pass.result {
        tracing::warn!(reason = error.reason(), %error, "warden pass failed");
    }
    ctx.report(&authority, &pass, &memory).await?;
    let Some(rest) = pass.result.ok().filter(Rest::is_active) else {
        memory.in_order = None;
        return Ok(Action::requeue(ctx.backoff.next(name)));
    };
    if pass.full {
        memory.repairs.helped();
        let (generation, at) = (authority.metadata.generation, ctx.operator.now());
        let in_order = rest.state == RestState::Active;
        memory.in_order = in_order.then_some(InOrder { generation, at, rest });
    }
    ctx.backoff.reset(&name);
    Ok(Action::requeue(HEALTH_EVERY))
}

/// Only for a status that could not be written.
pub(super) fn error_policy(
    authority: Arc<RuntimeAuthority>,
    error: &Error,
    ctx: Arc<Ctx>,
) -> Action {
    tracing::warn!(reason = error.reason(), %error, "status of RuntimeAuthority was not written");
    Action::requeue(ctx.backoff.next(authority.name_any()))
}

impl Ctx {
    async fn pass(&self, authority: &RuntimeAuthority, memory: &mut Memory) -> Pass {
        if let Some(rest) = self.health_alone(authority, memory).await {
            self.look_at_snapshots(authority, memory, false).await;
            return Pass { result: Ok(rest), health: Some(Health::Unsealed), full: false };
        }
        let mut health = None;
        let steps = self.steps(memory, &mut health);
        let result = tokio::time::timeout(PASS_DEADLINE, steps).await;
        let result = result.unwrap_or(Err(Error::Deadline(PASS_DEADLINE)));
        if result.as_ref().is_ok_and(Rest::is_active) {
            self.look_at_snapshots(authority, memory, true).await;
        }
        Pass { result, health, full: true }
    }

    /// An authority that was in order is asked for its health alone.
    async fn health_alone(
        &self,
        authority: &RuntimeAuthority,
        memory: &mut Memory,
    ) -> Option<Rest> {
        let last = memory.in_order.as_ref()?;
        let due = self.operator.now().duration_since(last.at) >= FULL_PASS_EVERY;
        if due || last.generation != authority.metadata.generation || !memory.pending.is_empty() {
            return None;
        }
        if !is_true(&authority.status.as_ref()?.conditions, READY) {
            return None;
        }
        let rest = last.rest.clone();
        let link = memory.link(authority, &self.operator).ok()?;
        (health(&link.client).await == Health::Unsealed).then_some(rest)
    }

    /// Steps until there is nothing but to rest. The last health stays in `last_health` where this ends early.
    async fn steps(
        &self,
        memory: &mut Memory,
        last_health: &mut Option<Health>,
    ) -> Result<Rest, Error> {
        for _ in 0..STEPS_PER_PASS_MAX {
            let Some(authority) = self.get(AUTHORITY_NAME).await? else {
                return Ok(Rest::waiting("Gone", "there is no RuntimeAuthority regent"));
            };
            let link = memory.link(&authority, &self.operator)?;
            let observation = self.observe(authority, link, memory, self.operator.now()).await?;
            *last_health = Some(observation.observed.health.clone());
            memory.audited = observation.audited.or(memory.audited);
            self.record_foreign_unseal(&observation.observed.health, memory);
            match plan(&observation.observed) {
                Step::Rest(rest) => return Ok(rest),
                step => {
                    tracing::debug!(?step, "warden step");
                    self.apply(&step, memory, observation).await?;
                }
            }
        }
        let message = "more steps than any sequence needs; it goes on at the next pass";
        Ok(Rest::waiting("Busy", message))
    }

    /// An unseal that was not warden's own is in the ledger as well.
    fn record_foreign_unseal(&self, health: &Health, memory: &mut Memory) {
        match health {
            Health::Sealed => memory.was_sealed = true,
            Health::Unsealed if memory.was_sealed => {
                memory.was_sealed = false;
                let detail = "with shares that did not come from warden";
                memory.add_event(by("holder", self.event("unsealed", "", detail)));
            }
            _ => {}
        }
    }

    /// What was issued since the last reconcile is in the ledger as well.
    fn record_certificates(&self, memory: &mut Memory) {
        let issued = self.transport.borrow().as_ref().map(|report| report.issued.clone());
        let Some(issued) = issued else { return };
        let recorded = std::mem::take(&mut memory.certificates);
        for one in issued.iter().filter(|one| !recorded.contains(&one.fingerprint)) {
            memory.add_event(self.event("certificate-issued", &one.fingerprint, &one.detail));
        }
        memory.certificates = issued.into_iter().map(|one| one.fingerprint).collect();
    }
}
