//! Whether snapshots are as they are to be. Pure.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

/// Whether the newest good snapshot is young enough, and what is in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Standing {
    /// The newest good one is as young as it is to be, and nothing is wrong.
    Current,
    /// There is none yet, and it is not late.
    Waiting,
    /// Something was wrong when they were last looked at.
    Failing,
    /// The newest good one is too old, or there is none in time.
    Overdue,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    /// Since when the authority can make any: its unsealing.
    pub(super) since: Timestamp,
    pub(super) interval: SignedDuration,
    /// When the newest good one was begun.
    pub(super) last_good: Option<Timestamp>,
    pub(super) has_failed: bool,
}

/// How snapshots stand at `now`. One that is due may take as long as an interval to be there: then it is late.
pub(super) fn standing(facts: &Facts, now: Timestamp) -> Standing {
    let older = |than: Timestamp, limit: SignedDuration| now.duration_since(than) > limit;
    match facts.last_good {
        _ if facts.has_failed => Standing::Failing,
        Some(at) if older(at, facts.interval.saturating_mul(2)) => Standing::Overdue,
        Some(_) => Standing::Current,
        None if older(facts.since, facts.interval) => Standing::Overdue,
        None => Standing::Waiting,
    }
}

/// Whether another one is due at `now`: an interval after the last one was begun, or `pause` after a failure.
pub(super) fn is_due(
    begun: Option<Timestamp>,
    has_failed: bool,
    interval: SignedDuration,
    now: Timestamp,
) -> bool {
    let pause = if has_failed { interval.min(RETRY_PAUSE) } else { interval };
    // A clock that was set back is no reason to wait for years.
    begun.is_none_or(|begun| now.duration_since(begun).abs() >= pause)
}

/// From a failure to the next try, where the interval is longer.
const RETRY_PAUSE: SignedDuration = SignedDuration::from_mins(5);

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: SignedDuration = SignedDuration::from_hours(1);

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(minutes * 60).unwrap()
    }

    #[test]
    fn it_is_red_within_one_interval_of_what_went_wrong() {
        let stands = |last_good: Option<i64>, has_failed, now| {
            let facts =
                Facts { since: at(0), interval: HOUR, last_good: last_good.map(at), has_failed };
            standing(&facts, at(now))
        };
        assert_eq!(stands(None, false, 60), Standing::Waiting);
        assert_eq!(stands(None, false, 61), Standing::Overdue);
        assert_eq!(stands(None, true, 1), Standing::Failing);
        assert_eq!(stands(Some(10), false, 130), Standing::Current);
        // Due at 70, and not there at 131.
        assert_eq!(stands(Some(10), false, 131), Standing::Overdue);
        assert_eq!(stands(Some(10), true, 20), Standing::Failing);
    }

    #[test]
    fn one_is_due_after_an_interval_and_sooner_after_a_failure() {
        let due =
            |begun: Option<i64>, has_failed, now| is_due(begun.map(at), has_failed, HOUR, at(now));
        assert!(due(None, false, 0));
        assert!(!due(Some(0), false, 59) && due(Some(0), false, 60));
        assert!(!due(Some(0), true, 4) && due(Some(0), true, 5));
        let second = SignedDuration::from_secs(1);
        assert!(is_due(Some(at(0)), true, second, at(1)));
        // Set back by a day.
        assert!(due(Some(1_500), false, 60));
    }
}
