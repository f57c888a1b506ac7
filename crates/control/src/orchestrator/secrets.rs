//! RuntimeSecret: the one that talks to the authority. Opens one session with the record, carries
//! out in it what runs have due, and projects the record into status.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt};
use regent_api::condition::{self, READY};
use regent_api::{RuntimeSecret, RuntimeSecretStatus, WorkflowRun};
use regent_operator::write::{self, StatusWrite};
use regent_protocol::record::State;
use regent_protocol::{Decider, Outcome, Protocol, Reason, Record};
use regent_types::Explain;
use regent_types::lifecycle::Stage;

use super::authority::Authority;
use super::board::{Progress, SecretKey, Work};
use super::claims::Standing;
use super::ctx::Ctx;
use super::declared::Declared;
use super::error::Error;
use super::known::{Due, Known, Now, due};
use super::run_status::{ended, follows, requeue_at};
use super::session::{Drive, observer};
use super::status::{self, Facts};
use super::{claims, consumers, introduction, keys, look, steps};

/// With nothing to do the policy in the authority is compared this often.
const POLICY_LOOK: Duration = Duration::from_secs(3_600);
/// Where a person or the world must act first.
const BLOCKED_LOOK: Duration = Duration::from_secs(60);
/// Where others are awaited; what they do is told by watches, and comes first.
const WAITING_LOOK: Duration = Duration::from_secs(30);

/// Brings one RuntimeSecret as far as it goes, and its status up to date.
pub(super) async fn reconcile(secret: Arc<RuntimeSecret>, ctx: Arc<Ctx>) -> Result<Action, Error> {
    let key: SecretKey = (secret.namespace().unwrap_or_default(), secret.name_any());
    let object = write::key(secret.as_ref());
    if secret.metadata.deletion_timestamp.is_some() {
        ctx.memory.forget(&key);
        return Ok(Action::await_change());
    }
    if !ctx.ready().await {
        return Ok(Action::await_change());
    }
    let (wake, known) = ctx.memory.take(&key);
    let known = known.filter(|k| k.uid == secret.uid());
    let now = now_of(&ctx, &secret, &key, known.as_ref(), wake.consumers);
    let mut known = match (due(known.as_ref(), wake, &now), known) {
        (Due::Nothing(next), _) => return Ok(requeue_at(next, now.at)),
        (Due::Status, Some(known)) => known,
        (Due::Status | Due::All, _) => {
            tracing::debug!(component = "orchestrator", object, "looks");
            // Where the look fails nothing is known, and everything is looked at again.
            ctx.memory.forget(&key);
            bring(&ctx, &secret, &key, &object).await?
        }
    };
    known.resource_version = write_status(&ctx, &secret, &known, &key).await?;
    let next = known.next;
    ctx.memory.put(&key, known);
    let at = ctx.cx.now();
    Ok(next.map_or_else(Action::await_change, |next| requeue_at(next, at)))
}

fn now_of<'a>(
    ctx: &Ctx,
    secret: &'a RuntimeSecret,
    key: &SecretKey,
    known: Option<&Known>,
    consumers_changed: bool,
) -> Now<'a> {
    let followed = || {
        let path = secret.secret_path();
        path.is_ok_and(|p| consumers::may_have_followed(secret, p.as_str(), &ctx.externals))
    };
    let works = ctx.board.of(key);
    let waiting = works.iter().any(Work::is_waiting);
    let claim = known.and_then(|k| k.record.as_ref()).and_then(|r| r.claim.as_ref());
    let abandoned = claim.is_some_and(|claim| {
        let run = claim.run_name.split_once('/');
        let run = run.and_then(|(ns, name)| ctx.runs.store().get(&ObjectRef::new(name).within(ns)));
        run.is_none_or(|r| r.uid().as_deref() != Some(claim.run.as_str()) || ended(&r))
    });
    Now {
        resource_version: secret.metadata.resource_version.as_deref(),
        generation: secret.metadata.generation,
        epoch: ctx.epoch(),
        work: works.iter().any(|w| w.due) || (waiting && consumers_changed && followed()),
        abandoned,
        runs_changed: secret
            .status
            .as_ref()
            .is_some_and(|s| s.last_runs != status::shown(&last_runs(ctx, key))),
        at: ctx.cx.now(),
    }
}

/// Does what is due, and says what there is to say. Fails for reasons of the API server alone.
async fn bring(
    ctx: &Ctx,
    secret: &Arc<RuntimeSecret>,
    key: &SecretKey,
    object: &str,
) -> Result<Known, Error> {
    let mut known = Known {
        uid: secret.uid(),
        generation: secret.metadata.generation,
        epoch: ctx.epoch(),
        ..Known::default()
    };
    let now = ctx.cx.now();
    known.next = later(now, POLICY_LOOK);
    let authority = match ctx.authority() {
        Ok(authority) => authority,
        Err(why) => {
            stop(ctx, key, &mut known, waiting(Reason::AuthorityNotReady, why)).await;
            return Ok(known);
        }
    };
    let declared = match Declared::of(secret, &authority.installation) {
        Ok(declared) => declared,
        Err(error) => {
            let message = format!("path: {error}; correct spec.path");
            let outcome = Outcome::Failed { reason: Reason::WrongPath, message };
            stop(ctx, key, &mut known, outcome).await;
            return Ok(known);
        }
    };
    match follow(ctx, &authority, &declared, key, &mut known).await {
        Ok(()) => ctx.backoff.reset(object),
        Err(error) if error.is_authority() => {
            let outcome = waiting(Reason::AuthorityNotReady, error.to_string());
            stop(ctx, key, &mut known, outcome).await;
            known.next = later(ctx.cx.now(), ctx.backoff.next(object.to_owned()));
        }
        Err(error) => return Err(error),
    }
    Ok(known)
}

fn waiting(reason: Reason, message: String) -> Outcome {
    Outcome::Waiting { reason, message, until: None }
}

/// Nothing can be done: the status says why, and so does every run.
async fn stop(ctx: &Ctx, key: &SecretKey, known: &mut Known, outcome: Outcome) {
    if let Outcome::Waiting { reason, message, .. }
    | Outcome::Blocked { reason, message, .. }
    | Outcome::Failed { reason, message } = &outcome
    {
        let conflict = matches!(outcome, Outcome::Blocked { by: Decider::Person, .. });
        known.obstacle = Some((*reason, message.clone(), conflict));
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

/// Follows the protocols of the path in one session.
async fn follow(
    ctx: &Ctx,
    a: &Authority,
    declared: &Declared,
    key: &SecretKey,
    known: &mut Known,
) -> Result<(), Error> {
    // One that was just declared waits for others of its age, and asks nothing meanwhile.
    if declared.secret.status.as_ref().is_none_or(|s| s.version.is_none())
        && let Standing::Unknown(pause) = standing(ctx, declared, None)
    {
        known.next = later(ctx.cx.now(), pause);
        return Ok(());
    }
    let mut drive = Drive::open(ctx, a, declared).await?;
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
            _ => known.waits = reason_of(&outcome),
        }
    } else {
        introduction::introduce(ctx, declared).await?;
    }
    carry_out(ctx, &mut drive, key, known).await?;
    finish_abandoned(ctx, &mut drive).await?;
    let outcome = drive.follow(Protocol::Policy, observer(), false).await?;
    known.drift = reason_of(&outcome).map(|(_, message)| message);
    known.record = drive.record().cloned();
    Ok(())
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
    let message = format!(
        "path {path} belongs to RuntimeSecret {}/{} of installation {}; declare another path",
        owner.namespace, owner.name, owner.installation
    );
    Standing::Later(reason, message)
}

/// Carries out every step that is due, oldest run first.
async fn carry_out(
    ctx: &Ctx,
    drive: &mut Drive<'_>,
    key: &SecretKey,
    known: &mut Known,
) -> Result<(), Error> {
    for work in ctx.board.of(key) {
        if !is_there(ctx, &work) {
            ctx.board.remove(&work.run);
            continue;
        }
        if !work.due && !work.is_waiting() {
            continue;
        }
        let now = ctx.cx.now();
        let progress = match steps::execute(drive, &work, now).await {
            Ok(progress) => progress,
            Err(error) if error.is_authority() => return Err(error),
            Err(error) => {
                let run = work.run.name_any();
                let reason = error.reason();
                tracing::warn!(component = "orchestrator", run, reason, %error, "step will be tried again");
                let progress = steps::failed(&error, now);
                drive.reload().await?;
                progress
            }
        };
        known.waits = reason_of(&progress.outcome);
        known.next = known.next.min(look_again(&progress.outcome, now));
        report(ctx, &work, progress).await;
    }
    Ok(())
}

/// Whether the run exists; one that was just made is not in the cache yet.
fn is_there(ctx: &Ctx, work: &Work) -> bool {
    let found = ctx.runs.store().get(&ObjectRef::from_obj(work.run.as_ref()));
    work.is_new || found.is_some_and(|run| run.uid() == work.run.uid())
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

fn later(now: Timestamp, pause: Duration) -> Option<Timestamp> {
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

/// Writes the status if it says something new; the object's resourceVersion afterwards.
async fn write_status(
    ctx: &Ctx,
    secret: &RuntimeSecret,
    known: &Known,
    key: &SecretKey,
) -> Result<Option<String>, Error> {
    let object = write::key(secret);
    let facts = Facts {
        path: secret.secret_path().ok().map(|p| p.to_string()),
        record: known.record.clone(),
        obstacle: known.obstacle.as_ref().map(|(reason, message, _)| (*reason, message.clone())),
        conflict: known.obstacle.as_ref().is_some_and(|o| o.2),
        waits: known.waits.clone(),
        observed: observed(ctx, secret, known).await?,
        runs: last_runs(ctx, key),
        drift: known.drift.clone(),
    };
    let status = status::project(secret, &facts, ctx.cx.now());
    let reason = condition::get(&status.conditions, READY).map_or("", |c| c.reason.as_str());
    tracing::debug!(component = "orchestrator", object, reason, "looked at");
    if secret.status.as_ref() == Some(&status) {
        return Ok(secret.metadata.resource_version.clone());
    }
    log_stage(&object, secret, &status);
    let mut new = RuntimeSecret::clone(secret);
    new.status = Some(status);
    let api: Api<RuntimeSecret> = Api::namespaced(ctx.cx.api.clone(), &key.0);
    Ok(match write::write_status(&api, &ctx.cx.manager(), &new).await? {
        StatusWrite::Written { resource_version } => resource_version,
        // Another state than the one that was looked at: its event has everything looked at that differs.
        StatusWrite::Gone | StatusWrite::Changed => secret.metadata.resource_version.clone(),
    })
}

/// One line when a secret reaches another stage.
fn log_stage(object: &str, old: &RuntimeSecret, new: &RuntimeSecretStatus) {
    let before = old.status.as_ref().and_then(|s| s.stage);
    if before != new.stage {
        let ready = condition::get(&new.conditions, READY);
        let reason = ready.map_or("", |c| c.reason.as_str());
        let stage = format!("{:?}", new.stage.unwrap_or(Stage::Declared));
        tracing::info!(component = "orchestrator", object, stage, reason, "stage");
    }
}

/// Who is served at the version in force.
async fn observed(
    ctx: &Ctx,
    secret: &RuntimeSecret,
    known: &Known,
) -> Result<Option<Vec<String>>, Error> {
    let version = known.record.as_ref().and_then(|r| r.current.as_ref());
    let (Some(version), Ok(path)) = (version, secret.secret_path()) else { return Ok(None) };
    let (api, store) = (&ctx.cx.api, &ctx.externals);
    let seen = consumers::observed(api, store, secret, path.as_str(), version).await?;
    Ok(Some(seen))
}

/// Names of the runs of a secret, newest first; those that were just made too.
fn last_runs(ctx: &Ctx, key: &SecretKey) -> Vec<String> {
    let (namespace, name) = key;
    let mut all: Vec<Arc<WorkflowRun>> = ctx.runs.of(&keys::of_secret(namespace, name));
    for work in ctx.board.of(key).into_iter().filter(|w| w.is_new) {
        if !all.iter().any(|r| r.uid() == work.run.uid()) {
            all.push(work.run);
        }
    }
    all.sort_by_key(|r| {
        let created = r.metadata.creation_timestamp.as_ref().map(|t| t.0);
        std::cmp::Reverse((created, r.name_any()))
    });
    all.iter().map(|r| r.name_any()).collect()
}
