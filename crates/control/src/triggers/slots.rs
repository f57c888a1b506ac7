//! Slots of a cron schedule in a time zone. Pure.
//!
//! The search runs on wall-clock time and each result is placed on the time line: a slot that
//! daylight saving skips does not fire, one that it repeats fires once, the first time. A schedule whose minute or hour is a
//! pattern (`*`, `*/15`) goes on in the repeated hour, as that of Vixie's cron does.

use croner::Cron;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan};
use regent_api::event_trigger::Schedule;

/// Candidates looked at for one slot. A fold repeats at most three hours of slots a second apart.
const CANDIDATES_MAX: usize = 3 * 3_600 + 100;
/// Stretches between changes of the clock that are looked through: two a year.
const STRETCHES_MAX: usize = 80;
/// Longest repeated stretch of wall-clock time, in hours.
const FOLD_HOURS: i64 = 3;

/// A schedule that can be asked for slots.
pub(super) struct Slots {
    cron: Cron,
    zone: TimeZone,
    /// Whether its minute or its hour is a pattern.
    is_pattern: bool,
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
        Ok(Self { cron, zone, is_pattern: is_pattern(&schedule.cron) })
    }

    /// The first slot after `after`; `None` if there is none in any reasonable time.
    pub(super) fn next(&self, after: Timestamp) -> Option<Timestamp> {
        if self.is_pattern {
            return self.next_of_pattern(after);
        }
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
        if self.is_pattern {
            return self.last_of_pattern(now);
        }
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

    /// The same, one stretch of the time line after the other in which the clock runs evenly.
    fn next_of_pattern(&self, after: Timestamp) -> Option<Timestamp> {
        let (mut begin, mut inclusive) = (after, false);
        for _ in 0..STRETCHES_MAX {
            let offset = self.zone.to_offset(begin);
            let end = self.zone.following(begin).next().map(|change| change.timestamp());
            let civil = offset.to_datetime(begin);
            let found = self.cron.find_next_occurrence(&civil, inclusive).ok()?;
            let slot = offset.to_timestamp(found).ok()?;
            match end {
                Some(end) if slot >= end => (begin, inclusive) = (end, true),
                _ => return Some(slot),
            }
        }
        None
    }

    fn last_of_pattern(&self, now: Timestamp) -> Option<Timestamp> {
        let mut end = now;
        for _ in 0..STRETCHES_MAX {
            let offset = self.zone.to_offset(end);
            let civil = offset.to_datetime(end);
            let found = self.cron.find_previous_occurrence(&civil, true).ok()?;
            let slot = offset.to_timestamp(found).ok()?;
            // A change at `end` itself is where its stretch begins.
            let next = end.checked_add(1.second()).ok()?;
            match self.zone.preceding(next).next().map(|change| change.timestamp()) {
                Some(begin) if slot < begin => end = begin.checked_sub(1.second()).ok()?,
                _ => return Some(slot),
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

/// Whether the minute or the hour of `cron` is a pattern; nicknames are not, but for the hourly one.
fn is_pattern(cron: &str) -> bool {
    let fields: Vec<&str> = cron.split_whitespace().collect();
    let time = match fields.len() {
        0..=1 => return cron.trim().eq_ignore_ascii_case("@hourly"),
        5 => fields.get(..2),
        _ => fields.get(1..3),
    };
    time.into_iter().flatten().any(|field| field.starts_with('*'))
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
    }

    /// H30: what fires every half hour is not silent for one.
    #[test]
    fn h30_a_pattern_goes_on_in_the_repeated_hour_and_after_the_skipped_one() {
        let utc = |times: &[&str], day: &str| {
            times.iter().map(|time| format!("{day}T{time}:00Z")).collect::<Vec<_>>()
        };
        let repeated = ["00:00", "00:30", "01:00", "01:30", "02:00"];
        for (cron, count) in [("*/30 * * * *", 5), ("*/30 2 * * *", 4), ("0,30 * * * *", 5)] {
            let found = following(cron, "Europe/Berlin", "2026-10-24T23:50:00Z", count);
            assert_eq!(found, utc(&repeated[..count], "2026-10-25"), "{cron}");
        }
        let skipped = following("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:10:00Z", 3);
        assert_eq!(skipped, utc(&["00:30", "01:00", "01:30"], "2026-03-29"));
        let hourly = following("@hourly", "Australia/Lord_Howe", "2026-04-04T13:30:00Z", 3);
        assert_eq!(hourly, utc(&["14:00", "15:30", "16:30"], "2026-04-04"));
    }

    #[test]
    fn the_last_slot_is_the_one_that_next_would_have_given() {
        let cases = [
            ("30 2 * * *", "Europe/Berlin"),
            ("*/7 * * * *", "Europe/Berlin"),
            ("*/20 2 * * *", "Europe/Berlin"),
            ("5 * * * *", "Australia/Lord_Howe"),
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
