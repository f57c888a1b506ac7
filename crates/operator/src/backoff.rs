//! Growing pauses, object by object: 200 ms doubling to 30 s.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(30);
/// Failing objects remembered; beyond it all start again with the shortest pause.
const OBJECTS_MAX: usize = 100_000;

/// How often each object failed in a row.
#[derive(Debug)]
pub struct Backoff<K>(Mutex<HashMap<K, u32>>);

impl<K> Default for Backoff<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> Backoff<K> {
    /// `key` failed once more: how long to wait.
    pub fn failed(&self, key: K) -> Duration {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= OBJECTS_MAX {
            all.clear();
        }
        let failures = all.entry(key).or_default();
        let pause = FIRST.saturating_mul(1 << (*failures).min(16));
        *failures = failures.saturating_add(1);
        pause.min(LONGEST)
    }

    /// `key` is fine again.
    pub fn fine<Q>(&self, key: &Q)
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_half_a_minute_and_start_again_after_success() {
        let backoff = Backoff::default();
        let pauses: Vec<u128> = (0..10).map(|_| backoff.failed("a").as_millis()).collect();
        assert_eq!(pauses, [200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]);
        assert_eq!(backoff.failed("b").as_millis(), 200);
        backoff.fine("a");
        assert_eq!(backoff.failed("a").as_millis(), 200);
    }
}
