//! Status of a manifest from its plan. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use regent_api::EncryptedManifestStatus;
use regent_api::condition;
use regent_api::condition::{READY, Verdict};

use super::plan::{Plan, Write};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Product {
    /// HMAC of the plaintext.
    pub(super) hmac: String,
    /// uid of the Secret.
    pub(super) uid: Option<String>,
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
        new.plaintext_hmac = Some(product.hmac.clone());
        new.secret_uid.clone_from(&product.uid);
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
