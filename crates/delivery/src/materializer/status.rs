//! From the outcome of a pass to the status of the ExternalSecret. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use regent_api::ExternalSecretStatus;
use regent_api::condition;
use regent_api::condition::{READY, Verdict};
use regent_api::git_source::LocalRef;

use crate::fingerprint::fingerprint;
use crate::not_ready::NotReady;

/// The precision of times in Kubernetes (RFC 3339 without fractions).
const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// How a pass ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The Secret is as the authority says.
    Synced {
        /// Name of the Secret.
        target: String,
        /// Whether this was a refresh, or a write that undid drift.
        refreshed: bool,
        /// Whether the Secret was written: whoever waits for it is to be told.
        wrote: bool,
    },
    /// All sources are gone and the Secret was deleted, as the policy says.
    Deleted,
    /// Not this time; the Secret was left as it is.
    Refused(NotReady),
}

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
        Outcome::Refused(not_ready) => Verdict::no(not_ready.reason, not_ready.message.clone()),
    };
    let (refreshed, wrote) = match outcome {
        Outcome::Synced { target, refreshed, wrote } => {
            new.binding = Some(LocalRef { name: target.clone() });
            (*refreshed, *wrote)
        }
        Outcome::Deleted => {
            new.binding = None;
            (true, false)
        }
        Outcome::Refused(_) => (false, false),
    };
    if refreshed {
        // A status that is the same wakes nobody: a second write within one second has another time all the same.
        let last = old.refresh_time.as_ref().map(|t| t.0);
        let same = last.filter(|last| wrote && last.as_second() == now.as_second());
        new.refresh_time = Some(Time(same.map_or(now, |last| last + SECOND)));
        new.synced_resource_version = Some(fingerprint(meta));
    }
    new.conditions = condition::set(&old.conditions, READY, &verdict, meta.generation, now);
    new
}

/// `old` without what regent said of an ExternalSecret that is another controller's; `None` where it said nothing.
/// Conditions of External Secrets Operator name no generation.
pub(crate) fn withdrawn(old: &ExternalSecretStatus) -> Option<ExternalSecretStatus> {
    let own = condition::get(&old.conditions, READY)?;
    own.observed_generation?;
    let mut new = old.clone();
    new.conditions.retain(|condition| condition.type_ != READY);
    Some(new)
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
        let synced = |refreshed| Outcome::Synced { target: "db".into(), refreshed, wrote: false };
        let first = after(&old, &meta("1"), &synced(true), at(10));
        assert_eq!(first.refresh_time, Some(Time(at(10))));
        assert_eq!(after(&first, &meta("1"), &synced(false), at(20)), first);
        let not_ready = NotReady::until_retry("AuthoritySealed", "sealed");
        let sealed = after(&first, &meta("1"), &Outcome::Refused(not_ready), at(30));
        assert_eq!(sealed.refresh_time, Some(Time(at(10))));
        assert_eq!(sealed.conditions[0].reason, "AuthoritySealed");
    }

    /// It was said before the store was there, or while the store was regent's.
    #[test]
    fn m09_what_was_said_of_anothers_object_is_withdrawn_and_what_others_said_stays() {
        let not_ready = NotReady::until_change("StoreNotReady", "SecretStore aws is not there");
        let old = ExternalSecretStatus::default();
        let said = after(&old, &meta("1"), &Outcome::Refused(not_ready), at(10));
        assert_eq!(withdrawn(&said), Some(ExternalSecretStatus::default()));
        let mut others = said;
        others.conditions[0].observed_generation = None;
        assert_eq!(withdrawn(&others), None);
        assert_eq!(withdrawn(&ExternalSecretStatus::default()), None);
    }

    #[test]
    fn each_write_is_told_by_a_time_that_is_another() {
        let synced = |wrote| Outcome::Synced { target: "db".into(), refreshed: true, wrote };
        let time = |old: &ExternalSecretStatus, wrote, now| {
            let new = after(old, &meta("1"), &synced(wrote), at(now));
            (new.refresh_time.clone(), new)
        };
        let (_, first) = time(&ExternalSecretStatus::default(), true, 10);
        let (second, next) = time(&first, true, 10);
        assert_eq!(second, Some(Time(at(11))));
        assert_eq!(time(&next, true, 10).0, Some(Time(at(10))), "it does not run ahead");
        assert_eq!(time(&first, false, 10).0, first.refresh_time);
    }
}
