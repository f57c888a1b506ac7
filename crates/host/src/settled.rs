//! Whether a trigger is at rest: it has taken every delivery that it is to take, and the run of each delivery is there.
//! Pure.
//!
//! A trigger persists a delivery before the run of it exists (PROTOCOLS.md §7), so that a delivery alone says nothing of
//! what it started.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use regent_api::event_trigger::{EventTrigger, Selection};
use regent_control::triggers::annotation_slot;
use regent_types::lifecycle::Stage;

use super::facts::{self, Ready, RunFacts, SecretFacts};

/// What makes a trigger fire.
#[derive(Clone, Debug, PartialEq, Eq)]
enum TriggerSource {
    /// A stage that is reached.
    Stage(Stage),
    /// An annotation that is set.
    Annotation(String),
    /// A slot of a schedule: whether one is due says the time alone.
    Schedule,
}

#[derive(Clone, Debug)]
pub(super) struct TriggerFacts {
    ready: Ready,
    source: TriggerSource,
    select: Selection,
    suspended: bool,
    deliveries: Vec<String>,
    /// When the newest delivery was taken.
    fired: Option<Timestamp>,
}

impl TriggerFacts {
    pub(super) fn of(trigger: &EventTrigger, ready: Ready) -> Self {
        let status = trigger.status.clone().unwrap_or_default();
        let from = &trigger.spec.source;
        Self {
            ready,
            source: match (from.stage, &from.annotation) {
                (Some(stage), _) => TriggerSource::Stage(stage),
                (None, Some(annotation)) => TriggerSource::Annotation(annotation.clone()),
                (None, None) => TriggerSource::Schedule,
            },
            select: trigger.spec.select.clone(),
            suspended: trigger.spec.suspend,
            deliveries: status.deliveries,
            fired: status.last_fired.map(|time| time.0),
        }
    }

    /// The delivery that it is to take of a secret, where there is one.
    fn slot_of(&self, secret: &SecretFacts) -> Option<String> {
        match &self.source {
            TriggerSource::Stage(stage) if has_reached(secret.stage?, *stage) => {
                Some(format!("stage/{stage:?}"))
            }
            TriggerSource::Annotation(annotation) => {
                let value = secret.selectable.annotations.get(annotation)?;
                (!value.is_empty()).then(|| annotation_slot(value))
            }
            TriggerSource::Stage(_) | TriggerSource::Schedule => None,
        }
    }

    fn selects(&self, name: &str, secret: &SecretFacts) -> bool {
        let Selection { names, match_labels } = &self.select;
        let labels = &secret.selectable.labels;
        (names.is_empty() || names.iter().any(|n| n == name))
            && match_labels.iter().all(|(label, value)| labels.get(label) == Some(value))
    }
}

/// What a trigger is judged by.
pub(super) struct Around<'a> {
    pub(super) secrets: &'a BTreeMap<String, SecretFacts>,
    pub(super) runs: &'a BTreeMap<String, RunFacts>,
    /// Triggers that fired before owe no run.
    pub(super) owing_since: Option<Timestamp>,
}

/// Why the trigger `key` is not at rest: reason and message.
pub(super) fn pending(
    key: &str,
    trigger: &TriggerFacts,
    around: &Around<'_>,
) -> Option<(&'static str, String)> {
    let (namespace, by) = key.split_once('/')?;
    untaken(namespace, trigger, around).or_else(|| without_run(namespace, by, trigger, around))
}

/// A secret whose delivery has not been taken.
fn untaken(
    namespace: &str,
    trigger: &TriggerFacts,
    around: &Around<'_>,
) -> Option<(&'static str, String)> {
    if trigger.suspended {
        return None;
    }
    let from = format!("{namespace}/");
    let mut near =
        around.secrets.range(from.clone()..).take_while(|(key, _)| key.starts_with(&from));
    let missing = |(key, secret): (&String, &SecretFacts)| {
        let name = key.strip_prefix(&from)?;
        let slot = trigger.selects(name, secret).then(|| trigger.slot_of(secret))??;
        let delivery = format!("{name}={slot}");
        (!trigger.deliveries.contains(&delivery)).then_some(delivery)
    };
    let delivery = near.find_map(missing)?;
    let said = &trigger.ready;
    let message = format!("{delivery} is to be taken; {} {}", said.reason, said.message);
    Some(("DeliveryDue", message.trim_end().to_owned()))
}

/// A delivery whose run is not there; one that is there is asked for its end with all other runs.
fn without_run(
    namespace: &str,
    by: &str,
    trigger: &TriggerFacts,
    around: &Around<'_>,
) -> Option<(&'static str, String)> {
    let long_ago = |since: Timestamp| trigger.fired.is_some_and(|fired| fired < since);
    if around.owing_since.is_some_and(long_ago) {
        return None;
    }
    let owed = |delivery: &&String| {
        let Some((name, slot)) = delivery.split_once('=') else { return false };
        // Without the secret there is no run, nor one of a secret that was there before under the same name.
        let secret = around.secrets.get(&facts::key(namespace, name));
        let after = |secret: &SecretFacts| !secret.selectable.created.is_some_and(long_ago);
        let of_it = |run: &RunFacts| {
            run.by == by && run.secret == name && run.slot.as_deref() == Some(slot)
        };
        let from = format!("{namespace}/");
        let mut runs =
            around.runs.range(from.clone()..).take_while(|(key, _)| key.starts_with(&from));
        secret.is_some_and(after) && !runs.any(|(_, run)| of_it(run))
    };
    let delivery = trigger.deliveries.iter().find(owed)?;
    Some(("RunDue", format!("{delivery} was taken and its run does not exist yet")))
}

/// A later stage of the same way counts, as for the trigger itself.
fn has_reached(now: Stage, stage: Stage) -> bool {
    match stage {
        Stage::Acknowledged => {
            matches!(now, Stage::Acknowledged | Stage::Runtime | Stage::Rotating)
        }
        Stage::Runtime => matches!(now, Stage::Runtime | Stage::Rotating),
        other => now == other,
    }
}
