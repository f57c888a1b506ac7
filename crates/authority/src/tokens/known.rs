//! Tokens that were found good, as long as nothing has been written since.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;

use crate::request::Caller;

/// Tokens remembered: half a KiB each.
const KNOWN_MAX: usize = 4096;

/// Until when a token stays good if nothing is written; `None`: for ever.
pub(super) type Until = Option<Timestamp>;

/// Tokens that were found good. What is remembered counts as long as the store is as it was then: no
/// place that ends or changes a token needs to know of this.
#[derive(Clone, Default)]
pub(super) struct Known(Arc<RwLock<HashMap<String, Entry>>>);

struct Entry {
    caller: Arc<Caller>,
    generation: u64,
    until: Until,
}

impl Known {
    /// Whose token `hash` is, if it is known to be good at `now` in this `generation` of the store.
    pub(super) fn get(&self, hash: &str, generation: u64, now: Timestamp) -> Option<Arc<Caller>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let entry = known.get(hash).filter(|entry| entry.generation == generation)?;
        entry.until.is_none_or(|until| now < until).then(|| entry.caller.clone())
    }

    /// Remembers what was found; `generation` was asked for before it was looked for.
    pub(super) fn note(&self, hash: String, caller: Arc<Caller>, generation: u64, until: Until) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(hash, Entry { caller, generation, until });
    }
}

/// The earlier of two ends.
pub(super) fn earlier(a: Until, b: Until) -> Until {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn v18_what_is_known_ends_with_its_time_and_with_any_write() {
        let caller = Arc::new(Caller {
            accessor: String::new(),
            policies: Vec::new(),
            display_name: String::new(),
            metadata: std::collections::BTreeMap::new(),
            token_id_hash: "h".to_owned(),
            is_root: false,
            issued_at_path: String::new(),
        });
        let known = Known::default();
        known.note("h".to_owned(), caller.clone(), 7, Some(at(100)));
        for (generation, second, is_known) in
            [(7, 99, true), (7, 100, false), (8, 99, false), (6, 99, false)]
        {
            let found = known.get("h", generation, at(second));
            assert_eq!(found.is_some(), is_known, "{generation} {second}");
        }
        known.note("h".to_owned(), caller, 8, None);
        assert!(known.get("h", 8, at(i64::from(u32::MAX))).is_some());
        assert!(known.get("other", 8, at(0)).is_none());
        assert_eq!(earlier(Some(at(2)), Some(at(1))), Some(at(1)));
        assert_eq!(earlier(None, Some(at(1))), Some(at(1)));
        assert_eq!(earlier(None, None), None);
    }
}
