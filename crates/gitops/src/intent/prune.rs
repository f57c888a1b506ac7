//! What left the repository, and what of it stays anyway. Removing an object from Git never
//! destroys a value: a bootstrap Secret and what the authority holds outlive their manifests
//! (PROTOCOLS.md §9).

use std::collections::BTreeSet;

use kube::core::ObjectMeta;
use regent_api::git_source::InventoryItem;
use regent_types::labels;

use super::object::PRUNE;

/// Why an object that left the repository stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeepReason {
    /// Its kind is never removed: Namespaces, the authority, sources.
    Kind,
    /// Its annotation says so.
    Annotation,
    /// It does not carry this source's label any more.
    NotOurs,
    /// It is of a kind that only an account may remove, and the source names none.
    NoAccount,
    /// It is being removed already.
    Leaving,
}

impl KeepReason {
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Kind => "KindIsKept",
            Self::Annotation => "PruneDisabled",
            Self::NotOurs => "NotOurs",
            Self::NoAccount => "NoAccount",
            Self::Leaving => "Leaving",
        }
    }
}

/// What was applied before and is not in `now`, other versions of the same kind being the same
/// object.
pub(super) fn gone(before: &[InventoryItem], now: &[InventoryItem]) -> Vec<InventoryItem> {
    let there: BTreeSet<_> = now.iter().map(identity).collect();
    before.iter().filter(|item| !there.contains(&identity(item))).cloned().collect()
}

/// Everything of `before` and `more`, each once.
pub(super) fn union(before: &[InventoryItem], more: &[InventoryItem]) -> Vec<InventoryItem> {
    let mut all = more.to_vec();
    all.extend(gone(before, more));
    all.sort();
    all
}

fn identity(item: &InventoryItem) -> (&str, &str, &str, &str) {
    let group = item.api_version.split_once('/').map_or("", |(group, _)| group);
    (group, &item.kind, &item.namespace, &item.name)
}

/// Why the live object `metadata` must stay, if it must.
pub(super) fn keep_reason(metadata: &ObjectMeta, source: &str) -> Option<KeepReason> {
    let label = metadata.labels.as_ref().and_then(|l| l.get(labels::SOURCE));
    let prune = metadata.annotations.as_ref().and_then(|a| a.get(PRUNE));
    if label.is_none_or(|l| l != source) {
        Some(KeepReason::NotOurs)
    } else if prune.is_some_and(|p| p == "disabled") {
        Some(KeepReason::Annotation)
    } else if metadata.deletion_timestamp.is_some() {
        Some(KeepReason::Leaving)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn item(api_version: &str, name: &str) -> InventoryItem {
        InventoryItem {
            api_version: api_version.into(),
            kind: "K".into(),
            namespace: "n".into(),
            name: name.into(),
        }
    }

    #[test]
    fn another_version_of_an_object_is_the_same_object() {
        let before = [item("g/v1", "a"), item("g/v1", "b")];
        let now = [item("g/v2", "a")];
        assert_eq!(gone(&before, &now), [item("g/v1", "b")]);
        assert_eq!(union(&before, &now), [item("g/v1", "b"), item("g/v2", "a")]);
    }

    #[test]
    fn only_objects_with_our_label_and_no_objection_are_removed() {
        let meta = |label: Option<&str>, prune: Option<&str>| ObjectMeta {
            labels: label.map(|l| BTreeMap::from([(labels::SOURCE.to_owned(), l.to_owned())])),
            annotations: prune.map(|p| BTreeMap::from([(PRUNE.to_owned(), p.to_owned())])),
            ..ObjectMeta::default()
        };
        let cases = [
            (meta(Some("s"), None), None),
            (meta(Some("s"), Some("enabled")), None),
            (meta(Some("s"), Some("disabled")), Some(KeepReason::Annotation)),
            (meta(Some("t"), None), Some(KeepReason::NotOurs)),
            (meta(None, None), Some(KeepReason::NotOurs)),
        ];
        for (metadata, expected) in cases {
            assert_eq!(keep_reason(&metadata, "s"), expected);
        }
    }
}
