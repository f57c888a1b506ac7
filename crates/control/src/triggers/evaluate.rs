//! Which runs a trigger is to start now. Pure: `(spec, status, secrets, now) → Decision`.
//!
//! The watermark is in the status before a run exists (PROTOCOLS.md §7):
//!
//! ```text
//!   lastSlot     newest slot looked at; slots at or below it are refused. Exactly a slot: secrets without its
//!                delivery still wait for it. Later than any slot: those before were skipped.
//!   deliveries   `secret=slot`, newest last: runs that were, or are just being, created
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use regent_api::event_trigger::{ConcurrencyPolicy, MissedRuns, Schedule, Selection};
use regent_api::workflow_run::CauseKind;
use regent_api::{EventTriggerSpec, EventTriggerStatus};
use regent_types::labels::COMPROMISED;
use regent_types::lifecycle::Stage;

use super::name;
use super::slots::Slots;

/// A slot older than this was missed rather than a little late.
const LATE: Duration = Duration::from_secs(60);
/// Secrets of one trigger; more are reported and left out.
pub(crate) const SECRETS_MAX: usize = 1_000;
/// Deliveries remembered: two a secret at least (schema limit of the status).
pub(crate) const DELIVERIES_MAX: usize = 2_000;
const _: () = assert!(SECRETS_MAX * 2 <= DELIVERIES_MAX);
const HOUR: Duration = Duration::from_secs(3_600);

/// What counts of one RuntimeSecret.
#[derive(Clone, Debug, Default)]
pub(crate) struct Secret {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
    /// When the object was created.
    pub(crate) created: Timestamp,
    /// Stage in its status.
    pub(crate) stage: Option<Stage>,
    /// When it is due by its policy.
    pub(crate) next_rotation: Option<Timestamp>,
}

/// A run of this trigger, as far as it counts.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) secret: String,
    /// Whether it has ended.
    pub(crate) ended: bool,
    /// When it was created.
    pub(crate) created: Timestamp,
}

/// What the trigger sees.
pub(crate) struct Observed<'a> {
    /// Name of the trigger.
    pub(crate) trigger: &'a str,
    /// When the trigger was created: earlier slots are none of its business.
    pub(crate) created: Timestamp,
    pub(crate) spec: &'a EventTriggerSpec,
    pub(crate) status: &'a EventTriggerStatus,
    /// RuntimeSecrets of the namespace.
    pub(crate) secrets: &'a [Secret],
    /// Runs of this trigger.
    pub(crate) runs: &'a [Run],
    /// Whether the workflow is there.
    pub(crate) workflow: bool,
}

/// One run to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunRequest {
    pub(crate) secret: String,
    pub(crate) slot: String,
    /// What kind of cause.
    pub(crate) kind: CauseKind,
    /// A sentence for auditors.
    pub(crate) reason: String,
}

impl RunRequest {
    /// Name of the run.
    pub(crate) fn run(&self, trigger: &str) -> String {
        name::run(trigger, &self.secret, &self.slot)
    }

    /// The delivery as the watermark holds it.
    pub(crate) fn delivery(&self) -> String {
        format!("{}={}", self.secret, self.slot)
    }
}

/// What keeps a trigger from firing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotReady {
    /// `suspend: true`.
    Suspended,
    /// `spec.source` names nothing: declared before the field had this name.
    NoSource,
    /// The workflow is not there.
    WorkflowMissing,
    /// The schedule does not parse.
    BadSchedule(String),
    /// More secrets than a trigger can watch.
    TooManySecrets,
    /// `runsPerHour` is used up; this many runs wait.
    RateLimited(usize),
    /// Runs under way; this many wait for them (`Forbid`).
    Waiting(usize),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    /// Runs to start, after the watermark was persisted.
    pub(crate) requests: Vec<RunRequest>,
    /// New `lastSlot`, if another.
    pub(crate) last_slot: Option<String>,
    /// When to look again; `None`: when something changes.
    pub(crate) again: Option<Timestamp>,
    /// What keeps it from firing, if something does.
    pub(crate) not_ready: Option<NotReady>,
}

/// What is to be done now.
pub(crate) fn evaluate(observed: &Observed<'_>, now: Timestamp) -> Decision {
    if observed.spec.suspend {
        return not_ready(NotReady::Suspended);
    }
    if !observed.workflow {
        return not_ready(NotReady::WorkflowMissing);
    }
    let selected: Vec<&Secret> =
        observed.secrets.iter().filter(|s| selects(&observed.spec.select, s)).collect();
    if selected.len() > SECRETS_MAX {
        return not_ready(NotReady::TooManySecrets);
    }
    let source = &observed.spec.source;
    let kinds = (&source.schedule, &source.expiry, source.stage, &source.annotation);
    let (decision, candidates) = match kinds {
        (Some(schedule), _, _, _) => scheduled(observed, schedule, None, &selected, now),
        (_, Some(expiry), _, _) => {
            scheduled(observed, &expiry.schedule, Some(expiry.within_seconds), &selected, now)
        }
        (_, _, Some(stage), _) => (Decision::default(), reached(observed, stage, &selected)),
        (_, _, _, Some(annotation)) => {
            (Decision::default(), annotated(observed, annotation, &selected))
        }
        _ => (not_ready(NotReady::NoSource), Vec::new()),
    };
    limited(observed, decision, candidates, now)
}

fn not_ready(why: NotReady) -> Decision {
    Decision { not_ready: Some(why), ..Decision::default() }
}

fn selects(selection: &Selection, secret: &Secret) -> bool {
    let named = selection.names.is_empty() || selection.names.contains(&secret.name);
    named && selection.match_labels.iter().all(|(k, v)| secret.labels.get(k) == Some(v))
}

/// Schedule and expiry: the newest slot, for every secret that has no delivery of it.
fn scheduled(
    observed: &Observed<'_>,
    schedule: &Schedule,
    within_s: Option<i64>,
    selected: &[&Secret],
    now: Timestamp,
) -> (Decision, Vec<RunRequest>) {
    let slots = match Slots::parse(schedule) {
        Ok(slots) => slots,
        Err(problem) => return (not_ready(NotReady::BadSchedule(problem)), Vec::new()),
    };
    let mut decision = Decision { again: slots.next(now), ..Decision::default() };
    let recorded = observed.status.last_slot.as_deref().and_then(|t| t.parse::<Timestamp>().ok());
    let watermark = recorded.unwrap_or(observed.created);
    let Some(slot) = slots.last(now).filter(|slot| *slot > watermark || recorded == Some(*slot))
    else {
        return (decision, Vec::new());
    };
    if recorded != Some(slot) {
        let late = Duration::try_from(now.duration_since(slot)).unwrap_or(Duration::ZERO) > LATE;
        if late && schedule.missed_runs == MissedRuns::Skip {
            // Later than any slot so far: nobody waits for those.
            decision.last_slot = Some(now.to_string());
            return (decision, Vec::new());
        }
        decision.last_slot = Some(slot.to_string());
    }
    let text = slot.to_string();
    let kind = if within_s.is_some() { CauseKind::Expiry } else { CauseKind::Schedule };
    let delivered = delivered(observed);
    let wants = |secret: &&&Secret| {
        let expires = within_s.is_none_or(|within| {
            // Judged at the slot, so that what becomes due after it waits for the next.
            secret.next_rotation.is_some_and(|next| next.as_second() <= slot.as_second() + within)
        });
        expires
            && secret.created <= slot
            && !delivered.contains(&(secret.name.as_str(), text.as_str()))
    };
    let requests = selected
        .iter()
        .filter(wants)
        .map(|secret| RunRequest {
            secret: secret.name.clone(),
            slot: text.clone(),
            kind,
            reason: match secret.next_rotation.filter(|_| within_s.is_some()) {
                Some(next) => {
                    format!("due at {next}, looked at in slot {text} of {}", schedule.cron)
                }
                None => format!("slot {text} of {} in {}", schedule.cron, schedule.time_zone),
            },
        })
        .collect();
    (decision, requests)
}

/// A stage, for every secret that has reached it and has no delivery of it.
fn reached(observed: &Observed<'_>, stage: Stage, selected: &[&Secret]) -> Vec<RunRequest> {
    let slot = format!("stage/{stage:?}");
    let delivered = delivered(observed);
    let wants = |secret: &&&Secret| {
        secret.stage.is_some_and(|now| has_reached(now, stage))
            && !delivered.contains(&(secret.name.as_str(), slot.as_str()))
    };
    let request = |secret: &&Secret| RunRequest {
        secret: secret.name.clone(),
        slot: slot.clone(),
        kind: CauseKind::Change,
        reason: format!("stage {stage:?} was reached"),
    };
    selected.iter().filter(wants).map(request).collect()
}

/// Stages pass quickly and a watch may tell only the last: a later one of the same way counts.
fn has_reached(now: Stage, stage: Stage) -> bool {
    match stage {
        Stage::Acknowledged => {
            matches!(now, Stage::Acknowledged | Stage::Runtime | Stage::Rotating)
        }
        Stage::Runtime => matches!(now, Stage::Runtime | Stage::Rotating),
        other => now == other,
    }
}

/// An annotation, for every secret whose value of it has no delivery.
fn annotated(observed: &Observed<'_>, annotation: &str, selected: &[&Secret]) -> Vec<RunRequest> {
    let kind = if annotation == COMPROMISED { CauseKind::Compromise } else { CauseKind::Change };
    let delivered = delivered(observed);
    let request = |secret: &&Secret| {
        let value = secret.annotations.get(annotation).filter(|v| !v.is_empty())?;
        let slot = name::annotation(value);
        let reason: String = format!("{annotation}: {value}").chars().take(500).collect();
        let new = !delivered.contains(&(secret.name.as_str(), slot.as_str()));
        new.then(|| RunRequest { secret: secret.name.clone(), slot, kind, reason })
    };
    selected.iter().filter_map(request).collect()
}

fn delivered<'a>(observed: &'a Observed<'_>) -> BTreeSet<(&'a str, &'a str)> {
    observed.status.deliveries.iter().filter_map(|d| d.split_once('=')).collect()
}

/// Applies concurrency policy and rate limit. A compromise waits for neither: it is an answer to a
/// leak.
fn limited(
    observed: &Observed<'_>,
    mut decision: Decision,
    candidates: Vec<RunRequest>,
    now: Timestamp,
) -> Decision {
    let busy: BTreeSet<&str> =
        observed.runs.iter().filter(|r| !r.ended).map(|r| r.secret.as_str()).collect();
    let since = |run: &Run| Duration::try_from(now.duration_since(run.created)).unwrap_or_default();
    let recent: Vec<&Run> = observed.runs.iter().filter(|run| since(run) < HOUR).collect();
    let limit = usize::try_from(observed.spec.runs_per_hour).unwrap_or_default();
    let mut room = limit.saturating_sub(recent.len());
    let (mut waiting, mut deferred) = (0, 0);
    for request in candidates {
        let urgent = request.kind == CauseKind::Compromise;
        let forbidden = observed.spec.concurrency_policy == ConcurrencyPolicy::Forbid
            && busy.contains(request.secret.as_str());
        if forbidden && !urgent {
            waiting += 1;
        } else if room == 0 && !urgent {
            deferred += 1;
        } else {
            room = room.saturating_sub(1);
            decision.requests.push(request);
        }
    }
    if deferred > 0 {
        decision.not_ready = Some(NotReady::RateLimited(deferred));
        // The oldest run leaves the window first; with none there, this batch does in an hour.
        let oldest = recent.iter().map(|run| run.created).min().unwrap_or(now);
        let free = oldest.checked_add(HOUR).ok();
        decision.again = decision.again.into_iter().chain(free).min();
    } else if waiting > 0 {
        decision.not_ready = Some(NotReady::Waiting(waiting));
    }
    decision
}

/// Deliveries after `fires`: for schedules the newest of each secret, otherwise all, oldest
/// forgotten first but never one that is still in force.
pub(crate) fn deliveries_after(observed: &Observed<'_>, requests: &[RunRequest]) -> Vec<String> {
    let new: BTreeSet<&str> = requests.iter().map(|f| f.secret.as_str()).collect();
    let by_slot = observed.spec.source.schedule.is_some() || observed.spec.source.expiry.is_some();
    let there: BTreeSet<&str> = observed.secrets.iter().map(|s| s.name.as_str()).collect();
    let secret =
        |delivery: &str| delivery.split_once('=').map_or(delivery.to_owned(), |d| d.0.to_owned());
    let mut all: Vec<String> = observed.status.deliveries.clone();
    if by_slot {
        all.retain(|d| !new.contains(secret(d).as_str()) && there.contains(secret(d).as_str()));
    }
    all.extend(requests.iter().map(RunRequest::delivery));
    if all.len() > DELIVERIES_MAX {
        let forced = in_force(observed);
        let mut spare = all.len() - DELIVERIES_MAX;
        all.retain(|delivery| {
            let drop = spare > 0 && !forced.contains(delivery);
            spare -= usize::from(drop);
            !drop
        });
    }
    all
}

/// Deliveries that would fire again at once if they were forgotten.
fn in_force(observed: &Observed<'_>) -> BTreeSet<String> {
    let source = &observed.spec.source;
    let of = |secret: &Secret| match (source.stage, &source.annotation) {
        (Some(stage), _) => Some(format!("{}=stage/{stage:?}", secret.name)),
        (_, Some(annotation)) => {
            let value = secret.annotations.get(annotation)?;
            Some(format!("{}={}", secret.name, name::annotation(value)))
        }
        _ => None,
    };
    observed.secrets.iter().filter_map(of).collect()
}

/// Runs that the watermark holds and that must exist: after a crash between watermark and creation
/// they are created under the same name. Only what still counts: the newest slot, or the values in
/// force.
pub(crate) fn pending(observed: &Observed<'_>) -> Vec<RunRequest> {
    let source = &observed.spec.source;
    let forced = in_force(observed);
    let counts = |secret: &str, slot: &str| {
        if source.schedule.is_some() || source.expiry.is_some() {
            observed.status.last_slot.as_deref() == Some(slot)
        } else {
            forced.contains(&format!("{secret}={slot}"))
        }
    };
    let kind = match (&source.expiry, source.annotation.as_deref(), source.stage) {
        (Some(_), _, _) => CauseKind::Expiry,
        (_, Some(COMPROMISED), _) => CauseKind::Compromise,
        (_, Some(_), _) | (_, _, Some(_)) => CauseKind::Change,
        _ => CauseKind::Schedule,
    };
    let there: BTreeSet<&str> = observed.secrets.iter().map(|s| s.name.as_str()).collect();
    observed
        .status
        .deliveries
        .iter()
        .filter_map(|delivery| delivery.split_once('='))
        .filter(|(secret, slot)| there.contains(secret) && counts(secret, slot))
        .map(|(secret, slot)| RunRequest {
            secret: secret.to_owned(),
            slot: slot.to_owned(),
            kind,
            reason: format!("{slot}, taken before triggers restarted"),
        })
        .collect()
}

#[cfg(test)]
#[path = "tests/evaluate.rs"]
mod tests;
