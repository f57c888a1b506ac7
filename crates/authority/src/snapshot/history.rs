//! What is known of all snapshots at the place, kept in the encrypted storage. Pure: changes are what was found, by name.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::entry::{Entry, Kind, Trial, parse};
use super::error::SnapshotError;
use super::place::Placed;

/// Where it is stored.
pub(super) const HISTORY_KEY: &str = "core/snapshots";

/// Snapshots that are known at once: what the place has beyond it, the oldest, is left alone.
const ENTRIES_MAX: usize = 4096;

/// What is known of all snapshots, by name and so by time.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct History {
    pub(super) entries: Vec<Entry>,
    /// When the last one was begun, whatever came of it.
    pub(super) begun: Option<Timestamp>,
    /// What was wrong in the last round, and when.
    pub(super) failure: Option<Failure>,
}

/// What was wrong in a round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failure {
    pub(super) at: Timestamp,
    pub(super) error: String,
}

impl History {
    /// Takes in what lies at the place; returns what is wrong with snapshots that had been good.
    pub(super) fn compare(
        &mut self,
        placed: &[Placed],
        cluster: &str,
        now: Timestamp,
    ) -> Vec<String> {
        let mut problems = Vec::new();
        self.entries.retain_mut(|entry| {
            let found = placed.iter().find(|placed| placed.name == entry.name);
            let error = match found {
                Some(found) if found.bytes == entry.bytes => return true,
                Some(found) => SnapshotError::Length { told: entry.bytes, found: found.bytes },
                None => SnapshotError::Gone,
            };
            if entry.is_good() {
                problems.push(format!("{}: {error}", entry.name));
            }
            if let Some(found) = found {
                entry.bytes = found.bytes;
                entry.spoil(&error, now);
            }
            found.is_some()
        });
        for placed in placed {
            let Some((kind, at)) = parse(cluster, &placed.name) else { continue };
            if self.entries.iter().all(|entry| entry.name != placed.name) {
                self.entries.push(unknown(placed, kind, at));
            }
        }
        self.entries.sort_by(|a, b| a.name.cmp(&b.name));
        let beyond = self.entries.len().saturating_sub(ENTRIES_MAX);
        self.entries.drain(..beyond);
        problems
    }

    /// Adds what was written, or what a trial came to.
    pub(super) fn put(&mut self, entry: Entry) {
        self.entries.retain(|known| known.name != entry.name);
        self.entries.push(entry);
        self.entries.sort_by(|a, b| a.name.cmp(&b.name));
    }

    pub(super) fn remove(&mut self, names: &[String]) {
        self.entries.retain(|entry| !names.contains(&entry.name));
    }

    /// The newest one that was restored on trial.
    pub(super) fn last_good(&self) -> Option<&Entry> {
        self.entries.iter().filter(|entry| entry.is_good()).max_by_key(|entry| entry.at)
    }

    /// The newest one beside `newest` that was never tried to its end: somebody else put it there, or an upload that was given
    /// up ended after all.
    pub(super) fn untried(&self, newest: &str) -> Option<&Entry> {
        let untried = |entry: &&Entry| entry.trial == Trial::Untried && entry.name != newest;
        self.entries.iter().filter(untried).max_by_key(|entry| entry.at)
    }

    /// Which good ones are read through in round number `round`, beside `newest`, which was just tried: the one before it,
    /// which would be taken in its place, and one of the others in turn.
    pub(super) fn due_for_a_look(&self, newest: &str, round: usize) -> Vec<Entry> {
        let mut good: Vec<&Entry> = self.entries.iter().filter(|entry| entry.is_good()).collect();
        good.retain(|entry| entry.name != newest);
        good.sort_by_key(|entry| std::cmp::Reverse(entry.at));
        let others = good.len().saturating_sub(1);
        let in_turn = round.checked_rem(others).and_then(|turn| good.get(turn + 1));
        good.first().into_iter().chain(in_turn).map(|entry| (*entry).clone()).collect()
    }
}

fn unknown(placed: &Placed, kind: Kind, at: Timestamp) -> Entry {
    Entry {
        name: placed.name.clone(),
        kind,
        at,
        keys: 0,
        bytes: placed.bytes,
        trial: Trial::Untried,
        tried: None,
        error: None,
    }
}
