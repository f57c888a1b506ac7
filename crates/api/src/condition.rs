//! Conditions (metav1.Condition): the one way to set them, so that transition times move only when a status does.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

/// The condition every kind has.
pub const READY: &str = "Ready";
/// Of RuntimeAuthority: whether an audit device records who read and wrote what.
pub const AUDITED: &str = "Audited";
/// On RuntimeAuthority: its certificates are in order.
pub const TRANSPORT: &str = "Transport";
/// On RuntimeAuthority: the embedded authority has a young snapshot that was restored on trial.
pub const SNAPSHOTS_CURRENT: &str = "SnapshotsCurrent";

/// Longest message kept, in bytes; etcd holds every status of every object.
pub const MESSAGE_LEN_MAX: usize = 1024;

/// What a condition should say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// `True`, `False`, or `None` for `Unknown`.
    pub status: Option<bool>,
    /// CamelCase word for programs and alerts; it stays the same where the message changes.
    pub reason: &'static str,
    /// A sentence for people; never a secret value.
    pub message: String,
}

impl Verdict {
    /// Status `True`, with a message that may be empty.
    pub fn yes(reason: &'static str, message: impl Into<String>) -> Self {
        Self { status: Some(true), reason, message: message.into() }
    }

    /// The condition does not hold, and `message` says what to do.
    pub fn no(reason: &'static str, message: impl Into<String>) -> Self {
        Self { status: Some(false), reason, message: message.into() }
    }

    /// Status `Unknown`: what would decide it has not been looked at, and `message` says why.
    pub fn unknown(reason: &'static str, message: impl Into<String>) -> Self {
        Self { status: None, reason, message: message.into() }
    }
}

/// `old` with condition `kind` set to `verdict`; the transition time is kept while the status is the same.
#[must_use]
pub fn set(
    old: &[Condition],
    kind: &str,
    verdict: &Verdict,
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let status = match verdict.status {
        Some(true) => "True",
        Some(false) => "False",
        None => "Unknown",
    };
    let mut message = verdict.message.clone();
    if message.len() > MESSAGE_LEN_MAX {
        let cut =
            (0..=MESSAGE_LEN_MAX - 3).rev().find(|i| message.is_char_boundary(*i)).unwrap_or(0);
        message.truncate(cut);
        message.push('…');
    }
    let before = old.iter().find(|c| c.type_ == kind);
    let since = match before {
        Some(c) if c.status == status => c.last_transition_time.clone(),
        _ => Time(now),
    };
    let new = Condition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: verdict.reason.to_owned(),
        message,
        last_transition_time: since,
        observed_generation: generation,
    };
    let mut all: Vec<Condition> = old.iter().filter(|c| c.type_ != kind).cloned().collect();
    all.push(new);
    all.sort_by(|a, b| a.type_.cmp(&b.type_));
    all
}

/// Condition `kind` of `all`, if there.
pub fn get<'a>(all: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    all.iter().find(|c| c.type_ == kind)
}

/// Whether condition `kind` is `True`.
pub fn is_true(all: &[Condition], kind: &str) -> bool {
    get(all, kind).is_some_and(|c| c.status == "True")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap_or_default()
    }

    #[test]
    fn transition_time_moves_only_with_the_status() {
        let first = set(&[], READY, &Verdict::no("Sealed", "sealed"), Some(1), at(10));
        let same = set(&first, READY, &Verdict::no("Standby", "standby"), Some(2), at(20));
        assert_eq!(same[0].last_transition_time, Time(at(10)));
        assert_eq!(same[0].reason, "Standby");
        let turned = set(&same, READY, &Verdict::yes("Unsealed", ""), Some(2), at(30));
        assert_eq!(turned[0].last_transition_time, Time(at(30)));
    }

    #[test]
    fn long_messages_are_cut_on_a_character() {
        let long = "ä".repeat(MESSAGE_LEN_MAX);
        let all = set(&[], READY, &Verdict::no("Long", long), None, at(0));
        assert!(all[0].message.len() <= MESSAGE_LEN_MAX);
    }
}
