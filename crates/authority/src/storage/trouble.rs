//! What is done about a disk that refuses: when writing is tried again, and what is told meanwhile.
//! Pure: time is an argument.

use std::time::{Duration, Instant};

/// Shortest and longest pause from one failure to the next try.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Failures one after the other, and when the next try may be.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    failures: u32,
    until: Option<Instant>,
}

impl Trouble {
    /// Whether the last try failed.
    pub(super) fn is_on(&self) -> bool {
        self.failures > 0
    }

    /// Whether it may be tried at `now`.
    pub(super) fn may_try(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now >= until)
    }

    /// Notes a failure: each one in a row doubles the pause.
    pub(super) fn failed(&mut self, now: Instant) {
        let doubled = PAUSE_MIN.saturating_mul(1 << self.failures.min(10));
        self.failures = self.failures.saturating_add(1);
        self.until = Some(now + doubled.min(PAUSE_MAX));
    }

    /// Notes a success, which alone ends it.
    pub(super) fn over(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v01_pauses_grow_to_their_bound_and_only_a_success_ends_them() {
        let start = Instant::now();
        let (mut trouble, mut now, mut pauses) = (Trouble::default(), start, Vec::new());
        assert!(trouble.may_try(now) && !trouble.is_on());
        for _ in 0..40 {
            trouble.failed(now);
            assert!(trouble.is_on() && !trouble.may_try(now));
            let next = trouble.until.unwrap();
            pauses.push(next - now);
            assert!(trouble.may_try(next));
            now = next;
        }
        assert_eq!(pauses[0], PAUSE_MIN);
        assert!(pauses.is_sorted() && pauses.last() == Some(&PAUSE_MAX), "{pauses:?}");
        trouble.over();
        assert!(trouble.may_try(start) && !trouble.is_on());
    }
}
