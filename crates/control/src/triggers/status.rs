//! From a decision to the status of the EventTrigger. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use regent_api::EventTriggerStatus;
use regent_api::condition;
use regent_api::condition::{READY, Verdict};

use super::due::{Blocked, Decision, Seen, delivered};

/// The status that holds the watermark of `decision`.
pub(crate) fn after(
    seen: &Seen<'_>,
    decision: &Decision,
    generation: Option<i64>,
    now: Timestamp,
) -> EventTriggerStatus {
    let mut new = seen.status.clone();
    if let Some(slot) = &decision.last_slot {
        new.last_slot = Some(slot.clone());
    }
    if let Some(last) = decision.fires.last() {
        new.deliveries = delivered(seen, &decision.fires);
        new.last_run = Some(last.run(seen.trigger));
        new.last_fired = Some(Time(now));
        let by_slot = seen.spec.source.schedule.is_some() || seen.spec.source.expiry.is_some();
        if !by_slot {
            new.last_slot = Some(last.slot.clone());
        }
    }
    new.observed_generation = generation;
    new.conditions =
        condition::set(&new.conditions, READY, &verdict(seen, decision), generation, now);
    new
}

fn verdict(seen: &Seen<'_>, decision: &Decision) -> Verdict {
    match &decision.blocked {
        None => Verdict::yes("Armed", "fires as declared"),
        Some(Blocked::Suspended) => Verdict::no("Suspended", "suspend is true; nothing is started"),
        Some(Blocked::NoSource) => {
            Verdict::no("NoSource", "nothing starts a run: write spec.source in place of spec.on")
        }
        Some(Blocked::WorkflowMissing) => {
            let message = format!(
                "Workflow {} is not in this namespace; nothing is started until it is",
                seen.spec.workflow
            );
            Verdict::no("WorkflowMissing", message)
        }
        Some(Blocked::BadSchedule(problem)) => Verdict::no("BadSchedule", problem.clone()),
        Some(Blocked::TooManySecrets) => {
            let message = format!(
                "selects over {} RuntimeSecrets; select fewer with several triggers",
                super::due::SECRETS_MAX
            );
            Verdict::no("TooManySecrets", message)
        }
        Some(Blocked::RateLimited(deferred)) => {
            let message = format!(
                "{deferred} runs wait: runsPerHour {} is used up; they start as the hour passes",
                seen.spec.runs_per_hour
            );
            Verdict::no("RateLimited", message)
        }
        Some(Blocked::Waiting(_)) => {
            Verdict::yes("Waiting", "runs wait until the ones of the same secret have ended")
        }
    }
}
