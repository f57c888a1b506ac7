//! From the outcome of a pass to the status of the ExternalSecret. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use regent_types::condition::{self, READY, Verdict};
use regent_types::resources::ExternalSecretStatus;
use regent_types::resources::git_source::LocalRef;
use sha2::{Digest, Sha256};

use super::verdict::Refusal;

/// How a pass ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The Secret is as the authority says.
    Synced {
        /// Name of the Secret.
        target: String,
        /// Whether this was a refresh, or a write that undid drift.
        refreshed: bool,
    },
    /// All sources are gone and the Secret was deleted, as the policy says.
    Deleted,
    /// Not this time; the Secret was left as it is.
    Refused(Refusal),
}

/// `generation-hash` of labels and annotations, ESO's form with another hash: any change of an
/// annotation is a refresh (eso.md §1.3).
pub(crate) fn fingerprint(meta: &ObjectMeta) -> String {
    let mut hash = Sha256::new();
    for (kind, all) in [("a", &meta.annotations), ("l", &meta.labels)] {
        for (key, value) in all.iter().flatten() {
            for part in [kind, key, value] {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part.as_bytes());
            }
        }
    }
    let digest: String = hash.finalize().iter().take(14).map(|b| format!("{b:02x}")).collect();
    format!("{}-{digest}", meta.generation.unwrap_or_default())
}

/// `old` after `outcome`.
pub(crate) fn after(
    old: &ExternalSecretStatus,
    meta: &ObjectMeta,
    outcome: &Outcome,
    now: Timestamp,
) -> ExternalSecretStatus {
    let mut new = old.clone();
    let verdict = match outcome {
        Outcome::Synced { .. } => Verdict::yes("SecretSynced", "secret synced"),
        Outcome::Deleted => Verdict::yes("SecretDeleted", "secret deleted due to DeletionPolicy"),
        Outcome::Refused(refusal) => Verdict::no(refusal.reason, refusal.message.clone()),
    };
    let refreshed = match outcome {
        Outcome::Synced { target, refreshed } => {
            new.binding = Some(LocalRef { name: target.clone() });
            *refreshed
        }
        Outcome::Deleted => {
            new.binding = None;
            true
        }
        Outcome::Refused(_) => false,
    };
    if refreshed {
        new.refresh_time = Some(Time(now));
        new.synced_resource_version = Some(fingerprint(meta));
    }
    new.conditions = condition::set(&old.conditions, READY, &verdict, meta.generation, now);
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn meta(annotation: &str) -> ObjectMeta {
        let annotations = [("force-sync".to_owned(), annotation.to_owned())].into();
        ObjectMeta { generation: Some(2), annotations: Some(annotations), ..ObjectMeta::default() }
    }

    #[test]
    fn refresh_time_moves_only_with_a_refresh() {
        let old = ExternalSecretStatus::default();
        let synced = |refreshed| Outcome::Synced { target: "db".into(), refreshed };
        let first = after(&old, &meta("1"), &synced(true), at(10));
        assert_eq!(first.refresh_time, Some(Time(at(10))));
        assert_eq!(after(&first, &meta("1"), &synced(false), at(20)), first);
        let refusal = Refusal::retry("AuthoritySealed", "sealed");
        let sealed = after(&first, &meta("1"), &Outcome::Refused(refusal), at(30));
        assert_eq!(sealed.refresh_time, Some(Time(at(10))));
        assert_eq!(sealed.conditions[0].reason, "AuthoritySealed");
    }

    #[test]
    fn any_annotation_changes_the_fingerprint() {
        assert_ne!(fingerprint(&meta("1")), fingerprint(&meta("2")));
        assert!(fingerprint(&meta("1")).starts_with("2-"));
    }
}
