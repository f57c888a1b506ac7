//! What the embedded authority tells of its snapshots, as RuntimeAuthority status says it. Pure. It takes them itself; warden
//! only looks, and knows by itself when the newest one is too old, also while the authority tells nothing.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use regent_api::RuntimeAuthorityStatus;
use regent_api::condition::{self, SNAPSHOTS_CURRENT, Verdict};
use regent_api::runtime_authority::LastSnapshot;
use serde::Deserialize;
use serde_json::Value;

/// How often it is asked while it is in order and takes any.
const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(30);

/// What it told, and when.
#[derive(Clone, Debug)]
pub(super) struct SnapshotsSeen {
    at: Timestamp,
    /// `None`: it takes none.
    told: Option<Told>,
}

/// Its answer, as far as it is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
struct Told {
    #[serde(default)]
    configured: bool,
    #[serde(default)]
    interval_s: i64,
    #[serde(default)]
    standing: String,
    #[serde(default)]
    message: String,
    last_good: Option<Good>,
    last_error: Option<Failure>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Good {
    name: String,
    at: Timestamp,
    keys: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Failure {
    error: String,
}

/// What the status is to say.
#[derive(Clone, Debug)]
pub(super) enum SnapshotsSaid {
    /// Nothing: whose authority it is sees to its own.
    Untold,
    /// The authority was not asked since warden started.
    NotYet {
        /// Whether the authority is in order, so that it will be asked soon.
        is_active: bool,
    },
    Known(Verdict, Option<LastSnapshot>),
}

impl SnapshotsSeen {
    /// What `answer` says, of the time `at`; `None` is the answer of a release that knows nothing of snapshots.
    pub(super) fn new(answer: Option<Value>, at: Timestamp) -> Self {
        Self { at, told: parse(answer) }
    }

    /// One that takes none is asked with everything else: to take some it is started anew.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        // What is not as it is to be is looked at whenever warden looks at all.
        let is_current = |told: &Told| told.standing == "current";
        let pause = now.duration_since(self.at) < LOOK_EVERY;
        self.told.as_ref().is_some_and(|told| !(pause && is_current(told)))
    }
}

fn parse(answer: Option<Value>) -> Option<Told> {
    let data = answer.map(|mut answer| answer["data"].take()).unwrap_or_default();
    serde_json::from_value(data).ok().filter(|told: &Told| told.configured)
}

/// What is to be said at `now` of an authority that is regent's own where `is_embedded`, and in order where `is_active`.
pub(super) fn said(
    is_embedded: bool,
    seen: Option<&SnapshotsSeen>,
    is_active: bool,
    now: Timestamp,
) -> SnapshotsSaid {
    match seen {
        _ if !is_embedded => SnapshotsSaid::Untold,
        None => SnapshotsSaid::NotYet { is_active },
        Some(SnapshotsSeen { told: None, .. }) => {
            let message = "no place for snapshots is declared, so that none are taken: what the authority holds is lost \
                           with its volume; docs/recovery.md says how to declare one";
            SnapshotsSaid::Known(Verdict::unknown("NotConfigured", message), None)
        }
        Some(SnapshotsSeen { told: Some(told), .. }) => {
            let good = told.last_good.as_ref();
            let last = LastSnapshot {
                last_good: good.map(|good| Time(good.at)),
                name: good.map(|good| good.name.clone()),
                keys: good.map(|good| good.keys),
                error: told.last_error.as_ref().map(|failure| failure.error.clone()),
            };
            SnapshotsSaid::Known(verdict(told, now), Some(last))
        }
    }
}

fn verdict(told: &Told, now: Timestamp) -> Verdict {
    // As the authority judges it: one that is due may take as long as an interval to be there.
    let old = SignedDuration::from_secs(told.interval_s.saturating_mul(2));
    let is_old = told.last_good.as_ref().is_some_and(|good| now.duration_since(good.at) > old);
    match (told.standing.as_str(), &told.last_good) {
        ("failing", _) => Verdict::no("SnapshotFailed", told.message.clone()),
        ("overdue", Some(good)) => overdue(good, told.interval_s),
        ("current", Some(good)) if is_old => overdue(good, told.interval_s),
        ("current", Some(good)) => {
            let message = format!("{} was restored on trial: {} records", good.name, good.keys);
            Verdict::yes("RestoredOnTrial", message)
        }
        ("overdue", None) => {
            Verdict::no("SnapshotOverdue", "none was taken in time that could be restored on trial")
        }
        _ => Verdict::unknown("Waiting", "the first snapshot has not been taken yet"),
    }
}

fn overdue(good: &Good, interval_s: i64) -> Verdict {
    let message = format!(
        "the newest one that was restored on trial is {} of {}, and one is due every {interval_s} s",
        good.name, good.at
    );
    Verdict::no("SnapshotOverdue", message)
}

impl SnapshotsSaid {
    /// Puts it into a status.
    pub(super) fn write(
        &self,
        status: &mut RuntimeAuthorityStatus,
        generation: Option<i64>,
        now: Timestamp,
    ) {
        let verdict = match self {
            Self::Untold => {
                status.conditions.retain(|c| c.type_ != SNAPSHOTS_CURRENT);
                status.snapshot = None;
                return;
            }
            // One that said it was fine is believed until warden could ask, and no longer than the authority is in order.
            Self::NotYet { is_active } => {
                if *is_active || !condition::is_true(&status.conditions, SNAPSHOTS_CURRENT) {
                    return;
                }
                let message = "the authority could not be asked since warden started";
                Verdict::unknown("NotLookedAt", message)
            }
            Self::Known(verdict, last) => {
                status.snapshot.clone_from(last);
                verdict.clone()
            }
        };
        let conditions = &status.conditions;
        status.conditions =
            condition::set(conditions, SNAPSHOTS_CURRENT, &verdict, generation, now);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NAME: &str = "regent-0a1b2c3d-19700101T000000.000Z.snapshot";

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn seen(standing: &str, error: Option<&str>) -> SnapshotsSeen {
        let answer = json!({ "data": {
            "configured": true, "interval_s": 3_600, "standing": standing, "message": "what is wrong",
            "last_good": { "name": NAME, "at": at(0).to_string(), "keys": 44, "bytes": 9 },
            "last_error": error.map(|error| json!({ "error": error, "at": at(9).to_string() })),
            "snapshots": [], "running": null, "restored": null,
        } });
        SnapshotsSeen::new(Some(answer), at(0))
    }

    fn after(old: &RuntimeAuthorityStatus, said: &SnapshotsSaid) -> RuntimeAuthorityStatus {
        let mut new = old.clone();
        said.write(&mut new, Some(1), at(0));
        new
    }

    fn told(status: &RuntimeAuthorityStatus) -> String {
        let found = condition::get(&status.conditions, SNAPSHOTS_CURRENT);
        found.map_or_else(String::new, |c| format!("{} {}", c.status, c.reason))
    }

    #[test]
    fn how_they_stand_is_a_condition_and_the_last_good_one_is_in_the_status() {
        let none = RuntimeAuthorityStatus::default();
        let fine = after(&none, &said(true, Some(&seen("current", None)), true, at(7_200)));
        assert_eq!(told(&fine), "True RestoredOnTrial");
        let last = fine.snapshot.clone().unwrap();
        assert_eq!((last.name.as_deref(), last.keys), (Some(NAME), Some(44)));
        assert_eq!((last.last_good, last.error), (Some(Time(at(0))), None));
        let red = after(&fine, &said(true, Some(&seen("failing", Some("full"))), true, at(7_200)));
        assert_eq!(told(&red), "False SnapshotFailed");
        assert_eq!(red.snapshot.as_ref().unwrap().error.as_deref(), Some("full"));
        assert_eq!(red.snapshot.as_ref().unwrap().last_good, Some(Time(at(0))));
        assert_eq!(
            told(&after(&none, &said(true, Some(&seen("overdue", None)), true, at(9)))),
            "False SnapshotOverdue"
        );
    }

    /// It is red in time also where the authority tells nothing any more.
    #[test]
    fn one_that_grows_old_is_red_whoever_answers() {
        let none = RuntimeAuthorityStatus::default();
        let seen = seen("current", None);
        for (now, told_then) in [(7_200, "True RestoredOnTrial"), (7_201, "False SnapshotOverdue")]
        {
            for is_active in [true, false] {
                let status = after(&none, &said(true, Some(&seen), is_active, at(now)));
                assert_eq!(told(&status), told_then, "{now}");
            }
        }
        let fine = after(&none, &said(true, Some(&seen), true, at(0)));
        assert_eq!(after(&fine, &said(true, None, true, at(0))), fine);
        assert_eq!(told(&after(&fine, &said(true, None, false, at(0)))), "Unknown NotLookedAt");
    }

    #[test]
    fn where_none_are_taken_that_is_said_and_of_anothers_authority_nothing() {
        let none = RuntimeAuthorityStatus::default();
        let silent = SnapshotsSeen::new(Some(json!({ "data": { "configured": false } })), at(0));
        let status = after(&none, &said(true, Some(&silent), true, at(0)));
        assert_eq!(told(&status), "Unknown NotConfigured");
        assert_eq!(status.snapshot, None);
        assert!(!silent.is_due(at(9_999)), "it is asked with everything else");
        assert!(seen("failing", Some("full")).is_due(at(5)) && seen("waiting", None).is_due(at(5)));
        assert!(seen("current", None).is_due(at(30)) && !seen("current", None).is_due(at(29)));
        let fine = after(&none, &said(true, Some(&seen("current", None)), true, at(0)));
        assert_eq!(after(&fine, &said(false, None, true, at(0))), none);
    }
}
