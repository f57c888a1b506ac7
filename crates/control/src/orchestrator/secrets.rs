//! RuntimeSecret: the controller that talks to the authority. Says whether a look is due, has one taken, and has the
//! record projected into status.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use regent_api::RuntimeSecret;
use regent_operator::write;
use regent_protocol::record::State;
use regent_protocol::{Outcome, Reason, Record, is_as_recorded};

use super::board::{SecretKey, Work};
use super::ctx::Ctx;
use super::declared::Declared;
use super::error::Error;
use super::follow::{BLOCKED_LOOK, POLICY_LOOK, follow, later, stop, too_early};
use super::known::{Due, Known, Now, due};
use super::look::seen_at;
use super::run_status::{ended, requeue_at};
use super::secret_status::{last_runs, write_status};
use super::{consumers, status};

/// Longest that something else may lie at a path than its record says before it is seen.
const COMPARE_LOOK: Duration = Duration::from_secs(60);

/// Brings one RuntimeSecret as far as it goes, and its status up to date.
pub(super) async fn reconcile(watched: Arc<RuntimeSecret>, ctx: Arc<Ctx>) -> Result<Action, Error> {
    let key: SecretKey = (watched.namespace().unwrap_or_default(), watched.name_any());
    if watched.metadata.deletion_timestamp.is_some() {
        ctx.memory.forget(&key);
        return Ok(Action::await_change());
    }
    if !ctx.ready().await {
        return Ok(Action::await_change());
    }
    let (wake, known) = ctx.memory.take(&key);
    let known = known.filter(|k| k.uid == watched.uid());
    let secret = known.as_ref().map_or_else(|| Arc::clone(&watched), |k| k.as_told(&watched));
    let now = now_of(&ctx, &secret, &key, known.as_ref(), wake.consumers);
    let mut known = match (due(known.as_ref(), wake, &now), known) {
        (Due::Nothing(next), _) => return Ok(requeue_at(next, now.at)),
        (Due::Status, Some(known)) => Known { told: None, ..known },
        (Due::Path, Some(known)) => match compared(&ctx, &key, &known).await {
            Some(compare) => {
                let known = Known { compare: Some(compare), ..known };
                let next = known.due_at().unwrap_or(compare);
                ctx.memory.put(&key, known);
                return Ok(requeue_at(next, now.at));
            }
            None => look(&ctx, &secret, &key, None).await?,
        },
        (due, known) => {
            let held = known.filter(|_| due == Due::Consumers).and_then(Known::held_record);
            look(&ctx, &secret, &key, held).await?
        }
    };
    known.watched.clone_from(&watched.metadata.resource_version);
    let told = known.told.take().unwrap_or(secret);
    known.told = Some(match known.undecided {
        true => told,
        false => write_status(&ctx, &told, &known).await?,
    });
    // Who is served is read anew by the next look.
    known.observed.consumers = None;
    let next = known.due_at();
    ctx.memory.put(&key, known);
    let at = ctx.cx.now();
    Ok(next.map_or_else(Action::await_change, |next| requeue_at(next, at)))
}

/// Looks at everything, with the record that is `held`. Where that fails nothing is known, and everything is looked at
/// again.
async fn look(
    ctx: &Ctx,
    secret: &Arc<RuntimeSecret>,
    key: &SecretKey,
    held: Option<(Record, i64)>,
) -> Result<Known, Error> {
    let object = write::key(secret.as_ref());
    tracing::debug!(component = "orchestrator", object, "looks");
    ctx.memory.forget(key);
    let mut known = bring(ctx, secret, key, &object, held).await?;
    known.compare = compare_at(&known, key, ctx.cx.now());
    Ok(known)
}

/// When what lies at the path is compared next: where it is done, and not all at once.
fn compare_at(known: &Known, key: &SecretKey, now: Timestamp) -> Option<Timestamp> {
    let record = known.observed.record.as_ref()?;
    let done = record.state == State::Done && record.in_the_way().is_none();
    done.then(|| later(now, spread(COMPARE_LOOK, key)))?
}

/// A part of the last fifth of `pause`, another one for each secret.
fn spread(pause: Duration, key: &SecretKey) -> Duration {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    pause.mul_f64(0.8 + 0.2 * (hasher.finish() % 1_000) as f64 / 1_000.0)
}

/// When to compare again, where the path is as the record says, or cannot be looked at now; `None` where it is not.
async fn compared(ctx: &Ctx, key: &SecretKey, known: &Known) -> Option<Timestamp> {
    let (authority, record) = (ctx.authority().ok()?, known.observed.record.as_ref()?);
    match seen_at(&authority, &record.path).await {
        Ok(seen) if !is_as_recorded(record, &seen) => return None,
        Ok(_) => {}
        Err(error) => {
            let path = &record.path;
            tracing::debug!(component = "orchestrator", path, %error, "not compared");
        }
    }
    compare_at(known, key, ctx.cx.now())
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
    let claim = known.and_then(|k| k.observed.record.as_ref()).and_then(|r| r.claim.as_ref());
    let abandoned = claim.is_some_and(|claim| {
        let run = claim.run_name.split_once('/');
        let run = run.and_then(|(ns, name)| ctx.runs.store().get(&ObjectRef::new(name).within(ns)));
        run.is_none_or(|r| r.uid().as_deref() != Some(claim.run_uid()) || ended(&r))
    });
    Now {
        resource_version: secret.metadata.resource_version.as_deref(),
        generation: secret.metadata.generation,
        epoch: ctx.epoch(),
        work: works.iter().any(|w| w.due),
        followed: waiting && consumers_changed && followed(),
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
    held: Option<(Record, i64)>,
) -> Result<Known, Error> {
    let mut known = Known {
        uid: secret.uid(),
        generation: secret.metadata.generation,
        epoch: ctx.epoch(),
        ..Known::default()
    };
    let now = ctx.cx.now();
    known.next = later(now, POLICY_LOOK);
    let authority = ctx.authority();
    let installation = authority.as_ref().map(|a| a.installation.as_str());
    let declared = match Declared::of(secret, installation.unwrap_or_default()) {
        Ok(declared) => declared,
        Err(error) => {
            let message = format!("path: {error}; correct spec.path");
            let outcome = Outcome::Failed { reason: Reason::WrongPath, message };
            stop(ctx, key, &mut known, outcome).await;
            return Ok(known);
        }
    };
    if let Some(pause) = too_early(ctx, &declared) {
        (known.undecided, known.next) = (true, later(now, pause));
        return Ok(known);
    }
    let authority = match authority {
        Ok(authority) => authority,
        Err(why) => {
            stop(ctx, key, &mut known, Outcome::waiting(Reason::AuthorityNotReady, why)).await;
            return Ok(known);
        }
    };
    match follow(ctx, &authority, &declared, key, held, &mut known).await {
        Ok(()) => ctx.backoff.reset(object),
        Err(error) if error.is_authority() => {
            let outcome = Outcome::waiting(Reason::AuthorityNotReady, error.to_string());
            stop(ctx, key, &mut known, outcome).await;
            known.next = later(ctx.cx.now(), ctx.backoff.next(object.to_owned()));
        }
        Err(error) => {
            let Some(outcome) = error.outcome() else { return Err(error) };
            stop(ctx, key, &mut known, outcome).await;
            known.next = later(ctx.cx.now(), BLOCKED_LOOK);
        }
    }
    Ok(known)
}
