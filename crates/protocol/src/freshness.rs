//! What is looked at just before an effect, whatever the protocol (PROTOCOLS.md §1.3).

use jiff::Timestamp;

use crate::needs::Needs;
use crate::step::Effect;

/// How old a look may be for an effect that no condition protects.
const LOOK_AGE_MAX_S: i64 = 5;

/// Whether a look of `looked` is too old at `now` for `effect`: one on KV that carries no `cas`. Whoever was stalled since then
/// looks again, for what has the number that he read may be another version by now.
pub fn is_outdated(effect: &Effect, looked: Timestamp, now: Timestamp) -> bool {
    let conditional = !matches!(
        effect,
        Effect::Destroy(_) | Effect::WritePolicy(_) | Effect::RemoveCandidates(_)
    );
    let age = now.duration_since(looked);
    !conditional && (age.is_negative() || age.as_secs() > LOOK_AGE_MAX_S)
}

/// What must be fresh just before `effect` (PROTOCOLS.md §1.3): the target of an effect that no
/// `cas` of its own protects, and what decides that it may happen. What is written under `cas` or
/// with `cas=0` needs no look: a lost one tells.
pub fn fresh_before(effect: &Effect) -> Needs {
    match effect {
        Effect::Mark { .. } | Effect::Delete { .. } | Effect::Blank { .. } => {
            Needs { bootstrap: true, metadata: true, ..Needs::default() }
        }
        Effect::Destroy(_) | Effect::WritePolicy(_) => Needs { metadata: true, ..Needs::default() },
        Effect::Set { candidate, .. } => {
            Needs { target: true, candidate: Some(candidate.clone()), ..Needs::default() }
        }
        Effect::WriteFirst { .. }
        | Effect::Promote { .. }
        | Effect::CreateCandidate { .. }
        | Effect::RemoveCandidates(_)
        | Effect::Project(_)
        | Effect::Ledger(_) => Needs::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::Source;
    use regent_types::VersionPair;

    /// H21: who was stalled between his look and an effect that carries no condition looks again.
    #[test]
    fn h21_what_carries_no_condition_is_done_on_a_look_of_moments_ago() {
        use crate::fixture::at;
        let pair = VersionPair::new(1, "t");
        let bare = [
            Effect::Destroy(pair.clone()),
            Effect::WritePolicy(Default::default()),
            Effect::RemoveCandidates(vec!["c".into()]),
        ];
        for effect in &bare {
            assert!(!is_outdated(effect, at(100), at(105)), "{effect:?}");
            assert!(is_outdated(effect, at(100), at(106)), "{effect:?}");
            assert!(is_outdated(effect, at(100), at(99)), "a clock that goes back: {effect:?}");
        }
        let guarded = Effect::Delete { uid: "u".into(), rv: "1".into() };
        assert!(!is_outdated(&guarded, at(100), at(9_999)));
    }

    /// §1.3, §4.4, §5.2, §5.6: what no `cas` protects is seen fresh; what one protects is not read
    /// again.
    #[test]
    fn each_effect_without_a_cas_of_its_own_has_its_target_looked_at() {
        let (uid, rv) = ("u".to_owned(), "1".to_owned());
        for effect in [
            Effect::Delete { uid: uid.clone(), rv: rv.clone() },
            Effect::Blank { uid: uid.clone(), rv: rv.clone() },
        ] {
            let needs = fresh_before(&effect);
            assert!(needs.bootstrap && needs.metadata, "{effect:?}");
        }
        assert!(fresh_before(&Effect::Destroy(VersionPair::new(1, "t"))).metadata);
        let set = fresh_before(&Effect::Set { candidate: "c".into(), login: 0 });
        assert!(set.target && set.candidate.as_deref() == Some("c"));
        let first = Effect::WriteFirst { over: 0, source: Source::Bootstrap, hmac: "k:a".into() };
        assert!(fresh_before(&first).is_empty());
    }
}
