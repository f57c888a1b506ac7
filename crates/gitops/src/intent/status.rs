//! Status of a GitSource from what a sync came to. Pure; it is written only where it
//! differs.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use regent_api::GitSourceStatus;
use regent_api::condition;
use regent_api::condition::{READY, Verdict};
use regent_api::git_source::InventoryItem;
use regent_types::Explain;

use super::inventory::Stored;
use super::problems::Problems;

/// What a sync came to.
#[derive(Debug)]
pub(super) enum Synced {
    /// Every object of `revision` is applied and what left is pruned.
    Whole {
        revision: String,
        message: String,
        inventory: Vec<InventoryItem>,
    },
    /// Something was refused or failed; nothing was pruned.
    Not {
        problems: Problems,
        /// What is told after the problems: what else of the commit is applied.
        rest: Option<String>,
        /// What is known to be applied now, if something was.
        inventory: Option<Vec<InventoryItem>>,
    },
    Suspended,
}

impl Synced {
    /// Takes out what is known to be applied, if that is news.
    pub(super) fn take_inventory(&mut self) -> Option<Vec<InventoryItem>> {
        match self {
            Self::Whole { inventory, .. } => Some(std::mem::take(inventory)),
            Self::Not { inventory, .. } => inventory.take(),
            Self::Suspended => None,
        }
    }
}

/// The status after `synced`, whose inventory is in `stored` where it is news.
pub(super) fn next(
    old: &GitSourceStatus,
    synced: &Synced,
    stored: Option<&Stored>,
    generation: Option<i64>,
    now: Timestamp,
) -> GitSourceStatus {
    let mut new = old.clone();
    match stored {
        Some(Stored::Inline(items)) => {
            new.inventory.clone_from(items);
            new.inventory_set = None;
        }
        Some(Stored::Set(set)) => {
            new.inventory.clear();
            new.inventory_set = Some(set.clone());
        }
        None => {}
    }
    let verdict = match synced {
        Synced::Whole { revision, message, .. } => {
            let same = (&old.inventory, &old.inventory_set) == (&new.inventory, &new.inventory_set);
            let moved = old.revision.as_ref() != Some(revision) || !same;
            if moved || !condition::is_true(&old.conditions, READY) {
                new.last_applied = Some(Time(now));
            }
            new.revision = Some(revision.clone());
            Verdict::yes("Applied", message.clone())
        }
        Synced::Not { problems, rest, .. } => {
            let reason = problems.first().map_or("Interrupted", Explain::reason);
            let rest = rest.as_ref().map(|rest| format!(". {rest}")).unwrap_or_default();
            Verdict::no(reason, problems.message() + &rest)
        }
        Synced::Suspended => Verdict::unknown("Suspended", "spec.suspend is true"),
    };
    new.observed_generation = generation;
    new.conditions = condition::set(&old.conditions, READY, &verdict, generation, now);
    new
}
