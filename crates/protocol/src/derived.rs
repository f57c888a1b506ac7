//! A derived secret: the publisher writes it, regent observes it and keeps its record, so that the
//! path has one owner (PROTOCOLS.md §1.4). Nothing is written to the path.

use jiff::Timestamp;
use regent_types::SecretPath;
use regent_types::path::Tree;

use crate::introduce;
use crate::ledger::kinds;
use crate::needs::Needs;
use crate::observation::Observation;
use crate::outcome::Outcome;
use crate::reason::Reason;
use crate::record::{Origin, Record, State};
use crate::step::{Step, event, held, tell, wait};

/// What the next step looks at.
pub fn needs(record: Option<&Record>, seen: &Observation) -> Needs {
    let none = Needs::default();
    match record {
        None => Needs { publisher: true, ..none },
        Some(_) => {
            // Who publishes it matters only where nothing is published.
            let empty = seen.known.metadata && seen.metadata.current_version == 0;
            Needs { metadata: true, publisher: empty, ..none }
        }
    }
}

/// The next step of an observation.
pub fn step(record: Option<&Record>, seen: &Observation, now: Timestamp) -> Step {
    if !published_tree(&seen.subject.path) && !seen.subject.granted {
        return held(
            Reason::PathNotGranted,
            format!(
                "path {} is neither published nor granted to this namespace; correct spec.path",
                seen.subject.path
            ),
        );
    }
    let Some(record) = record else {
        if let Some(stop) = introduce::behind(None, seen) {
            return stop;
        }
        if !seen.publisher {
            return missing();
        }
        let policy = seen.subject.request.policy.clone();
        let owner = seen.subject.owner.clone();
        return Step::Persist(Box::new(Record::intent(
            &seen.subject.path,
            owner,
            Origin::Derived,
            policy,
        )));
    };
    let stop = introduce::owned(record, seen, Origin::Derived)
        .or_else(|| introduce::behind(Some(record), seen));
    if let Some(stop) = stop {
        return stop;
    }
    let Some(pair) = seen.metadata.pair(seen.metadata.current_version) else {
        return match (&record.current, seen.publisher) {
            (Some(_), _) => introduce::present(record, seen).unwrap_or(Step::End(Outcome::Done)),
            (None, true) => {
                wait(Reason::NotPublished, "the publisher has not written this path yet")
            }
            (None, false) => missing(),
        };
    };
    match &record.current {
        Some(known) if *known == pair => {
            introduce::present(record, seen).unwrap_or(Step::End(Outcome::Done))
        }
        Some(known) if pair.number <= known.number => held(
            Reason::AuthorityWentBack,
            format!(
                "expected version {known} at {}, found {pair}; restore a newer state, or accept this one: regent \
                 authority accept-restore",
                seen.subject.path
            ),
        ),
        _ => {
            if let Some(step) = tell(seen, event(seen, now, kinds::OBSERVED, Some(&pair), "", "")) {
                return step;
            }
            let mut next = record.to(State::Done);
            next.acknowledged.get_or_insert_with(|| pair.clone());
            next.ledgered = Some(pair.clone());
            next.current = Some(pair);
            Step::Persist(Box::new(next))
        }
    }
}

fn published_tree(path: &str) -> bool {
    let tree = SecretPath::parse(path).map(|p| p.tree());
    matches!(tree, Ok(Tree::PlatformData | Tree::PlatformConfig))
}

fn missing() -> Step {
    wait(
        Reason::PushSecretMissing,
        "no PushSecret of this namespace publishes this path; declare it or correct \
         introduce.derived",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{self, at};
    use crate::outcome::Decider;
    use crate::step::Effect;

    #[test]
    fn a_published_version_is_recorded_after_its_event() {
        let mut seen = fixture::observation();
        seen.publisher = true;
        let Step::Persist(record) = step(None, &seen, at(0)) else { panic!("expected an intent") };
        assert_eq!(record.origin, Origin::Derived);
        assert!(matches!(
            step(Some(&record), &seen, at(0)),
            Step::End(Outcome::Waiting { reason: Reason::NotPublished, .. })
        ));
        fixture::write(&mut seen, 1, "t1");
        let Step::Do(Effect::Ledger(event)) = step(Some(&record), &seen, at(0)) else {
            panic!("expected an event")
        };
        seen.appended.insert(event.id.clone());
        let Step::Persist(record) = step(Some(&record), &seen, at(0)) else {
            panic!("expected done")
        };
        assert_eq!(record.current.as_ref().map(|p| p.number), Some(1));
        assert_eq!(step(Some(&record), &seen, at(0)), Step::End(Outcome::Done));
    }

    #[test]
    fn a_path_that_went_back_is_held() {
        let mut record = fixture::record(State::Done);
        record.origin = Origin::Derived;
        let mut seen = fixture::observation();
        fixture::write(&mut seen, 1, "another time");
        let step = step(Some(&record), &seen, at(0));
        assert!(matches!(
            step,
            Step::End(Outcome::Blocked {
                by: Decider::World,
                reason: Reason::AuthorityWentBack,
                ..
            })
        ));
    }

    /// C7-3: a claim on somebody else's tree is refused before a record is made.
    #[test]
    fn a_path_outside_the_published_trees_is_not_claimed() {
        let mut seen = fixture::observation();
        seen.publisher = true;
        seen.subject.granted = false;
        let found = step(None, &seen, at(0));
        assert!(matches!(
            found,
            Step::End(Outcome::Blocked { by: Decider::World, reason: Reason::PathNotGranted, .. })
        ));
        seen.subject.path = "platform-data/postgres/shop".into();
        assert!(matches!(step(None, &seen, at(0)), Step::Persist(_)));
    }

    #[test]
    fn without_a_publisher_it_waits_and_claims_nothing() {
        let step = step(None, &fixture::observation(), at(0));
        assert!(matches!(
            step,
            Step::End(Outcome::Waiting { reason: Reason::PushSecretMissing, .. })
        ));
    }
}
