//! One object to apply: its body with regent's marks, and the hash by which an unchanged one is
//! known.

use kube::core::GroupVersionKind;
use regent_api::git_source::InventoryItem;
use regent_types::labels;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::error::FileLine;
use super::kinds::Kind;

/// Annotation: SHA-256 of an object's text in Git, with its file and source. It covers
/// configuration and ciphertext only; an object whose hash is the same is not written again.
pub(super) const SOURCE_HASH: &str = "regent.dev/source-hash";
/// Annotation by which an object is kept when it leaves the repository.
pub(super) const PRUNE: &str = "regent.dev/prune";

/// Whose identity writes an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Writer {
    /// Intent itself: a kind of its own list.
    Intent(&'static Kind),
    /// The account that the GitSource names.
    Account(GroupVersionKind),
}

/// One object to apply.
#[derive(Clone, Debug)]
pub(super) struct Desired {
    pub(super) item: InventoryItem,
    pub(super) writer: Writer,
    /// The object with regent's marks.
    pub(super) body: Value,
    pub(super) hash: String,
    /// Where it stands in the repository.
    pub(super) file_line: FileLine,
}

impl Desired {
    /// Order of application; Namespaces are 0.
    pub(super) fn order(&self) -> usize {
        match &self.writer {
            Writer::Intent(kind) => kind.order(),
            Writer::Account(_) => usize::MAX,
        }
    }
}

/// `Kind namespace/name` for people.
pub(super) fn title(item: &InventoryItem) -> String {
    if item.namespace.is_empty() {
        format!("{} {}", item.kind, item.name)
    } else {
        format!("{} {}/{}", item.kind, item.namespace, item.name)
    }
}

/// What every object of a sync carries.
#[derive(Clone, Debug)]
pub(super) struct Marks {
    /// Value of label [`labels::SOURCE`].
    pub(super) source: String,
    pub(super) repository: String,
    pub(super) commit: String,
}

/// Label value for a GitSource: `namespace.name`, shortened by a hash beyond the 63 characters of a
/// label.
pub(super) fn source_label(namespace: &str, name: &str) -> String {
    let whole = format!("{namespace}.{name}");
    if whole.len() <= 63 {
        return whole;
    }
    let hash = hex(&Sha256::digest(whole.as_bytes())[..4]);
    // Object names are ASCII, so that any byte is a character boundary.
    format!("{}-{hash}", whole.get(..54).unwrap_or_default())
}

/// Hash of an object's text, with everything else that would change what is written.
pub(super) fn hash(marks: &Marks, file: &str, text: &str) -> String {
    let mut digest = Sha256::new();
    for part in [&marks.source, &marks.repository, file, text] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part.as_bytes());
    }
    hex(&digest.finalize())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Puts the marks on `body` and removes what only a server may say.
pub(super) fn mark(body: &mut Value, marks: &Marks, file: &str, hash: &str) {
    let Some(object) = body.as_object_mut() else { return };
    object.remove("status");
    let metadata = child(object, "metadata");
    for field in ["managedFields", "uid", "resourceVersion", "generation", "creationTimestamp"] {
        metadata.remove(field);
    }
    child(metadata, "labels").insert(labels::SOURCE.into(), json!(marks.source));
    let annotations = child(metadata, "annotations");
    annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    annotations.insert(labels::SOURCE_REPO.into(), json!(marks.repository));
    annotations.insert(labels::SOURCE_COMMIT.into(), json!(marks.commit));
    annotations.insert(labels::SOURCE_FILE.into(), json!(file));
    annotations.insert(SOURCE_HASH.into(), json!(hash));
}

/// Member `name` of `object` as an object, made if it is anything else.
pub(super) fn child<'a>(
    object: &'a mut Map<String, Value>,
    name: &str,
) -> &'a mut Map<String, Value> {
    if !object.get(name).is_some_and(Value::is_object) {
        object.insert(name.to_owned(), json!({}));
    }
    #[expect(clippy::expect_used, reason = "the lines above made it an object")]
    object.get_mut(name).and_then(Value::as_object_mut).expect("an object")
}

/// Whether `live` says everything that `desired` says, apart from the commit, which moves without a
/// change.
pub(super) fn covers(live: &Value, desired: &Value) -> bool {
    let mut wanted = desired.clone();
    if let Some(annotations) =
        wanted.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut)
    {
        annotations.remove(labels::SOURCE_COMMIT);
    }
    if let Some(source) = wanted.pointer_mut("/spec/source").and_then(Value::as_object_mut) {
        source.remove("commit");
    }
    says(live, &wanted)
}

fn says(live: &Value, desired: &Value) -> bool {
    match (live, desired) {
        (_, Value::Null) => true,
        (Value::Object(live), Value::Object(desired)) => {
            desired.iter().all(|(key, value)| says(live.get(key).unwrap_or(&Value::Null), value))
        }
        (Value::Array(live), Value::Array(desired)) => {
            live.len() == desired.len() && live.iter().zip(desired).all(|(l, d)| says(l, d))
        }
        // An empty object or list may be left out by a server.
        (Value::Null, Value::Object(desired)) => desired.values().all(|d| says(&Value::Null, d)),
        (Value::Null, Value::Array(desired)) => desired.is_empty(),
        (live, desired) => live == desired,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_object_covers_what_it_says_and_more() {
        let cases = [
            (json!({"a": 1, "b": 2}), json!({"a": 1}), true),
            (json!({"a": 1}), json!({"a": 2}), false),
            (json!({"a": [1, {"x": 1, "y": 2}]}), json!({"a": [1, {"x": 1}]}), true),
            (json!({"a": [1, 2]}), json!({"a": [1]}), false),
            (json!({}), json!({"a": {}, "b": [], "c": null}), true),
            (json!({}), json!({"a": {"b": 1}}), false),
            (
                json!({"spec": {"source": {"commit": "1", "file": "f"}}}),
                json!({"spec": {"source": {"commit": "2", "file": "f"}}}),
                true,
            ),
        ];
        for (live, desired, expected) in cases {
            assert_eq!(covers(&live, &desired), expected, "{live} {desired}");
        }
    }

    #[test]
    fn a_long_source_name_still_makes_a_label_of_its_own() {
        assert_eq!(source_label("regent-system", "platform"), "regent-system.platform");
        let one = source_label("regent-system", &"a".repeat(200));
        let two = source_label("regent-system", &"a".repeat(201));
        assert!(one.len() <= 63 && two.len() <= 63 && one != two);
    }
}
