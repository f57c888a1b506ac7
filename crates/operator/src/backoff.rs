//! Growing pauses: the one place that says how long to wait after the n-th failure in a row.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Objects remembered as failing; beyond it all start again with the shortest pause.
const OBJECTS_MAX: usize = 100_000;

/// Pauses that double from the first to the longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Growth {
    first: Duration,
    longest: Duration,
}

impl Growth {
    /// Of an object that failed: 200 ms to 30 s.
    pub const RECONCILE: Self = Self::new(Duration::from_millis(200), Duration::from_secs(30));

    /// From `first` to `longest`.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// The pause after `failures` failures before this one.
    pub fn pause(self, failures: u32) -> Duration {
        self.first.saturating_mul(1_u32 << failures.min(20)).min(self.longest)
    }
}

/// How often each object failed in a row, and the pause that follows from it.
#[derive(Debug)]
pub struct Backoff<K> {
    growth: Growth,
    failures: Mutex<HashMap<K, u32>>,
}

impl<K> Default for Backoff<K> {
    fn default() -> Self {
        Self::new(Growth::RECONCILE)
    }
}

impl<K> Backoff<K> {
    /// One whose pauses grow as `growth` says.
    pub fn new(growth: Growth) -> Self {
        Self { growth, failures: Mutex::default() }
    }
}

impl<K: Eq + Hash> Backoff<K> {
    /// `key` failed once more: how long to wait.
    pub fn next(&self, key: K) -> Duration {
        let mut all = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= OBJECTS_MAX {
            all.clear();
        }
        let failures = all.entry(key).or_default();
        let pause = self.growth.pause(*failures);
        *failures = failures.saturating_add(1);
        pause
    }

    /// How often `key` failed in a row.
    pub fn failures<Q>(&self, key: &Q) -> u32
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let all = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(key).copied().unwrap_or(0)
    }

    /// `key` succeeded: its next failure is its first.
    pub fn reset<Q>(&self, key: &Q)
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_half_a_minute_and_start_again_after_success() {
        let backoff = Backoff::default();
        let pauses: Vec<u128> = (0..10).map(|_| backoff.next("a").as_millis()).collect();
        assert_eq!(pauses, [200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]);
        assert_eq!(backoff.next("b").as_millis(), 200);
        assert_eq!((backoff.failures("a"), backoff.failures("c")), (10, 0));
        backoff.reset("a");
        assert_eq!(backoff.next("a").as_millis(), 200);
    }

    #[test]
    fn a_pause_never_overflows() {
        assert_eq!(Growth::RECONCILE.pause(u32::MAX), Duration::from_secs(30));
    }
}
