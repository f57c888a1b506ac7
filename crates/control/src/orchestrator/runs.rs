//! WorkflowRun: executes the steps of a run and writes down how far it is (PROTOCOLS.md §7).

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::{Api, ResourceExt};
use regent_api::condition;
use regent_api::condition::{READY, Verdict};
use regent_api::workflow_run::RunPhase;
use regent_api::{RuntimeSecret, Workflow, WorkflowRun, WorkflowRunStatus};
use regent_protocol::Reason;
use regent_protocol::record::StopKind;

use super::authority::Authority;
use super::drive::World;
use super::error::Error;
use super::steps::{self, Report};
use super::workflow::{Next, Plan};

/// Steps that one reconcile may carry out: 16 and 4 of a Workflow.
const STEPS_MAX: usize = 20;
/// While a run waits it is looked at again at least this often; changes that are watched come
/// first.
const LOOK: Duration = Duration::from_secs(30);
/// A run that somebody must free.
const LOOK_STOPPED: Duration = Duration::from_secs(60);

/// Whether a run is over.
pub(super) fn ended(run: &WorkflowRun) -> bool {
    let phase = run.status.as_ref().and_then(|s| s.phase);
    matches!(phase, Some(RunPhase::Succeeded | RunPhase::AlreadyDone | RunPhase::Failed))
}

/// What the condition of a run should say, and when to look at it again.
struct Ending {
    verdict: Verdict,
    again: Action,
}

/// Brings a run as far as it goes.
pub(super) async fn reconcile(run: Arc<WorkflowRun>, w: Arc<World>) -> Result<Action, Error> {
    if ended(&run) {
        return Ok(Action::await_change());
    }
    let (namespace, name) = (run.namespace().unwrap_or_default(), run.name_any());
    let object = format!("WorkflowRun {namespace}/{name}");
    // The store of ExternalSecrets decides who is awaited: nothing is decided before it is filled.
    if !w.ready().await {
        return Ok(Action::await_change());
    }
    let api: Api<WorkflowRun> = Api::namespaced(w.cx.api.clone(), &namespace);
    let found = api.get_opt(&name).await.map_err(|e| Error::api("get", &object, &e))?;
    let Some(mut run) = found.filter(|r| !ended(r)) else { return Ok(Action::await_change()) };
    let old = run.status.clone().unwrap_or_default();
    let mut status = old.clone();
    let ending = match w.authority() {
        Err(why) => Ending {
            verdict: Verdict::no(Reason::AuthorityNotReady.as_str(), why),
            again: Action::await_change(),
        },
        Ok(authority) => execute(&w, &authority, &run, &mut status, &object).await?,
    };
    let now = w.cx.now();
    let generation = run.metadata.generation;
    status.observed_generation = generation;
    status.conditions = condition::set(&old.conditions, READY, &ending.verdict, generation, now);
    if status != old {
        run.status = Some(status);
        let params = w.cx.manager().post();
        let answer = api.replace_status(&name, &params, &run).await;
        answer.map_err(|e| Error::api("update status of", &object, &e))?;
    }
    Ok(ending.again)
}

/// Carries out what is due. Errors of the API server about the run itself are returned; everything
/// else is written into its status.
async fn execute(
    w: &World,
    a: &Authority,
    run: &WorkflowRun,
    status: &mut WorkflowRunStatus,
    object: &str,
) -> Result<Ending, Error> {
    let now = w.cx.now();
    status.started_at.get_or_insert(Time(now));
    status.phase = Some(RunPhase::Running);
    if run.spec.workflow.is_none() && run.spec.uses.is_none() {
        let message = "name a workflow, or the one step to use".to_owned();
        return Ok(finish(status, RunPhase::Failed, "NothingToDo", message, now));
    }
    let secret = match secret_of(w, run).await? {
        Ok(secret) => secret,
        Err((reason, message)) => {
            return Ok(finish(status, RunPhase::Failed, reason, message, now));
        }
    };
    let workflow = match workflow_of(w, run).await? {
        Ok(workflow) => workflow,
        Err(message) => {
            let verdict = Verdict::no("WorkflowMissing", message);
            return Ok(Ending { verdict, again: Action::requeue(LOOK) });
        }
    };
    let plan = Plan::of(&run.spec, workflow.as_ref().map(|w| &w.spec));
    for _ in 0..STEPS_MAX {
        let now = w.cx.now();
        let step = match plan.next(&status.steps, now) {
            Next::Run(step) => step,
            Next::Pause(until) => {
                let message = last_message(status);
                let verdict = Verdict::no("Retrying", message);
                return Ok(Ending { verdict, again: requeue_at(until, now) });
            }
            Next::End(RunPhase::Failed) => {
                let message = last_message(status);
                return Ok(finish(status, RunPhase::Failed, "StepFailed", message, now));
            }
            Next::End(phase) => {
                return Ok(finish(status, phase, "Succeeded", String::new(), now));
            }
        };
        let report = steps::execute(w, a, run, &secret, &step).await;
        let now = w.cx.now();
        if let Some(ending) = note(w, status, &plan, &step, report, object, now) {
            return Ok(ending);
        }
    }
    let verdict = Verdict::unknown("Running", "more steps are due");
    Ok(Ending { verdict, again: Action::requeue(Duration::from_millis(100)) })
}

/// Writes down a report; `Some` where the pass is over.
fn note(
    w: &World,
    status: &mut WorkflowRunStatus,
    plan: &Plan,
    step: &regent_api::workflow::WorkflowStep,
    report: Report,
    object: &str,
    now: Timestamp,
) -> Option<Ending> {
    super::workflow::record_stages(
        &mut status.steps,
        &step.name,
        &report.stages,
        report.is_done(),
        now,
    );
    if report.version.is_some() {
        status.version = report.version.clone();
    }
    let last = report.stages.last().filter(|s| **s != "done");
    status.step = Some(match last {
        Some(stage) => format!("{}/{stage}", step.name),
        None => step.name.clone(),
    });
    match report.end {
        steps::End::AlreadyDone => {
            let message = "the slot of this run was covered before".to_owned();
            return Some(finish(status, RunPhase::AlreadyDone, "AlreadyDone", message, now));
        }
        // Nothing that the run could do better: no try is counted.
        steps::End::Away(message) => {
            let verdict = Verdict::no(Reason::AuthorityNotReady.as_str(), message);
            return Some(Ending {
                verdict,
                again: Action::requeue(w.backoff.next(object.to_owned())),
            });
        }
        steps::End::Stopped { kind, reason, message } => {
            w.backoff.reset(object);
            status.phase = Some(match kind {
                StopKind::Conflict => RunPhase::Conflict,
                StopKind::Held => RunPhase::Held,
            });
            let tried = super::workflow::Tried::Waits { message: message.clone(), committed: true };
            plan.record(&mut status.steps, step, &tried, now);
            let verdict = Verdict::no(reason.as_str(), message);
            return Some(Ending { verdict, again: Action::requeue(LOOK_STOPPED) });
        }
        steps::End::Waits { why, message, until, committed } => {
            w.backoff.reset(object);
            let tried = super::workflow::Tried::Waits { message: message.clone(), committed };
            plan.record(&mut status.steps, step, &tried, now);
            if matches!(plan.next(&status.steps, now), Next::Run(_)) {
                let verdict = Verdict::no(why.as_str(), message);
                let again = match until {
                    Some(until) if !follows(why) => requeue_at(until, now),
                    Some(until) => requeue_at(until.min(later(now, LOOK)), now),
                    None => Action::requeue(LOOK),
                };
                return Some(Ending { verdict, again });
            }
        }
        steps::End::Tried(tried) => {
            w.backoff.reset(object);
            plan.record(&mut status.steps, step, &tried, now);
        }
    }
    None
}

fn finish(
    status: &mut WorkflowRunStatus,
    phase: RunPhase,
    reason: &'static str,
    message: String,
    now: Timestamp,
) -> Ending {
    status.phase = Some(phase);
    status.finished_at = Some(Time(now));
    status.step = None;
    let verdict = match phase {
        RunPhase::Succeeded | RunPhase::AlreadyDone => Verdict::yes(reason, message),
        _ => Verdict::no(reason, message),
    };
    Ending { verdict, again: Action::await_change() }
}

fn last_message(status: &WorkflowRunStatus) -> String {
    let said = status.steps.iter().rev().find(|s| !s.message.is_empty());
    said.map_or_else(String::new, |s| format!("{}: {}", s.name, s.message))
}

/// Waits that end when somebody else acts, rather than by time.
fn follows(why: Reason) -> bool {
    matches!(why, Reason::ConsumersNotReady | Reason::ConsumersBehind | Reason::BecomeAwaited)
}

fn later(now: Timestamp, pause: Duration) -> Timestamp {
    now.checked_add(pause).unwrap_or(Timestamp::MAX)
}

/// At `until`, but not before a tenth of a second and within the usual look.
fn requeue_at(until: Timestamp, now: Timestamp) -> Action {
    let left = until.duration_since(now);
    let left = Duration::try_from(left).unwrap_or(Duration::ZERO);
    Action::requeue(left.clamp(Duration::from_millis(100), Duration::from_secs(3_600)))
}

type Missing = (&'static str, String);

async fn secret_of(
    w: &World,
    run: &WorkflowRun,
) -> Result<Result<Arc<RuntimeSecret>, Missing>, Error> {
    let (namespace, name) = (run.namespace().unwrap_or_default(), &run.spec.runtime_secret);
    let api: Api<RuntimeSecret> = Api::namespaced(w.cx.api.clone(), &namespace);
    let found = api.get_opt(name).await;
    let found =
        found.map_err(|e| Error::api("get", format!("RuntimeSecret {namespace}/{name}"), &e))?;
    Ok(found.map(Arc::new).ok_or_else(|| {
        ("RuntimeSecretMissing", format!("there is no RuntimeSecret {name} in this namespace"))
    }))
}

async fn workflow_of(
    w: &World,
    run: &WorkflowRun,
) -> Result<Result<Option<Workflow>, String>, Error> {
    let Some(name) = &run.spec.workflow else { return Ok(Ok(None)) };
    let namespace = run.namespace().unwrap_or_default();
    let api: Api<Workflow> = Api::namespaced(w.cx.api.clone(), &namespace);
    let found = api.get_opt(name).await;
    let found = found.map_err(|e| Error::api("get", format!("Workflow {namespace}/{name}"), &e))?;
    Ok(match found {
        Some(workflow) => Ok(Some(workflow)),
        None => Err(format!("there is no Workflow {name} in this namespace; declare it")),
    })
}
