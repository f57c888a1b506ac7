//! Deliveries: which runs were, or are just being, created. Pure.
//!
//! The watermark is in the status before a run exists (PROTOCOLS.md §7):
//!
//! ```text
//!   lastSlot     newest slot looked at; slots at or below it are refused. Exactly a slot: secrets without its
//!                delivery still wait for it. Later than any slot: those before were skipped.
//!   deliveries   `secret=slot`, newest last: runs that were, or are just being, created
//! ```

use std::collections::BTreeSet;

use regent_api::workflow_run::CauseKind;
use regent_types::labels::COMPROMISED;

use super::decision::RunRequest;
use super::name;
use super::observed::{Observed, Secret};

/// Secrets of one trigger; more are reported and left out.
pub(super) const SECRETS_MAX: usize = 1_000;
/// Deliveries remembered: two a secret at least (schema limit of the status).
pub(super) const DELIVERIES_MAX: usize = 2_000;
const _: () = assert!(SECRETS_MAX * 2 <= DELIVERIES_MAX);

/// Secret and slot of each delivery.
pub(super) fn delivered<'a>(observed: &'a Observed<'_>) -> BTreeSet<(&'a str, &'a str)> {
    observed.status.deliveries.iter().filter_map(|d| d.split_once('=')).collect()
}

/// Deliveries after `requests`: for schedules the newest of each secret, otherwise all, oldest
/// forgotten first but never one that is still in force.
pub(super) fn deliveries_after(observed: &Observed<'_>, requests: &[RunRequest]) -> Vec<String> {
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
pub(super) fn pending(observed: &Observed<'_>) -> Vec<RunRequest> {
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
