//! How many requests without a good token are noted: whoever makes more is refused unnoted, so that
//! nobody fills the disk, or hides among his own lines, who has no right to anything.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

/// From one address: at once, and each second. 20 lines a second are 15 KiB.
const ADDRESS: Rate = Rate { burst: 2_000, per_second: 10 };
/// From all of them together.
const ALL: Rate = Rate { burst: 4_000, per_second: 50 };
/// Addresses that are told apart. The eldest are forgotten together: they begin anew.
const ADDRESSES_MAX: usize = 1_024;

/// Counts requests without a good token.
#[derive(Default)]
pub(crate) struct Strangers(Mutex<Counted>);

#[derive(Default)]
struct Counted {
    all: Bucket,
    by_address: HashMap<IpAddr, Bucket>,
    /// Refused unnoted since that was last told.
    unnoted: u64,
}

#[derive(Clone, Copy)]
struct Rate {
    burst: u32,
    per_second: u32,
}

/// What is used up, and when it was looked at last.
#[derive(Default)]
struct Bucket {
    used: u32,
    at_s: i64,
}

impl Strangers {
    /// Counts one more from `remote`; false where it is to be refused unnoted.
    pub(crate) fn admits(&self, remote: Option<SocketAddr>, now: Timestamp) -> bool {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let admitted = counted.admits(remote.map(|remote| remote.ip()), now.as_second());
        let unnoted = if admitted { std::mem::take(&mut counted.unnoted) } else { 0 };
        drop(counted);
        if unnoted > 0 {
            tracing::warn!(
                component = "authority",
                count = unnoted,
                "requests without a good token were refused without a line in the audit log: too many"
            );
        }
        admitted
    }

    /// Whether one from `remote` would be noted, for whoever may turn out to be none.
    pub(crate) fn would_admit(&self, remote: Option<SocketAddr>, now: Timestamp) -> bool {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(remote) = remote else { return true };
        let bucket = counted.by_address.get_mut(&remote.ip());
        bucket.is_none_or(|bucket| bucket.has_room(ADDRESS, now.as_second()))
    }
}

impl Counted {
    fn admits(&mut self, address: Option<IpAddr>, now_s: i64) -> bool {
        let mut admitted = self.all.has_room(ALL, now_s);
        if let Some(address) = address {
            if self.by_address.len() >= ADDRESSES_MAX && !self.by_address.contains_key(&address) {
                self.by_address.clear();
            }
            let own = self.by_address.entry(address).or_default();
            admitted &= own.has_room(ADDRESS, now_s);
            own.used += u32::from(admitted);
        }
        self.all.used += u32::from(admitted);
        self.unnoted += u64::from(!admitted);
        admitted
    }
}

impl Bucket {
    /// Whether one more goes in, after what has run out since it was looked at last.
    fn has_room(&mut self, rate: Rate, now_s: i64) -> bool {
        let passed = u32::try_from(now_s.saturating_sub(self.at_s)).unwrap_or(0);
        self.used = self.used.saturating_sub(passed.saturating_mul(rate.per_second));
        self.at_s = now_s;
        self.used < rate.burst
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([10, 0, 0, last]))
    }

    #[test]
    fn v06_one_address_is_noted_so_often_and_another_all_the_same() {
        let mut counted = Counted::default();
        let noted = (0..5_000).filter(|_| counted.admits(from(1), 100)).count();
        assert_eq!(noted, ADDRESS.burst as usize);
        assert!(counted.admits(from(2), 100));
        assert_eq!(counted.unnoted, 3_000);
        let later = (0..100).filter(|_| counted.admits(from(1), 102)).count();
        assert_eq!(later, 2 * ADDRESS.per_second as usize);
        // A clock that was set back gives nothing away.
        assert!(!counted.admits(from(1), 50));
    }

    #[test]
    fn v06_all_of_them_together_are_noted_so_often() {
        let mut counted = Counted::default();
        let noted =
            (0..20_000_u32).filter(|n| counted.admits(from(u8::try_from(n % 200).unwrap()), 7));
        assert_eq!(noted.count(), ALL.burst as usize);
        assert!(counted.by_address.len() <= ADDRESSES_MAX);
    }
}
