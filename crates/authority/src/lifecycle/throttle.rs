//! How often upkeep may start.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

/// Seconds from one upkeep to the next.
const INTERVAL_S: i64 = 60;

/// Admits one caller per [`INTERVAL_S`]; holds the Unix second from which it admits the next.
#[derive(Default)]
pub(super) struct Throttle(AtomicI64);

impl Throttle {
    /// Whether an interval has passed since the last caller who was told so.
    pub(super) fn admits(&self, now: Timestamp) -> bool {
        let next = self.0.load(Ordering::Relaxed);
        let after = now.as_second() + INTERVAL_S;
        let taken = || self.0.compare_exchange(next, after, Ordering::Relaxed, Ordering::Relaxed);
        now.as_second() >= next && taken().is_ok()
    }
}
