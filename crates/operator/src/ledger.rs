//! The writer of a ledger chain (PROTOCOLS.md §8), shared by all who keep one.
//!
//! ```text
//!   append(event) ─► queue ─► one task: batch ─► Chain::next ─► KV create, cas=0 ─► answers
//! ```
//!
//! An append returns once its entry is durable. Who gets an error appends the same event again
//! later: its id is made from what happened, and the chain holds an id once.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use regent_protocol::ledger::{
    Chain, EVENTS_PER_ENTRY_MAX, Entry, Event, Gone, Head, REMEMBERED_IDS_MAX, day_path,
    entry_path, judge, writer_path,
};
use regent_types::{Advice, Explain};
use regent_vault::Kv;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::api_error::ApiError;
use crate::published_head::{Published, PublishedHead};

/// Events waiting: four entries' worth; appenders wait beyond it.
const QUEUE_LEN_MAX: usize = 4 * EVENTS_PER_ENTRY_MAX;
/// Entries read when resuming: those whose ids the chain remembers.
const RESUME_ENTRIES_MAX: usize = REMEMBERED_IDS_MAX / EVENTS_PER_ENTRY_MAX;
/// Days listed when resuming; a chain seldom writes 64 entries over more days than that.
const RESUME_DAYS_MAX: usize = 64;
/// Longest that one batch may take, so that a silent authority does not hold appenders for ever.
const BATCH_DEADLINE: Duration = Duration::from_secs(60);
/// Who wrote or read nothing for longer than this looks whether his last entry is still there.
const TRUST: Duration = Duration::from_secs(1);

/// Why an event is not in the ledger, as far as the writer knows.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LedgerError {
    /// The authority did not take it, or did not say so.
    #[error("ledger entry of {writer} was not written")]
    Write {
        /// Name of the chain: its writer, and its login mount where that is an own one.
        writer: String,
        /// What the authority said.
        #[source]
        source: regent_vault::Error,
    },
    /// The chain is not the one that was known: older, another one, or broken.
    #[error("the ledger of {writer} is not the one that was known: {}", .gone.why)]
    Gone {
        /// Name of the chain: its writer, and its login mount where that is an own one.
        writer: String,
        /// What was known, and what is there.
        gone: Box<Gone>,
    },
    /// Where the chain was known to end cannot be read.
    #[error("where the ledger of {writer} ended before cannot be read")]
    Unknown {
        /// Name of the chain: its writer, and its login mount where that is an own one.
        writer: String,
        /// What the API server said.
        #[source]
        source: ApiError,
    },
    /// Not within the deadline.
    #[error("ledger entry of {writer} was not written in time")]
    Timeout {
        /// Name of the chain: its writer, and its login mount where that is an own one.
        writer: String,
    },
    /// The writer's task ended.
    #[error("ledger writer {writer} has stopped")]
    Stopped {
        /// Name of the chain: its writer, and its login mount where that is an own one.
        writer: String,
    },
}

impl LedgerError {
    /// Whether the same append may well succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Write { source, .. } => source.is_transient(),
            Self::Timeout { .. } | Self::Unknown { .. } => true,
            Self::Gone { .. } | Self::Stopped { .. } => false,
        }
    }
}

impl Explain for LedgerError {
    fn reason(&self) -> &'static str {
        match self {
            Self::Write { source, .. } => source.reason(),
            Self::Unknown { source, .. } => source.reason(),
            Self::Gone { .. } => "LedgerWentBack",
            Self::Timeout { .. } => "Timeout",
            Self::Stopped { .. } => "Stopped",
        }
    }

    fn advice(&self) -> Advice {
        match self {
            Self::Write { source, .. } => source.advice(),
            Self::Unknown { source, .. } => source.advice(),
            Self::Gone { .. } => Advice::new(
                "the chain of entries that was known, or a later one",
                self.to_string(),
                "restore a newer state of the authority's storage, or accept this one: `regent authority accept-restore`",
            ),
            Self::Timeout { .. } | Self::Stopped { .. } => {
                Advice::new("a durable entry", self.to_string(), "none: it is appended again")
            }
        }
    }
}

/// A handle on the one task that writes a chain. The task ends when the last handle is dropped.
#[derive(Clone, Debug)]
pub struct Ledger {
    writer: String,
    queue: mpsc::Sender<Append>,
    head: watch::Receiver<Option<Head>>,
}

struct Append {
    event: Event,
    done: oneshot::Sender<Result<(), LedgerError>>,
}

impl Ledger {
    /// Starts the writer of `writer`'s chain in the `regent/` mount `kv`; `published` says where it ended before. Nothing
    /// is read before the first append. Must be called within a tokio runtime.
    pub fn start(kv: Kv, writer: &str, published: Published) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE_LEN_MAX);
        let (told, head) = watch::channel(None);
        let task = Writer {
            kv,
            writer: writer.to_owned(),
            published,
            chain: None,
            known: None,
            proved: None,
            told,
        };
        tokio::spawn(task.run(waiting));
        Self { writer: writer.to_owned(), queue, head }
    }

    /// Appends `event` and returns once it is durable, at once if the chain holds its id already.
    pub async fn append(&self, event: Event) -> Result<(), LedgerError> {
        let stopped = || LedgerError::Stopped { writer: self.writer.clone() };
        let (done, answer) = oneshot::channel();
        self.queue.send(Append { event, done }).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// Name of the chain.
    pub fn writer(&self) -> &str {
        &self.writer
    }

    /// Where the chain ends, as far as this writer has seen; `None` before its first append.
    pub fn head(&self) -> Option<Head> {
        self.head.borrow().clone()
    }

    /// The same, to be waited on.
    pub fn heads(&self) -> watch::Receiver<Option<Head>> {
        self.head.clone()
    }
}

struct Writer {
    kv: Kv,
    writer: String,
    published: Published,
    /// `None`: not known, list before writing.
    chain: Option<Chain>,
    /// The last head that was seen: the chain never ends before it.
    known: Option<Head>,
    /// When the end of the chain was last written or read.
    proved: Option<Instant>,
    told: watch::Sender<Option<Head>>,
}

impl Writer {
    async fn run(mut self, mut waiting: mpsc::Receiver<Append>) {
        let mut batch = Vec::new();
        while waiting.recv_many(&mut batch, EVENTS_PER_ENTRY_MAX).await > 0 {
            let events: Vec<Event> = batch.iter().map(|a| a.event.clone()).collect();
            let written = tokio::time::timeout(BATCH_DEADLINE, self.write(&events)).await;
            let result = written
                .unwrap_or_else(|_| Err(LedgerError::Timeout { writer: self.writer.clone() }));
            if result.is_err() {
                // Whether the entry is there is not known: look before the next one.
                self.chain = None;
            }
            for append in batch.drain(..) {
                // An appender that no longer waits needs no answer.
                let _gone = append.done.send(result.clone());
            }
        }
    }

    /// Makes one entry of `events`. An entry that is already in that place (a lost answer, another
    /// writer) is seen by listing again, once. Where policy grants `create` alone the authority
    /// says Denied for it.
    async fn write(&mut self, events: &[Event]) -> Result<(), LedgerError> {
        let (before, refused) = match self.create(events).await {
            Err((at, source)) if source.is_cas() || source.is_denied() => (at, source),
            Err((_, source)) => return Err(self.failed(source)),
            Ok(outcome) => return outcome,
        };
        self.chain = None;
        self.resume().await?;
        let now_at = self.chain.as_ref().and_then(Chain::head).map_or(0, |h| h.seq);
        if now_at < before {
            return Err(self.failed(refused));
        }
        match self.create(events).await {
            Ok(outcome) => outcome,
            Err((_, source)) => Err(self.failed(source)),
        }
    }

    /// The inner result is the writer's, the outer error is the authority's answer to entry number
    /// `.0`.
    async fn create(
        &mut self,
        events: &[Event],
    ) -> Result<Result<(), LedgerError>, (u64, regent_vault::Error)> {
        if let Err(error) = self.ready().await {
            return Ok(Err(error));
        }
        let Some(chain) = self.chain.as_mut() else { return Ok(Ok(())) };
        if let Some(entry) = chain.next(events, Timestamp::now()) {
            let written = self.kv.write_json(&entry.path(), &entry, Some(0)).await;
            written.map_err(|source| (entry.seq, source))?;
            chain.accept(&entry);
            let head = entry.head();
            tracing::info!(writer = self.writer, seq = head.seq, hash = head.hash, "ledger entry");
            self.saw(Some(head));
        }
        Ok(Ok(()))
    }

    /// Knows where the chain ends: as it was written or read a moment ago, else as it is there now. A storage that was
    /// replaced meanwhile by an older one would take the next entry all the same, and leave a hole.
    async fn ready(&mut self) -> Result<(), LedgerError> {
        let recent = self.proved.is_some_and(|at| at.elapsed() < TRUST);
        if let Some(head) = self.chain.as_ref().and_then(Chain::head).filter(|_| !recent).cloned() {
            let there = self.at(&head).await?;
            match there.is_some_and(|entry| entry.hash() == head.hash) {
                true => self.proved = Some(Instant::now()),
                false => self.chain = None,
            }
        }
        match self.chain {
            Some(_) => Ok(()),
            None => self.resume().await,
        }
    }

    fn saw(&mut self, head: Option<Head>) {
        self.proved = Some(Instant::now());
        self.known.clone_from(&head);
        self.told.send_replace(head);
    }

    /// Reads the newest entries and proves that they hang together, and that they hold what was known.
    async fn resume(&mut self) -> Result<(), LedgerError> {
        let published = self.published.read(&self.writer).await;
        let PublishedHead { head: published, accepted } = published
            .map_err(|source| LedgerError::Unknown { writer: self.writer.clone(), source })?;
        let recent = self.recent().await?;
        let known = [&published, &self.known].into_iter().flatten().max_by_key(|h| h.seq).cloned();
        let at_known = match &known {
            Some(head) => self.at(head).await?,
            None => None,
        };
        let chain = match judge(&self.writer, &recent, known.as_ref(), at_known.as_ref()) {
            Ok(chain) => chain,
            Err(gone) => match accepted.filter(|a| a.is_of(published.as_ref())) {
                Some(a) => gone.accepted(&self.writer, &recent, &a.by, &a.run),
                None => {
                    return Err(LedgerError::Gone { writer: self.writer.clone(), gone });
                }
            },
        };
        self.saw(chain.head().cloned());
        self.chain = Some(chain);
        Ok(())
    }

    /// The newest entries, oldest first.
    async fn recent(&self) -> Result<Vec<Entry>, LedgerError> {
        let mut paths: Vec<String> = Vec::new();
        let mut days = self.list(&writer_path(&self.writer)).await?;
        days.sort_unstable();
        for day in days.iter().rev().take(RESUME_DAYS_MAX) {
            let folder = day_path(&self.writer, day.trim_end_matches('/'));
            let mut names = self.list(&folder).await?;
            names.sort_unstable();
            paths.extend(names.iter().rev().map(|name| format!("{folder}/{name}")));
            if paths.len() >= RESUME_ENTRIES_MAX {
                break;
            }
        }
        paths.truncate(RESUME_ENTRIES_MAX);
        let mut recent = Vec::with_capacity(paths.len());
        for path in paths.into_iter().rev() {
            // One that is listed and cannot be read is a gap like one that is gone.
            let entry = self.kv.read_json(&path).await.map_err(|e| self.failed(e))?;
            recent.extend(entry.map(|(entry, _)| entry));
        }
        Ok(recent)
    }

    /// The entry at the place of `head`, if there is one.
    async fn at(&self, head: &Head) -> Result<Option<Entry>, LedgerError> {
        let path = entry_path(&self.writer, &head.day, head.seq);
        let entry = self.kv.read_json(&path).await.map_err(|e| self.failed(e))?;
        Ok(entry.map(|(entry, _)| entry))
    }

    async fn list(&self, path: &str) -> Result<Vec<String>, LedgerError> {
        self.kv.list(path).await.map_err(|e| self.failed(e))
    }

    fn failed(&self, source: regent_vault::Error) -> LedgerError {
        LedgerError::Write { writer: self.writer.clone(), source }
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
