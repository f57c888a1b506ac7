//! Chains, and every way to tamper with one.

use jiff::Timestamp;
use regent_types::VersionPair;

use super::*;

pub(super) fn event(n: usize) -> Event {
    Event {
        id: event_id(kinds::ROTATED, Some("runtime/a/b"), None, None, &n.to_string()),
        kind: kinds::ROTATED.into(),
        at: Timestamp::UNIX_EPOCH,
        writer: "orchestrator".into(),
        actor: "nightly".into(),
        cause: String::new(),
        path: Some("runtime/a/b".into()),
        version: Some(VersionPair::new(2, "t2")),
        run: None,
        result: "succeeded".into(),
        detail: String::new(),
    }
}

fn chain(entries: usize) -> Vec<Entry> {
    let mut chain = Chain::resume("orchestrator", &[]);
    (0..entries)
        .filter_map(|n| {
            let entry = chain.next(&[event(n)], Timestamp::UNIX_EPOCH)?;
            chain.accept(&entry);
            Some(entry)
        })
        .collect()
}

#[test]
fn a_chain_is_verified_from_its_first_entry_to_its_head() {
    let entries = chain(3);
    let head = verify_chain(&entries).unwrap();
    assert_eq!((head.seq, head.day.as_str()), (3, "19700101"));
    assert_eq!(Head::parse(&head.text()), Some(head));
    assert_eq!(entries[2].path(), "ledger/orchestrator/19700101/00000003");
}

/// Each way to tamper is found: edit, removal at the start and inside, order, another writer.
#[test]
fn an_edited_removed_or_reordered_entry_is_found() {
    let good = chain(3);
    let breaks: [fn(&mut Vec<Entry>); 6] = [
        |e| e[1].events[0].actor = "somebody".into(),
        |e| e[0].events[0].version = None,
        |e| drop(e.remove(0)),
        |e| drop(e.remove(1)),
        |e| e.swap(0, 1),
        |e| e[1].writer = "publisher".into(),
    ];
    for (n, tamper) in breaks.iter().enumerate() {
        let mut bad = good.clone();
        tamper(&mut bad);
        assert!(verify_chain(&bad).is_err(), "break {n}");
    }
    assert_eq!(verify_chain(&[]), Err(ChainError::Empty));
}

#[test]
fn the_last_entry_is_guarded_by_the_published_head() {
    let mut entries = chain(2);
    let published = verify_chain(&entries).unwrap();
    entries[1].events[0].result = "Held".into();
    assert_ne!(verify_chain(&entries), Ok(published));
}

#[test]
fn a_repeated_event_is_written_once_also_after_a_restart() {
    let entries = chain(2);
    let again = Chain::resume("orchestrator", &entries);
    assert!(again.next(&[event(0), event(1)], Timestamp::UNIX_EPOCH).is_none());
    let next = again.next(&[event(1), event(2), event(2)], Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!((next.seq, next.events.len()), (3, 1));
}

#[test]
fn a_clock_that_goes_back_does_not_turn_the_day_back() {
    let later = Timestamp::from_second(86_400 * 3).unwrap();
    let mut chain = Chain::resume("warden", &[]);
    let first = chain.next(&[event(0)], later).unwrap();
    chain.accept(&first);
    let second = chain.next(&[event(1)], Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(second.day, first.day);
}

/// The first `keep` of `entries`, as an older copy of the storage holds them.
fn restored(entries: &[Entry], keep: usize) -> Vec<Entry> {
    entries.iter().take(keep).cloned().collect()
}

/// H3, H4: a chain that ends before what is known, or has another entry there, is not gone on with.
#[test]
fn h03_a_chain_that_went_back_is_not_written_on() {
    let good = chain(6);
    let known = good[5].head();
    let judged = |recent: &[Entry]| {
        let at_known = recent.iter().find(|e| e.seq == known.seq);
        judge("orchestrator", recent, Some(&known), at_known)
    };
    assert_eq!(judged(&good).unwrap().head(), Some(&known));
    let short = judged(&restored(&good, 3)).unwrap_err();
    assert_eq!((short.found.map(|h| h.seq), short.newest), (Some(3), 3));
    assert_eq!(judged(&[]).unwrap_err().found, None);
    let mut forked = Chain::resume("orchestrator", &good[..3]);
    let mut other = restored(&good, 3);
    for n in 10..14 {
        let entry = forked.next(&[event(n)], Timestamp::UNIX_EPOCH).unwrap();
        forked.accept(&entry);
        other.push(entry);
    }
    let fork = judged(&other).unwrap_err();
    assert_eq!((fork.found.map(|h| h.seq), fork.newest), (Some(7), 7));
    assert!(fork.why.contains("entry 6 is another one"), "{}", fork.why);
}

/// H3: behind a gap that a person accepted the chain goes on, holds from its first entry on, and says who did.
#[test]
fn h03_an_accepted_gap_is_part_of_the_chain() {
    let good = chain(6);
    let known = good[5].head();
    let mut holes = restored(&good, 2);
    holes.extend(good[4..].iter().cloned());
    for (name, found, left) in
        [("short", restored(&good, 3), 3), ("empty", Vec::new(), 0), ("with a hole", holes, 2)]
    {
        let at_known = found.iter().find(|e| e.seq == 6);
        let gone = judge("orchestrator", &found, Some(&known), at_known).unwrap_err();
        let mut writer = gone.accepted("orchestrator", &found, "ann", "regent-system/accept-1");
        let mut all = found.clone();
        for n in 20..22 {
            let entry = writer.next(&[event(n)], Timestamp::UNIX_EPOCH).unwrap();
            writer.accept(&entry);
            all.push(entry);
        }
        let first = all.iter().find(|e| e.epoch.is_some()).unwrap();
        assert_eq!((first.seq, first.epoch.as_ref().unwrap().by.as_str()), (7, "ann"), "{name}");
        assert_eq!(verify_chain(&all).unwrap(), all.last().unwrap().head(), "{name}");
        // A writer that starts anew finds it in order, whatever was published before.
        assert!(judge("orchestrator", &all, Some(&known), None).is_ok(), "{name}");
        // What holds is guarded as before, and so is who accepted it.
        if left > 1 {
            let mut edited = all.clone();
            edited[left - 1].events[0].actor = "mallory".into();
            assert!(verify_chain(&edited).is_err(), "{name}");
        }
        let mut edited = all.clone();
        let epoch = edited.iter_mut().find_map(|e| e.epoch.as_mut()).unwrap();
        epoch.by = "mallory".into();
        assert!(verify_chain(&edited).is_err(), "{name}");
    }
}
