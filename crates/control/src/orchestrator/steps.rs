//! The registry of step types: what each `uses` does.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use kube::runtime::events::{Event, EventType};
use kube::{Resource, ResourceExt};
use regent_api::workflow::{Uses, WorkflowStep};
use regent_api::workflow_run::CauseKind;
use regent_api::{RuntimeSecret, WorkflowRun};
use regent_protocol::observation::RunRef;
use regent_protocol::record::{Slot, State, StopKind};
use regent_protocol::{Protocol, Reason, Record};
use regent_types::{Explain, VersionPair};

use super::authority::Authority;
use super::drive::{self, Job, Outcome, Pass, World};
use super::effects;
use super::error::Error;
use super::workflow::Tried;

/// Longest note of a Kubernetes Event, in characters.
const NOTE_LEN_MAX: usize = 1_000;

/// How a step went.
pub(super) struct Report {
    /// Its end, for now.
    pub(super) end: End,
    /// Protocol steps it went through.
    pub(super) stages: Vec<&'static str>,
    /// Version that it made or acknowledged.
    pub(super) version: Option<VersionPair>,
}

/// The end of a step, for now.
pub(super) enum End {
    /// Done, or tried in vain.
    Tried(Tried),
    /// The slot was covered before.
    AlreadyDone,
    /// The authority is away.
    Away(String),
    /// It waits.
    Waits {
        /// Why.
        why: Reason,
        /// For people.
        message: String,
        /// When time alone may change the answer.
        until: Option<Timestamp>,
        /// Whether its intent is persisted.
        committed: bool,
    },
    /// Somebody must decide.
    Stopped {
        /// Who.
        kind: StopKind,
        /// Why.
        reason: Reason,
        /// For people.
        message: String,
    },
}

impl Report {
    fn bare(end: End) -> Self {
        Self { end, stages: Vec::new(), version: None }
    }

    /// Whether the step is done.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.end, End::Tried(Tried::Done))
    }
}

/// Carries out `step` of `run` on `secret` as far as it goes.
pub(super) async fn execute(
    w: &World,
    a: &Authority,
    run: &WorkflowRun,
    secret: &Arc<RuntimeSecret>,
    step: &WorkflowStep,
) -> Report {
    let path = match secret.secret_path() {
        Ok(path) => path,
        Err(error) => return Report::bare(End::Tried(Tried::Failed(format!("path: {error}")))),
    };
    let mut cause = run_ref(run);
    if step.uses == Uses::Rotate {
        cause.renew = drive::renewed(secret, &step.with);
    }
    let job = Job::new(Arc::clone(secret), path, &a.installation, cause);
    let answer = match step.uses {
        Uses::Handover => drive::drive(w, a, &job, Protocol::Handover).await,
        Uses::Generate => drive::drive(w, a, &job, Protocol::Generate).await,
        Uses::Rotate => rotate(w, a, job).await,
        Uses::Notify => return Report::bare(notify(w, secret, &step.with).await),
    };
    match answer {
        Ok(pass) => of_pass(pass, run),
        Err(error) if error.is_authority() => {
            tracing::debug!(component = "orchestrator", %error, "authority away");
            Report::bare(End::Away(error.to_string()))
        }
        Err(error) => {
            let (path, reason) = (secret.name_any(), error.reason());
            tracing::warn!(component = "orchestrator", path, reason, %error, "step will be tried again");
            Report::bare(End::Tried(Tried::Transient(error.to_string())))
        }
    }
}

/// The run as records and ledger know it.
pub(super) fn run_ref(run: &WorkflowRun) -> RunRef {
    let cause = &run.spec.cause;
    let kind = serde_json::to_value(cause.kind).unwrap_or_default();
    let kind = kind.as_str().unwrap_or_default().to_owned();
    // The claim that a declared rotation names is what it finishes, nothing that it stands for.
    let finishes = cause.kind == CauseKind::Declared
        && run.spec.uses == Some(Uses::Rotate)
        && cause.slot.is_some();
    let slot = cause.slot.clone().filter(|_| !finishes);
    let slot = slot.map(|slot| Slot { trigger: format!("{kind}/{}", cause.by), slot });
    RunRef {
        uid: run.uid().unwrap_or_default(),
        name: format!("{}/{}", run.namespace().unwrap_or_default(), run.name_any()),
        actor: cause.by.clone(),
        cause: if cause.reason.is_empty() { kind } else { format!("{kind}: {}", cause.reason) },
        slot,
        compromise: cause.kind == CauseKind::Compromise,
        renew: BTreeMap::new(),
        finishes,
    }
}

/// Rotation. A leak does not wait for consumers of the bootstrap Secret (PROTOCOLS.md §5.1), and
/// nothing is claimed that could not be carried out.
async fn rotate(w: &World, a: &Authority, mut job: Job) -> Result<Pass, Error> {
    let record = drive::load(a, &job.path).await?.map(|(r, _)| r);
    let introducing = |r: &Record| matches!(r.state, State::Acknowledged | State::Disposing);
    let handover = job.secret.spec.introduce.handover.is_some();
    if job.run.compromise && handover && record.as_ref().is_some_and(introducing) {
        job.request.hurry = true;
        let pass = drive::drive(w, a, &job, Protocol::Handover).await?;
        if pass.outcome != Outcome::Done {
            return Ok(pass);
        }
    }
    let ours = |r: &Record| r.owner == job.owner && r.state == State::Done;
    let closed = |r: &Record| r.runs.iter().any(|c| c.run == job.run.uid);
    if record.as_ref().is_some_and(|r| ours(r) && !closed(r))
        && job.secret.spec.introduce.derived.is_none()
        && let Err(refusal) = effects::renewable(a, &job, &job.run.renew).await?
    {
        let outcome = Outcome::Refused(refusal.message);
        return Ok(Pass { outcome, stages: Vec::new(), record });
    }
    drive::drive(w, a, &job, Protocol::Rotation).await
}

fn of_pass(pass: Pass, run: &WorkflowRun) -> Report {
    let record = pass.record.as_ref();
    let uid = run.uid().unwrap_or_default();
    let claimed = record.and_then(|r| r.claim.as_ref()).is_some_and(|c| c.run == uid);
    let introducing = record.is_some_and(|r| r.state != State::Done && r.state != State::Rotating);
    let version = record.and_then(|r| {
        let closed = r.runs.iter().find(|c| c.run == uid).map(|c| c.version.clone());
        let promoted = r.claim.as_ref().filter(|c| c.run == uid).and_then(|c| c.promoted.clone());
        closed
            .or(promoted)
            .or_else(|| r.acknowledged.clone().filter(|_| run.spec.uses != Some(Uses::Rotate)))
    });
    let end = match pass.outcome {
        Outcome::Done => End::Tried(Tried::Done),
        Outcome::AlreadyDone => End::AlreadyDone,
        Outcome::Refused(message) => End::Tried(Tried::Failed(message)),
        Outcome::Wait { why, message, until } => {
            End::Waits { why, message, until, committed: claimed || introducing }
        }
        Outcome::Stopped { kind, reason, message } => End::Stopped { kind, reason, message },
    };
    Report { end, stages: pass.stages, version }
}

async fn notify(w: &World, secret: &RuntimeSecret, with: &BTreeMap<String, String>) -> End {
    let note = with.get("message").map(|m| m.chars().take(NOTE_LEN_MAX).collect());
    let event = Event {
        type_: EventType::Normal,
        reason: with.get("reason").cloned().unwrap_or_else(|| "Notify".into()),
        note,
        action: "Notify".into(),
        secondary: None,
    };
    let answer = w.recorder.publish(&event, &secret.object_ref(&())).await;
    End::Tried(match answer {
        Ok(()) => Tried::Done,
        Err(error) => Tried::Transient(Error::api("create", "Event", &error).to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_run_is_known_by_its_cause_and_its_slot() {
        let run: WorkflowRun = serde_json::from_value(json!({
            "apiVersion": "regent.dev/v1alpha1", "kind": "WorkflowRun",
            "metadata": { "namespace": "payments", "name": "nightly-db-1", "uid": "u" },
            "spec": { "runtimeSecret": "db", "cause": {
                "kind": "compromise", "by": "leak", "slot": "d1", "reason": "seen in a log" } },
        }))
        .unwrap();
        let found = run_ref(&run);
        assert_eq!((found.name.as_str(), found.actor.as_str()), ("payments/nightly-db-1", "leak"));
        assert_eq!(found.cause, "compromise: seen in a log");
        assert_eq!(found.slot, Some(Slot { trigger: "compromise/leak".into(), slot: "d1".into() }));
        assert!(found.compromise && !found.finishes);
    }

    #[test]
    fn a_declared_rotation_that_names_a_claim_only_finishes_it() {
        let mut run: WorkflowRun = serde_json::from_value(json!({
            "apiVersion": "regent.dev/v1alpha1", "kind": "WorkflowRun",
            "metadata": { "namespace": "payments", "name": "resume-db-1", "uid": "u" },
            "spec": { "runtimeSecret": "db", "uses": "rotate", "cause": {
                "kind": "declared", "by": "orchestrator", "slot": "uid of the run that is gone" } },
        }))
        .unwrap();
        let found = run_ref(&run);
        assert!(found.finishes && found.slot.is_none());
        run.spec.cause.slot = None;
        assert!(!run_ref(&run).finishes, "who declares a rotation has it begun");
    }
}
