//! What is known of one snapshot.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::{Says, SnapshotError};

/// End of the name of every snapshot.
const ENDING: &str = ".snapshot";

/// How much of an authority's id its snapshots' names have: several may share a place.
const ID_LEN: usize = 8;

const TIME: &str = "%Y%m%dT%H%M%S";

/// Why it was taken: each kind is kept by a count of its own, so that none pushes out the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Scheduled,
    /// Somebody asked for it.
    Requested,
}

/// What a restore on trial came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Trial {
    Untried,
    Good,
    /// It failed, or what lies there now is not what was tried.
    Bad,
    /// It is of another release or of another authority: left alone.
    Foreign,
}

/// A snapshot at the place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// When it was begun.
    pub(super) at: Timestamp,
    pub(super) keys: u64,
    pub(super) bytes: u64,
    pub(super) trial: Trial,
    /// When it was tried, or found to be bad.
    pub(super) tried: Option<Timestamp>,
    /// What was wrong with it.
    pub(super) error: Option<String>,
}

impl Entry {
    /// Notes why it could not be read. What says nothing about it leaves it as it was.
    pub(super) fn spoil(&mut self, error: &SnapshotError, now: Timestamp) {
        let trial = match error.says() {
            Says::Damaged => Trial::Bad,
            Says::Foreign => Trial::Foreign,
            Says::Nothing => return,
        };
        (self.trial, self.tried, self.error) = (trial, Some(now), Some(error.to_string()));
    }

    pub(super) fn is_good(&self) -> bool {
        self.trial == Trial::Good
    }
}

/// How the names of an authority's snapshots begin.
pub(super) fn prefix(cluster: &str) -> String {
    format!("regent-{}-", cluster.get(..ID_LEN).unwrap_or(cluster))
}

/// Name of a snapshot that is begun at `at`. Names sort by time.
pub(super) fn name(cluster: &str, kind: Kind, at: Timestamp) -> String {
    let time = at.strftime(TIME);
    let millis = at.subsec_millisecond();
    let kind = match kind {
        Kind::Scheduled => "",
        Kind::Requested => "-requested",
    };
    format!("{}{time}.{millis:03}Z{kind}{ENDING}", prefix(cluster))
}

/// Kind and second of the snapshot of that name; `None` for what is none of this authority's.
pub(super) fn parse(cluster: &str, name: &str) -> Option<(Kind, Timestamp)> {
    let rest = name.strip_prefix(&prefix(cluster))?.strip_suffix(ENDING)?;
    let (rest, kind) = match rest.strip_suffix("-requested") {
        Some(rest) => (rest, Kind::Requested),
        None => (rest, Kind::Scheduled),
    };
    let (time, _) = rest.split_once('.')?;
    let time = jiff::civil::DateTime::strptime(TIME, time).ok()?;
    Some((kind, time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_whose_of_which_kind_and_when_and_sorts_by_time() {
        let at = |ms: i64| Timestamp::from_millisecond(1_800_000_000_000 + ms).unwrap();
        let id = "0a1b2c3d-4e5f-4000-8000-000000000000";
        let first = name(id, Kind::Scheduled, at(7));
        assert_eq!(first, "regent-0a1b2c3d-20270115T080000.007Z.snapshot");
        assert_eq!(parse(id, &first), Some((Kind::Scheduled, at(0))));
        let later = name(id, Kind::Requested, at(1_000));
        assert_eq!(parse(id, &later), Some((Kind::Requested, at(1_000))));
        assert!(first < later);
        for other in
            ["", "regent-0a1b2c3d-.snapshot", "x", "regent-ffffffff-20270115T080000.007Z.snapshot"]
        {
            assert_eq!(parse(id, other), None, "{other}");
        }
    }
}
