//! What this process has heard so far.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use regent_types::identity::Identity;

use super::{cells, paths};

/// Everything heard in this process.
static HEARD: Mutex<Heard> = Mutex::new(Heard {
    api: Table { asked: BTreeMap::new(), used: BTreeSet::new(), refused: BTreeSet::new() },
    authority: Table { asked: BTreeMap::new(), used: BTreeSet::new(), refused: BTreeSet::new() },
});

pub(super) struct Heard {
    pub(super) api: Table<cells::Cell>,
    pub(super) authority: Table<paths::Cell>,
}

/// What was heard that concerns one table.
#[derive(Clone)]
pub(super) struct Table<C> {
    /// Requests of each identity.
    pub(super) asked: BTreeMap<Identity, u64>,
    /// Cells that one of them needed.
    pub(super) used: BTreeSet<C>,
    /// Requests that were refused.
    pub(super) refused: BTreeSet<String>,
}

impl<C: Ord> Table<C> {
    pub(super) fn granted(&mut self, identity: Identity, used: impl IntoIterator<Item = C>) {
        *self.asked.entry(identity).or_default() += 1;
        self.used.extend(used);
    }
}

pub(super) fn heard() -> MutexGuard<'static, Heard> {
    HEARD.lock().unwrap_or_else(PoisonError::into_inner)
}
