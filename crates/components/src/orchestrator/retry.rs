//! Growing pauses, object by object: 200 ms doubling to 30 s.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(30);
/// Failing objects remembered; beyond it all start again with the shortest pause.
const OBJECTS_MAX: usize = 100_000;

/// How often each object failed in a row.
#[derive(Debug, Default)]
pub(super) struct Backoff(Mutex<HashMap<String, u32>>);

impl Backoff {
    /// `key` failed once more: how long to wait.
    pub(super) fn failed(&self, key: &str) -> Duration {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= OBJECTS_MAX {
            all.clear();
        }
        let failures = all.entry(key.to_owned()).or_default();
        let pause = FIRST.saturating_mul(1 << (*failures).min(16));
        *failures = failures.saturating_add(1);
        pause.min(LONGEST)
    }

    /// `key` is fine again.
    pub(super) fn fine(&self, key: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}
