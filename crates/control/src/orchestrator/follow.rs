//! One look at a RuntimeSecret: follows the protocols of its path in one session with the record, and hands what came of
//! each step to its run.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use regent_api::workflow::Uses;
use regent_protocol::record::{Origin, State};
use regent_protocol::{Decider, Outcome, Protocol, Reason, Record};
use regent_types::Explain;

use super::authority::Authority;
use super::board::{Progress, SecretKey, Work};
use super::claims::Standing;
use super::ctx::Ctx;
use super::declared::Declared;
use super::error::Error;
use super::known::Known;
use super::run_status::follows;
use super::session::{Drive, observer};
use super::status::Obstacle;
use super::{claims, introduction, look, steps};

/// With nothing to do the policy in the authority is compared this often.
pub(super) const POLICY_LOOK: Duration = Duration::from_secs(3_600);
/// Where a person or the world must act first.
pub(super) const BLOCKED_LOOK: Duration = Duration::from_secs(60);
/// Where others are awaited; what they do is told by watches, and comes first.
const WAITING_LOOK: Duration = Duration::from_secs(30);

/// Follows the protocols of the path in one session, with the record that is `held` or as it is read now.
pub(super) async fn follow(
    ctx: &Ctx,
    a: &Authority,
    declared: &Declared,
    key: &SecretKey,
    held: Option<(Record, i64)>,
    known: &mut Known,
) -> Result<(), Error> {
    let mut drive = Drive::open(ctx, a, declared, held).await?;
    released(ctx, &mut drive, key, known).await?;
    match standing(ctx, declared, drive.record()) {
        Standing::First => {}
        Standing::Unknown(pause) => {
            known.next = later(ctx.cx.now(), pause);
            return Ok(());
        }
        Standing::Later(reason, message) => {
            let outcome = Outcome::Blocked { by: Decider::Person, reason, message };
            stop(ctx, key, known, outcome).await;
            known.next = later(ctx.cx.now(), BLOCKED_LOOK);
            return Ok(());
        }
    }
    if declared.secret.spec.introduce.derived.is_some() {
        let outcome = drive.follow(Protocol::Derived, observer(), false).await?;
        known.next = known.next.min(look_again(&outcome, ctx.cx.now()));
        match (&outcome, drive.record()) {
            // Without a record nothing else says so.
            (Outcome::Blocked { .. }, None) => stop(ctx, key, known, outcome).await,
            _ => known.observed.waits = reason_of(&outcome),
        }
    } else {
        introduction::introduce(ctx, declared).await?;
    }
    let introduced = carry_out(ctx, &mut drive, key, known).await?;
    if !introduced {
        stay_introduced(ctx, &mut drive, known).await?;
    }
    finish_abandoned(ctx, &mut drive).await?;
    let outcome = drive.follow(Protocol::Policy, observer(), false).await?;
    known.observed.drift = reason_of(&outcome).map(|(_, message)| message);
    (known.observed.record, known.record_version) = (drive.record().cloned(), drive.version());
    known.observed.consumers = drive.consumers();
    known.told = Some(Arc::clone(drive.told()));
    Ok(())
}

/// A path that belongs to another RuntimeSecret may be released to this one; nothing else is done about it.
async fn released(
    ctx: &Ctx,
    drive: &mut Drive<'_>,
    key: &SecretKey,
    known: &mut Known,
) -> Result<(), Error> {
    let foreign =
        |drive: &Drive<'_>| drive.record().is_some_and(|r| r.owner != drive.declared.owner);
    if !foreign(drive) {
        return Ok(());
    }
    for work in ctx.board.of(key).into_iter().filter(|w| w.step.uses == Uses::Release && w.due) {
        if foreign(drive) {
            one(ctx, drive, &work, known).await?;
        }
    }
    Ok(())
}

/// What was introduced stays so, run or no run: a bootstrap Secret that lives again is disposed of, and another version
/// than the record's is said.
async fn stay_introduced(ctx: &Ctx, drive: &mut Drive<'_>, known: &mut Known) -> Result<(), Error> {
    let protocol = match drive.declared.origin() {
        Origin::Derived => return Ok(()),
        Origin::Handover => Protocol::Handover,
        Origin::Adopted => Protocol::Adopt,
        Origin::Generate => Protocol::Generate,
    };
    if drive.record().is_none_or(|r| r.state == State::Intent) {
        return Ok(());
    }
    let outcome = drive.follow(protocol, observer(), false).await?;
    known.next = known.next.min(again(ctx, drive, &outcome));
    if known.observed.waits.is_none() {
        known.observed.waits = reason_of(&outcome);
    }
    Ok(())
}

/// How long one that was just declared waits for others of its age. Nothing is asked and said of it meanwhile.
pub(super) fn too_early(ctx: &Ctx, declared: &Declared) -> Option<Duration> {
    let known = declared.secret.status.as_ref().is_some_and(|s| s.version.is_some());
    match standing(ctx, declared, None) {
        Standing::Unknown(pause) if !known => Some(pause),
        _ => None,
    }
}

/// Whether the path is this RuntimeSecret's: by its record, and where there is none by age and name.
fn standing(ctx: &Ctx, declared: &Declared, record: Option<&Record>) -> Standing {
    let path = declared.path.as_str();
    let Some(record) = record else {
        return claims::standing(&declared.secret, path, &ctx.secrets, ctx.cx.now());
    };
    let owner = &record.owner;
    if *owner == declared.owner {
        return Standing::First;
    }
    let reason = match owner.installation == declared.owner.installation {
        true => Reason::PathClaimed,
        false => Reason::OtherInstallation,
    };
    let way = match reason {
        Reason::PathClaimed => format!(", or where that is gone: regent release {path}"),
        _ => String::new(),
    };
    let message = format!(
        "path {path} belongs to RuntimeSecret {}/{} of installation {}; declare another path{way}",
        owner.namespace, owner.name, owner.installation
    );
    Standing::Later(reason, message)
}

/// Carries out every step that is due, oldest run first; whether one of them introduces the secret.
async fn carry_out(
    ctx: &Ctx,
    drive: &mut Drive<'_>,
    key: &SecretKey,
    known: &mut Known,
) -> Result<bool, Error> {
    let mut introduces = false;
    for work in ctx.board.of(key) {
        if !is_there(ctx, &work) {
            ctx.board.remove(&work.run);
            continue;
        }
        if !work.due && !work.is_waiting() {
            continue;
        }
        introduces |= matches!(work.step.uses, Uses::Handover | Uses::Generate | Uses::Adopt);
        one(ctx, drive, &work, known).await?;
    }
    Ok(introduces)
}

/// Carries out the step of `work`, and hands what came of it to its run.
async fn one(
    ctx: &Ctx,
    drive: &mut Drive<'_>,
    work: &Work,
    known: &mut Known,
) -> Result<(), Error> {
    let now = ctx.cx.now();
    let progress = match steps::execute(drive, work, now).await {
        Ok(progress) => progress,
        Err(error) if error.is_authority() || error.outcome().is_some() => return Err(error),
        Err(error) => {
            let run = work.run.name_any();
            let reason = error.reason();
            tracing::warn!(component = "orchestrator", run, reason, %error, "step will be tried again");
            drive.reload().await?;
            steps::failed(&error, drive.record(), work, now)
        }
    };
    known.observed.waits = reason_of(&progress.outcome);
    known.next = known.next.min(again(ctx, drive, &progress.outcome));
    report(ctx, work, progress).await;
    Ok(())
}

/// Whether the run exists; one that was just made is not in the cache yet.
fn is_there(ctx: &Ctx, work: &Work) -> bool {
    let found = ctx.runs.store().get(&ObjectRef::from_obj(work.run.as_ref()));
    work.is_new || found.is_some_and(|run| run.uid() == work.run.uid())
}

/// When to look again at a step that ended so; ever later where it does not take effect.
fn again(ctx: &Ctx, drive: &Drive<'_>, outcome: &Outcome) -> Option<Timestamp> {
    let tries = format!("effects of {}", drive.declared.path);
    if outcome.reason() == Some(Reason::EffectAwaited) {
        return later(ctx.cx.now(), ctx.backoff.next(tries));
    }
    ctx.backoff.reset(&tries);
    look_again(outcome, ctx.cx.now())
}

/// When to look again at a step that ended so.
fn look_again(outcome: &Outcome, now: Timestamp) -> Option<Timestamp> {
    let pause = match outcome {
        Outcome::Waiting { reason: Reason::Retrying, .. } => POLICY_LOOK,
        Outcome::Waiting { reason, until: Some(until), .. } if !follows(*reason) => {
            return Some(*until);
        }
        Outcome::Waiting { until: Some(until), .. } => {
            return later(now, WAITING_LOOK).min(Some(*until));
        }
        Outcome::Waiting { .. } => WAITING_LOOK,
        Outcome::Blocked { .. } => BLOCKED_LOOK,
        Outcome::Done | Outcome::Covered | Outcome::Failed { .. } => POLICY_LOOK,
    };
    later(now, pause)
}

pub(super) fn later(now: Timestamp, pause: Duration) -> Option<Timestamp> {
    Some(now.checked_add(pause).unwrap_or(Timestamp::MAX))
}

fn reason_of(outcome: &Outcome) -> Option<(Reason, String)> {
    match outcome {
        Outcome::Waiting { reason, message, .. } | Outcome::Blocked { reason, message, .. } => {
            Some((*reason, message.clone()))
        }
        Outcome::Done | Outcome::Covered | Outcome::Failed { .. } => None,
    }
}

/// A rotation whose run is gone is finished by another one. A run ends after its claim did: whether
/// this one was left behind says a look at the record after the run was seen to be gone.
async fn finish_abandoned(ctx: &Ctx, drive: &mut Drive<'_>) -> Result<(), Error> {
    let rotating = drive.record().filter(|r| r.state == State::Rotating);
    let Some(claim) = rotating.and_then(|r| r.claim.clone()) else { return Ok(()) };
    if look::claimant_alive(ctx, &claim).await? {
        return Ok(());
    }
    drive.reload().await?;
    let left = drive.record().and_then(|r| r.claim.as_ref());
    match left.is_some_and(|left| left.run == claim.run) {
        true => introduction::finish(ctx, drive.declared, &claim).await,
        false => Ok(()),
    }
}

/// Nothing can be done: the status says why, and so does every run.
pub(super) async fn stop(ctx: &Ctx, key: &SecretKey, known: &mut Known, outcome: Outcome) {
    if let Outcome::Waiting { reason, message, .. }
    | Outcome::Blocked { reason, message, .. }
    | Outcome::Failed { reason, message } = &outcome
    {
        let conflict = matches!(outcome, Outcome::Blocked { by: Decider::Person, .. });
        let (reason, message) = (*reason, message.clone());
        known.observed.obstacle = Some(Obstacle { reason, message, conflict });
    }
    for work in ctx.board.of(key) {
        report(ctx, &work, steps::stopped(outcome.clone(), ctx.cx.now())).await;
    }
}

/// Hands what came of a step to its run.
async fn report(ctx: &Ctx, work: &Work, progress: Progress) {
    if ctx.board.report(work, progress) {
        // Where nobody listens any more it is time to stop.
        let _stopped = ctx.wake_run.send(ObjectRef::from_obj(work.run.as_ref())).await;
    }
}
