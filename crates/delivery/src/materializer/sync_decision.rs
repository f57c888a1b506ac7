//! Whether a pass has anything to do, from what is remembered and what the watches say. Pure: this
//! is what keeps the number of reads at one per path and version.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use regent_types::{SecretPath, VersionPair};
use tokio::time::Instant;

use super::request::{Creation, Refresh};

/// What the last pass of this process left behind. No value, no hash of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LastSync {
    /// uid and resourceVersion of the Secret after that pass; `None` where nothing is written.
    pub(crate) secret: Option<ObjectVersion>,
    /// Versions that RuntimeSecrets told of then.
    pub(crate) expected_versions: BTreeMap<SecretPath, VersionPair>,
    /// How often a publication was announced for its paths.
    pub(crate) publish_count: u64,
    /// What the watch may still tell of the Secret although it was written since, and until when that may be.
    pub(crate) lag: Option<(Option<ObjectVersion>, Instant)>,
}

impl LastSync {
    /// The Secret as the watch has it at `now`; where that is the state before the own write, as it was left.
    pub(crate) fn observed(
        &self,
        watched: Option<ObjectVersion>,
        now: Instant,
    ) -> Option<ObjectVersion> {
        match &self.lag {
            Some((before, until)) if *before == watched && now < *until => self.secret.clone(),
            _ => watched,
        }
    }
}

/// One state of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ObjectVersion {
    pub(crate) uid: String,
    pub(crate) resource_version: String,
}

impl ObjectVersion {
    pub(crate) fn of(object: &impl kube::ResourceExt) -> Self {
        Self {
            uid: object.uid().unwrap_or_default(),
            resource_version: object.resource_version().unwrap_or_default(),
        }
    }
}

/// What the watches say now.
#[derive(Clone, Debug)]
pub(crate) struct Observed<'a> {
    pub(crate) fingerprint: &'a str,
    /// `syncedResourceVersion` in its status.
    pub(crate) synced: Option<&'a str>,
    /// `refreshTime` in its status.
    pub(crate) refreshed: Option<Timestamp>,
    /// The Secret by its watch, if there.
    pub(crate) secret: Option<&'a ObjectVersion>,
    /// Versions that RuntimeSecrets tell.
    pub(crate) expected_versions: &'a BTreeMap<SecretPath, VersionPair>,
    /// How often a publication was announced for its paths.
    pub(crate) publish_count: u64,
}

/// Why a pass reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Never synced, changed itself, a path changed, or the interval is over: a refresh in ESO's
    /// sense.
    Refresh,
    /// This process has not looked yet, or the Secret is not as it was left.
    Drift,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SyncDecision {
    Now(Cause),
    /// Only see that the Secret is there; its values may be old on purpose.
    Presence,
    /// Nothing before this long; `None`: nothing until something changes.
    Idle(Option<Duration>),
}

/// What there is to do.
pub(crate) fn decide(
    refresh: Refresh,
    creation: Creation,
    last_sync: Option<&LastSync>,
    observed: &Observed<'_>,
    now: Timestamp,
) -> SyncDecision {
    let Some(refreshed) = observed.refreshed else { return SyncDecision::Now(Cause::Refresh) };
    let changed = observed.synced != Some(observed.fingerprint);
    let left = match refresh {
        Refresh::Every(interval) => Some(remaining(refreshed, interval, now)),
        Refresh::Once | Refresh::OnChange => None,
    };
    let path_changed = last_sync.is_some_and(|k| {
        &k.expected_versions != observed.expected_versions
            || k.publish_count != observed.publish_count
    });
    let asked = match refresh {
        Refresh::Once => false,
        Refresh::OnChange => changed,
        Refresh::Every(_) => changed || path_changed || left == Some(Duration::ZERO),
    };
    if asked {
        return SyncDecision::Now(Cause::Refresh);
    }
    let watched = creation != Creation::Nothing;
    match last_sync {
        // With `Once` and `OnChange` an older value in the Secret is what was asked for.
        None if refresh == Refresh::Once || refresh == Refresh::OnChange => SyncDecision::Presence,
        None => SyncDecision::Now(Cause::Drift),
        Some(last_sync) if watched && last_sync.secret.as_ref() != observed.secret => {
            SyncDecision::Now(Cause::Drift)
        }
        Some(_) => SyncDecision::Idle(left),
    }
}

/// Time left of `interval`, never longer than it, so that a clock set back delays nothing.
fn remaining(refreshed: Timestamp, interval: Duration, now: Timestamp) -> Duration {
    let passed = now.duration_since(refreshed);
    let passed = Duration::try_from(passed).unwrap_or(Duration::ZERO);
    interval.saturating_sub(passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn expected_versions(number: i64) -> BTreeMap<SecretPath, VersionPair> {
        let path = SecretPath::parse("runtime/a/b").expect("a path");
        BTreeMap::from([(path, VersionPair::new(number, format!("t{number}")))])
    }

    fn version(resource_version: &str) -> ObjectVersion {
        ObjectVersion { uid: "u".into(), resource_version: resource_version.into() }
    }

    fn last_sync() -> LastSync {
        LastSync {
            secret: Some(version("7")),
            expected_versions: expected_versions(1),
            publish_count: 0,
            lag: None,
        }
    }

    struct Now {
        fingerprint: &'static str,
        refreshed: Option<i64>,
        secret: Option<ObjectVersion>,
        expected_versions: i64,
        publish_count: u64,
        now: i64,
    }

    fn quiet() -> Now {
        let secret = Some(version("7"));
        Now {
            fingerprint: "1-a",
            refreshed: Some(1_000),
            secret,
            expected_versions: 1,
            publish_count: 0,
            now: 1_600,
        }
    }

    fn decided(refresh: Refresh, last_sync: Option<&LastSync>, now: &Now) -> SyncDecision {
        let expected_versions = expected_versions(now.expected_versions);
        let observed = Observed {
            fingerprint: now.fingerprint,
            synced: Some("1-a"),
            refreshed: now.refreshed.map(at),
            secret: now.secret.as_ref(),
            expected_versions: &expected_versions,
            publish_count: now.publish_count,
        };
        decide(refresh, Creation::Owner, last_sync, &observed, at(now.now))
    }

    #[test]
    fn nothing_is_read_while_nothing_changes() {
        let left = Some(Duration::from_secs(3_000));
        assert_eq!(
            decided(Refresh::Every(HOUR), Some(&last_sync()), &quiet()),
            SyncDecision::Idle(left)
        );
        assert_eq!(decided(Refresh::Once, Some(&last_sync()), &quiet()), SyncDecision::Idle(None));
        assert_eq!(
            decided(Refresh::OnChange, Some(&last_sync()), &quiet()),
            SyncDecision::Idle(None)
        );
    }

    #[test]
    fn each_change_has_the_effect_its_policy_gives_it() {
        use Cause::{Drift, Refresh as R};
        let idle = SyncDecision::Idle(None);
        let changes: [(&str, Now, SyncDecision, SyncDecision, SyncDecision); 6] = [
            (
                "itself",
                Now { fingerprint: "2-a", ..quiet() },
                SyncDecision::Now(R),
                SyncDecision::Now(R),
                idle,
            ),
            ("path", Now { expected_versions: 2, ..quiet() }, SyncDecision::Now(R), idle, idle),
            ("publication", Now { publish_count: 1, ..quiet() }, SyncDecision::Now(R), idle, idle),
            ("interval", Now { now: 4_600, ..quiet() }, SyncDecision::Now(R), idle, idle),
            (
                "edited",
                Now { secret: Some(version("8")), ..quiet() },
                SyncDecision::Now(Drift),
                SyncDecision::Now(Drift),
                SyncDecision::Now(Drift),
            ),
            (
                "deleted",
                Now { secret: None, ..quiet() },
                SyncDecision::Now(Drift),
                SyncDecision::Now(Drift),
                SyncDecision::Now(Drift),
            ),
        ];
        for (what, now, periodic, on_change, once) in changes {
            assert_eq!(decided(Refresh::Every(HOUR), Some(&last_sync()), &now), periodic, "{what}");
            assert_eq!(decided(Refresh::OnChange, Some(&last_sync()), &now), on_change, "{what}");
            assert_eq!(decided(Refresh::Once, Some(&last_sync()), &now), once, "{what}");
        }
    }

    #[test]
    fn a_new_process_compares_once_and_never_refreshes_what_was_created_once() {
        assert_eq!(decided(Refresh::Every(HOUR), None, &quiet()), SyncDecision::Now(Cause::Drift));
        assert_eq!(decided(Refresh::Once, None, &quiet()), SyncDecision::Presence);
        let never = Now { refreshed: None, ..quiet() };
        assert_eq!(decided(Refresh::Once, None, &never), SyncDecision::Now(Cause::Refresh));
    }

    #[test]
    fn a_clock_set_back_delays_by_one_interval_at_most() {
        let before = Now { now: -1_000_000, ..quiet() };
        assert_eq!(
            decided(Refresh::Every(HOUR), Some(&last_sync()), &before),
            SyncDecision::Idle(Some(HOUR))
        );
    }
}
