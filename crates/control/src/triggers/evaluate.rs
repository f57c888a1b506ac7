//! Which runs a trigger is to start now. Pure: `(spec, status, secrets, now) → Decision`.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use regent_api::event_trigger::{ConcurrencyPolicy, MissedRuns, Schedule, Selection};
use regent_api::workflow_run::CauseKind;
use regent_types::labels::COMPROMISED;
use regent_types::lifecycle::Stage;

use super::decision::{Decision, NotReady, RunRequest};
use super::name;
use super::observed::{Observed, Run, Secret};
use super::slots::Slots;
use super::watermark::{SECRETS_MAX, delivered};

/// A slot older than this was missed rather than a little late.
const LATE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// What is to be done now.
pub(super) fn evaluate(observed: &Observed<'_>, now: Timestamp) -> Decision {
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

#[cfg(test)]
#[path = "tests/evaluate.rs"]
mod tests;
