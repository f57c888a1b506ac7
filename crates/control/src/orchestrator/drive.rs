//! The driver: look, ask the protocol, do, look again (`reference: style` §2). It decides nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use kube::runtime::events::Recorder;
use kube::runtime::reflector::Store;
use regent_api::{ExternalSecret, RuntimeSecret, WorkflowRun};
use regent_protocol::observation::{Request, RunRef};
use regent_protocol::reason::Reason;
use regent_protocol::record::{Owner, Record, State, StopKind, record_path};
use regent_protocol::step::{Effect, STEPS_PER_PASS_MAX, stage_name};
use regent_protocol::{Protocol, Step, needs, step};
use regent_types::{SecretPath, VersionPair};
use tokio::sync::watch;

use super::authority::{Authority, Gate};
use super::claims::Standing;
use super::error::Error;
use super::{bootstrap, claims, effects, observe};
use regent_operator::Context;
use regent_operator::backoff::Backoff;
use regent_operator::cache_sync::CacheSync;

/// What everybody in this component works with.
pub(super) struct World {
    /// Identity, API server, clock.
    pub(super) cx: Context,
    /// Whether there is an authority.
    pub(super) gate: watch::Receiver<Gate>,
    /// ExternalSecrets of all namespaces: who consumes what.
    pub(super) externals: Store<ExternalSecret>,
    /// Whether they have been listed.
    pub(super) listed: CacheSync,
    /// RuntimeSecrets of all namespaces: who claims what.
    pub(super) secrets: Store<RuntimeSecret>,
    /// Runs of all namespaces.
    pub(super) runs: Store<WorkflowRun>,
    pub(super) recorder: Recorder,
    /// Pauses of objects that fail.
    pub(super) backoff: Backoff<String>,
}

impl World {
    /// Waits until it is known who consumes what; `false` where it is time to stop instead.
    pub(super) async fn ready(&self) -> bool {
        tokio::select! {
            () = self.listed.wait() => true,
            () = self.cx.shutdown.clone().wait() => false,
        }
    }

    /// The authority, or why there is none.
    pub(super) fn authority(&self) -> Result<Arc<Authority>, String> {
        match &*self.gate.borrow() {
            Gate::Open(authority) => Ok(Arc::clone(authority)),
            Gate::Closed(why) => Err(why.clone()),
        }
    }
}

/// One protocol to be driven for one secret on behalf of one run.
pub(super) struct Job {
    pub(super) run: RunRef,
    /// The RuntimeSecret, as read at the start of the pass.
    pub(super) secret: Arc<RuntimeSecret>,
    pub(super) path: SecretPath,
    /// It, as records name it.
    pub(super) owner: Owner,
    /// What it asks for.
    pub(super) request: Request,
    /// Version that its status says is in force in the authority.
    pub(super) status: Option<VersionPair>,
}

impl Job {
    /// A job for `secret`, whose path has been parsed.
    pub(super) fn new(
        secret: Arc<RuntimeSecret>,
        path: SecretPath,
        installation: &str,
        run: RunRef,
    ) -> Self {
        let meta = &secret.metadata;
        let owner = Owner {
            installation: installation.to_owned(),
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
        };
        let handover = secret.spec.introduce.handover.as_ref();
        let request = Request {
            disposition: handover.and_then(|h| h.disposition),
            policy: secret.spec.rotation_policy.clone().unwrap_or_default(),
            hurry: false,
        };
        let status = secret.status.as_ref().filter(|s| s.authority.as_deref() == Some("runtime"));
        let status = status.and_then(|s| s.version.clone());
        Self { run, secret, path, owner, request, status }
    }

    /// The bootstrap Secret, where one is declared.
    pub(super) fn place<'a>(&'a self, w: &'a World) -> Option<bootstrap::Place<'a>> {
        let from = self.secret.spec.introduce.handover.as_ref()?;
        Some(bootstrap::Place {
            api: &w.cx.api,
            namespace: &self.owner.namespace,
            name: &from.bootstrap_secret,
            rename: &from.rename_keys,
            manager: w.cx.manager(),
        })
    }
}

/// Keys that a rotation renews, with the length of their new values: `with.keys` and
/// `with.length`, else every key that was declared without a fixed value.
pub(super) fn renewed(
    secret: &RuntimeSecret,
    with: &BTreeMap<String, String>,
) -> BTreeMap<String, i64> {
    let declared: BTreeMap<String, i64> = match &secret.spec.introduce.generate {
        Some(generate) => generate
            .keys
            .iter()
            .filter(|(_, key)| key.value.is_none())
            .map(|(name, key)| (name.clone(), effects::length(key.length)))
            .collect(),
        None => BTreeMap::new(),
    };
    let Some(named) = with.get("keys") else { return declared };
    let length = effects::length(with.get("length").and_then(|l| l.parse().ok()));
    let names = named.split(',').map(str::trim).filter(|n| !n.is_empty());
    names.map(|n| (n.to_owned(), *declared.get(n).unwrap_or(&length))).collect()
}

/// How a pass ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing is left to do.
    Done,
    /// The slot was covered before.
    AlreadyDone,
    /// It cannot be carried out as it is declared.
    Refused(String),
    /// Nothing to do now.
    Wait {
        /// Why.
        why: Reason,
        /// For people.
        message: String,
        /// When to look again, if time alone may change the answer.
        until: Option<Timestamp>,
    },
    /// Somebody must decide, or the world must be as it was.
    Stopped {
        /// Which of the two.
        kind: StopKind,
        /// Why.
        reason: Reason,
        /// For people.
        message: String,
    },
}

#[derive(Debug)]
pub(super) struct Pass {
    pub(super) outcome: Outcome,
    /// Protocol steps it went through, in order.
    pub(super) stages: Vec<&'static str>,
    /// The record at its end.
    pub(super) record: Option<Record>,
}

/// The record of `path` and the number that a write of it must name.
pub(super) async fn load(a: &Authority, path: &SecretPath) -> Result<Option<(Record, i64)>, Error> {
    let found = a.regent.read_json::<Record>(&record_path(path.as_str())).await?;
    Ok(found.map(|(record, version)| (record, version.number)))
}

/// Saves `record` over version `before`; `false` where somebody else was faster.
pub(super) async fn save(a: &Authority, record: &Record, before: i64) -> Result<bool, Error> {
    match a.regent.write_json(&record_path(&record.path), record, Some(before)).await {
        Ok(_) => Ok(true),
        Err(error) if error.is_cas() => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Drives `protocol` until it is done, waits or stops.
pub(super) async fn drive(
    w: &World,
    a: &Authority,
    job: &Job,
    protocol: Protocol,
) -> Result<Pass, Error> {
    let mut appended = BTreeSet::new();
    let mut stages: Vec<&'static str> = Vec::new();
    let mut last: Option<Effect> = None;
    for _ in 0..STEPS_PER_PASS_MAX {
        let stored = load(a, &job.path).await?;
        let record = stored.as_ref().map(|(r, _)| r);
        let stage = stage_name(record);
        if stages.last() != Some(&stage) {
            stages.push(stage);
            note(job, protocol, stage, record);
        }
        let needs = needs(protocol, record, &job.run.uid);
        let seen = observe::observe(w, a, job, protocol, record, &needs, &appended).await?;
        let outcome = match step(protocol, record, &seen, w.cx.now()) {
            Step::Persist(next) => match not_first(w, job, record) {
                Some(outcome) => outcome,
                None => {
                    let before = stored.as_ref().map_or(0, |(_, n)| *n);
                    // Not saved: somebody was faster, and the next look shows what they did.
                    save(a, &next, before).await?;
                    last = None;
                    continue;
                }
            },
            Step::Do(effect) if last.as_ref() == Some(&effect) => again(w),
            Step::Do(effect) => {
                last = Some(effect.clone());
                match effects::run(w, a, job, effect, &mut appended).await? {
                    Ok(()) => continue,
                    Err(refusal) => Outcome::Stopped {
                        kind: StopKind::Held,
                        reason: refusal.reason,
                        message: refusal.message,
                    },
                }
            }
            Step::Wait { why, message, until } => Outcome::Wait { why, message, until },
            Step::Done => Outcome::Done,
            Step::AlreadyDone => Outcome::AlreadyDone,
            Step::Conflict { reason, message } => {
                Outcome::Stopped { kind: StopKind::Conflict, reason, message }
            }
            Step::Held { reason, message } => {
                Outcome::Stopped { kind: StopKind::Held, reason, message }
            }
        };
        return Ok(Pass { outcome, stages, record: stored.map(|(r, _)| r) });
    }
    let record = load(a, &job.path).await?.map(|(r, _)| r);
    Ok(Pass { outcome: again(w), stages, record })
}

/// Why no record may be made where there is none: whatever was judged before its run began, an older
/// RuntimeSecret may have come to claim the same.
fn not_first(w: &World, job: &Job, record: Option<&Record>) -> Option<Outcome> {
    if record.is_some() {
        return None;
    }
    let now = w.cx.now();
    match claims::standing(&job.secret, job.path.as_str(), &w.secrets, now) {
        Standing::First => None,
        Standing::Unknown(pause) => {
            let message = "who else claims the same is not known yet".to_owned();
            let until = now.checked_add(pause).ok();
            Some(Outcome::Wait { why: Reason::Settling, message, until })
        }
        Standing::Later(reason, message) => {
            Some(Outcome::Stopped { kind: StopKind::Conflict, reason, message })
        }
    }
}

/// An effect that did not take (a finalizer, a lost race), or a pass that took its share: soon
/// again.
fn again(w: &World) -> Outcome {
    let soon = w.cx.now().checked_add(std::time::Duration::from_secs(1));
    let message = "the last step has not taken effect yet".to_owned();
    Outcome::Wait { why: Reason::Settling, message, until: soon.ok() }
}

/// One structured line per step (C6-3).
fn note(job: &Job, protocol: Protocol, stage: &'static str, record: Option<&Record>) {
    let version = record.and_then(|r| r.current.as_ref()).map(|v| v.number);
    let (run, path) = (job.run.name.as_str(), job.path.as_str());
    let rotating = record.is_some_and(|r| r.state == State::Rotating);
    if protocol == Protocol::Rotation && rotating {
        tracing::info!(
            component = "orchestrator",
            run,
            step = stage,
            path,
            version,
            "rotation step"
        );
    } else {
        tracing::debug!(component = "orchestrator", run, step = stage, path, version, "step");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn job(introduce: serde_json::Value) -> Job {
        let secret: RuntimeSecret = serde_json::from_value(json!({
            "apiVersion": "regent.dev/v1alpha1", "kind": "RuntimeSecret",
            "metadata": { "namespace": "payments", "name": "db" },
            "spec": { "owner": "o", "purpose": "p", "introduce": introduce },
            "status": { "authority": "git", "version": { "number": 1, "createdTime": "t" } },
        }))
        .unwrap();
        let run = RunRef {
            uid: "u".into(),
            name: "payments/r".into(),
            actor: String::new(),
            cause: String::new(),
            slot: None,
            compromise: false,
            renew: BTreeMap::new(),
            finishes: false,
        };
        let path = secret.secret_path().unwrap();
        Job::new(Arc::new(secret), path, "lab", run)
    }

    #[test]
    fn a_rotation_renews_declared_lengths_or_the_keys_that_the_step_names() {
        let with = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        let keys = json!({ "user": { "value": "app" }, "password": { "length": 20 } });
        let generated = job(json!({ "generate": { "keys": keys } })).secret;
        let password = |n| BTreeMap::from([("password".to_owned(), n)]);
        assert_eq!(renewed(&generated, &with(&[])), password(20));
        let both = BTreeMap::from([("password".to_owned(), 20), ("user".to_owned(), 32)]);
        assert_eq!(renewed(&generated, &with(&[("keys", "user, password")])), both);
        let handed = job(json!({ "handover": { "bootstrapSecret": "db" } })).secret;
        assert!(renewed(&handed, &with(&[])).is_empty());
        let short = with(&[("keys", "password"), ("length", "1")]);
        assert_eq!(renewed(&handed, &short), password(32));
    }

    #[test]
    fn a_status_counts_only_once_the_authority_is_authoritative() {
        assert_eq!(job(json!({ "handover": { "bootstrapSecret": "db" } })).status, None);
    }
}
