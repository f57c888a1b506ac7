//! When warden may repair again: a repair may need a root token, and one that does not help must be no loop of them. Pure.

use std::time::Duration;

use jiff::Timestamp;
use regent_operator::backoff::Growth;

/// Pauses after repairs that did not bring everything in order. The longest is how late a repair may be whose cause went
/// away by itself.
const PAUSES: Growth = Growth::new(Duration::from_secs(30), Duration::from_secs(600));

/// The repairs of this process since everything was last in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Repairs {
    last: Option<(Timestamp, Option<i64>)>,
    in_a_row: u32,
}

impl Repairs {
    /// Whether one may be made now. What is declared anew (`generation`) is tried after the first pause again.
    pub(super) fn may(&self, generation: Option<i64>, now: Timestamp) -> bool {
        self.last.is_none_or(|(at, of)| {
            let times = if of == generation { self.in_a_row.saturating_sub(1) } else { 0 };
            // A clock that was set back: none may be made before it has caught up.
            let since = Duration::try_from(now.duration_since(at)).unwrap_or_default();
            since >= PAUSES.pause(times)
        })
    }

    /// One was made, whether or not it helped.
    pub(super) fn made(&mut self, generation: Option<i64>, now: Timestamp) {
        let same = self.last.is_some_and(|(_, of)| of == generation);
        self.in_a_row = if same { self.in_a_row.saturating_add(1) } else { 1 };
        self.last = Some((now, generation));
    }

    /// Everything is in order: the next difference is another one.
    pub(super) fn helped(&mut self) {
        self.in_a_row = self.in_a_row.min(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    /// Seconds until one may be made after `repairs`.
    fn pause(repairs: &Repairs, generation: i64, since: i64) -> i64 {
        (0..=600).find(|s| repairs.may(Some(generation), at(since + s))).expect("at last")
    }

    #[test]
    fn pauses_double_up_to_ten_minutes_while_nothing_helps() {
        let mut repairs = Repairs::default();
        assert!(repairs.may(Some(1), at(0)), "the first at once");
        let mut pauses = Vec::new();
        let mut now = 0;
        for _ in 0..7 {
            repairs.made(Some(1), at(now));
            let next = pause(&repairs, 1, now);
            pauses.push(next);
            now += next;
        }
        assert_eq!(pauses, [30, 60, 120, 240, 480, 600, 600]);
    }

    #[test]
    fn a_new_declaration_and_an_order_in_between_begin_anew() {
        let mut repairs = Repairs::default();
        (0..4).for_each(|_| repairs.made(Some(1), at(0)));
        assert_eq!((pause(&repairs, 1, 0), pause(&repairs, 2, 0)), (240, 30));
        repairs.helped();
        assert_eq!(pause(&repairs, 1, 0), 30, "never two at once");
        repairs.made(Some(1), at(0));
        assert_eq!(pause(&repairs, 1, 0), 60);
    }
}
