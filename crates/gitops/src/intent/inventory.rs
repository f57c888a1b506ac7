//! What a GitSource has applied, of any size: in its status while that is small, else in parts beside it that the status
//! names, because the API server keeps no object above 1.5 MiB. Pure; `keep.rs` reads and writes.
//!
//! A set of parts is named by the hash of its content and complete before the status names it. So a crash leaves the old
//! set or the new one, and a set that lost a part, or was changed by hand, is known: nothing is pruned by it.

use regent_api::git_source::{InventoryItem, InventorySet};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::IntentError;
use super::object::hex;

/// Characters of a set's name: 80 bits of a hash.
const SET_LEN: usize = 20;

/// Where an inventory is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    Inline(Vec<InventoryItem>),
    Set(InventorySet),
}

/// What was applied before.
#[derive(Debug, Default)]
pub(super) struct Before {
    pub(super) items: Vec<InventoryItem>,
    /// Why it is not the whole: nothing may be pruned by it.
    pub(super) lost: Option<IntentError>,
}

/// Parts of `items` as JSON, none above `part_bytes_max` unless a single item is.
pub(super) fn parts(items: &[InventoryItem], part_bytes_max: usize) -> Vec<String> {
    let mut all = Vec::new();
    let mut part = String::new();
    for item in items {
        let text = json!([item.api_version, item.kind, item.namespace, item.name]).to_string();
        if !part.is_empty() && part.len() + text.len() >= part_bytes_max {
            all.push(std::mem::take(&mut part));
        }
        part.push_str(&text);
        part.push('\n');
    }
    all.push(part);
    all
}

/// The items of one part; `None` where it is not as it was written.
pub(super) fn items(part: &str) -> Option<Vec<InventoryItem>> {
    let item = |line: &str| {
        let [api_version, kind, namespace, name]: [String; 4] = serde_json::from_str(line).ok()?;
        Some(InventoryItem { api_version, kind, namespace, name })
    };
    part.lines().map(item).collect()
}

/// The name of the set that these parts are.
pub(super) fn set_name(parts: &[String]) -> String {
    let mut digest = Sha256::new();
    parts.iter().for_each(|part| digest.update(part.as_bytes()));
    hex(&digest.finalize()).chars().take(SET_LEN).collect()
}

/// The name of a part, and of the ConfigMap that holds it.
pub(super) fn part_name(set: &str, number: usize) -> String {
    format!("regent-inventory-{set}-{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(count: usize) -> Vec<InventoryItem> {
        let item = |n: usize| InventoryItem {
            api_version: "v1".into(),
            kind: "ConfigMap".into(),
            namespace: "apps".into(),
            name: format!("\"quoted\"-{n}"),
        };
        (0..count).map(item).collect()
    }

    #[test]
    fn g04_an_inventory_of_any_size_is_split_and_found_again() {
        for (count, limit) in [(0, 100), (1, 1), (1_000, 4_096), (1_000, usize::MAX)] {
            let all = some(count);
            let parts = parts(&all, limit);
            assert!(parts.iter().all(|p| p.len() <= limit.max(60)), "{count} {limit}");
            let found: Vec<_> = parts.iter().filter_map(|p| items(p)).flatten().collect();
            assert_eq!(found, all);
        }
    }

    #[test]
    fn g04_a_set_that_lost_a_part_or_was_changed_has_another_name() {
        let whole = parts(&some(1_000), 4_096);
        let name = set_name(&whole);
        assert_ne!(set_name(&whole[1..]), name);
        let mut changed = whole.clone();
        changed[0].push(' ');
        assert_ne!(set_name(&changed), name);
        assert_eq!(set_name(&whole), name);
        assert!(items("[1]").is_none());
    }
}
