//! Events are one resource in two groups: stored as `v1`, shown as `events.k8s.io/v1` to who asks there.

use serde_json::Value;

use crate::kinds::{EVENTS, ResourceKind};

/// Field in `v1`, field in `events.k8s.io/v1`.
const NAMES: [(&str, &str); 7] = [
    ("message", "note"),
    ("involvedObject", "regarding"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
];

/// An object as it is shown as `kind`.
pub(super) fn shown(kind: &ResourceKind, object: Value) -> Value {
    if kind.group == EVENTS { rename(object, kind, false) } else { object }
}

/// An object of `kind` as it is stored.
pub(super) fn stored(kind: &ResourceKind, object: Value) -> Value {
    if kind.group == EVENTS { rename(object, kind, true) } else { object }
}

fn rename(mut object: Value, kind: &ResourceKind, store: bool) -> Value {
    object["apiVersion"] = if store { "v1".into() } else { kind.api_version().into() };
    if let Some(map) = object.as_object_mut() {
        for (old, new) in NAMES {
            let (from, to) = if store { (new, old) } else { (old, new) };
            if let Some(value) = map.remove(from) {
                map.insert(to.to_owned(), value);
            }
        }
    }
    object
}
