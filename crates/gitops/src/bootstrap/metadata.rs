//! Labels and annotations of a bootstrap Secret: the manifest's own are put on and taken off again, everybody else's stay.
//!
//! What the manifest declared is remembered by name in one annotation; a Secret from before has none, and loses nothing.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use regent_manifest::secret::PlainSecret;
use regent_types::labels;
use serde::{Deserialize, Serialize};

/// Prefix of everything that only regent says about an object.
pub(super) const OWN: &str = "regent.dev/";
/// Would keep the plaintext where nobody looks for it.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Names of labels and annotations.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Declared {
    labels: BTreeSet<String>,
    annotations: BTreeSet<String>,
}

type Map = BTreeMap<String, String>;

fn own(all: &Map) -> impl Iterator<Item = (&String, &String)> {
    all.iter().filter(|(key, _)| !key.starts_with(OWN) && *key != LAST_APPLIED)
}

impl Declared {
    fn of(plain: &PlainSecret) -> Self {
        let names = |all: &Map| own(all).map(|(key, _)| key.clone()).collect();
        Self { labels: names(&plain.labels), annotations: names(&plain.annotations) }
    }

    /// What `metadata` says that its manifest declared.
    fn read(metadata: &ObjectMeta) -> Option<Self> {
        let text = metadata.annotations.as_ref()?.get(labels::DECLARED)?;
        serde_json::from_str(text).ok()
    }

    fn text(&self) -> Option<String> {
        let nothing = self.labels.is_empty() && self.annotations.is_empty();
        if nothing { None } else { serde_json::to_string(self).ok() }
    }
}

/// Puts on what `plain` declares and takes off what it declared before and does not any more.
pub(super) fn dress(metadata: &mut ObjectMeta, plain: &PlainSecret) {
    let (before, now) = (Declared::read(metadata).unwrap_or_default(), Declared::of(plain));
    let marks = metadata.labels.get_or_insert_default();
    marks.retain(|key, _| !before.labels.contains(key));
    marks.extend(own(&plain.labels).map(|(k, v)| (k.clone(), v.clone())));
    let notes = metadata.annotations.get_or_insert_default();
    notes.retain(|key, _| !before.annotations.contains(key));
    notes.extend(own(&plain.annotations).map(|(k, v)| (k.clone(), v.clone())));
    notes.remove(LAST_APPLIED);
    notes.remove(labels::DECLARED);
    notes.extend(now.text().map(|text| (labels::DECLARED.to_owned(), text)));
}

/// Whether dressing `metadata` would change nothing.
pub(super) fn is_dressed(metadata: &ObjectMeta, plain: &PlainSecret) -> bool {
    let mut dressed = metadata.clone();
    dress(&mut dressed, plain);
    let map = |all: &Option<Map>| all.clone().unwrap_or_default();
    (map(&dressed.labels), map(&dressed.annotations))
        == (map(&metadata.labels), map(&metadata.annotations))
}

/// Field manager of the last write by anybody but regent; empty where none is known.
pub(super) fn last_manager(metadata: &ObjectMeta) -> String {
    let all = metadata.managed_fields.iter().flatten();
    let others = all.filter(|entry| {
        let name = entry.manager.as_deref().unwrap_or_default();
        !name.is_empty() && !name.starts_with("regent-") && entry.subresource.is_none()
    });
    let last = others.max_by_key(|entry| entry.time.as_ref().map(|time| time.0));
    last.and_then(|entry| entry.manager.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(all: &[(&str, &str)]) -> Map {
        all.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    fn plain(labels: &[(&str, &str)], annotations: &[(&str, &str)]) -> PlainSecret {
        PlainSecret {
            namespace: Some("apps".into()),
            name: "db".into(),
            type_: None,
            labels: map(labels),
            annotations: map(annotations),
            immutable: false,
            data: BTreeMap::new(),
        }
    }

    #[test]
    fn g07_what_leaves_the_manifest_leaves_the_secret_and_the_rest_stays() {
        let mut live = ObjectMeta {
            labels: Some(map(&[("team", "theirs")])),
            annotations: Some(map(&[("note", "theirs")])),
            ..ObjectMeta::default()
        };
        let first = plain(&[("app", "db"), ("tier", "back")], &[("owner", "a")]);
        dress(&mut live, &first);
        assert!(is_dressed(&live, &first));
        let second = plain(&[("app", "web")], &[]);
        assert!(!is_dressed(&live, &second));
        dress(&mut live, &second);
        assert_eq!(live.labels.clone().unwrap(), map(&[("app", "web"), ("team", "theirs")]));
        assert!(!live.annotations.clone().unwrap().contains_key("owner"));
        dress(&mut live, &plain(&[], &[]));
        assert_eq!(live.annotations.unwrap(), map(&[("note", "theirs")]));
    }

    #[test]
    fn g07_a_secret_from_before_loses_nothing() {
        let mut live = ObjectMeta { labels: Some(map(&[("old", "1")])), ..ObjectMeta::default() };
        dress(&mut live, &plain(&[("new", "1")], &[]));
        assert_eq!(live.labels.unwrap(), map(&[("new", "1"), ("old", "1")]));
    }
}
