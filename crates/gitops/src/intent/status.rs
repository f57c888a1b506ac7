//! Status of a GitSource from what a sync came to. Pure; it is written only where it
//! differs.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use regent_api::GitSourceStatus;
use regent_api::condition;
use regent_api::condition::{READY, Verdict};
use regent_api::git_source::InventoryItem;
use regent_types::Explain;

use super::IntentError;

/// What a sync came to.
#[derive(Debug)]
pub(super) enum Synced {
    /// Every object of `revision` is applied and what left is pruned.
    Whole {
        revision: String,
        inventory: Vec<InventoryItem>,
        message: String,
    },
    /// Refused or failed; nothing was pruned.
    Not {
        error: IntentError,
        /// How many more there are.
        more: usize,
        /// What is known to be applied now, if something was.
        inventory: Option<Vec<InventoryItem>>,
    },
    Suspended,
}

/// The status after `synced`.
pub(super) fn next(
    old: &GitSourceStatus,
    synced: &Synced,
    generation: Option<i64>,
    now: Timestamp,
) -> GitSourceStatus {
    let mut new = old.clone();
    let verdict = match synced {
        Synced::Whole { revision, inventory, message } => {
            let moved = old.revision.as_ref() != Some(revision) || old.inventory != *inventory;
            if moved || !condition::is_true(&old.conditions, READY) {
                new.last_applied = Some(Time(now));
            }
            new.revision = Some(revision.clone());
            new.inventory.clone_from(inventory);
            Verdict::yes("Applied", message.clone())
        }
        Synced::Not { error, more, inventory } => {
            if let Some(inventory) = inventory {
                new.inventory.clone_from(inventory);
            }
            Verdict::no(error.reason(), explain(error, *more))
        }
        Synced::Suspended => Verdict::unknown("Suspended", "spec.suspend is true"),
    };
    new.observed_generation = generation;
    new.conditions = condition::set(&old.conditions, READY, &verdict, generation, now);
    new
}

fn explain(error: &IntentError, more: usize) -> String {
    let mut text = error.to_string();
    let advice = error.advice();
    if let IntentError::Repository { .. } = error {
        text = format!("{text}: {}", advice.found);
    }
    if more > 0 {
        text = format!("{text} (and {more} more)");
    }
    format!("{text}; {}", advice.action)
}
