//! Whether a pass has anything to do, from what is remembered and what the watches say. Pure: this
//! is what keeps the number of reads at one per path and version.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use regent_types::{SecretPath, VersionPair};

use super::request::{Creation, Refresh};

/// What the last pass of this process left behind. No value, no hash of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// uid and resourceVersion of the Secret after that pass; `None` where nothing is written.
    pub(crate) secret: Option<Mark>,
    /// Versions that RuntimeSecrets told then.
    pub(crate) told: BTreeMap<SecretPath, VersionPair>,
    /// How often a publication was announced for its paths.
    pub(crate) nudges: u64,
}

/// One state of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) uid: String,
    pub(crate) resource_version: String,
}

/// What the watches say now.
#[derive(Clone, Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) fingerprint: &'a str,
    /// `syncedResourceVersion` in its status.
    pub(crate) synced: Option<&'a str>,
    /// `refreshTime` in its status.
    pub(crate) refreshed: Option<Timestamp>,
    /// The Secret by its watch, if there.
    pub(crate) secret: Option<&'a Mark>,
    /// Versions that RuntimeSecrets tell.
    pub(crate) told: &'a BTreeMap<SecretPath, VersionPair>,
    /// How often a publication was announced for its paths.
    pub(crate) nudges: u64,
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
pub(crate) enum Due {
    Now(Cause),
    /// Only see that the Secret is there; its values may be old on purpose.
    Presence,
    /// Nothing before this long; `None`: nothing until something changes.
    Idle(Option<Duration>),
}

/// What there is to do.
pub(crate) fn due(
    refresh: Refresh,
    creation: Creation,
    known: Option<&Known>,
    seen: &Seen<'_>,
    now: Timestamp,
) -> Due {
    let Some(refreshed) = seen.refreshed else { return Due::Now(Cause::Refresh) };
    let changed = seen.synced != Some(seen.fingerprint);
    let left = match refresh {
        Refresh::Every(interval) => Some(remaining(refreshed, interval, now)),
        Refresh::Once | Refresh::OnChange => None,
    };
    let path_changed = known.is_some_and(|k| &k.told != seen.told || k.nudges != seen.nudges);
    let asked = match refresh {
        Refresh::Once => false,
        Refresh::OnChange => changed,
        Refresh::Every(_) => changed || path_changed || left == Some(Duration::ZERO),
    };
    if asked {
        return Due::Now(Cause::Refresh);
    }
    let watched = creation != Creation::Nothing;
    match known {
        // With `Once` and `OnChange` an older value in the Secret is what was asked for.
        None if refresh == Refresh::Once || refresh == Refresh::OnChange => Due::Presence,
        None => Due::Now(Cause::Drift),
        Some(known) if watched && known.secret.as_ref() != seen.secret => Due::Now(Cause::Drift),
        Some(_) => Due::Idle(left),
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

    fn told(number: i64) -> BTreeMap<SecretPath, VersionPair> {
        let path = SecretPath::parse("runtime/a/b").expect("a path");
        BTreeMap::from([(path, VersionPair::new(number, format!("t{number}")))])
    }

    fn mark(resource_version: &str) -> Mark {
        Mark { uid: "u".into(), resource_version: resource_version.into() }
    }

    fn known() -> Known {
        Known { secret: Some(mark("7")), told: told(1), nudges: 0 }
    }

    struct Now {
        fingerprint: &'static str,
        refreshed: Option<i64>,
        secret: Option<Mark>,
        told: i64,
        nudges: u64,
        now: i64,
    }

    fn quiet() -> Now {
        let secret = Some(mark("7"));
        Now { fingerprint: "1-a", refreshed: Some(1_000), secret, told: 1, nudges: 0, now: 1_600 }
    }

    fn decided(refresh: Refresh, known: Option<&Known>, now: &Now) -> Due {
        let told = told(now.told);
        let seen = Seen {
            fingerprint: now.fingerprint,
            synced: Some("1-a"),
            refreshed: now.refreshed.map(at),
            secret: now.secret.as_ref(),
            told: &told,
            nudges: now.nudges,
        };
        due(refresh, Creation::Owner, known, &seen, at(now.now))
    }

    #[test]
    fn nothing_is_read_while_nothing_changes() {
        let left = Some(Duration::from_secs(3_000));
        assert_eq!(decided(Refresh::Every(HOUR), Some(&known()), &quiet()), Due::Idle(left));
        assert_eq!(decided(Refresh::Once, Some(&known()), &quiet()), Due::Idle(None));
        assert_eq!(decided(Refresh::OnChange, Some(&known()), &quiet()), Due::Idle(None));
    }

    #[test]
    fn each_change_has_the_effect_its_policy_gives_it() {
        use Cause::{Drift, Refresh as R};
        let idle = Due::Idle(None);
        let changes: [(&str, Now, Due, Due, Due); 6] = [
            ("itself", Now { fingerprint: "2-a", ..quiet() }, Due::Now(R), Due::Now(R), idle),
            ("path", Now { told: 2, ..quiet() }, Due::Now(R), idle, idle),
            ("publication", Now { nudges: 1, ..quiet() }, Due::Now(R), idle, idle),
            ("interval", Now { now: 4_600, ..quiet() }, Due::Now(R), idle, idle),
            (
                "edited",
                Now { secret: Some(mark("8")), ..quiet() },
                Due::Now(Drift),
                Due::Now(Drift),
                Due::Now(Drift),
            ),
            (
                "deleted",
                Now { secret: None, ..quiet() },
                Due::Now(Drift),
                Due::Now(Drift),
                Due::Now(Drift),
            ),
        ];
        for (what, now, periodic, on_change, once) in changes {
            assert_eq!(decided(Refresh::Every(HOUR), Some(&known()), &now), periodic, "{what}");
            assert_eq!(decided(Refresh::OnChange, Some(&known()), &now), on_change, "{what}");
            assert_eq!(decided(Refresh::Once, Some(&known()), &now), once, "{what}");
        }
    }

    #[test]
    fn a_new_process_compares_once_and_never_refreshes_what_was_created_once() {
        assert_eq!(decided(Refresh::Every(HOUR), None, &quiet()), Due::Now(Cause::Drift));
        assert_eq!(decided(Refresh::Once, None, &quiet()), Due::Presence);
        let never = Now { refreshed: None, ..quiet() };
        assert_eq!(decided(Refresh::Once, None, &never), Due::Now(Cause::Refresh));
    }

    #[test]
    fn a_clock_set_back_delays_by_one_interval_at_most() {
        let before = Now { now: -1_000_000, ..quiet() };
        assert_eq!(decided(Refresh::Every(HOUR), Some(&known()), &before), Due::Idle(Some(HOUR)));
    }
}
