//! Whether a chain is the one that its writer knows (PROTOCOLS.md §8): against the head that was published, and the
//! one that the writer has seen itself.

use super::chain::Chain;
use super::entry::{Entry, Epoch, GENESIS, Head};
use super::verify::walk;

/// A chain that is not the one its writer knows: older than that, another one, or broken.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Gone {
    /// The head that was known before; `None` where none was and the chain is broken.
    pub known: Option<Head>,
    /// The last entry that holds; `None` where not even the first does.
    pub found: Option<Head>,
    /// Number of the newest entry that is there; 0 where there is none.
    pub newest: u64,
    /// What is wrong, for people.
    pub why: String,
}

impl Gone {
    /// What the next entry says once `by` has accepted the gap in `run`.
    pub fn epoch(&self, by: &str, run: &str) -> Epoch {
        let text =
            |head: &Option<Head>| head.as_ref().map_or_else(|| GENESIS.to_owned(), Head::text);
        let (known, found) = (text(&self.known), text(&self.found));
        Epoch { known, found, by: by.to_owned(), run: run.to_owned() }
    }

    /// The chain that goes on behind the gap; `recent` is what was judged.
    pub fn accepted(&self, writer: &str, recent: &[Entry], by: &str, run: &str) -> Chain {
        let end = self.found.as_ref().map_or(0, |h| h.seq);
        let sound: Vec<Entry> = recent.iter().filter(|e| e.seq <= end).cloned().collect();
        let known = self.known.as_ref().map_or(0, |h| h.seq);
        let seq = known.max(self.newest).max(end) + 1;
        Chain::resume(writer, &sound).opening(self.epoch(by, run), seq)
    }
}

/// The chain of `writer` whose newest entries are `recent`, oldest first, where it hangs together and holds what is
/// `known`; `at_known` is the entry at that place. A chain that was accepted behind what is known holds it.
pub fn judge(
    writer: &str,
    recent: &[Entry],
    known: Option<&Head>,
    at_known: Option<&Entry>,
) -> Result<Chain, Box<Gone>> {
    let newest = recent.iter().map(|e| e.seq).max().unwrap_or(0);
    let gone = |found: Option<Head>, why: String| {
        Box::new(Gone { known: known.cloned(), found, newest, why })
    };
    // What lies before the part that was read is proven by whoever reads all of it.
    let (before, rest) = match recent.split_first() {
        Some((first, rest)) if first.seq > 1 => (Some(first.head()), rest),
        _ => (None, recent),
    };
    let head = walk(writer, before, rest).map_err(|broken| {
        let (found, error) = *broken;
        gone(found, error.to_string())
    })?;
    if let Some(known) = known {
        let end = head.as_ref().map_or(0, |h| h.seq);
        let superseded = recent.iter().any(|e| e.epoch.is_some() && e.seq > known.seq);
        let there = at_known.is_some_and(|e| e.hash() == known.hash);
        if !superseded && (end < known.seq || !there) {
            let why = match end < known.seq {
                true => format!("entry {} was known, and the newest one is {end}", known.seq),
                false => format!("entry {} is another one than was known", known.seq),
            };
            return Err(gone(head, why));
        }
    }
    Ok(Chain::resume(writer, recent))
}
