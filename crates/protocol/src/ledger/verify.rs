//! Whether entries hang together.

use super::entry::{Entry, GENESIS, Head};

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

/// Whether `entry` is what comes after an entry with `head`, or the first where there is none.
pub(super) fn link(writer: &str, head: Option<&Head>, entry: &Entry) -> Result<(), ChainError> {
    let before = head.map_or(GENESIS, |h| h.hash.as_str());
    let day = head.map_or("", |h| h.day.as_str());
    let next = head.map_or(1, |h| h.seq + 1);
    let placed = match &entry.epoch {
        Some(epoch) => entry.seq >= next && epoch.follows(head),
        None => entry.seq == next,
    };
    if !placed {
        let writer = writer.to_owned();
        return Err(ChainError::Sequence { writer, expected: next, found: entry.seq });
    }
    if entry.writer != writer || entry.day.as_str() < day {
        let found = format!("{} on {}", entry.writer, entry.day);
        let (writer, day) = (writer.to_owned(), day.to_owned());
        return Err(ChainError::Place { seq: entry.seq, writer, day, found });
    }
    (entry.prev_hash == before).then_some(()).ok_or_else(|| ChainError::Hash {
        writer: writer.to_owned(),
        seq: entry.seq,
        expected: before.to_owned(),
        found: entry.prev_hash.clone(),
    })
}

/// Follows `entries`, in order and all of `writer`, on from `head`; the head that they end with. Where they break, the
/// next one that opens an epoch just there goes on; else the last head that holds, and what is wrong behind it.
pub(super) fn walk(
    writer: &str,
    mut head: Option<Head>,
    entries: &[Entry],
) -> Result<Option<Head>, Box<(Option<Head>, ChainError)>> {
    let mut rest = entries;
    while let Some((entry, after)) = rest.split_first() {
        rest = match link(writer, head.as_ref(), entry) {
            Ok(()) => {
                head = Some(entry.head());
                after
            }
            Err(error) => {
                let opens = |e: &Entry| e.epoch.is_some() && link(writer, head.as_ref(), e).is_ok();
                match after.iter().position(opens) {
                    Some(index) => &after[index..],
                    None => return Err(Box::new((head, error))),
                }
            }
        };
    }
    Ok(head)
}

/// Proves that `entries`, all of one writer and in order, are a chain from its first entry, unbroken but where somebody
/// accepted it.
pub fn verify_chain(entries: &[Entry]) -> Result<Head, ChainError> {
    let first = entries.first().ok_or(ChainError::Empty)?;
    let end = walk(&first.writer, None, entries).map_err(|broken| broken.1)?;
    end.ok_or(ChainError::Empty)
}
