//! RuntimeSecret status as a projection of the record: it decides nothing (PROTOCOLS.md §1.4).
//! Pure.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use regent_api::condition::{self, READY, Verdict};
use regent_api::{RuntimeSecret, RuntimeSecretStatus};
use regent_protocol::policy::next_rotation;
use regent_protocol::record::{Origin, Record, State};
use regent_protocol::{Decider, Reason};
use regent_types::VersionPair;
use regent_types::lifecycle::{Authoritative, Classification, Stage};

/// Condition: whether the policy in the authority is the one in force.
const POLICY: &str = "PolicyInForce";
/// Consumers and runs listed, as in the schema.
const CONSUMERS_MAX: usize = 1_000;
const RUNS_MAX: usize = 5;

/// What one look has found out about a RuntimeSecret: what its status is a projection of.
#[derive(Clone, Debug, Default)]
pub(super) struct Observed {
    /// The record, where it belongs to this RuntimeSecret.
    pub(super) record: Option<Record>,
    pub(super) obstacle: Option<Obstacle>,
    /// Why the newest run waits.
    pub(super) waits: Option<(Reason, String)>,
    /// Consumers that have the version in force; `None` where nobody looked.
    pub(super) consumers: Option<(VersionPair, Vec<String>)>,
    /// What is wrong with the policy in the authority.
    pub(super) drift: Option<String>,
}

/// Why it goes no further, where no record says so: claims, a wrong path, no authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Obstacle {
    pub(super) reason: Reason,
    pub(super) message: String,
    /// Whether a person must decide.
    pub(super) conflict: bool,
}

/// Those of a secret's runs, newest first, that its status names.
pub(super) fn shown(runs: &[String]) -> Vec<String> {
    runs.iter().take(RUNS_MAX).cloned().collect()
}

/// The status of `secret` that follows its last one; `runs` are named newest first.
pub(super) fn project(
    secret: &RuntimeSecret,
    observed: &Observed,
    runs: &[String],
    now: Timestamp,
) -> RuntimeSecretStatus {
    let old = secret.status.clone().unwrap_or_default();
    let generation = secret.metadata.generation;
    let mut new = old.clone();
    new.path = secret.secret_path().ok().map(|path| path.to_string()).or(new.path);
    new.observed_generation = generation;
    new.last_runs = shown(runs);
    if let Some((_, consumers)) = &observed.consumers {
        new.consumers_observed = consumers.iter().take(CONSUMERS_MAX).cloned().collect();
    }
    let claimed = old.version.as_ref().filter(|_| old.authority == Some(Authoritative::Runtime));
    let behind = observed.obstacle.is_none()
        && claimed.is_some_and(|v| Record::is_behind(observed.record.as_ref(), v));
    if behind || observed.obstacle.is_some() {
        // What was known stays: it is the evidence that an older state was restored, and what
        // consumers go by.
        new.classification = new.classification.or_else(|| Some(classification(secret, None)));
        new.authority = new.authority.or(Some(Authoritative::Git));
        new.stage = Some(match (observed.obstacle.as_ref().is_some_and(|o| o.conflict), behind) {
            (true, _) => Stage::Conflict,
            (false, true) => Stage::Held,
            (false, false) => old.stage.unwrap_or(Stage::Declared),
        });
    } else {
        of_record(&mut new, secret, observed);
    }
    let verdict = verdict(observed, behind);
    new.conditions = condition::set(&old.conditions, READY, &verdict, generation, now);
    let done = observed.record.as_ref().is_some_and(|r| r.state == State::Done);
    if done && observed.obstacle.is_none() {
        let ignored = observed.record.as_ref().and_then(|record| ignored_policy(secret, record));
        let policy = match (&observed.drift, ignored) {
            (Some(why), _) => Verdict::no(Reason::PolicyDrift.as_str(), why.clone()),
            (None, Some(what)) => Verdict::yes("PolicyIgnored", what),
            (None, None) => Verdict::yes("InForce", "custom_metadata holds the policy in force"),
        };
        new.conditions = condition::set(&new.conditions, POLICY, &policy, generation, now);
    }
    new
}

/// What is said where Git declares another policy than the one in force: it counted until the secret was introduced.
fn ignored_policy(secret: &RuntimeSecret, record: &Record) -> Option<String> {
    let declared = secret.spec.rotation_policy.as_ref()?;
    if record.origin == Origin::Derived || *declared == record.policy {
        return None;
    }
    let in_force = record.policy.to_metadata();
    let differing: Vec<String> = declared
        .to_metadata()
        .into_iter()
        .filter(|(key, value)| in_force.get(key) != Some(value))
        .map(|(key, value)| format!("-custom-metadata={key}={value}"))
        .collect();
    Some(format!(
        "Git declares another policy, which is ignored: the one beside the secret counts since it was introduced. To \
         apply what Git says: bao kv metadata patch -mount=secret {} {}",
        differing.join(" "),
        record.path
    ))
}

fn of_record(new: &mut RuntimeSecretStatus, secret: &RuntimeSecret, observed: &Observed) {
    let record = observed.record.as_ref();
    let runtime = record.is_some_and(Record::is_runtime);
    new.classification = Some(classification(secret, record));
    new.authority = Some(if runtime { Authoritative::Runtime } else { Authoritative::Git });
    new.stage = Some(stage(record, observed.waits.as_ref()));
    new.version = record.and_then(|r| r.current.clone());
    let last = record.and_then(Record::last_rotation);
    new.last_rotation = last.map(|r| Time(r.at));
    new.next_rotation = record.and_then(|r| {
        let made_at = r.current.as_ref()?.created_time.parse::<Timestamp>().ok()?;
        next_rotation(r, made_at).map(Time)
    });
}

fn classification(secret: &RuntimeSecret, record: Option<&Record>) -> Classification {
    let introduce = &secret.spec.introduce;
    if introduce.derived.is_some() || record.is_some_and(|r| r.origin == Origin::Derived) {
        return Classification::Derived;
    }
    let runtime = introduce.generate.is_some() || record.is_some_and(Record::is_runtime);
    if runtime { Classification::Runtime } else { Classification::Bootstrap }
}

fn stage(record: Option<&Record>, waits: Option<&(Reason, String)>) -> Stage {
    let Some(record) = record else {
        return match waits {
            Some((Reason::BootstrapSecretMissing, _)) | None => Stage::Declared,
            Some((Reason::BootstrapSecretEmpty | Reason::NotABootstrapSecret, _)) => {
                Stage::Declared
            }
            Some(_) => Stage::Introducing,
        };
    };
    match (record.in_the_way(), record.state) {
        (Some(stop), _) if stop.by == Decider::Person => Stage::Conflict,
        (Some(_), _) => Stage::Held,
        (None, State::Intent) if record.origin == Origin::Derived => Stage::Declared,
        (None, State::Intent) if waits.is_some_and(|w| w.0 == Reason::BootstrapSecretMissing) => {
            Stage::Declared
        }
        (None, State::Intent) => Stage::Introducing,
        (None, State::Acknowledged | State::Disposing) => Stage::Acknowledged,
        (None, State::Done) => Stage::Runtime,
        (None, State::Rotating) => Stage::Rotating,
    }
}

fn verdict(observed: &Observed, behind: bool) -> Verdict {
    if let Some(obstacle) = &observed.obstacle {
        return Verdict::no(obstacle.reason.as_str(), obstacle.message.clone());
    }
    if behind {
        return Verdict::no(
            Reason::RecordBehindStatus.as_str(),
            "the authority knows less than this status: an older state was restored; restore a newer one, or accept \
             this one: regent authority accept-restore",
        );
    }
    let record = observed.record.as_ref();
    if let Some(stop) = record.and_then(Record::in_the_way) {
        return Verdict::no(stop.reason.as_str(), stop.message.clone());
    }
    let waits = |fallback: &'static str, what: &str| match &observed.waits {
        Some((reason, message)) => (reason.as_str(), message.clone()),
        None => (fallback, what.to_owned()),
    };
    match record.map(|r| r.state) {
        Some(State::Done) => match record.map(|r| r.origin) {
            Some(Origin::Derived) => Verdict::yes("Derived", "published; regent observes it"),
            _ => Verdict::yes("Runtime", "the authority is authoritative"),
        },
        Some(State::Rotating) => {
            let (reason, message) =
                waits("Rotating", "being rotated; the published version is in force");
            Verdict::yes(reason, message)
        }
        Some(State::Acknowledged | State::Disposing) => {
            let (reason, message) =
                waits("Acknowledged", "the bootstrap Secret is being disposed of");
            Verdict::no(reason, message)
        }
        Some(State::Intent) | None => {
            let (reason, message) = waits("Introducing", "being introduced into the authority");
            Verdict::no(reason, message)
        }
    }
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
