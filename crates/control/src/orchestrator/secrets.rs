//! RuntimeSecret: starts its introduction, observes derived secrets, and projects the record into
//! status.

use std::sync::Arc;
use std::time::Duration;

use kube::api::ObjectMeta;
use kube::runtime::controller::Action;
use kube::{Api, Resource, ResourceExt};
use regent_api::condition;
use regent_api::condition::READY;
use regent_api::workflow::Uses;
use regent_api::workflow_run::{Cause, CauseKind, WorkflowRunSpec};
use regent_api::{RuntimeSecret, WorkflowRun};
use regent_protocol::observation::RunRef;
use regent_protocol::policy::{self, PolicyStep};
use regent_protocol::record::{Claim, Record, State, StopKind};
use regent_protocol::{Needs, Protocol, Reason};
use regent_types::SecretPath;
use regent_types::identity::Identity;

use super::authority::Authority;
use super::claims::Standing;
use super::drive::{self, Job, World};
use super::error::Error;
use super::status::{self, Facts};
use super::{claims, consumers, effects, names, observe, runs};

/// With nothing to do the policy in the authority is compared this often.
const POLICY_LOOK: Duration = Duration::from_secs(3_600);
/// The soonest that something is looked at again by time.
const SOON: Duration = Duration::from_millis(100);
/// While consumers are behind, or something is in the way.
const LOOK: Duration = Duration::from_secs(60);

/// Brings one RuntimeSecret's runs and status up to date.
pub(super) async fn reconcile(secret: Arc<RuntimeSecret>, w: Arc<World>) -> Result<Action, Error> {
    let (namespace, name) = (secret.namespace().unwrap_or_default(), secret.name_any());
    let object = format!("RuntimeSecret {namespace}/{name}");
    if !w.ready().await {
        return Ok(Action::await_change());
    }
    tracing::debug!(component = "orchestrator", object, "looks");
    let api: Api<RuntimeSecret> = Api::namespaced(w.cx.api.clone(), &namespace);
    let found = api.get_opt(&name).await.map_err(|e| Error::api("get", &object, &e))?;
    let alive = found.filter(|s| s.metadata.deletion_timestamp.is_none());
    let Some(secret) = alive.map(Arc::new) else { return Ok(Action::await_change()) };
    let mut again = Action::requeue(POLICY_LOOK);
    let mut facts = match gather(&w, &secret).await {
        Ok(facts) => {
            w.backoff.reset(&object);
            facts
        }
        Err(error) if error.is_authority() => {
            again = Action::requeue(w.backoff.next(object.clone()));
            obstacle(Reason::AuthorityNotReady, error.to_string())
        }
        Err(error) => return Err(error),
    };
    facts.path = secret.secret_path().ok().map(|p| p.to_string());
    facts.runs = last_runs(&w, &secret);
    if facts.conflict {
        again = Action::requeue(LOOK);
    }
    if let Some(pause) = facts.again {
        again = Action::requeue(pause);
    }
    let now = w.cx.now();
    let status = status::project(&secret, &facts, now);
    let reason = condition::get(&status.conditions, READY).map_or("", |c| c.reason.as_str());
    tracing::debug!(component = "orchestrator", object, reason, "looked at");
    if secret.status.as_ref() != Some(&status) {
        report(&object, &secret, &status);
        let mut new = RuntimeSecret::clone(&secret);
        new.status = Some(status);
        let params = w.cx.manager().post();
        let answer = api.replace_status(&name, &params, &new).await;
        answer.map_err(|e| Error::api("update status of", &object, &e))?;
    }
    Ok(again)
}

/// One line when a secret reaches another stage.
fn report(object: &str, old: &RuntimeSecret, new: &regent_api::RuntimeSecretStatus) {
    let before = old.status.as_ref().and_then(|s| s.stage);
    if before != new.stage {
        let ready = condition::get(&new.conditions, READY);
        let reason = ready.map_or("", |c| c.reason.as_str());
        let stage = format!("{:?}", new.stage.unwrap_or(regent_types::lifecycle::Stage::Declared));
        tracing::info!(component = "orchestrator", object, stage, reason, "stage");
    }
}

fn obstacle(reason: Reason, message: String) -> Facts {
    Facts { obstacle: Some((reason.as_str(), message)), ..Facts::default() }
}

/// Does what is due and says what there is to say.
async fn gather(w: &World, secret: &Arc<RuntimeSecret>) -> Result<Facts, Error> {
    let path = match secret.secret_path() {
        Ok(path) => path,
        Err(error) => {
            let obstacle = Some(("WrongPath", format!("path: {error}; correct spec.path")));
            return Ok(Facts { obstacle, ..Facts::default() });
        }
    };
    let a = match w.authority() {
        Ok(authority) => authority,
        Err(why) => return Ok(obstacle(Reason::AuthorityNotReady, why)),
    };
    let job = Job::new(Arc::clone(secret), path.clone(), &a.installation, observer());
    let stored = drive::load(&a, &path).await?;
    if let Some((record, _)) = &stored
        && record.owner != job.owner
    {
        let owner = &record.owner;
        let message = format!(
            "path {path} belongs to RuntimeSecret {}/{} of installation {}; declare another path",
            owner.namespace, owner.name, owner.installation
        );
        let reason = match owner.installation == job.owner.installation {
            true => Reason::PathClaimed,
            false => Reason::OtherInstallation,
        };
        return Ok(Facts { conflict: true, ..obstacle(reason, message) });
    }
    if stored.is_none() {
        match claims::standing(secret, path.as_str(), &w.secrets, w.cx.now()) {
            Standing::First => {}
            Standing::Unknown(pause) => {
                return Ok(Facts { again: Some(pause), ..Facts::default() });
            }
            Standing::Later(reason, message) => {
                return Ok(Facts { conflict: true, ..obstacle(reason, message) });
            }
        }
    }
    if secret.spec.introduce.derived.is_some() {
        return derived(w, &a, &job).await;
    }
    introduce(w, &job).await?;
    let mut facts = Facts { waits: waits(w, secret), ..Facts::default() };
    if let Some((record, number)) = stored {
        let record = settle(w, &a, &job, record, number, &mut facts).await?;
        observe_consumers(w, &job, &record, &mut facts).await?;
        facts.record = Some(record);
    }
    Ok(facts)
}

/// Whoever looks without a run.
fn observer() -> RunRef {
    RunRef {
        uid: String::new(),
        name: String::new(),
        actor: "orchestrator".into(),
        cause: "observed".into(),
        slot: None,
        compromise: false,
        renew: Default::default(),
        finishes: false,
    }
}

/// A derived secret has no run: it is observed here.
async fn derived(w: &World, a: &Authority, job: &Job) -> Result<Facts, Error> {
    let pass = drive::drive(w, a, job, Protocol::Derived).await?;
    let mut facts = Facts::default();
    match pass.outcome {
        drive::Outcome::Wait { why, message, until } => {
            let left = until.map(|until| until.duration_since(w.cx.now()));
            facts.again = left.map(|left| Duration::try_from(left).unwrap_or(SOON).max(SOON));
            facts.waits = Some((why, message));
        }
        // Without a record nothing else says so.
        drive::Outcome::Stopped { kind, reason, message } if pass.record.is_none() => {
            let conflict = kind == StopKind::Conflict;
            return Ok(Facts { conflict, ..obstacle(reason, message) });
        }
        _ => {}
    }
    if let Some(record) = &pass.record {
        observe_consumers(w, job, record, &mut facts).await?;
    }
    facts.record = pass.record;
    Ok(facts)
}

/// Makes sure that the run which introduces the secret exists. In a new cluster it is made again,
/// finds the record and disposes of a bootstrap Secret that Git brought back.
async fn introduce(w: &World, job: &Job) -> Result<(), Error> {
    let (kind, uses) = match job.secret.spec.introduce.handover {
        Some(_) => ("handover", Uses::Handover),
        None => ("generate", Uses::Generate),
    };
    let (namespace, name) = (&job.owner.namespace, &job.owner.name);
    let run = names::run(kind, namespace, name, job.path.as_str());
    create(w, job, &run, uses, declared("declared in Git")).await
}

fn declared(reason: &str) -> Cause {
    let by = Identity::Orchestrator.name().to_owned();
    Cause { kind: CauseKind::Declared, by, slot: None, reason: reason.to_owned() }
}

async fn create(w: &World, job: &Job, name: &str, uses: Uses, cause: Cause) -> Result<(), Error> {
    let namespace = &job.owner.namespace;
    let reference = kube::runtime::reflector::ObjectRef::<WorkflowRun>::new(name).within(namespace);
    if w.runs.get(&reference).is_some() {
        return Ok(());
    }
    let spec = WorkflowRunSpec {
        runtime_secret: job.owner.name.clone(),
        workflow: None,
        uses: Some(uses),
        cause,
    };
    let mut run = WorkflowRun::new(name, spec);
    run.metadata = ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(namespace.clone()),
        owner_references: job.secret.owner_ref(&()).map(|r| vec![r]),
        ..ObjectMeta::default()
    };
    let api: Api<WorkflowRun> = Api::namespaced(w.cx.api.clone(), namespace);
    match api.create(&w.cx.manager().post(), &run).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
        Err(error) => Err(Error::api("create", format!("WorkflowRun {namespace}/{name}"), &error)),
    }
}

/// Policy and forgotten rotations: what a record needs while no run of its own looks after it.
async fn settle(
    w: &World,
    a: &Authority,
    job: &Job,
    record: Record,
    number: i64,
    facts: &mut Facts,
) -> Result<Record, Error> {
    if let Some(claim) = record.claim.as_ref().filter(|_| record.state == State::Rotating) {
        if !observe::alive(w, &claim.run, &claim.run_name).await? {
            // A run ends after its claim did: whether this one was left behind says a later look at the record alone.
            let left = drive::load(a, &job.path).await?;
            let left = left.and_then(|(record, _)| record.claim);
            if left.is_some_and(|left| left.run == claim.run) {
                finish(w, job, claim).await?;
            }
        }
        return Ok(record);
    }
    if record.state != State::Done || record.stop.is_some() {
        return Ok(record);
    }
    let none = Default::default();
    let needs = Needs::default();
    let protocol = Protocol::Rotation;
    let seen = observe::observe(w, a, job, protocol, Some(&record), &needs, &none).await?;
    match policy::reconcile(&record, &seen, w.cx.now()) {
        PolicyStep::Same => Ok(record),
        PolicyStep::Reported(why) => {
            facts.drift = Some(why);
            Ok(record)
        }
        PolicyStep::Changed(event, next) => {
            a.ledger.append(*event).await?;
            let saved = drive::save(a, &next, number).await?;
            let path = job.path.as_str();
            tracing::info!(
                component = "orchestrator",
                path,
                saved,
                "policy changed in the authority"
            );
            Ok(if saved { *next } else { record })
        }
        PolicyStep::Restore(event) => {
            let path = job.path.as_str();
            tracing::warn!(
                component = "orchestrator",
                path,
                reason = "PolicyDrift",
                "policy restored"
            );
            let write = regent_protocol::Effect::WritePolicy(record.policy.clone());
            // The condition is seen for as long as the restoring fails.
            facts.drift = Some(event.detail.clone());
            if effects::run(w, a, job, write, &mut Default::default()).await?.is_ok() {
                a.ledger.append(*event).await?;
                facts.drift = None;
            }
            Ok(record)
        }
    }
}

/// Makes the run that finishes what the run of `claim` began.
async fn finish(w: &World, job: &Job, claim: &Claim) -> Result<(), Error> {
    let name = names::resume(&job.owner.namespace, &job.owner.name, &claim.run);
    let cause = declared("finishes a rotation whose run is gone");
    let cause = Cause { slot: Some(claim.run.clone()), ..cause };
    create(w, job, &name, Uses::Rotate, cause).await
}

async fn observe_consumers(
    w: &World,
    job: &Job,
    record: &Record,
    facts: &mut Facts,
) -> Result<(), Error> {
    if let Some(version) = &record.current {
        let (api, store, path) = (&w.cx.api, &w.externals, job.path.as_str());
        let seen = consumers::observe(api, store, &job.secret, path, version, false).await?;
        facts.observed = Some(seen.observed);
    }
    Ok(())
}

fn runs_of(w: &World, secret: &RuntimeSecret) -> Vec<Arc<WorkflowRun>> {
    let (namespace, name) = (secret.metadata.namespace.as_deref(), secret.name_any());
    let mut all: Vec<Arc<WorkflowRun>> = w
        .runs
        .state()
        .into_iter()
        .filter(|r| r.spec.runtime_secret == name && r.metadata.namespace.as_deref() == namespace)
        .collect();
    all.sort_by_key(|r| {
        let created = r.metadata.creation_timestamp.as_ref().map(|t| t.0);
        std::cmp::Reverse((created, r.name_any()))
    });
    all
}

fn last_runs(w: &World, secret: &RuntimeSecret) -> Vec<String> {
    runs_of(w, secret).iter().map(|r| r.name_any()).collect()
}

/// Why the newest run that is under way does not go on.
fn waits(w: &World, secret: &RuntimeSecret) -> Option<(Reason, String)> {
    let run = runs_of(w, secret).into_iter().find(|r| !runs::ended(r))?;
    let ready = condition::get(&run.status.as_ref()?.conditions, READY)?;
    Some((Reason::parse(&ready.reason)?, ready.message.clone()))
}

/// The path that a RuntimeSecret of this name has by default.
pub(super) fn default_owner(path: &str) -> Option<(String, String)> {
    let path = SecretPath::parse(path).ok()?;
    (path.tree() == regent_types::path::Tree::Runtime)
        .then(|| Some((path.segment(1)?.to_owned(), path.segment(2)?.to_owned())))?
}
