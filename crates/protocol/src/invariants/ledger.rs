//! The trail: unbroken, complete, and with every rotation in it.

use std::collections::BTreeSet;

use regent_types::VersionPair;

use super::finding::Findings;
use super::snapshot::Snapshot;
use crate::ledger::{Event, Head, kinds, verify_chain};
use crate::record::{Origin, Record};

/// Each chain holds together from its first entry, and reaches at least the head that was
/// published.
pub(super) fn chain(s: &Snapshot, found: &mut Findings) {
    for ledger in &s.ledgers {
        let object = format!("ledger {}", ledger.writer);
        if ledger.entries.is_empty() && ledger.published.is_none() {
            continue;
        }
        if let Err(error) = verify_chain(&ledger.entries) {
            let text = error.to_string();
            let action = "restore the authority's storage from before it was tampered with, or accept the gap: \
                          regent authority accept-restore";
            found.add(&object, "the chain is broken", ["an unbroken chain", &text, action]);
            continue;
        }
        let Some(published) = ledger.published.as_deref().and_then(Head::parse) else { continue };
        let there = ledger.entries.iter().find(|e| e.seq == published.seq).map(|e| e.hash());
        let given_up = ledger.accepted.is_some() && ledger.accepted == ledger.published;
        let accepted =
            given_up || ledger.entries.iter().any(|e| e.epoch.is_some() && e.seq > published.seq);
        if there.as_ref() != Some(&published.hash) && !accepted {
            let is = there.unwrap_or_else(|| "no such entry".into());
            found.add(
                object,
                format!("entry {} is not the one whose hash was published", published.seq),
                [
                    &published.hash,
                    &is,
                    "restore a newer state, or accept this one: regent authority accept-restore",
                ],
            );
        }
    }
}

fn events(s: &Snapshot) -> impl Iterator<Item = &Event> {
    s.ledgers.iter().flat_map(|l| &l.entries).flat_map(|e| &e.events)
}

/// Versions that the ledger tells of.
fn told(s: &Snapshot) -> BTreeSet<(String, i64, String)> {
    events(s)
        .filter(|e| kinds::OF_VERSIONS.contains(&e.kind.as_str()))
        .filter_map(|e| {
            let v = e.version.as_ref()?;
            Some((e.path.clone()?, v.number, v.created_time.clone()))
        })
        .collect()
}

/// Each version of each path that a record or publication stands for has its event.
pub(super) fn covers_versions(s: &Snapshot, found: &mut Findings) {
    let told = told(s);
    for (path, kv) in &s.kv {
        let record = s.records.get(path);
        let published = s.publishing(path).next().is_some() || s.published_beside(path);
        if record.is_none() && !published {
            continue;
        }
        // The newest may be on its way: its event follows under the record's intent.
        let under_way = |n: i64| {
            record
                .is_some_and(|r| !is_settled(r) && r.current.as_ref().is_none_or(|c| n > c.number))
        };
        // Versions from before the secret was adopted were never ours.
        let adopted = record.filter(|r| r.origin == Origin::Adopted);
        let from = adopted.and_then(|r| r.acknowledged.as_ref()).map_or(1, |p| p.number);
        for (number, (time, _)) in &kv.versions {
            let event = (path.clone(), *number, time.clone());
            if *number >= from && !under_way(*number) && !told.contains(&event) {
                let version = VersionPair::new(*number, time.clone()).to_string();
                found.add(
                    format!("secret/{path}"),
                    format!("version {version} has no event"),
                    [
                        "an event that tells of it",
                        "none",
                        "find its writer in the authority's audit log",
                    ],
                );
            }
        }
    }
}

fn is_settled(record: &Record) -> bool {
    record.state == crate::record::State::Done
}

/// Each rotation in a record has its events, with who, why and by which run (C6-3).
pub(super) fn no_silent_rotation(s: &Snapshot, found: &mut Findings) {
    for (path, record) in &s.records {
        for run in record.runs.iter().filter(|run| !run.given_up) {
            let loud = events(s).any(|e| {
                e.kind == kinds::ROTATED
                    && e.path.as_ref() == Some(path)
                    && e.version.as_ref() == Some(&run.version)
                    && e.run.is_some()
                    && !e.actor.is_empty()
                    && !e.cause.is_empty()
            });
            if !loud {
                found.add(
                    format!("secret/{path}"),
                    format!("the rotation to version {} left no full trail", run.version),
                    ["an event with actor, cause and run", "none", "restore the ledger"],
                );
            }
        }
    }
}
