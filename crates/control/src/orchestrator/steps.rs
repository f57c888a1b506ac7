//! The registry of step types that talk to the authority: what each `uses` does.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::ResourceExt;
use regent_api::WorkflowRun;
use regent_api::workflow::Uses;
use regent_api::workflow_run::CauseKind;
use regent_protocol::observation::RunRef;
use regent_protocol::record::{Slot, State};
use regent_protocol::{Outcome, Protocol, Reason, Record};
use regent_types::VersionPair;

use super::board::{Progress, Work};
use super::effects;
use super::error::Error;
use super::session::Drive;

/// Carries out the step of `work` as far as it goes.
pub(super) async fn execute(
    drive: &mut Drive<'_>,
    work: &Work,
    now: Timestamp,
) -> Result<Progress, Error> {
    let run = run_ref(&work.run);
    let outcome = match work.step.uses {
        Uses::Handover => drive.follow(Protocol::Handover, run, false).await?,
        Uses::Generate => drive.follow(Protocol::Generate, run, false).await?,
        Uses::Rotate => {
            let renew = effects::renewed(&drive.declared.secret, &work.step.with);
            rotate(drive, RunRef { renew, ..run }).await?
        }
        // It asks nothing of the authority; the run does it itself.
        Uses::Notify => Outcome::Done,
    };
    Ok(progress(outcome, drive, &work.run, now))
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

/// Rotation. A leak does not wait for consumers of the bootstrap Secret (PROTOCOLS.md §5.1).
async fn rotate(drive: &mut Drive<'_>, run: RunRef) -> Result<Outcome, Error> {
    let introducing = |r: &Record| matches!(r.state, State::Acknowledged | State::Disposing);
    let handover = drive.declared.secret.spec.introduce.handover.is_some();
    if run.compromise && handover && drive.record().is_some_and(introducing) {
        let outcome = drive.follow(Protocol::Handover, run.clone(), true).await?;
        if outcome != Outcome::Done {
            return Ok(outcome);
        }
    }
    drive.follow(Protocol::Rotation, run, false).await
}

fn progress(outcome: Outcome, drive: &Drive<'_>, run: &WorkflowRun, now: Timestamp) -> Progress {
    let record = drive.record();
    let uid = run.uid().unwrap_or_default();
    let claimed = record.and_then(|r| r.claim.as_ref()).is_some_and(|c| c.run == uid);
    let introducing = record.is_some_and(|r| r.state != State::Done && r.state != State::Rotating);
    let rotates = run.spec.uses == Some(Uses::Rotate);
    Progress {
        outcome,
        committed: claimed || introducing,
        stages: drive.stages(),
        version: record.and_then(|r| version_of(r, &uid, rotates)),
        since: now,
    }
}

/// Version that the run `uid` made, or with which the secret was introduced.
fn version_of(record: &Record, uid: &str, rotates: bool) -> Option<VersionPair> {
    let closed = record.runs.iter().find(|c| c.run == uid).map(|c| c.version.clone());
    let promoted = record.claim.as_ref().filter(|c| c.run == uid).and_then(|c| c.promoted.clone());
    closed.or(promoted).or_else(|| record.acknowledged.clone().filter(|_| !rotates))
}

/// What is said of a step that an error ended: the authority is awaited, anything else is tried
/// again as the step says.
pub(super) fn failed(error: &Error, now: Timestamp) -> Progress {
    let reason = match error.is_authority() {
        true => Reason::AuthorityNotReady,
        false => Reason::Retrying,
    };
    stopped(Outcome::Waiting { reason, message: error.to_string(), until: None }, now)
}

/// What is said of a step that was not begun.
pub(super) fn stopped(outcome: Outcome, now: Timestamp) -> Progress {
    Progress { outcome, committed: false, stages: Vec::new(), version: None, since: now }
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
