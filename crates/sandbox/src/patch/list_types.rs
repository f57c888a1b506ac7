//! Which lists several managers fill together, item by item, and paths into them.
//!
//! Path elements are those of `fieldsV1`: `f:NAME` a field, `k:{"KEY":VALUE}` the item with that key, `v:VALUE` the
//! item with that value, `.` the thing itself.

use serde_json::{Map, Value, json};

/// A path of `fieldsV1` elements.
pub(super) type Path = Vec<String>;

/// Where the kinds of lists are known from.
#[derive(Clone, Copy)]
pub(crate) enum ListTypes<'a> {
    /// By the name of the field.
    BuiltIn,
    /// From the schema of a definition.
    Schema(&'a Value),
}

/// How a list is merged.
pub(super) enum ListType {
    /// Whole: who writes it owns it.
    Atomic,
    Set,
    /// By the keys of its items.
    Map(Vec<String>),
}

impl ListTypes<'_> {
    /// How the list at `path` is merged.
    pub(super) fn of(&self, path: &[String]) -> ListType {
        let names: Vec<&str> = path.iter().filter_map(|p| p.strip_prefix("f:")).collect();
        let by = |key: &str| ListType::Map(vec![key.to_owned()]);
        match (names.as_slice(), self) {
            (["metadata", "finalizers"], _) => ListType::Set,
            (["metadata", "ownerReferences"], _) => by("uid"),
            (["metadata", ..], _) => ListType::Atomic,
            (_, Self::Schema(schema)) => declared(schema, path),
            (
                [
                    ..,
                    "containers" | "initContainers" | "volumes" | "env" | "imagePullSecrets"
                    | "secrets",
                ],
                _,
            ) => by("name"),
            (["status", .., "conditions"], _) => by("type"),
            ([.., "volumeMounts"], _) => by("mountPath"),
            _ => ListType::Atomic,
        }
    }

    /// Whether a map is owned as a whole.
    pub(super) fn atomic_map(&self, path: &[String]) -> bool {
        let owner = path.len() == 3 && path[..2] == ["f:metadata", "f:ownerReferences"];
        owner || path == ["f:roleRef"]
    }
}

fn declared(schema: &Value, path: &[String]) -> ListType {
    let found = path.iter().fold(schema, |at, part| match part.strip_prefix("f:") {
        Some(name) if at["properties"][name].is_object() => &at["properties"][name],
        Some(_) => &at["additionalProperties"],
        None => &at["items"],
    });
    let keys = found["x-kubernetes-list-map-keys"].as_array().into_iter().flatten();
    match found["x-kubernetes-list-type"].as_str() {
        Some("set") => ListType::Set,
        Some("map") => ListType::Map(keys.filter_map(|k| k.as_str().map(str::to_owned)).collect()),
        _ => ListType::Atomic,
    }
}

/// The path element of an item of a list.
pub(super) fn element(list: &ListType, item: &Value) -> Option<String> {
    match list {
        ListType::Atomic => None,
        ListType::Set => Some(format!("v:{item}")),
        ListType::Map(keys) => {
            let key: Map<String, Value> =
                keys.iter().map(|key| (key.clone(), item[key.as_str()].clone())).collect();
            Some(format!("k:{}", Value::Object(key)))
        }
    }
}

/// What is at `path`; for `.` and items by value only that it is there.
pub(super) fn lookup<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    const THERE: &Value = &Value::Null;
    path.iter().try_fold(value, |at, part| {
        if part == "." {
            return Some(THERE);
        }
        match part.strip_prefix("f:") {
            Some(name) => at.as_object()?.get(name),
            None => at.as_array()?.iter().find(|item| is_item(part, item)),
        }
    })
}

/// Puts `value` at `path`, making what leads there.
pub(super) fn insert(object: &mut Value, path: &[String], value: Value) {
    let Some((first, rest)) = path.split_first() else {
        *object = value;
        return;
    };
    if first == "." {
        return;
    }
    match first.strip_prefix("f:") {
        Some(name) => {
            if object.is_null() {
                *object = json!({});
            }
            let Some(map) = object.as_object_mut() else { return };
            insert(map.entry(name).or_insert(Value::Null), rest, value);
        }
        None => {
            if object.is_null() {
                *object = json!([]);
            }
            let Some(items) = object.as_array_mut() else { return };
            let found = items.iter().position(|item| is_item(first, item));
            let at = found.unwrap_or_else(|| {
                items.push(new_item(first));
                items.len() - 1
            });
            insert(&mut items[at], rest, value);
        }
    }
}

/// Removes what is at `path`, and the maps and lists that it leaves empty.
pub(super) fn remove(object: &mut Value, path: &[String]) {
    let Some((first, rest)) = path.split_first() else { return };
    let last = rest.is_empty() || rest == ["."];
    match first.strip_prefix("f:") {
        Some(name) => {
            let Some(map) = object.as_object_mut() else { return };
            if rest.is_empty() {
                map.remove(name);
            } else if let Some(inner) = map.get_mut(name) {
                remove(inner, rest);
                if is_empty(inner) && name != "metadata" && name != "spec" {
                    map.remove(name);
                }
            }
        }
        None => {
            let Some(items) = object.as_array_mut() else { return };
            if last {
                items.retain(|item| !is_item(first, item));
            } else if let Some(item) = items.iter_mut().find(|item| is_item(first, item)) {
                remove(item, rest);
            }
        }
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}

fn is_item(part: &str, item: &Value) -> bool {
    let wanted = new_item(part);
    match (part.starts_with("k:"), wanted.as_object()) {
        (true, Some(keys)) => keys.iter().all(|(key, value)| item[key.as_str()] == *value),
        _ => *item == wanted,
    }
}

/// The item that an element names, with nothing but its key.
fn new_item(part: &str) -> Value {
    let text = part.get(2..).unwrap_or_default();
    serde_json::from_str(text).unwrap_or_default()
}
