//! What follows from a Lease as it was seen. Pure.
//!
//! As client-go does, expiry is judged by how long *this* process has seen the Lease unchanged, never by comparing
//! clocks: minutes of clock skew between nodes change nothing.

use std::time::Duration;

/// A Lease, as far as it matters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LeaderRecord {
    /// Who holds it; empty when it was released.
    pub(super) holder: String,
    /// How long it is held after each renewal.
    pub(super) duration: Duration,
    /// Whatever changes with each renewal.
    pub(super) version: String,
}

/// What to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Nobody ever held it: create it.
    Create,
    /// It is free, expired, or ours from before a restart under the same name: take it.
    Take,
    /// Somebody holds it for at least this long.
    Wait(Duration),
}

/// Decides for `me`, who has seen `held` unchanged for `unchanged`.
pub(super) fn decide(held: Option<&LeaderRecord>, me: &str, unchanged: Duration) -> Decision {
    let Some(held) = held else { return Decision::Create };
    if held.holder.is_empty() || held.holder == me {
        return Decision::Take;
    }
    match held.duration.checked_sub(unchanged) {
        Some(left) if !left.is_zero() => Decision::Wait(left),
        _ => Decision::Take,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(holder: &str) -> LeaderRecord {
        LeaderRecord {
            holder: holder.into(),
            duration: Duration::from_secs(30),
            version: "7".into(),
        }
    }

    #[test]
    fn a_lease_is_taken_when_it_is_free_or_was_seen_unchanged_for_its_whole_duration() {
        let s = Duration::from_secs;
        let table = [
            (None, 0, Decision::Create),
            (Some(held("")), 0, Decision::Take),
            (Some(held("me")), 0, Decision::Take),
            (Some(held("other")), 0, Decision::Wait(s(30))),
            (Some(held("other")), 29, Decision::Wait(s(1))),
            (Some(held("other")), 30, Decision::Take),
            (Some(held("other")), 3_000, Decision::Take),
        ];
        for (held, unchanged, expected) in table {
            assert_eq!(decide(held.as_ref(), "me", s(unchanged)), expected, "{held:?} {unchanged}");
        }
    }
}
