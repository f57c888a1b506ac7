//! Server-side apply: who owns which field, conflicts, and removal of fields that their only owner no longer
//! applies. Ownership is per leaf, and per item in the lists that [`ListTypes`] names.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::list_types::{ListType, ListTypes, Path, element, insert, lookup, remove};
use crate::status::Failure;

/// Fields that nobody owns.
const UNOWNED: [&str; 11] = [
    "f:apiVersion",
    "f:kind",
    "f:metadata/f:name",
    "f:metadata/f:namespace",
    "f:metadata/f:uid",
    "f:metadata/f:resourceVersion",
    "f:metadata/f:creationTimestamp",
    "f:metadata/f:generation",
    "f:metadata/f:deletionTimestamp",
    "f:metadata/f:deletionGracePeriodSeconds",
    "f:metadata/f:managedFields",
];

pub(crate) struct Apply<'a> {
    pub(crate) manager: &'a str,
    pub(crate) force: bool,
    pub(crate) api_version: &'a str,
    pub(crate) subresource: &'a str,
    pub(crate) now: &'a str,
    pub(crate) lists: ListTypes<'a>,
}

impl Apply<'_> {
    /// Merges what `manager` applies into `object`.
    pub(crate) fn run(&self, object: &mut Value, applied: &Value) -> Result<(), Failure> {
        let wanted = self.wanted(applied);
        let owners = owners(object);
        if !self.force {
            self.conflicts(object, applied, &wanted, &owners)?;
        }
        let own = |o: &FieldOwner| o.is(self.manager, "Apply", self.subresource);
        let before = owners.iter().find(|o| own(o)).map(|o| o.fields.clone()).unwrap_or_default();
        // Reversed: what is in an item goes before the item.
        let gone: Vec<&Path> = before.difference(&wanted).collect();
        for gone in gone.into_iter().rev() {
            if !owners.iter().any(|o| !own(o) && o.fields.contains(gone)) {
                remove(object, gone);
            }
        }
        let differs = |path: &Path| lookup(object, path) != lookup(applied, path);
        let taken: BTreeSet<Path> = wanted.iter().filter(|path| differs(path)).cloned().collect();
        for path in &wanted {
            match lookup(applied, path) {
                // An empty map says that there is a map, not that it is empty.
                Some(Value::Object(map)) if map.is_empty() && lookup(object, path).is_some() => {}
                Some(value) => insert(object, path, value.clone()),
                None => {}
            }
        }
        let mut kept: Vec<FieldOwner> = owners
            .into_iter()
            .filter(|o| !own(o))
            .map(|mut o| {
                // What was forced changes hands; what agrees is shared.
                o.fields.retain(|f| !taken.contains(f));
                o
            })
            .filter(|o| !o.fields.is_empty())
            .collect();
        kept.push(FieldOwner {
            manager: self.manager.to_owned(),
            operation: "Apply".into(),
            subresource: self.subresource.to_owned(),
            api_version: self.api_version.to_owned(),
            time: self.now.to_owned(),
            fields: wanted,
        });
        write_owners(object, &kept);
        Ok(())
    }

    /// The fields that are applied: of a status its own, of the object all but that.
    fn wanted(&self, applied: &Value) -> BTreeSet<Path> {
        let mut wanted = BTreeSet::new();
        leaves(applied, &self.lists, false, &mut Vec::new(), &mut wanted);
        if self.subresource == "status" {
            wanted.retain(|path| path.first().is_some_and(|first| first == "f:status"));
        }
        wanted
    }

    fn conflicts(
        &self,
        object: &Value,
        applied: &Value,
        wanted: &BTreeSet<Path>,
        owners: &[FieldOwner],
    ) -> Result<(), Failure> {
        // By manager, as the real API server groups them; one that updates is named with its version.
        let mut all: Vec<(String, Vec<String>)> = Vec::new();
        for owner in owners.iter().filter(|o| o.manager != self.manager || o.operation != "Apply") {
            let fields: Vec<String> = wanted
                .intersection(&owner.fields)
                .filter(|path| lookup(object, path) != lookup(applied, path))
                .map(|path| field_path(path))
                .collect();
            if !fields.is_empty() {
                let using = match owner.operation.as_str() {
                    "Apply" => String::new(),
                    _ => format!(" using {}", owner.api_version),
                };
                all.push((format!("{:?}{using}", owner.manager), fields));
            }
        }
        let causes: Vec<Value> = all
            .iter()
            .flat_map(|(who, fields)| fields.iter().map(move |field| (who, field)))
            .map(|(who, field)| json!({ "reason": "FieldManagerConflict", "field": field, "message": format!("conflict with {who}") }))
            .collect();
        let message = match (causes.len(), all.as_slice()) {
            (0, _) => return Ok(()),
            (1, [(who, fields)]) => {
                format!("Apply failed with 1 conflict: conflict with {who}: {}", fields.join(""))
            }
            (count, _) => {
                let part = |(who, fields): &(String, Vec<String>)| {
                    format!("conflicts with {who}:\n- {}", fields.join("\n- "))
                };
                let parts: Vec<String> = all.iter().map(part).collect();
                format!("Apply failed with {count} conflicts: {}", parts.join("\n"))
            }
        };
        let mut failure = Failure::new(409, "Conflict", message);
        failure.details = json!({ "causes": causes });
        Err(failure)
    }
}

/// A path as it is written in messages.
fn field_path(path: &[String]) -> String {
    path.iter()
        .map(|part| match (part.strip_prefix("f:"), part.get(..2)) {
            (Some(name), _) => format!(".{name}"),
            (None, Some("k:")) => {
                let keys: Value = serde_json::from_str(&part[2..]).unwrap_or_default();
                let keys = keys.as_object().cloned().unwrap_or_default();
                let keys: Vec<String> = keys.iter().map(|(k, v)| format!("{k}={v}")).collect();
                format!("[{}]", keys.join(","))
            }
            (None, Some("v:")) => format!("[={}]", &part[2..]),
            _ => String::new(),
        })
        .collect()
}

/// After an update by other means: fields that changed now belong to `manager`.
pub(crate) fn track(
    old: Option<&Value>,
    new: &mut Value,
    manager: &str,
    subresource: &str,
    now: &str,
    lists: &ListTypes<'_>,
) {
    let mut all = BTreeSet::new();
    leaves(new, lists, true, &mut Vec::new(), &mut all);
    let changed: BTreeSet<Path> =
        all.iter().filter(|p| old.and_then(|o| lookup(o, p)) != lookup(new, p)).cloned().collect();
    if let Some(old) = old {
        new["metadata"]["managedFields"] = old["metadata"]["managedFields"].clone();
    }
    let mut owners = owners(new);
    for owner in &mut owners {
        owner.fields.retain(|f| all.contains(f) && !changed.contains(f));
    }
    let own = owners.iter_mut().find(|o| o.is(manager, "Update", subresource));
    match own {
        Some(owner) => {
            owner.fields.extend(changed);
            owner.time = now.to_owned();
        }
        None if changed.is_empty() => {}
        None => owners.push(FieldOwner {
            manager: manager.to_owned(),
            operation: "Update".into(),
            subresource: subresource.to_owned(),
            api_version: new["apiVersion"].as_str().unwrap_or_default().to_owned(),
            time: now.to_owned(),
            fields: changed,
        }),
    }
    owners.retain(|o| !o.fields.is_empty());
    write_owners(new, &owners);
}

struct FieldOwner {
    manager: String,
    operation: String,
    subresource: String,
    api_version: String,
    time: String,
    fields: BTreeSet<Path>,
}

impl FieldOwner {
    fn is(&self, manager: &str, operation: &str, subresource: &str) -> bool {
        self.manager == manager && self.operation == operation && self.subresource == subresource
    }
}

fn owners(object: &Value) -> Vec<FieldOwner> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let entries = object["metadata"]["managedFields"].as_array();
    entries
        .into_iter()
        .flatten()
        .map(|e| {
            let mut fields = BTreeSet::new();
            read_fields(&e["fieldsV1"], &mut Vec::new(), &mut fields);
            FieldOwner {
                manager: text(&e["manager"]),
                operation: text(&e["operation"]),
                subresource: text(&e["subresource"]),
                api_version: text(&e["apiVersion"]),
                time: text(&e["time"]),
                fields,
            }
        })
        .collect()
}

fn write_owners(object: &mut Value, owners: &[FieldOwner]) {
    let entries: Vec<Value> = owners
        .iter()
        .map(|o| {
            let mut fields = json!({});
            for path in &o.fields {
                let mut at = &mut fields;
                for part in path {
                    at = &mut at[part.as_str()];
                    if at.is_null() {
                        *at = json!({});
                    }
                }
            }
            let mut entry = json!({
                "manager": o.manager, "operation": o.operation, "apiVersion": o.api_version,
                "time": o.time, "fieldsType": "FieldsV1", "fieldsV1": fields,
            });
            if !o.subresource.is_empty() {
                entry["subresource"] = o.subresource.as_str().into();
            }
            entry
        })
        .collect();
    object["metadata"]["managedFields"] = entries.into();
}

fn read_fields(fields: &Value, at: &mut Path, found: &mut BTreeSet<Path>) {
    let Some(map) = fields.as_object().filter(|m| !m.is_empty()) else {
        if !at.is_empty() {
            found.insert(at.clone());
        }
        return;
    };
    for (key, inner) in map {
        at.push(key.clone());
        read_fields(inner, at, found);
        at.pop();
    }
}

/// Every leaf that can be owned; empty maps count as leaves, and so does a list that is owned whole. What holds
/// others is owned itself where it is an item of a list, or (`holders`) always.
fn leaves(
    value: &Value,
    lists: &ListTypes<'_>,
    holders: bool,
    at: &mut Path,
    found: &mut BTreeSet<Path>,
) {
    if UNOWNED.contains(&at.join("/").as_str()) {
        return;
    }
    let mut hold = |at: &Path, item: bool| {
        if !at.is_empty() && *at != ["f:metadata"] && (holders || item) {
            found.insert(at.iter().cloned().chain([".".to_owned()]).collect());
        }
    };
    match value {
        Value::Object(map) if (!map.is_empty() || at.is_empty()) && !lists.atomic_map(at) => {
            hold(at, at.last().is_some_and(|part| part.starts_with("k:")));
            for (key, inner) in map {
                at.push(format!("f:{key}"));
                leaves(inner, lists, holders, at, found);
                at.pop();
            }
        }
        Value::Array(items) if !items.is_empty() && !matches!(lists.of(at), ListType::Atomic) => {
            hold(at, false);
            let list = lists.of(at);
            for item in items {
                let Some(part) = element(&list, item) else { continue };
                at.push(part);
                leaves(item, lists, holders, at, found);
                at.pop();
            }
        }
        _ => {
            found.insert(at.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(
        object: &mut Value,
        manager: &str,
        force: bool,
        applied: Value,
    ) -> Result<(), Failure> {
        Apply {
            manager,
            force,
            api_version: "v1",
            subresource: "",
            now: "t",
            lists: ListTypes::BuiltIn,
        }
        .run(object, &applied)
    }

    #[test]
    fn a_field_that_its_only_owner_drops_goes_and_a_shared_one_stays() {
        let mut object = json!({ "metadata": { "name": "x" } });
        apply(&mut object, "a", false, json!({ "data": { "one": "1", "two": "2" } })).unwrap();
        apply(&mut object, "b", false, json!({ "data": { "two": "2" } })).unwrap();
        apply(&mut object, "a", false, json!({ "data": {} })).unwrap();
        assert_eq!(object["data"], json!({ "two": "2" }));
    }

    #[test]
    fn another_value_for_an_owned_field_is_a_conflict_unless_forced() {
        let mut object = json!({ "metadata": { "name": "x" } });
        apply(&mut object, "a", false, json!({ "data": { "one": "1" } })).unwrap();
        let refused = apply(&mut object, "b", false, json!({ "data": { "one": "2" } }));
        assert_eq!(refused.unwrap_err().code, 409);
        apply(&mut object, "b", true, json!({ "data": { "one": "2" } })).unwrap();
        apply(&mut object, "a", false, json!({ "data": {} })).unwrap();
        assert_eq!(object["data"], json!({ "one": "2" }));
    }

    #[test]
    fn an_update_takes_what_it_changes() {
        let mut object = json!({ "metadata": { "name": "x" }, "data": {} });
        apply(&mut object, "a", false, json!({ "data": { "one": "1" } })).unwrap();
        let old = object.clone();
        object["data"]["one"] = json!("2");
        track(Some(&old), &mut object, "kubectl", "", "t", &ListTypes::BuiltIn);
        let refused = apply(&mut object, "a", false, json!({ "data": { "one": "1" } }));
        assert_eq!(refused.unwrap_err().code, 409);
    }
}
