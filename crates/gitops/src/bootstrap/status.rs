//! Status of a manifest from its plan. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use regent_api::EncryptedManifestStatus;
use regent_api::condition;
use regent_api::condition::{READY, Verdict};

use super::plan::{Plan, Write};

/// Different values within [`CHANGES_WITHIN`] after which no further one is taken, as in a handover's record.
const CHANGES_MAX: usize = 8;
/// A person who changes a secret does not do it eight times in an hour.
const CHANGES_WITHIN: SignedDuration = SignedDuration::from_hours(1);

/// Whether so many different values were produced of late that the next one waits.
pub(super) fn keeps_changing(old: &EncryptedManifestStatus, now: Timestamp) -> bool {
    let recent = |at: &&Time| now.duration_since(at.0) < CHANGES_WITHIN;
    old.changed_at.iter().filter(recent).count() >= CHANGES_MAX
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Product {
    /// HMAC of the plaintext.
    pub(super) hmac: String,
    /// uid of the Secret.
    pub(super) uid: Option<String>,
    /// resourceVersion at which the Secret holds it.
    pub(super) resource_version: Option<String>,
}

/// The status after `plan` was carried out.
pub(super) fn next(
    old: &EncryptedManifestStatus,
    plan: &Plan,
    product: Option<&Product>,
    generation: Option<i64>,
    now: Timestamp,
) -> EncryptedManifestStatus {
    let mut new = old.clone();
    if let Some(product) = product.filter(|_| plan.produces) {
        let first = old.produced_at.is_none() || old.secret_uid != product.uid;
        if first || plan.write != Write::Nothing {
            new.produced_at = Some(Time(now));
        }
        if old.plaintext_hmac.as_ref().is_some_and(|before| *before != product.hmac) {
            new.changed_at.push(Time(now));
            let beyond = new.changed_at.len().saturating_sub(CHANGES_MAX);
            new.changed_at.drain(..beyond);
        }
        new.plaintext_hmac = Some(product.hmac.clone());
        new.secret_uid.clone_from(&product.uid);
        new.secret_resource_version.clone_from(&product.resource_version);
    }
    let verdict = Verdict {
        status: Some(plan.ready),
        reason: plan.reason.text(),
        message: plan.message.clone(),
    };
    new.observed_generation = generation;
    new.conditions = condition::set(&old.conditions, READY, &verdict, generation, now);
    new
}

#[cfg(test)]
mod tests {
    use super::super::plan::Plan;
    use super::super::reason::Reason;
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(minute * 60).unwrap()
    }

    /// C28: a manifest that carries a new random value at each render, once a minute.
    #[test]
    fn c28_before_handover_eight_values_an_hour_are_taken_and_no_more() {
        let plan = Plan {
            write: Write::Update,
            ready: true,
            reason: Reason::Produced,
            message: String::new(),
            produces: true,
        };
        let mut status = EncryptedManifestStatus::default();
        let mut taken = 0;
        for minute in 0..120 {
            if keeps_changing(&status, at(minute)) {
                continue;
            }
            let product =
                Product { hmac: format!("k:{minute}"), uid: None, resource_version: None };
            status = next(&status, &plan, Some(&product), Some(minute), at(minute));
            taken += 1;
        }
        assert_eq!((taken, status.changed_at.len()), (1 + 2 * CHANGES_MAX, CHANGES_MAX));
        let same = Product { hmac: "k:8".into(), uid: None, resource_version: None };
        let again = next(&status, &plan, Some(&same), None, at(200));
        assert_eq!(next(&again, &plan, Some(&same), None, at(201)).changed_at, again.changed_at);
    }
}
