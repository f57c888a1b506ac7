//! When a trigger fires, and for whom.

use super::*;
use crate::triggers::watermark::{DELIVERIES_MAX, deliveries_after, pending};
use regent_api::{EventTriggerSpec, EventTriggerStatus};
use serde_json::{Value, json};

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn spec(patch: Value) -> EventTriggerSpec {
    let mut spec = json!({
        "source": { "schedule": { "cron": "0 3 * * *" } },
        "select": {},
        "workflow": "rotate",
    });
    for (key, value) in patch.as_object().expect("an object") {
        spec[key] = value.clone();
    }
    serde_json::from_value(spec).expect("a spec")
}

fn secret(name: &str) -> Secret {
    Secret { name: name.into(), created: at("2026-01-01T00:00:00Z"), ..Secret::default() }
}

struct World {
    spec: EventTriggerSpec,
    status: EventTriggerStatus,
    secrets: Vec<Secret>,
    runs: Vec<Run>,
    workflow: bool,
}

fn world(patch: Value) -> World {
    let secrets = vec![secret("a"), secret("b")];
    let status = EventTriggerStatus::default();
    World { spec: spec(patch), status, secrets, runs: Vec::new(), workflow: true }
}

impl World {
    fn observed(&self) -> Observed<'_> {
        Observed {
            trigger: "t",
            created: at("2026-01-01T00:00:00Z"),
            spec: &self.spec,
            status: &self.status,
            secrets: &self.secrets,
            runs: &self.runs,
            workflow: self.workflow,
        }
    }

    /// Decides, persists the watermark as the driver does, creates the runs.
    fn tick(&mut self, now: &str) -> (Vec<String>, Decision) {
        let decision = evaluate(&self.observed(), at(now));
        let deliveries = deliveries_after(&self.observed(), &decision.requests);
        self.status.deliveries = deliveries;
        if let Some(slot) = &decision.last_slot {
            self.status.last_slot = Some(slot.clone());
        }
        for request in &decision.requests {
            let created = at(now);
            self.runs.push(Run { secret: request.secret.clone(), ended: false, created });
        }
        (decision.requests.iter().map(RunRequest::delivery).collect(), decision)
    }

    fn finish_runs(&mut self) {
        for run in &mut self.runs {
            run.ended = true;
        }
    }
}

#[test]
fn a_slot_fires_once_for_each_selected_secret() {
    let mut world = world(json!({}));
    let (fired, decision) = world.tick("2026-01-02T02:59:59Z");
    assert!(fired.is_empty(), "the first of January's slot is missed");
    assert_eq!(decision.again, Some(at("2026-01-02T03:00:00Z")));
    let slot = "2026-01-02T03:00:00Z";
    assert_eq!(world.tick(slot).0, [format!("a={slot}"), format!("b={slot}")]);
    assert!(world.tick(slot).0.is_empty());
    world.finish_runs();
    assert!(world.tick("2026-01-02T03:00:30Z").0.is_empty());
    assert_eq!(world.tick("2026-01-03T03:00:00Z").0.len(), 2);
    assert_eq!(
        world.status.deliveries.len(),
        2,
        "only the newest slot of each secret is remembered"
    );
}

#[test]
fn a_missed_slot_is_skipped_or_run_once_as_declared() {
    let mut skip = world(json!({}));
    skip.status.last_slot = Some("2026-01-02T03:00:00Z".into());
    assert!(skip.tick("2026-01-09T12:00:00Z").0.is_empty());
    assert!(skip.tick("2026-01-09T12:00:01Z").0.is_empty());
    assert_eq!(skip.tick("2026-01-10T03:00:01Z").0.len(), 2);

    let once =
        json!({ "source": { "schedule": { "cron": "0 3 * * *", "missedRuns": "RunOnce" } } });
    let mut once = world(once);
    once.status.last_slot = Some("2026-01-02T03:00:00Z".into());
    let slot = "2026-01-09T03:00:00Z";
    assert_eq!(once.tick("2026-01-09T12:00:00Z").0, [format!("a={slot}"), format!("b={slot}")]);
    assert!(once.tick("2026-01-09T12:00:01Z").0.is_empty());
}

#[test]
fn slots_at_or_below_the_watermark_are_refused_when_the_clock_goes_back() {
    let mut world = world(json!({}));
    world.tick("2026-01-05T03:00:00Z");
    world.finish_runs();
    assert!(world.tick("2026-01-03T03:00:00Z").0.is_empty());
    assert!(world.tick("2026-01-05T03:00:10Z").0.is_empty());
}

#[test]
fn a_secret_declared_after_the_slot_waits_for_the_next() {
    let mut world = world(json!({}));
    world.tick("2026-01-02T03:00:00Z");
    world.secrets.push(Secret { created: at("2026-01-02T04:00:00Z"), ..secret("late") });
    assert!(world.tick("2026-01-02T04:00:01Z").0.is_empty());
    world.finish_runs();
    assert_eq!(world.tick("2026-01-03T03:00:00Z").0.len(), 3);
}

/// C6-2: everything expiring within a window.
#[test]
fn expiry_fires_for_what_is_due_within_the_window_at_the_slot() {
    let week = 7 * 86_400;
    let mut world =
        world(json!({ "source": { "expiry": { "withinSeconds": week, "cron": "0 3 * * *" } } }));
    world.secrets[0].next_rotation = Some(at("2026-01-09T03:00:00Z"));
    world.secrets[1].next_rotation = Some(at("2026-01-09T03:00:01Z"));
    let (fired, decision) = world.tick("2026-01-02T03:00:00Z");
    assert_eq!(fired, ["a=2026-01-02T03:00:00Z"]);
    assert_eq!(decision.requests[0].kind, CauseKind::Expiry);
    assert!(world.tick("2026-01-02T05:00:00Z").0.is_empty(), "b becomes due after the slot");
    world.secrets[0].next_rotation = None;
    assert_eq!(world.tick("2026-01-03T03:00:00Z").0, ["b=2026-01-03T03:00:00Z"]);
}

#[test]
fn a_stage_fires_once_for_each_secret_that_reached_it() {
    let mut world = world(json!({ "source": { "stage": "Runtime" } }));
    world.secrets[0].stage = Some(Stage::Acknowledged);
    assert!(world.tick("2026-01-02T00:00:00Z").0.is_empty());
    world.secrets[0].stage = Some(Stage::Runtime);
    assert_eq!(world.tick("2026-01-02T00:00:01Z").0, ["a=stage/Runtime"]);
    world.finish_runs();
    world.secrets[0].stage = Some(Stage::Held);
    world.tick("2026-01-02T00:00:02Z");
    world.secrets[0].stage = Some(Stage::Runtime);
    world.secrets[1].stage = Some(Stage::Rotating);
    assert_eq!(world.tick("2026-01-02T00:00:03Z").0, ["b=stage/Runtime"]);
}

/// C7-2: a reported leak is answered at once, whatever the limits.
#[test]
fn a_compromise_waits_for_no_limit_and_each_report_counts_once() {
    let on = json!({ "source": { "annotation": COMPROMISED }, "runsPerHour": 1 });
    let mut world = world(on);
    let report = |world: &mut World, value: &str| {
        world.secrets[0].annotations.insert(COMPROMISED.into(), value.into());
    };
    report(&mut world, "in build 7");
    let (fired, decision) = world.tick("2026-01-02T00:00:00Z");
    assert_eq!(fired, ["a=annotation/in build 7"]);
    assert_eq!(decision.requests[0].kind, CauseKind::Compromise);
    assert!(decision.requests[0].reason.ends_with("in build 7"));
    assert!(world.tick("2026-01-02T00:00:01Z").0.is_empty());
    report(&mut world, "in build 8");
    assert_eq!(world.tick("2026-01-02T00:00:02Z").0, ["a=annotation/in build 8"]);
}

#[test]
fn a_run_under_way_makes_the_slot_wait_where_overlap_is_forbidden() {
    let mut world = world(json!({ "select": { "names": ["a"] } }));
    world.runs.push(Run { secret: "a".into(), ended: false, created: at("2026-01-01T12:00:00Z") });
    let (fired, decision) = world.tick("2026-01-02T03:00:00Z");
    assert!(fired.is_empty());
    assert_eq!(decision.not_ready, Some(NotReady::Waiting(1)));
    world.finish_runs();
    assert_eq!(world.tick("2026-01-02T09:00:00Z").0, ["a=2026-01-02T03:00:00Z"]);
    world.runs.push(Run { secret: "a".into(), ended: false, created: at("2026-01-02T12:00:00Z") });
    world.spec.concurrency_policy = ConcurrencyPolicy::Allow;
    assert_eq!(world.tick("2026-01-03T03:00:00Z").0.len(), 1);
}

#[test]
fn runs_above_the_rate_are_deferred_not_lost() {
    let mut world = world(json!({ "runsPerHour": 1 }));
    let (fired, decision) = world.tick("2026-01-02T03:00:00Z");
    assert_eq!(fired, ["a=2026-01-02T03:00:00Z"]);
    assert_eq!(decision.not_ready, Some(NotReady::RateLimited(1)));
    let (_, decision) = world.tick("2026-01-02T03:10:00Z");
    assert_eq!(decision.again, Some(at("2026-01-02T04:00:00Z")));
    assert_eq!(world.tick("2026-01-02T04:00:00Z").0, ["b=2026-01-02T03:00:00Z"]);
}

#[test]
fn a_trigger_that_cannot_fire_says_why_and_takes_no_slot() {
    let mut suspended = world(json!({ "suspend": true }));
    assert_eq!(suspended.tick("2026-01-02T03:00:00Z").1, not_ready(NotReady::Suspended));
    let mut missing = world(json!({}));
    missing.workflow = false;
    assert_eq!(missing.tick("2026-01-02T03:00:00Z").1, not_ready(NotReady::WorkflowMissing));
    let mut old = world(json!({ "source": {} }));
    assert_eq!(old.tick("2026-01-02T03:00:00Z").1, not_ready(NotReady::NoSource));
    let mut bad = world(json!({ "source": { "schedule": { "cron": "soon" } } }));
    let found = bad.tick("2026-01-02T03:00:00Z").1.not_ready;
    assert!(matches!(found, Some(NotReady::BadSchedule(_))), "{found:?}");
    let mut many = world(json!({}));
    many.secrets = (0..=SECRETS_MAX).map(|n| secret(&n.to_string())).collect();
    assert_eq!(many.tick("2026-01-02T03:00:00Z").1, not_ready(NotReady::TooManySecrets));
}

#[test]
fn only_selected_secrets_fire() {
    let mut world = world(json!({ "select": { "matchLabels": { "tier": "db" } } }));
    world.secrets[1].labels.insert("tier".into(), "db".into());
    assert_eq!(world.tick("2026-01-02T03:00:00Z").0, ["b=2026-01-02T03:00:00Z"]);
}

/// PROTOCOLS.md §7: a crash between watermark and creation loses no run and repeats none under
/// another name.
#[test]
fn what_the_watermark_holds_is_owed_after_a_restart() {
    let mut nightly = world(json!({}));
    let (fired, decision) = nightly.tick("2026-01-02T03:00:00Z");
    let owed_now = pending(&nightly.observed());
    assert_eq!(owed_now.iter().map(RunRequest::delivery).collect::<Vec<_>>(), fired);
    let names = |requests: &[RunRequest]| requests.iter().map(|f| f.run("t")).collect::<Vec<_>>();
    assert_eq!(names(&owed_now), names(&decision.requests));
    nightly.finish_runs();
    nightly.status.last_slot = Some("2026-01-02T12:00:00Z".into());
    assert!(pending(&nightly.observed()).is_empty(), "an older slot is not owed");

    let mut staged = world(json!({ "source": { "stage": "Runtime" } }));
    staged.secrets[0].stage = Some(Stage::Runtime);
    staged.tick("2026-01-02T00:00:00Z");
    assert_eq!(pending(&staged.observed()).len(), 1);
    staged.secrets.remove(0);
    assert!(pending(&staged.observed()).is_empty(), "the secret is gone");
}

#[test]
fn forgetting_old_deliveries_never_forgets_one_that_is_in_force() {
    let mut world = world(json!({ "source": { "annotation": "nudge" } }));
    world.status.deliveries = vec!["a=annotation/now".into()];
    let old = (0..DELIVERIES_MAX - 1).map(|n| format!("b=annotation/{n}"));
    world.status.deliveries.extend(old);
    world.secrets[0].annotations.insert("nudge".into(), "now".into());
    world.secrets[1].annotations.insert("nudge".into(), "next".into());
    assert_eq!(world.tick("2026-01-02T00:00:00Z").0, ["b=annotation/next"]);
    assert_eq!(world.status.deliveries.len(), DELIVERIES_MAX);
    assert_eq!(world.status.deliveries[0], "a=annotation/now");
    assert!(!world.status.deliveries.contains(&"b=annotation/0".to_owned()));
}
