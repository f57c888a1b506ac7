//! Slots of a cron schedule in a time zone. Pure.
//!
//! The search runs on wall-clock time and each result is placed on the time line: a slot that
//! daylight saving skips does not fire, one that it repeats fires once, the first time.

use croner::Cron;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan};
use regent_api::event_trigger::Schedule;

/// Candidates looked at for one slot. A fold repeats at most three hours of slots a second apart.
const CANDIDATES_MAX: usize = 3 * 3_600 + 100;
/// Longest repeated stretch of wall-clock time, in hours.
const FOLD_HOURS: i64 = 3;

/// A schedule that can be asked for slots.
pub(super) struct Slots {
    cron: Cron,
    zone: TimeZone,
}

impl Slots {
    /// Parses a schedule; the error says which part is wrong.
    pub(super) fn parse(schedule: &Schedule) -> Result<Self, String> {
        let cron = schedule.cron.parse::<Cron>().map_err(|error| {
            format!(
                "cron {:?}: expected five or six fields or @daily and the like: {error}",
                schedule.cron
            )
        })?;
        let zone = TimeZone::get(&schedule.time_zone).map_err(|_| {
            format!(
                "timeZone: expected an IANA name such as Europe/Berlin, found {:?}",
                schedule.time_zone
            )
        })?;
        Ok(Self { cron, zone })
    }

    /// The first slot after `after`; `None` if there is none in any reasonable time.
    pub(super) fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let mut civil = self.zone.to_datetime(after);
        for _ in 0..CANDIDATES_MAX {
            civil = self.cron.find_next_occurrence(&civil, false).ok()?;
            if let Some(slot) = self.place(civil).filter(|slot| *slot > after) {
                return Some(slot);
            }
        }
        None
    }

    /// The last slot at or before `now`.
    pub(super) fn last(&self, now: Timestamp) -> Option<Timestamp> {
        let civil = self.zone.to_datetime(now);
        // In the second half of a fold, later wall-clock times have been already.
        let repeated = matches!(
            self.zone.to_ambiguous_timestamp(civil).offset(),
            AmbiguousOffset::Fold { .. }
        );
        let start = if repeated { civil.checked_add(FOLD_HOURS.hours()).ok()? } else { civil };
        let mut civil = start;
        let mut inclusive = true;
        for _ in 0..CANDIDATES_MAX {
            civil = self.cron.find_previous_occurrence(&civil, inclusive).ok()?;
            inclusive = false;
            if let Some(slot) = self.place(civil).filter(|slot| *slot <= now) {
                return Some(slot);
            }
        }
        None
    }

    /// Where a wall-clock time lies; `None` where it is skipped, the first where it comes twice.
    fn place(&self, civil: DateTime) -> Option<Timestamp> {
        let ambiguous = self.zone.to_ambiguous_timestamp(civil);
        match ambiguous.offset() {
            AmbiguousOffset::Gap { .. } => None,
            _ => ambiguous.earlier().ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regent_api::event_trigger::MissedRuns;

    fn slots(cron: &str, zone: &str) -> Slots {
        let schedule =
            Schedule { cron: cron.into(), time_zone: zone.into(), missed_runs: MissedRuns::Skip };
        Slots::parse(&schedule).expect("a schedule")
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn following(cron: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
        let slots = slots(cron, zone);
        let mut now = at(after);
        let mut all = Vec::new();
        for _ in 0..count {
            now = slots.next(now).expect("a slot");
            all.push(now.to_string());
        }
        all
    }

    /// Europe/Berlin skips 02:00–03:00 on 2026-03-29 and repeats it on 2026-10-25.
    #[test]
    fn a_skipped_slot_does_not_fire_and_a_repeated_one_fires_once() {
        let skipped = following("30 2 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z", 3);
        assert_eq!(
            skipped,
            ["2026-03-28T01:30:00Z", "2026-03-30T00:30:00Z", "2026-03-31T00:30:00Z"]
        );
        let repeated = following("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2);
        assert_eq!(repeated, ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
        let quarterly = following("*/30 * * * *", "Europe/Berlin", "2026-10-24T23:50:00Z", 4);
        assert_eq!(
            quarterly,
            [
                "2026-10-25T00:00:00Z",
                "2026-10-25T00:30:00Z",
                "2026-10-25T02:00:00Z",
                "2026-10-25T02:30:00Z"
            ]
        );
    }

    #[test]
    fn the_last_slot_is_the_one_that_next_would_have_given() {
        let cases = [
            ("30 2 * * *", "Europe/Berlin"),
            ("*/7 * * * *", "Europe/Berlin"),
            ("0 0 1 * *", "America/New_York"),
            ("@daily", "UTC"),
        ];
        // Around both changes, every 13 minutes over six hours.
        for (cron, zone) in cases {
            let slots = slots(cron, zone);
            for start in ["2026-03-28T22:00:00Z", "2026-10-24T22:00:00Z", "2026-11-01T04:00:00Z"] {
                for step in 0..28 {
                    let now = at(start) + (13 * step).minutes();
                    let last = slots.last(now).expect("a slot");
                    assert!(last <= now, "{cron} {now}");
                    let next = slots.next(last);
                    assert!(next.is_none_or(|n| n > now), "{cron} {now}: {last} then {next:?}");
                }
            }
        }
    }

    #[test]
    fn six_fields_have_seconds_first() {
        let all = following("*/20 * * * * *", "UTC", "2026-01-01T00:00:05Z", 3);
        assert_eq!(all, ["2026-01-01T00:00:20Z", "2026-01-01T00:00:40Z", "2026-01-01T00:01:00Z"]);
    }

    #[test]
    fn what_is_wrong_with_a_schedule_is_said() {
        let parse = |cron: &str, zone: &str| {
            let schedule = Schedule {
                cron: cron.into(),
                time_zone: zone.into(),
                missed_runs: MissedRuns::Skip,
            };
            Slots::parse(&schedule).err().unwrap_or_default()
        };
        assert!(parse("at noon", "UTC").starts_with("cron \"at noon\""));
        assert!(parse("0 0 * * *", "Mars/Olympus").starts_with("timeZone"));
    }

    #[test]
    fn a_schedule_that_never_comes_has_no_slot() {
        assert_eq!(slots("0 0 30 2 *", "UTC").next(at("2026-01-01T00:00:00Z")), None);
    }
}
