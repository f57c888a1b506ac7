//! Whoever changes a materialized Secret back: regent repairs at once, and ever more slowly where the same is undone again
//! and again, so that two writers never chase each other. Pure.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use regent_operator::backoff::Growth;
use tokio::time::Instant;

use super::index::Key;

/// Repairs in a row that are made at once.
const AT_ONCE: u32 = 3;
/// Pauses before those that follow.
const PAUSES: Growth = Growth::new(Duration::from_secs(2), Duration::from_secs(600));
/// Pause before a Secret that is deleted again and again is made again: what is gone is missed at once.
const RECREATE: Duration = Duration::from_millis(500);
/// Who undid nothing for so long after the last pause has stopped.
const QUIET: Duration = Duration::from_secs(300);
/// ExternalSecrets remembered; beyond it all begin anew.
const CONTESTS_MAX: usize = 100_000;
/// Names of field managers told.
const MANAGERS_MAX: usize = 3;

/// What was written last, and how often the same had to be written again.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Contest {
    /// Of declaration and versions: another one is no repair.
    written: String,
    repairs: u32,
    last: Instant,
}

impl Contest {
    /// What there is still to wait at `now`; a Secret that is not `there` is made again soon.
    fn left(&self, there: bool, now: Instant) -> Option<Duration> {
        let pause = if there { self.pause() } else { RECREATE.min(self.pause()) };
        let left = pause.saturating_sub(now.saturating_duration_since(self.last));
        (!left.is_zero()).then_some(left)
    }

    fn pause(&self) -> Duration {
        self.repairs.checked_sub(AT_ONCE).map_or(Duration::ZERO, |further| PAUSES.pause(further))
    }

    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last) > self.pause() + QUIET
    }
}

/// The contests of all ExternalSecrets.
#[derive(Debug, Default)]
pub(crate) struct Contests(Mutex<HashMap<Key, Contest>>);

impl Contests {
    /// How long `key` is to leave its Secret as it is, where the same was undone again and again.
    pub(crate) fn rest(&self, key: &Key, there: bool, now: Instant) -> Option<Duration> {
        self.lock().get(key)?.left(there, now)
    }

    /// `key` wrote what `written` is the digest of.
    pub(crate) fn wrote(&self, key: &Key, written: &str, now: Instant) {
        let mut all = self.lock();
        if all.len() >= CONTESTS_MAX {
            all.clear();
        }
        let before =
            all.get(key).filter(|contest| contest.written == written && !contest.is_over(now));
        let repairs = before.map_or(0, |contest| contest.repairs.saturating_add(1));
        all.insert(key.clone(), Contest { written: written.to_owned(), repairs, last: now });
    }

    pub(crate) fn forget(&self, key: &Key) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Contest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Field managers other than `own` that wrote fields of `secret`, the last first.
pub(crate) fn managers(secret: &Secret, own: &str) -> Vec<String> {
    let entries = secret.metadata.managed_fields.iter().flatten();
    let mut last: BTreeMap<String, Option<k8s_openapi::jiff::Timestamp>> = BTreeMap::new();
    for entry in entries {
        let Some(name) = entry.manager.as_ref().filter(|name| *name != own) else { continue };
        let at = entry.time.as_ref().map(|time| time.0);
        let known = last.entry(name.clone()).or_default();
        *known = at.max(*known);
    }
    let mut all: Vec<_> = last.into_iter().collect();
    all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    all.into_iter().map(|(name, _)| name).take(MANAGERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn key() -> Key {
        ("n".into(), "es".into())
    }

    /// Somebody puts a value back for an hour, as fast as it is repaired.
    #[test]
    fn m02_a_value_that_is_put_back_for_an_hour_is_repaired_less_than_twenty_times() {
        let (all, start) = (Contests::default(), Instant::now());
        let (mut now, mut writes) = (start, 0);
        while now.duration_since(start) < Duration::from_secs(3_600) {
            match all.rest(&key(), true, now) {
                Some(left) => now += left,
                None => {
                    all.wrote(&key(), "same", now);
                    writes += 1;
                    now += Duration::from_millis(20);
                }
            }
        }
        assert!((4..=18).contains(&writes), "{writes} writes");
    }

    #[test]
    fn another_value_is_no_repair_and_quiet_ends_a_contest() {
        let (all, start) = (Contests::default(), Instant::now());
        for _ in 0..10 {
            all.wrote(&key(), "same", start);
        }
        assert!(all.rest(&key(), true, start).is_some());
        assert_eq!(all.rest(&key(), true, start + Duration::from_secs(600)), None);
        all.wrote(&key(), "same", start + Duration::from_secs(7_200));
        assert_eq!(all.rest(&key(), true, start + Duration::from_secs(7_200)), None);
        for _ in 0..10 {
            all.wrote(&key(), "same", start);
        }
        all.wrote(&key(), "another", start);
        assert_eq!(all.rest(&key(), true, start), None);
    }

    /// Workloads miss what is not there.
    #[test]
    fn c30_a_deleted_secret_is_made_again_within_a_second_however_often() {
        let (all, now) = (Contests::default(), Instant::now());
        for _ in 0..1_000 {
            all.wrote(&key(), "same", now);
            let left = all.rest(&key(), false, now).unwrap_or_default();
            assert!(left < Duration::from_secs(1), "{left:?}");
        }
    }

    #[test]
    fn field_managers_are_told_the_last_first() {
        let entry = |name: &str, time: &str| json!({ "manager": name, "operation": "Update", "time": time });
        let secret: Secret = serde_json::from_value(json!({ "metadata": { "managedFields": [
            entry("helm", "2026-01-01T00:00:00Z"), entry("regent-materializer", "2026-01-03T00:00:00Z"),
            entry("kubectl-edit", "2026-01-02T00:00:00Z"),
        ] } }))
        .expect("a Secret");
        assert_eq!(managers(&secret, "regent-materializer"), ["kubectl-edit", "helm"]);
    }
}
