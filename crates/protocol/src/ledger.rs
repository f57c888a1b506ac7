//! The ledger: events in entries, entries in one hash chain per writer, at
//! `regent/ledger/{writer}/{yyyymmdd}/{seq as 8 digits}` (PROTOCOLS.md §8).
//!
//! `seq` runs on over days and starts at 1. The hash of an entry is SHA-256 over its canonical
//! bytes, which hold the hash of the entry before it.

use std::collections::{BTreeSet, VecDeque};

use jiff::Timestamp;
use regent_types::VersionPair;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::hmac::hex;

/// Most events in one entry: one KV write of at most about 64 KiB.
pub const EVENTS_PER_ENTRY_MAX: usize = 64;
/// Event ids that a writer remembers to drop repeats: 64 entries of 64.
pub const REMEMBERED_IDS_MAX: usize = 4_096;
/// `prev_hash` of the first entry of a chain.
pub const GENESIS: &str = "genesis";
/// Separates ledger hashes from any other SHA-256.
const DOMAIN: &str = "regent/ledger/v1";

/// Kinds of events. Each writer may add its own; these are the ones that checks look for.
pub mod kinds {
    /// Version 1 was taken over from a bootstrap Secret and acknowledged.
    pub const HANDED_OVER: &str = "handed-over";
    /// Version 1 was generated and acknowledged.
    pub const GENERATED: &str = "generated";
    /// A rotation made this version.
    pub const ROTATED: &str = "rotated";
    /// A publisher made this version.
    pub const PUBLISHED: &str = "published";
    /// A publisher deleted this version: what it published there is mapped no more.
    pub const WITHDRAWN: &str = "withdrawn";
    /// A secret that already lived in the authority got its record.
    pub const ADOPTED: &str = "adopted";
    /// A derived secret was seen for the first time, or at a new version.
    pub const OBSERVED: &str = "observed";
    /// A bootstrap Secret is about to be disposed of.
    pub const DISPOSING: &str = "disposing";
    /// A bootstrap Secret was disposed of.
    pub const DISPOSED: &str = "disposed";
    /// A bootstrap Secret held a value from Git that no longer counts.
    pub const IGNORED_GIT_VALUE: &str = "ignored-git-value";
    /// An old version was destroyed.
    pub const REVOKED: &str = "revoked";
    /// A rotation gave its claim back; the version is the one that it made.
    pub const ROTATION_CLOSED: &str = "rotation-closed";
    /// A person must decide.
    pub const CONFLICT: &str = "conflict";
    /// Something outside must be as it was.
    pub const HELD: &str = "held";
    /// A conflict or hold ended.
    pub const RELEASED: &str = "released";
    /// The policy in force changed.
    pub const POLICY_CHANGED: &str = "policy-changed";
    /// The policy in `custom_metadata` was put back.
    pub const POLICY_RESTORED: &str = "policy-restored";
    /// Every kind that makes or takes over a version.
    pub const OF_VERSIONS: [&str; 6] =
        [HANDED_OVER, GENERATED, ROTATED, PUBLISHED, ADOPTED, OBSERVED];
}

/// One thing that happened: who, when, why, by which run, which version, with what result. Never a
/// value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Made from what happened, not from when ([`event_id`]): a repeat has the same id.
    pub id: String,
    /// One of [`kinds`], or a writer's own.
    pub kind: String,
    /// When it was told.
    pub at: Timestamp,
    /// Component that writes: `orchestrator`, `publisher`, `warden`.
    pub writer: String,
    /// Who caused it: EventTrigger, user or component.
    pub actor: String,
    /// Why: `declared`, `schedule`, `expiry`, `change`, `compromise`, `manual`, and a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cause: String,
    /// Mount-relative path it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Version it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionPair>,
    /// `namespace/name` of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// `succeeded` or the reason of what stopped it.
    pub result: String,
    /// A sentence for auditors.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// One link of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Component that the chain belongs to.
    pub writer: String,
    /// Day folder, `yyyymmdd` in UTC; never earlier than the entry before.
    pub day: String,
    /// Number in the chain, from 1, running on over days.
    pub seq: u64,
    /// Hash of the entry before, or [`GENESIS`].
    pub prev_hash: String,
    /// What happened, in order.
    pub events: Vec<Event>,
}

/// The end of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Head {
    /// Day of the newest entry.
    pub day: String,
    /// Number of the newest entry in the chain, from 1.
    pub seq: u64,
    /// Hash of the newest entry, which the next one must name.
    pub hash: String,
}

/// What is wrong with a chain.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ChainError {
    /// There is no entry, so that nothing can be judged.
    #[error("expected at least one entry, found none")]
    Empty,
    /// An entry is missing or out of place.
    #[error("expected entry {expected} of {writer}, found {found}")]
    Sequence {
        /// Component that the chain belongs to.
        writer: String,
        /// The number that should come next.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// An entry, or the one before it, was edited.
    #[error("entry {seq} of {writer}: expected previous hash {expected}, found {found}")]
    Hash {
        /// Component that the chain belongs to.
        writer: String,
        /// The entry whose link does not hold.
        seq: u64,
        /// Hash of the entry before it.
        expected: String,
        /// What the entry says.
        found: String,
    },
    /// An entry of another writer, or of an earlier day than the one before.
    #[error("entry {seq}: expected writer {writer} and a day not before {day}, found {found}")]
    Place {
        /// Number of the entry that stands in the wrong chain or on the wrong day.
        seq: u64,
        /// Whose chain it stands in.
        writer: String,
        /// Day of the entry before.
        day: String,
        /// Writer and day that it has.
        found: String,
    },
}

struct Canon(Sha256);

impl Canon {
    fn bytes(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn optional(&mut self, text: Option<&str>) {
        self.bytes(if text.is_some() { b"1" } else { b"0" });
        self.text(text.unwrap_or_default());
    }

    fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}

/// Id of an event: 32 hex digits over what happened. `extra` tells apart what the other four do
/// not.
pub fn event_id(
    kind: &str,
    path: Option<&str>,
    version: Option<&VersionPair>,
    run: Option<&str>,
    extra: &str,
) -> String {
    let mut canon = Canon(Sha256::new());
    canon.text("regent/event-id/v1");
    canon.text(kind);
    canon.optional(path);
    canon.optional(version.map(ToString::to_string).as_deref());
    canon.optional(run);
    canon.text(extra);
    let mut id = canon.finish();
    id.truncate(32);
    id
}

impl Entry {
    /// SHA-256 over the canonical bytes: every field, in order, with its length.
    pub fn hash(&self) -> String {
        let mut canon = Canon(Sha256::new());
        canon.text(DOMAIN);
        canon.text(&self.writer);
        canon.text(&self.day);
        canon.text(&self.seq.to_string());
        canon.text(&self.prev_hash);
        canon.text(&self.events.len().to_string());
        for event in &self.events {
            canon.text(&event.id);
            canon.text(&event.kind);
            canon.text(&event.at.to_string());
            canon.text(&event.writer);
            canon.text(&event.actor);
            canon.text(&event.cause);
            canon.optional(event.path.as_deref());
            canon.optional(event.version.as_ref().map(ToString::to_string).as_deref());
            canon.optional(event.run.as_deref());
            canon.text(&event.result);
            canon.text(&event.detail);
        }
        canon.finish()
    }

    /// Where it lies in the `regent/` mount.
    pub fn path(&self) -> String {
        entry_path(&self.writer, &self.day, self.seq)
    }

    /// The end of a chain that ends with it.
    pub fn head(&self) -> Head {
        Head { day: self.day.clone(), seq: self.seq, hash: self.hash() }
    }
}

impl Head {
    /// `day/seq:hash`, the form in `RuntimeAuthority.status.ledgerHeads`.
    pub fn text(&self) -> String {
        format!("{}/{:08}:{}", self.day, self.seq, self.hash)
    }

    /// Reads [`Head::text`] back; `None` where the text has another form.
    pub fn parse(text: &str) -> Option<Self> {
        let (day, rest) = text.split_once('/')?;
        let (seq, hash) = rest.split_once(':')?;
        Some(Self { day: day.into(), seq: seq.parse().ok()?, hash: hash.into() })
    }
}

/// Folder of a writer in the `regent/` mount.
pub fn writer_path(writer: &str) -> String {
    format!("ledger/{writer}")
}

/// Folder of one day of a writer.
pub fn day_path(writer: &str, day: &str) -> String {
    format!("ledger/{writer}/{day}")
}

/// Place of one entry.
pub fn entry_path(writer: &str, day: &str, seq: u64) -> String {
    format!("ledger/{writer}/{day}/{seq:08}")
}

/// Day folder of a moment, in UTC.
pub fn day_of(at: Timestamp) -> String {
    at.strftime("%Y%m%d").to_string()
}

/// A writer's view of its chain: where it ends and which events it holds already. Pure; the writer
/// does the IO.
#[derive(Clone, Debug)]
pub struct Chain {
    writer: String,
    head: Option<Head>,
    ids: BTreeSet<String>,
    order: VecDeque<String>,
}

impl Chain {
    /// The chain of `writer` whose newest entries are `recent`, oldest first; empty for a new
    /// chain.
    pub fn resume(writer: &str, recent: &[Entry]) -> Self {
        let mut chain = Self {
            writer: writer.to_owned(),
            head: None,
            ids: BTreeSet::new(),
            order: VecDeque::new(),
        };
        for entry in recent {
            chain.accept(entry);
        }
        chain
    }

    /// The newest entry's place and hash; `None` where the chain is empty.
    pub fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    /// Whether the event is in it, as far as it remembers.
    pub fn holds(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    /// The entry to create next with `cas=0`, of those events that it does not hold yet; `None`
    /// when it holds all. At most [`EVENTS_PER_ENTRY_MAX`] are taken.
    pub fn next(&self, events: &[Event], now: Timestamp) -> Option<Entry> {
        let mut fresh: Vec<Event> = Vec::new();
        for event in events {
            let twice = self.holds(&event.id) || fresh.iter().any(|e| e.id == event.id);
            if !twice && fresh.len() < EVENTS_PER_ENTRY_MAX {
                fresh.push(event.clone());
            }
        }
        let today = day_of(now);
        (!fresh.is_empty()).then(|| Entry {
            writer: self.writer.clone(),
            day: self.head.as_ref().map_or(today.clone(), |h| h.day.clone().max(today)),
            seq: self.head.as_ref().map_or(1, |h| h.seq + 1),
            prev_hash: self.head.as_ref().map_or(GENESIS.into(), |h| h.hash.clone()),
            events: fresh,
        })
    }

    /// Takes note that `entry` is in the chain.
    pub fn accept(&mut self, entry: &Entry) {
        self.head = Some(entry.head());
        for event in &entry.events {
            if self.ids.insert(event.id.clone()) {
                self.order.push_back(event.id.clone());
            }
        }
        while self.order.len() > REMEMBERED_IDS_MAX {
            if let Some(old) = self.order.pop_front() {
                self.ids.remove(&old);
            }
        }
    }
}

/// Proves that `entries`, all of one writer and in order, are an unbroken chain from its first
/// entry.
pub fn verify_chain(entries: &[Entry]) -> Result<Head, ChainError> {
    let first = entries.first().ok_or(ChainError::Empty)?;
    let (writer, mut head): (_, Option<Head>) = (first.writer.clone(), None);
    for entry in entries {
        let expected = head.as_ref().map_or(1, |h| h.seq + 1);
        let day = head.as_ref().map_or(String::new(), |h| h.day.clone());
        if entry.seq != expected {
            return Err(ChainError::Sequence { writer, expected, found: entry.seq });
        }
        if entry.writer != writer || entry.day < day {
            let found = format!("{} on {}", entry.writer, entry.day);
            return Err(ChainError::Place { seq: entry.seq, writer, day, found });
        }
        let before = head.as_ref().map_or(GENESIS, |h| h.hash.as_str());
        if entry.prev_hash != before {
            return Err(ChainError::Hash {
                writer,
                seq: entry.seq,
                expected: before.to_owned(),
                found: entry.prev_hash.clone(),
            });
        }
        head = Some(entry.head());
    }
    head.ok_or(ChainError::Empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(n: usize) -> Event {
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
}
