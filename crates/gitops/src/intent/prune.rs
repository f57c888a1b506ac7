//! What left the repository, and what of it stays anyway. Removing an object from Git never destroys what the authority
//! holds (PROTOCOLS.md §9); a bootstrap Secret that nothing took over yet goes with its manifest, by bootstrap.

use std::collections::BTreeSet;

use kube::core::ObjectMeta;
use regent_api::git_source::InventoryItem;
use regent_types::labels;

use super::object::PRUNE;
use super::unreadable::PassedOver;

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
    /// What it was applied from is passed over: the place in the list of those.
    Unread(usize),
}

impl KeepReason {
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Kind => "KindIsKept",
            Self::Annotation => "PruneDisabled",
            Self::NotOurs => "NotOurs",
            Self::NoAccount => "NoAccount",
            Self::Leaving => "Leaving",
            Self::Unread(_) => "PassedOver",
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

pub(super) fn identity(item: &InventoryItem) -> (&str, &str, &str, &str) {
    let group = item.api_version.split_once('/').map_or("", |(group, _)| group);
    (group, &item.kind, &item.namespace, &item.name)
}

/// Why the live object `metadata` must stay, if it must.
pub(super) fn keep_reason(
    metadata: &ObjectMeta,
    source: &str,
    passed_over: &[PassedOver],
) -> Option<KeepReason> {
    let note = |name: &str| metadata.annotations.as_ref().and_then(|a| a.get(name));
    let label = metadata.labels.as_ref().and_then(|l| l.get(labels::SOURCE));
    let (prune, file) = (note(PRUNE), note(labels::SOURCE_FILE));
    let unread = file.and_then(|file| passed_over.iter().position(|place| place.covers(file)));
    if label.is_none_or(|l| l != source) {
        Some(KeepReason::NotOurs)
    } else if prune.is_some_and(|p| p == "disabled") {
        Some(KeepReason::Annotation)
    } else if metadata.deletion_timestamp.is_some() {
        Some(KeepReason::Leaving)
    } else {
        unread.map(KeepReason::Unread)
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
            assert_eq!(keep_reason(&metadata, "s", &[]), expected);
        }
    }

    /// G1: a folder that became a link or a submodule is not an empty folder.
    #[test]
    fn g01_what_was_applied_from_below_a_link_is_kept() {
        let of = |file: &str| ObjectMeta {
            labels: Some(BTreeMap::from([(labels::SOURCE.to_owned(), "s".to_owned())])),
            annotations: Some(BTreeMap::from([(labels::SOURCE_FILE.to_owned(), file.to_owned())])),
            ..ObjectMeta::default()
        };
        let place = |path: &str| PassedOver { path: path.into(), what: "a symbolic link" };
        let all = [place("vendor"), place("apps")];
        assert_eq!(keep_reason(&of("apps/a.yaml"), "s", &all), Some(KeepReason::Unread(1)));
        assert_eq!(keep_reason(&of("apps2/a.yaml"), "s", &all), None);
    }
}
