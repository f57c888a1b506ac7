//! What a session knows after its own deeds, and what it must look at again (PROTOCOLS.md §1.3).

use regent_types::VersionPair;

use crate::ledger::kinds;
use crate::needs::Needs;
use crate::observation::{
    Bootstrap, CandidateSeen, Observation, PolicySeen, ValueSeen, VersionSeen,
};
use crate::outcome::Outcome;
use crate::protocol::Protocol;
use crate::record::{Record, RotationStep, State};
use crate::rotation::set_token;
use crate::step::{Answer, Effect, Source};

/// Forgets what the saved record's next effect must find fresh. `Some` where nothing is left to
/// look at: the tombstone of an introduction was written.
pub(crate) fn after_save(
    before: Option<&Record>,
    after: &Record,
    seen: &mut Observation,
) -> Option<Outcome> {
    let state = before.map(|r| r.state);
    let step = |r: &Record| r.claim.as_ref().map(|c| c.step);
    let entered = |s: State| after.state == s && state != Some(s);
    if entered(State::Acknowledged) || entered(State::Disposing) {
        seen.known.bootstrap = false;
    }
    let revokes = step(after) == Some(RotationStep::Revoke);
    if entered(State::Disposing) || (revokes && before.and_then(step) != step(after)) {
        seen.known.metadata = false;
    }
    if before.is_none() && after.candidate.is_some() {
        // Its name was never used.
        (seen.known.candidate, seen.candidate) = (after.candidate.clone(), None);
    }
    let introducing = matches!(state, Some(State::Acknowledged | State::Disposing));
    (introducing && after.state == State::Done).then_some(Outcome::Done)
}

/// Notes what `effect` did. `sent` is how many sets the record's claim has sent.
pub(crate) fn after_effect(
    protocol: Protocol,
    effect: &Effect,
    answer: Answer,
    sent: usize,
    seen: &mut Observation,
) {
    match (effect, answer) {
        (_, Answer::Lost) => seen.forget(),
        (Effect::WriteFirst { source, hmac, .. }, Answer::Written(pair)) => {
            written(seen, &pair);
            seen.known.newest = false;
            // What was copied is read back and compared (§4.3); what was made here is known.
            seen.known.first = matches!(source, Source::Candidate(_));
            seen.first = match source {
                Source::Bootstrap => ValueSeen::None,
                Source::Candidate(_) => ValueSeen::Read { pair, hmac: hmac.clone() },
            };
        }
        (Effect::Promote { hmac, .. }, Answer::Written(pair)) => {
            written(seen, &pair);
            seen.newest = ValueSeen::Read { pair, hmac: hmac.clone() };
            seen.known.newest = true;
        }
        (Effect::WritePolicy(policy), Answer::Done) => {
            let was =
                std::mem::replace(&mut seen.metadata.policy, PolicySeen::Valid(policy.clone()));
            if protocol == Protocol::Policy {
                seen.restored = Some(match was {
                    PolicySeen::Invalid(why) => why,
                    PolicySeen::Missing | PolicySeen::Valid(_) => "missing".to_owned(),
                });
            }
        }
        (Effect::Project(pair), Answer::Done) => seen.subject.status = Some(pair.clone()),
        (Effect::Ledger(event), Answer::Done) => {
            seen.appended.insert(event.id.clone());
            // It may have waited for others: whether the value is there is looked at once more
            // before B is touched.
            seen.known.metadata &= protocol != Protocol::Handover
                || !matches!(event.kind.as_str(), kinds::DISPOSING | kinds::IGNORED_GIT_VALUE);
        }
        (Effect::CreateCandidate { name, .. }, Answer::Candidate(hmac)) => {
            seen.candidate = Some(CandidateSeen { name: name.clone(), hmac });
            seen.known.candidate = Some(name.clone());
        }
        (Effect::RemoveCandidates(names), Answer::Done) => removed(seen, names),
        (Effect::Destroy(pair), Answer::Done) => {
            if let Some(version) = seen.metadata.versions.get_mut(&pair.number) {
                version.live = false;
            }
        }
        (Effect::Set { candidate, .. }, Answer::Done) => {
            seen.appended.insert(set_token(candidate, sent));
            seen.known.target = false;
        }
        (effect, answer) => of_bootstrap(effect, answer, seen),
    }
}

/// Effects on the bootstrap Secret, under the uid and resourceVersion that were seen.
fn of_bootstrap(effect: &Effect, answer: Answer, seen: &mut Observation) {
    match (effect, answer, &mut seen.bootstrap) {
        (Effect::Delete { .. }, Answer::Gone, bootstrap) => *bootstrap = Bootstrap::Absent,
        (Effect::Mark { disposition, .. }, Answer::Changed(rv), Bootstrap::Live(b)) => {
            (b.marked, b.rv) = (Some(*disposition), rv);
        }
        (Effect::Blank { .. }, Answer::Changed(rv), Bootstrap::Live(b)) => {
            (b.empty, b.rv) = (true, rv);
        }
        // Whatever else was answered: look.
        _ => seen.known = Needs { mount: seen.known.mount, ..Needs::default() },
    }
}

/// A version that the session wrote itself under `cas` is the newest.
fn written(seen: &mut Observation, pair: &VersionPair) {
    if seen.known.metadata {
        let version = VersionSeen { created_time: pair.created_time.clone(), live: true };
        seen.metadata.versions.insert(pair.number, version);
        seen.metadata.current_version = pair.number;
    }
}

fn removed(seen: &mut Observation, names: &[String]) {
    seen.leftovers.retain(|name| !names.contains(name));
    if let [name] = names {
        seen.known.candidate = Some(name.clone());
    }
    if seen.candidate.as_ref().is_some_and(|c| names.contains(&c.name)) {
        seen.candidate = None;
    }
}
