//! From a decision to the status of the EventTrigger. Pure.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use regent_api::EventTriggerStatus;
use regent_api::condition;
use regent_api::condition::{READY, Verdict};

use super::decision::{Decision, NotReady};
use super::observed::Observed;
use super::watermark::{SECRETS_MAX, deliveries_after};

/// The status that holds the watermark of `decision`.
pub(super) fn after(
    observed: &Observed<'_>,
    decision: &Decision,
    generation: Option<i64>,
    now: Timestamp,
) -> EventTriggerStatus {
    let mut new = observed.status.clone();
    if let Some(slot) = &decision.last_slot {
        new.last_slot = Some(slot.clone());
    }
    if let Some(last) = decision.requests.last() {
        new.deliveries = deliveries_after(observed, &decision.requests);
        new.last_run = Some(last.run(observed.trigger));
        new.last_fired = Some(Time(now));
        let by_slot =
            observed.spec.source.schedule.is_some() || observed.spec.source.expiry.is_some();
        if !by_slot {
            new.last_slot = Some(last.slot.clone());
        }
    }
    new.observed_generation = generation;
    new.conditions =
        condition::set(&new.conditions, READY, &verdict(observed, decision), generation, now);
    new
}

fn verdict(observed: &Observed<'_>, decision: &Decision) -> Verdict {
    match &decision.not_ready {
        None => Verdict::yes("Armed", "fires as declared"),
        Some(NotReady::Suspended) => {
            Verdict::no("Suspended", "suspend is true; nothing is started")
        }
        Some(NotReady::NoSource) => {
            Verdict::no("NoSource", "nothing starts a run: write spec.source in place of spec.on")
        }
        Some(NotReady::WorkflowMissing) => {
            let message = format!(
                "Workflow {} is not in this namespace; nothing is started until it is",
                observed.spec.workflow
            );
            Verdict::no("WorkflowMissing", message)
        }
        Some(NotReady::BadSchedule(problem)) => Verdict::no("BadSchedule", problem.clone()),
        Some(NotReady::TooManySecrets) => {
            let message = format!(
                "selects over {} RuntimeSecrets; select fewer with several triggers",
                SECRETS_MAX
            );
            Verdict::no("TooManySecrets", message)
        }
        Some(NotReady::RateLimited(deferred)) => {
            let message = format!(
                "{deferred} runs wait: runsPerHour {} is used up; they start as the hour passes",
                observed.spec.runs_per_hour
            );
            Verdict::no("RateLimited", message)
        }
        Some(NotReady::Waiting(_)) => {
            Verdict::yes("Waiting", "runs wait until the ones of the same secret have ended")
        }
    }
}
