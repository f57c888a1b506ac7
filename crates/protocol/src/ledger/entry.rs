//! Events in entries: what they say, their hash, and where they lie.

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
    /// A person decided a conflict.
    pub const DECIDED: &str = "decided";
    /// A path whose RuntimeSecret is gone belongs to another one now.
    pub const TAKEN_OVER: &str = "taken-over";
    /// A person accepted that the authority was restored to an older state.
    pub const RESTORE_ACCEPTED: &str = "restore-accepted";
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
    /// Of the first entry behind a gap: who accepted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
}

/// The link of the first entry behind a gap. Entries between the two heads are lost, or hang together with nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Epoch {
    /// The head that was known before, as [`Head::text`].
    pub known: String,
    /// The last entry that was found to hang together with the first, as [`Head::text`], or [`GENESIS`].
    pub found: String,
    /// User name of whoever accepted the gap.
    pub by: String,
    /// `namespace/name` of the run in which he did.
    pub run: String,
}

impl Epoch {
    /// Whether the gap begins behind `head`.
    pub fn follows(&self, head: Option<&Head>) -> bool {
        self.found == head.map_or_else(|| GENESIS.to_owned(), Head::text)
    }
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
        if let Some(epoch) = &self.epoch {
            for text in
                ["regent/ledger-epoch/v1", &epoch.known, &epoch.found, &epoch.by, &epoch.run]
            {
                canon.text(text);
            }
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
