//! WorkflowRun: says which step is due, and writes down what came of it (PROTOCOLS.md §7). It asks
//! nothing of the authority.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::runtime::controller::Action;
use kube::runtime::events::EventType;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, Resource, ResourceExt};
use regent_api::condition::{self, READY, Verdict};
use regent_api::workflow::{Uses, WorkflowSpec, WorkflowStep};
use regent_api::workflow_run::RunPhase;
use regent_api::{RuntimeSecret, Workflow, WorkflowRun, WorkflowRunStatus};
use regent_operator::events::Announcement;
use regent_operator::write::{self, StatusWrite, write_status};
use regent_protocol::{Outcome, Reason};

use super::accept_restore;
use super::board::Progress;
use super::control::{self, Judged};
use super::ctx::Ctx;
use super::error::Error;
use super::retry;
use super::run_status::{Ending, LOOK, ended, finish, kept_until, last_message, note, requeue_at};
use super::workflow::{Next, Plan};

/// Steps that one reconcile may write down: 16 and 4 of a Workflow.
const STEPS_MAX: usize = 20;

/// Brings the status of a run up to date, and has its next step carried out.
pub(super) async fn reconcile(run: Arc<WorkflowRun>, ctx: Arc<Ctx>) -> Result<Action, Error> {
    if ended(&run) || run.metadata.deletion_timestamp.is_some() {
        ctx.board.remove(&run);
        return Ok(Action::await_change());
    }
    let namespace = run.namespace().unwrap_or_default();
    let old = run.status.clone().unwrap_or_default();
    let mut status = old.clone();
    let ending = match advance(&ctx, &run, &mut status).await? {
        Advanced::Later(again) if status.steps == old.steps => return Ok(again),
        // The step before is over: that is written down, whatever comes of the next one.
        Advanced::Later(again) => Ending { again, ..running() },
        Advanced::Ending(ending) => ending,
    };
    let generation = run.metadata.generation;
    status.observed_generation = generation;
    status.conditions =
        condition::set(&old.conditions, READY, &ending.verdict, generation, ctx.cx.now());
    let mut new = WorkflowRun::clone(&run);
    new.status = Some(status);
    let over = ended(&new);
    if new.status.as_ref() != Some(&old) {
        let api: Api<WorkflowRun> = Api::namespaced(ctx.cx.api.clone(), &namespace);
        match write_status(&api, &ctx.cx.manager(), &new).await? {
            StatusWrite::Written(_) => {}
            StatusWrite::Gone => {
                ctx.board.remove(&run);
                return Ok(Action::await_change());
            }
            // What changed it wakes this reconcile again.
            StatusWrite::Changed => return Ok(Action::requeue(LOOK)),
        }
    }
    ctx.backoff.reset(&write::key(run.as_ref()));
    if over {
        ctx.board.remove(&run);
    }
    Ok(ending.again)
}

/// What a reconcile came to.
enum Advanced {
    /// Nothing to write down yet.
    Later(Action),
    /// The status is to be written.
    Ending(Ending),
}

async fn advance(
    ctx: &Ctx,
    run: &Arc<WorkflowRun>,
    status: &mut WorkflowRunStatus,
) -> Result<Advanced, Error> {
    let now = ctx.cx.now();
    status.started_at.get_or_insert(Time(now));
    status.phase = Some(RunPhase::Running);
    let failed = |status: &mut WorkflowRunStatus, reason: Reason, message: String| {
        Ok(Advanced::Ending(finish(status, RunPhase::Failed, reason.as_str(), message, now)))
    };
    let (secret, plan) = match prepare(ctx, run, status).await? {
        Prepared::Ready(secret, plan) => (secret, plan),
        Prepared::Not(advanced) => return Ok(advanced),
    };
    for _ in 0..STEPS_MAX {
        let now = ctx.cx.now();
        let step = match plan.next(&status.steps, now) {
            Next::Run(step) => step,
            Next::Pause(until) => {
                let (message, again) = (last_message(status), requeue_at(until, now));
                return Ok(Advanced::Ending(Ending::waits(Reason::Retrying, message, again)));
            }
            Next::End(phase) => return Ok(Advanced::Ending(over(status, run, phase, now))),
        };
        let progress = match (step.uses, &secret) {
            (Uses::Notify, Some(secret)) => Arc::new(notify(ctx, secret, &step).await),
            (Uses::AcceptRestore, None) => Arc::new(accept_restore::accept(ctx, run, &step).await),
            (_, None) => {
                let message = "name the RuntimeSecret that the run is about".to_owned();
                return failed(status, Reason::RuntimeSecretMissing, message);
            }
            _ => match asked(ctx, run, &step).await {
                Some(progress) => progress,
                None => return Ok(Advanced::Later(Action::requeue(LOOK))),
            },
        };
        if let Some(until) = kept_until(status, &progress, now) {
            return Ok(Advanced::Later(requeue_at(until, now)));
        }
        if let Some(ending) = note(status, &plan, &step, &progress, now) {
            return Ok(Advanced::Ending(ending));
        }
    }
    Ok(Advanced::Ending(running()))
}

/// Whether a run may take its next step.
enum Prepared {
    /// It may: its RuntimeSecret, where it has one, and its plan.
    Ready(Option<Arc<RuntimeSecret>>, Plan),
    /// It may not, or not yet.
    Not(Advanced),
}

/// What must be known before a step: what the run is about, its plan, and what a person wants of it since.
async fn prepare(
    ctx: &Ctx,
    run: &Arc<WorkflowRun>,
    status: &mut WorkflowRunStatus,
) -> Result<Prepared, Error> {
    let now = ctx.cx.now();
    let not = |advanced| Ok(Prepared::Not(advanced));
    let failed = |status: &mut WorkflowRunStatus, reason: Reason, message: String| {
        let ending = finish(status, RunPhase::Failed, reason.as_str(), message, now);
        Ok(Prepared::Not(Advanced::Ending(ending)))
    };
    if run.spec.workflow.is_none() && run.spec.uses.is_none() {
        let message = "name a workflow, or the one step to use".to_owned();
        return failed(status, Reason::NothingToDo, message);
    }
    if let Some(message) = control::suspended(run) {
        ctx.board.remove(run);
        status.phase = Some(RunPhase::Suspended);
        let ending = Ending::waits(Reason::Suspended, message, Action::await_change());
        return not(Advanced::Ending(ending));
    }
    let secret = secret_of(ctx, run).await?;
    if secret.is_none() && !run.spec.runtime_secret.is_empty() {
        let name = &run.spec.runtime_secret;
        let message = format!("there is no RuntimeSecret {name} in this namespace");
        return failed(status, Reason::RuntimeSecretMissing, message);
    }
    let pins = status.plan.is_none() && run.spec.retry_of.is_none();
    if let Some(workflow) = run.spec.workflow.as_ref().filter(|_| pins) {
        let Some(spec) = workflow_of(ctx, run, workflow).await? else {
            let message = format!("there is no Workflow {workflow} in this namespace; declare it");
            let again = Action::requeue(LOOK);
            return not(Advanced::Ending(Ending::waits(Reason::WorkflowMissing, message, again)));
        };
        // Written down before its first step is begun; the write wakes this reconcile again.
        status.plan = Some(spec);
        return not(Advanced::Ending(running()));
    }
    if let Some(of) =
        run.spec.retry_of.as_ref().filter(|_| status.plan.is_none() && status.steps.is_empty())
    {
        if let Err(message) = retry::take_over(ctx, run, of, status).await? {
            return failed(status, Reason::NothingToRetry, message);
        }
        if status.plan.is_some() {
            return not(Advanced::Ending(running()));
        }
    }
    let mut plan = Plan::of(&run.spec, status.plan.as_ref());
    match control::judge(ctx, run, &plan, &status.steps) {
        Judged::GoesOn => {}
        Judged::Unknown => return not(Advanced::Later(Action::requeue(LOOK))),
        Judged::Ends => {
            ctx.board.remove(run);
            plan = plan.canceled();
        }
    }
    Ok(Prepared::Ready(secret, plan))
}

/// The end of a run, in `phase`.
fn over(
    status: &mut WorkflowRunStatus,
    run: &WorkflowRun,
    phase: RunPhase,
    now: Timestamp,
) -> Ending {
    let (reason, message) = match phase {
        RunPhase::Failed => (Reason::StepFailed.as_str(), last_message(status)),
        RunPhase::AlreadyDone => ("AlreadyDone", last_message(status)),
        RunPhase::Canceled => {
            let by = run.spec.control.as_ref().map_or("somebody", |c| c.by.as_str());
            ("Canceled", format!("ended by {by}"))
        }
        _ => ("Succeeded", String::new()),
    };
    finish(status, phase, reason, message, now)
}

/// It goes on at once.
fn running() -> Ending {
    let verdict = Verdict::unknown("Running", "more steps are due");
    Ending { verdict, again: Action::requeue(Duration::from_millis(100)) }
}

/// What came of `step`; where that is not known yet, its RuntimeSecret is looked at.
async fn asked(ctx: &Ctx, run: &Arc<WorkflowRun>, step: &WorkflowStep) -> Option<Arc<Progress>> {
    if ctx.board.request(run, step) {
        let namespace = run.namespace().unwrap_or_default();
        let reference = ObjectRef::new(&run.spec.runtime_secret).within(&namespace);
        // Where nobody listens any more it is time to stop.
        let _stopped = ctx.wake_secret.send(reference).await;
        return None;
    }
    ctx.board.progress(run, &step.name)
}

/// The RuntimeSecret, from the cache where it is known there; `None` where there is none, or none is named.
async fn secret_of(ctx: &Ctx, run: &WorkflowRun) -> Result<Option<Arc<RuntimeSecret>>, Error> {
    let (namespace, name) = (run.namespace().unwrap_or_default(), &run.spec.runtime_secret);
    if name.is_empty() {
        return Ok(None);
    }
    if let Some(known) = ctx.secrets.store().get(&ObjectRef::new(name).within(&namespace)) {
        return Ok(Some(known));
    }
    let api: Api<RuntimeSecret> = Api::namespaced(ctx.cx.api.clone(), &namespace);
    let found = api.get_opt(name).await;
    let found =
        found.map_err(|e| Error::api("get", format!("RuntimeSecret {namespace}/{name}"), &e))?;
    Ok(found.map(Arc::new))
}

/// What the Workflow `name` of the run's namespace says now; `None` where there is none.
async fn workflow_of(
    ctx: &Ctx,
    run: &WorkflowRun,
    name: &str,
) -> Result<Option<WorkflowSpec>, Error> {
    let namespace = run.namespace().unwrap_or_default();
    let api: Api<Workflow> = Api::namespaced(ctx.cx.api.clone(), &namespace);
    let found = api.get_opt(name).await;
    let found = found.map_err(|e| Error::api("get", format!("Workflow {namespace}/{name}"), &e))?;
    Ok(found.map(|workflow| workflow.spec))
}

/// Tells people by a Kubernetes Event on the RuntimeSecret.
async fn notify(ctx: &Ctx, secret: &RuntimeSecret, step: &WorkflowStep) -> Progress {
    let with: &BTreeMap<String, String> = &step.with;
    let said = Announcement {
        severity: EventType::Normal,
        reason: with.get("reason").map_or("Notify", String::as_str),
        action: "Notify",
        note: with.get("message").map_or("", String::as_str),
    };
    let outcome = match ctx.events.emit(&secret.object_ref(&()), &said).await {
        Ok(()) => Outcome::Done,
        Err(error) => {
            let message = error.to_string();
            Outcome::Waiting { reason: Reason::Retrying, message, until: None }
        }
    };
    let since = ctx.cx.now();
    Progress { outcome, committed: false, stages: Vec::new(), version: None, since }
}
