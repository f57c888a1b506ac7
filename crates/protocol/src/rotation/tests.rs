//! Every branch of a rotation, as claims.

use super::*;
use crate::fixture::{self, acknowledged as acked, at, pair, record};
use crate::ledger::kinds;
use crate::observation::{CandidateSeen, Login, Probes, RunRef, Target, ValueSeen};
use crate::outcome::Decider;
use crate::record::{Origin, Slot};
use crate::step::Effect;
use regent_types::policy::FailureStrategy;

/// Runs the step and appends every event it asks for.
fn go(record: &Record, seen: &mut Observation, now: i64) -> Step {
    loop {
        match step(Some(record), seen, at(now)) {
            Step::Do(Effect::Ledger(event)) => {
                assert!(seen.appended.insert(event.id.clone()), "asked twice for {event:?}");
            }
            other => return other,
        }
    }
}

fn persisted(step: Step) -> Record {
    match step {
        Step::Persist(record) => *record,
        other => panic!("expected a record to persist, found {other:?}"),
    }
}

fn reason(step: &Step) -> Option<Reason> {
    match step {
        Step::End(outcome) => outcome.reason(),
        _ => None,
    }
}

fn claimed(step: RotationStep) -> Record {
    let mut record = persisted(go(&record(State::Done), &mut acked(), 0));
    let claim = record.claim.as_mut().unwrap();
    claim.step = step;
    if step != RotationStep::Create {
        claim.hmac = Some("k:n".into());
    }
    let promoted = matches!(step, RotationStep::Await | RotationStep::Revoke | RotationStep::Close);
    if promoted {
        claim.revokes = vec![std::mem::replace(&mut claim.base, pair(2))];
        claim.promoted = Some(pair(2));
        claim.promoted_at = Some(at(0));
        record.current = Some(pair(2));
    }
    record
}

/// What is seen while the claim is at a step after the promotion.
fn promoted() -> Observation {
    let mut seen = acked();
    fixture::write(&mut seen, 2, "t2");
    seen
}

fn candidate(name: &str, hmac: &str) -> Option<CandidateSeen> {
    Some(CandidateSeen { name: name.into(), hmac: hmac.into() })
}

fn logins(candidate: Login, current: Login) -> Target {
    Target::Login(Probes { candidate, current, ..Probes::default() })
}

/// §5.1 to §5.7 without a target and without anything in the way.
#[test]
fn a_rotation_goes_from_claim_to_done() {
    let mut seen = acked();
    let claim = persisted(go(&record(State::Done), &mut seen, 0));
    assert!(matches!(go(&claim, &mut seen, 0), Step::Do(Effect::CreateCandidate { .. })));
    seen.candidate = candidate("run1", "k:n");
    let created = persisted(go(&claim, &mut seen, 0));
    seen.newest = ValueSeen::Read { pair: pair(1), hmac: "k:a".into() };
    let promote = Effect::Promote { candidate: "run1".into(), hmac: "k:n".into(), base: 1 };
    assert_eq!(go(&created, &mut seen, 0), Step::Do(promote));
    fixture::write(&mut seen, 2, "t2");
    seen.newest = ValueSeen::Read { pair: pair(2), hmac: "k:n".into() };
    let awaiting = persisted(go(&created, &mut seen, 0));
    assert_eq!(seen.appended.len(), 1, "the version's event comes before the state is left");
    assert_eq!((awaiting.current.clone(), awaiting.newest_hmac()), (Some(pair(2)), Some("k:n")));
    let revoking = persisted(go(&awaiting, &mut seen, 0));
    assert_eq!(go(&revoking, &mut seen, 0), Step::Do(Effect::Destroy(pair(1))));
    seen.metadata.versions.get_mut(&1).unwrap().live = false;
    let closing = persisted(go(&revoking, &mut seen, 0));
    let done = persisted(go(&closing, &mut seen, 0));
    assert_eq!((done.state, done.claim.clone()), (State::Done, None));
    assert_eq!(done.leftovers, ["run1"], "removed when the next run closes");
    assert_eq!(go(&done, &mut seen, 0), Step::End(Outcome::Done));
}

/// S5.6-2, §7: a slot is rotated for once, by whatever run.
#[test]
fn a_covered_slot_is_already_done() {
    let mut seen = acked();
    seen.subject.run.slot = Some(Slot { trigger: "schedule/nightly".into(), slot: "s1".into() });
    let mut done = persisted(go(&record(State::Done), &mut seen, 0)).to(State::Done);
    done.claim = None;
    seen.subject.run = fixture::run("run2");
    seen.subject.run.slot = Some(Slot { trigger: "schedule/nightly".into(), slot: "s1".into() });
    assert_eq!(go(&done, &mut seen, 0), Step::End(Outcome::Covered));
    seen.claimant_alive = true;
    let mut held = done.clone();
    held.state = State::Rotating;
    held.claim = claimed(RotationStep::Create).claim;
    assert_eq!(go(&held, &mut seen, 0), Step::End(Outcome::Covered));
}

/// §5.1: when a path can be claimed.
#[test]
fn only_a_sound_path_that_is_done_is_claimed() {
    type Break = fn(&mut Record, &mut Observation);
    let breaks: [(Break, Reason); 8] = [
        (|r, _| r.state = State::Acknowledged, Reason::NotIntroduced),
        (|r, _| r.state = State::Intent, Reason::NotIntroduced),
        (|r, _| r.owner.name = "other".into(), Reason::PathClaimed),
        (|r, _| r.origin = Origin::Derived, Reason::NothingToRotate),
        (|_, s| s.metadata.versions.clear(), Reason::ValueMissing),
        (|_, s| fixture::write(s, 2, "t2"), Reason::UnknownVersion),
        (|_, s| s.subject.status = Some(pair(3)), Reason::RecordBehindStatus),
        (
            |r, s| {
                r.disposition = Some(Disposition::Ignore);
                s.consumers.waiting = vec!["shop/db".into()];
            },
            Reason::ConsumersNotReady,
        ),
    ];
    for (change, expected) in breaks {
        let (mut record, mut seen) = (record(State::Done), acked());
        change(&mut record, &mut seen);
        assert_eq!(reason(&go(&record, &mut seen, 0)), Some(expected));
    }
    let none = step(None, &acked(), at(0));
    assert_eq!(reason(&none), Some(Reason::NotIntroduced));
}

/// §1.10: a claim never blocks a path for ever.
#[test]
fn a_living_claimant_is_awaited_and_a_dead_one_taken_over() {
    let held = claimed(RotationStep::Await);
    let mut seen = promoted();
    seen.subject.run = fixture::run("run2");
    seen.claimant_alive = true;
    assert_eq!(reason(&go(&held, &mut seen, 0)), Some(Reason::RotationUnderWay));
    seen.claimant_alive = false;
    let taken = persisted(go(&held, &mut seen, 0));
    assert_eq!(taken.claim.as_ref().map(|c| c.run.as_str()), Some("run2"));
    assert_eq!(taken.claim.as_ref().map(|c| c.candidate.as_str()), Some("run1"));
}

/// §1.10: whoever only finishes what another run began never begins a rotation.
#[test]
fn a_finishing_run_takes_over_and_begins_nothing() {
    let mut seen = promoted();
    seen.subject.run = RunRef { finishes: true, ..fixture::run("run2") };
    let taken = persisted(go(&claimed(RotationStep::Await), &mut seen, 0));
    assert_eq!(taken.claim.as_ref().map(|c| c.run.as_str()), Some("run2"));
    assert_eq!(go(&record(State::Done), &mut seen, 0), Step::End(Outcome::Covered));
}

/// §1.4: the same run has another uid in a new cluster and goes on with its own claim.
#[test]
fn a_run_goes_on_with_its_claim_after_a_cluster_loss() {
    let mut seen = acked();
    seen.subject.run = fixture::run("run1");
    seen.subject.run.uid = "new-uid".into();
    let held = claimed(RotationStep::Create);
    let taken = persisted(go(&held, &mut seen, 0));
    assert_eq!(taken.claim.as_ref().map(|c| c.run.as_str()), Some("new-uid"));
}

/// §5.3: what promotion may find.
#[test]
fn promotion_recognizes_its_own_version_and_touches_no_other() {
    let read = |n: i64, h: &str| ValueSeen::Read { pair: pair(n), hmac: h.into() };
    for (newest, expected) in [
        (read(2, "k:foreign"), Reason::ForeignVersion),
        (read(3, "k:n"), Reason::ForeignVersion),
        (ValueSeen::Unreadable, Reason::ValueMissing),
        (ValueSeen::None, Reason::ValueMissing),
        (
            ValueSeen::Read {
                pair: regent_types::VersionPair::new(1, "another time"),
                hmac: "k:a".into(),
            },
            Reason::AuthorityWentBack,
        ),
    ] {
        let mut seen = acked();
        seen.candidate = candidate("run1", "k:n");
        seen.newest = newest;
        let found = go(&claimed(RotationStep::Promote), &mut seen, 0);
        assert_eq!(reason(&found), Some(expected));
    }
    let mut seen = acked();
    seen.newest = read(1, "k:a");
    let lost = go(&claimed(RotationStep::Promote), &mut seen, 0);
    assert_eq!(reason(&lost), Some(Reason::CandidateLost));
    seen.candidate = candidate("run1", "k:other");
    let changed = go(&claimed(RotationStep::Promote), &mut seen, 0);
    assert_eq!(reason(&changed), Some(Reason::CandidateLost));
}

/// §5.6: consumers and time decide together when the old value may go.
#[test]
fn the_old_version_is_revoked_only_after_consumers_and_overlap() {
    let revoking = |overlap: i64| {
        let mut record = claimed(RotationStep::Revoke);
        record.policy.max_overlap_seconds = overlap;
        record
    };
    let mut behind = promoted();
    behind.consumers.waiting = vec!["shop/db".into()];
    assert_eq!(reason(&go(&revoking(0), &mut behind, 1)), Some(Reason::ConsumersNotReady));
    let early = go(&revoking(100), &mut promoted(), 99);
    assert!(
        matches!(early, Step::End(Outcome::Waiting { reason: Reason::Overlap, until: Some(t), .. }) if t == at(100))
    );
    let due = go(&revoking(100), &mut promoted(), 100);
    assert_eq!(due, Step::Do(Effect::Destroy(pair(1))));
}

#[test]
fn the_failure_strategy_decides_about_consumers_that_do_not_follow() {
    for (strategy, held) in [
        (FailureStrategy::Retry, false),
        (FailureStrategy::Alert, false),
        (FailureStrategy::Hold, true),
    ] {
        let mut record = claimed(RotationStep::Await);
        record.policy.failure_strategy = strategy;
        record.policy.max_overlap_seconds = 100;
        let mut seen = promoted();
        seen.consumers.waiting = vec!["shop/db".into()];
        assert_eq!(reason(&go(&record, &mut seen, 99)), Some(Reason::ConsumersNotReady));
        let late = go(&record, &mut seen, 100);
        assert_eq!(reason(&late), Some(Reason::ConsumersBehind));
        assert_eq!(
            matches!(late, Step::End(Outcome::Blocked { by: Decider::World, .. })),
            held,
            "{strategy:?}"
        );
    }
}

/// §5.6, C7-2: a compromise does not wait, and says whom it cuts off.
#[test]
fn a_compromise_revokes_regardless_and_names_whom_it_cuts_off() {
    let mut record = claimed(RotationStep::Await);
    record.policy.revoke_old = false;
    record.policy.max_overlap_seconds = 1_000;
    record.claim.as_mut().unwrap().compromise = true;
    let mut seen = promoted();
    seen.consumers.waiting = vec!["shop/db".into()];
    let revoking = persisted(go(&record, &mut seen, 1));
    assert_eq!(go(&revoking, &mut seen, 1), Step::Do(Effect::Destroy(pair(1))));
    seen.metadata.versions.get_mut(&1).unwrap().live = false;
    let Step::Do(Effect::Ledger(event)) = step(Some(&revoking), &seen, at(1)) else {
        panic!("expected the event")
    };
    assert_eq!((event.kind.as_str(), event.detail.as_str()), (kinds::REVOKED, "cut off: shop/db"));
}

#[test]
fn without_revoke_old_the_old_version_stays() {
    let mut record = claimed(RotationStep::Await);
    record.policy.revoke_old = false;
    let next = persisted(go(&record, &mut promoted(), 1));
    assert_eq!(next.claim.map(|c| c.step), Some(RotationStep::Close));
}

/// §5.7: candidates of a run go when the next run closes.
#[test]
fn closing_removes_the_candidates_of_the_run_before() {
    let mut record = claimed(RotationStep::Close);
    record.leftovers = vec!["run0".into()];
    let mut seen = promoted();
    seen.leftovers = vec!["run0".into()];
    let removal = Step::Do(Effect::RemoveCandidates(vec!["run0".into()]));
    assert_eq!(go(&record, &mut seen, 1), removal);
    seen.leftovers.clear();
    assert_eq!(persisted(go(&record, &mut seen, 1)).leftovers, ["run1"]);
}

/// §5.2: with a target, the set is written down before it is sent, and sent with a password that
/// works.
#[test]
fn a_set_is_noted_before_it_is_sent_and_uses_the_first_login_that_works() {
    let set = claimed(RotationStep::Set);
    let mut seen = acked();
    seen.candidate = candidate("run1", "k:n");
    seen.target = logins(Login::Refused, Login::Works);
    let noted = persisted(go(&set, &mut seen, 5));
    assert_eq!(noted.claim.as_ref().map(|c| c.sent.len()), Some(1));
    let sent = go(&noted, &mut seen, 5);
    assert_eq!(sent, Step::Do(Effect::Set { candidate: "run1".into(), login: 1 }));
    seen.appended.insert(set_token("run1", 1));
    assert_eq!(reason(&go(&noted, &mut seen, 6)), Some(Reason::Settling));
    seen.target = logins(Login::Works, Login::Refused);
    let testing = persisted(go(&noted, &mut seen, 6));
    assert_eq!(testing.claim.as_ref().map(|c| c.step), Some(RotationStep::Test));
    let promoting = persisted(go(&testing, &mut seen, 6));
    assert_eq!(promoting.claim.map(|c| c.step), Some(RotationStep::Promote));
}

/// §5.4: a refused candidate is kept, and after two of them a person looks.
#[test]
fn a_refused_candidate_is_kept_and_a_second_one_stops_the_run() {
    let mut set = claimed(RotationStep::Set);
    set.claim.as_mut().unwrap().sent =
        vec![crate::record::SetSent { candidate: "run1".into(), at: at(0) }];
    let mut seen = acked();
    seen.candidate = candidate("run1", "k:n");
    seen.target = logins(Login::Refused, Login::Works);
    seen.appended.insert(set_token("run1", 1));
    let next = persisted(go(&set, &mut seen, SETTLING_S));
    assert_eq!(next.refused.first().map(|r| r.candidate.as_str()), Some("run1"));
    let claim = next.claim.as_ref().unwrap();
    assert_eq!((claim.step, claim.candidate.as_str()), (RotationStep::Create, "run1.2"));
    let mut again = next.clone();
    let claim = again.claim.as_mut().unwrap();
    claim.step = RotationStep::Set;
    claim.hmac = Some("k:m".into());
    claim.sent.push(crate::record::SetSent { candidate: "run1.2".into(), at: at(20) });
    seen.candidate = candidate("run1.2", "k:m");
    seen.appended.insert(set_token("run1.2", 2));
    let held = go(&again, &mut seen, 20 + SETTLING_S);
    assert_eq!(reason(&held), Some(Reason::TooManyCandidates));
}

#[test]
fn a_target_that_refuses_everything_is_held_and_a_silent_one_awaited() {
    let mut seen = acked();
    seen.candidate = candidate("run1", "k:n");
    let mut probes = Probes { previous: Login::Refused, ..Probes::default() };
    (probes.candidate, probes.current) = (Login::Refused, Login::Refused);
    seen.target = Target::Login(probes);
    let found = go(&claimed(RotationStep::Set), &mut seen, 0);
    assert_eq!(reason(&found), Some(Reason::TargetLockedOut));
    seen.target = Target::Login(Probes::default());
    let found = go(&claimed(RotationStep::Set), &mut seen, 0);
    assert_eq!(reason(&found), Some(Reason::Settling));
}

/// §5.3, §5.7: the published value is tested until the end, and late sets are awaited.
#[test]
fn a_published_value_that_stops_working_is_set_again_and_late_sets_are_awaited() {
    for step in [RotationStep::Await, RotationStep::Revoke, RotationStep::Close] {
        let mut seen = promoted();
        seen.target = logins(Login::Unknown, Login::Refused);
        let next = persisted(go(&claimed(step), &mut seen, 0));
        assert_eq!(next.claim.map(|c| c.step), Some(RotationStep::Set), "{step:?}");
    }
    let mut closing = claimed(RotationStep::Close);
    closing.claim.as_mut().unwrap().sent =
        vec![crate::record::SetSent { candidate: "run1".into(), at: at(0) }];
    let mut seen = promoted();
    seen.target = logins(Login::Works, Login::Works);
    let early = go(&closing, &mut seen, LEASE_S + SET_DEADLINE_S - 1);
    assert_eq!(reason(&early), Some(Reason::LateSetWindow));
    let done = persisted(go(&closing, &mut seen, LEASE_S + SET_DEADLINE_S));
    assert_eq!(done.state, State::Done);
}

/// H18: after a leak every earlier version that is still live goes, not the last one alone.
#[test]
fn h18_a_compromise_destroys_every_earlier_version_that_is_live() {
    let mut awaiting = claimed(RotationStep::Await);
    awaiting.current = Some(pair(3));
    let claim = awaiting.claim.as_mut().unwrap();
    (claim.promoted, claim.base, claim.revokes) = (Some(pair(3)), pair(3), vec![pair(2)]);
    claim.compromise = true;
    let mut seen = promoted();
    fixture::write(&mut seen, 3, "t3");
    let mut revoking = persisted(go(&awaiting, &mut seen, 0));
    assert_eq!(revoking.claim.as_ref().unwrap().revokes, [pair(1), pair(2)]);
    for number in [1, 2] {
        assert_eq!(go(&revoking, &mut seen, 0), Step::Do(Effect::Destroy(pair(number))));
        seen.metadata.versions.get_mut(&number).unwrap().live = false;
    }
    let told = seen.appended.len();
    assert_eq!(persisted(go(&revoking, &mut seen, 0)).claim.unwrap().step, RotationStep::Close);
    assert_eq!(seen.appended.len(), told + 2, "each has its event");
    // A leak that is met when the run revokes already: what more is to go is written down first.
    seen.metadata.versions.get_mut(&1).unwrap().live = true;
    revoking.claim.as_mut().unwrap().revokes = vec![pair(2)];
    let more = persisted(go(&revoking, &mut seen, 0));
    assert_eq!(more.claim.unwrap().revokes, [pair(1), pair(2)]);
    // Without a leak the others stay.
    let claim = awaiting.claim.as_mut().unwrap();
    claim.compromise = false;
    let revoking = persisted(go(&awaiting, &mut promoted_to(3), 0));
    assert_eq!(revoking.claim.unwrap().revokes, [pair(2)]);
}

fn promoted_to(newest: i64) -> Observation {
    let mut seen = promoted();
    fixture::write(&mut seen, newest, &format!("t{newest}"));
    seen
}

/// H19: settings and grants are judged before each write, not at the introduction alone.
#[test]
fn h19_nothing_is_claimed_or_promoted_on_an_unsafe_path() {
    type Break = fn(&mut Observation);
    let breaks: [(Break, Reason); 3] = [
        (|s| s.metadata.max_versions = 1, Reason::UnsafeMount),
        (|s| s.mount.deletes_versions = true, Reason::UnsafeMount),
        (|s| s.subject.granted = false, Reason::PathNotGranted),
    ];
    for (change, expected) in breaks {
        let mut seen = acked();
        seen.candidate = candidate("run1", "k:n");
        seen.newest = ValueSeen::Read { pair: pair(1), hmac: "k:a".into() };
        change(&mut seen);
        assert_eq!(reason(&go(&record(State::Done), &mut seen, 0)), Some(expected));
        let promoting = claimed(RotationStep::Promote);
        assert_eq!(reason(&go(&promoting, &mut seen, 0)), Some(expected));
        assert!(needs(Some(&promoting), &seen).mount && needs(Some(&promoting), &seen).metadata);
    }
    let done = record(State::Done);
    assert!(needs(Some(&done), &acked()).mount);
}

/// H20: what was promoted and then refused by the target is no stranger's version.
#[test]
fn h20_a_promoted_value_that_the_target_refuses_is_followed_by_another() {
    let mut again = claimed(RotationStep::Promote);
    let claim = again.claim.as_mut().unwrap();
    (claim.promoted, claim.base, claim.revokes) = (Some(pair(2)), pair(2), vec![pair(1)]);
    (claim.candidate, claim.hmac) = ("run1.2".into(), Some("k:m".into()));
    again.current = Some(pair(2));
    let mut seen = promoted();
    seen.candidate = candidate("run1.2", "k:m");
    seen.newest = ValueSeen::Read { pair: pair(2), hmac: "k:n".into() };
    let write = Effect::Promote { candidate: "run1.2".into(), hmac: "k:m".into(), base: 2 };
    assert_eq!(go(&again, &mut seen, 0), Step::Do(write));
    fixture::write(&mut seen, 3, "t3");
    seen.newest = ValueSeen::Read { pair: pair(3), hmac: "k:m".into() };
    let awaiting = persisted(go(&again, &mut seen, 9));
    let claim = awaiting.claim.as_ref().unwrap();
    assert_eq!((claim.base.clone(), claim.promoted.clone()), (pair(3), Some(pair(3))));
    assert_eq!((&claim.revokes[..], claim.promoted_at), (&[pair(1), pair(2)][..], Some(at(9))));
    // Set once more and found working: it is not written a second time.
    let mut same = claimed(RotationStep::Promote);
    let claim = same.claim.as_mut().unwrap();
    (claim.promoted, claim.base, claim.revokes) = (Some(pair(2)), pair(2), vec![pair(1)]);
    same.current = Some(pair(2));
    seen = promoted();
    seen.newest = ValueSeen::Read { pair: pair(2), hmac: "k:n".into() };
    assert_eq!(persisted(go(&same, &mut seen, 0)).claim.unwrap().step, RotationStep::Await);
}

/// H27: what holds the introduction and what holds the rotation are told apart.
#[test]
fn h27_a_waiting_rotation_leaves_what_holds_the_handover() {
    use crate::record::{Stop, Track};
    let stop = Stop {
        by: Decider::World,
        reason: Reason::UnknownValue,
        message: "m".into(),
        since: at(0),
    };
    let held = record(State::Done).with_stop(Track::Introduction, Some(stop.clone()));
    let outer = |record: &Record, seen: &mut Observation| loop {
        match crate::step(crate::Protocol::Rotation, Some(record), seen, at(5)) {
            Step::Do(Effect::Ledger(event)) => assert!(seen.appended.insert(event.id.clone())),
            other => return other,
        }
    };
    let mut seen = acked();
    seen.metadata.max_versions = 1;
    let both = persisted(outer(&held, &mut seen));
    assert_eq!(both.stop, Some(stop.clone()));
    assert_eq!(both.rotation_stop.as_ref().map(|s| s.reason), Some(Reason::UnsafeMount));
    assert_eq!(both.in_the_way(), Some(&stop));
    // Another run that waits for this one's claim says nothing of what holds it.
    let mut claimed = claimed(RotationStep::Await);
    claimed.rotation_stop = both.rotation_stop.clone();
    let mut other = promoted();
    (other.subject.run, other.claimant_alive) = (fixture::run("run2"), true);
    assert_eq!(reason(&outer(&claimed, &mut other)), Some(Reason::RotationUnderWay));
    // Once it goes on that is told, and written down with the step.
    let mut seen = acked();
    let claiming = persisted(outer(&both, &mut seen));
    assert_eq!(
        (claiming.state, claiming.rotation_stop, claiming.stop),
        (State::Rotating, None, Some(stop))
    );
    assert_eq!(seen.appended.len(), 1);
}

/// H9: one clock that runs ahead destroys nothing, whichever of the two it is.
#[test]
fn h09_the_old_version_goes_only_when_both_clocks_say_that_the_overlap_is_over() {
    let made = "1970-01-01T00:00:00.5Z";
    let mut revoking = claimed(RotationStep::Revoke);
    revoking.policy.max_overlap_seconds = 3_600;
    let pair = regent_types::VersionPair::new(2, made);
    let claim = revoking.claim.as_mut().unwrap();
    (claim.promoted, claim.base) = (Some(pair.clone()), pair.clone());
    revoking.current = Some(pair);
    let look = |ours: i64, theirs: Option<i64>| {
        let mut seen = acked();
        fixture::write(&mut seen, 2, made);
        seen.authority_time = theirs.map(at);
        assert!(needs(Some(&revoking), &seen).time);
        go(&revoking, &mut seen, ours)
    };
    let until = |step: Step| match step {
        Step::End(Outcome::Waiting { reason: Reason::Overlap, until, .. }) => until,
        other => panic!("expected to wait, found {other:?}"),
    };
    assert_eq!(
        until(look(10, Some(9))),
        Some(at(3_600) + jiff::SignedDuration::from_millis(1_500))
    );
    let ahead = until(look(4_200, Some(1_000)));
    assert_eq!(ahead, Some(at(4_200 + 2_600) + jiff::SignedDuration::from_millis(500)));
    assert_eq!(until(look(1_000, Some(9_999))), Some(at(3_600)));
    for theirs in [Some(3_601), None] {
        let due = look(3_601, theirs);
        assert_eq!(due, Step::Do(Effect::Destroy(fixture::pair(1))), "{theirs:?}");
    }
}

/// H8, H9: a slot in the future, forged or of a clock that runs ahead, covers nothing.
#[test]
fn h08_a_slot_in_the_future_is_refused_and_covers_nothing() {
    let slot = |text: &str| Some(Slot { trigger: "schedule/nightly".into(), slot: text.into() });
    let mut seen = acked();
    seen.subject.run.slot = slot("2999-01-01T00:00:00Z");
    let refused = go(&record(State::Done), &mut seen, 0);
    assert_eq!(reason(&refused), Some(Reason::SlotInFuture));
    assert!(matches!(refused, Step::End(Outcome::Failed { .. })));
    seen.subject.run.slot = slot("1970-01-01T00:05:00Z");
    assert_eq!(persisted(go(&record(State::Done), &mut seen, 0)).slots.len(), 1, "clocks differ");
    seen.subject.run.slot = slot("a-delivery");
    assert_eq!(persisted(go(&record(State::Done), &mut seen, 0)).slots.len(), 1);
    // Nor does it where a rotation of another run is finished.
    let mut other = promoted();
    (other.subject.run, other.claimant_alive) = (fixture::run("run2"), false);
    other.subject.run.slot = slot("2999-01-01T00:00:00Z");
    assert_eq!(persisted(go(&claimed(RotationStep::Await), &mut other, 0)).slots, []);
}
