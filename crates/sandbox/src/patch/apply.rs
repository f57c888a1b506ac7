//! Server-side apply: who owns which field, conflicts, and removal of fields that their only owner no longer
//! applies. Ownership is per leaf; lists are atomic, but for those whose items have a merge key in every schema
//! (`ownerReferences` by uid, `finalizers` as a set, `conditions` by type).

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::status::Failure;

/// Fields that nobody owns.
const UNOWNED: [&str; 9] = [
    "apiVersion",
    "kind",
    "metadata/name",
    "metadata/namespace",
    "metadata/uid",
    "metadata/resourceVersion",
    "metadata/creationTimestamp",
    "metadata/generation",
    "metadata/managedFields",
];

/// One apply.
pub(crate) struct Apply<'a> {
    pub(crate) manager: &'a str,
    pub(crate) force: bool,
    pub(crate) api_version: &'a str,
    pub(crate) subresource: &'a str,
    pub(crate) now: &'a str,
}

impl Apply<'_> {
    /// Merges what `manager` applies into `object`.
    pub(crate) fn run(&self, object: &mut Value, applied: &Value) -> Result<(), Failure> {
        let mut wanted = BTreeSet::new();
        leaves(applied, &mut Vec::new(), &mut wanted);
        let owners = owners(object);
        if !self.force {
            self.conflicts(object, applied, &wanted, &owners)?;
        }
        let before = owners
            .iter()
            .find(|o| o.is(self.manager, "Apply", self.subresource))
            .map(|o| o.fields.clone())
            .unwrap_or_default();
        for gone in before.difference(&wanted) {
            let shared = owners
                .iter()
                .any(|o| !o.is(self.manager, "Apply", self.subresource) && o.fields.contains(gone));
            if !shared {
                remove(object, gone);
            }
        }
        for path in &wanted {
            if let Some(value) = lookup(applied, path) {
                insert(object, path, value.clone());
            }
        }
        let mut kept: Vec<Owner> = owners
            .into_iter()
            .filter(|o| !o.is(self.manager, "Apply", self.subresource))
            .map(|mut o| {
                // What was forced changes hands; what agrees is shared.
                o.fields.retain(|f| !wanted.contains(f) || lookup(object, f) == lookup(applied, f));
                o
            })
            .filter(|o| !o.fields.is_empty())
            .collect();
        kept.push(Owner {
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

    fn conflicts(
        &self,
        object: &Value,
        applied: &Value,
        wanted: &BTreeSet<Path>,
        owners: &[Owner],
    ) -> Result<(), Failure> {
        let mut causes = Vec::new();
        for owner in owners.iter().filter(|o| o.manager != self.manager) {
            for path in wanted.intersection(&owner.fields) {
                if lookup(object, path) != lookup(applied, path) {
                    let field = format!(".{}", path.join("."));
                    causes.push((field, format!("conflict with {:?}", owner.manager)));
                }
            }
        }
        if causes.is_empty() {
            return Ok(());
        }
        let all: Vec<String> = causes.iter().map(|(f, m)| format!("{m}: {f}")).collect();
        let message = format!("Apply failed with {} conflicts: {}", causes.len(), all.join(", "));
        let mut failure = Failure::new(409, "Conflict", message);
        let causes: Vec<Value> = causes
            .iter()
            .map(|(f, m)| json!({ "reason": "FieldManagerConflict", "field": f, "message": m }))
            .collect();
        failure.details = json!({ "causes": causes });
        Err(failure)
    }
}

/// After an update by other means: fields that changed now belong to `manager`.
pub(crate) fn track(
    old: Option<&Value>,
    new: &mut Value,
    manager: &str,
    subresource: &str,
    now: &str,
) {
    let mut all = BTreeSet::new();
    leaves(new, &mut Vec::new(), &mut all);
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
        None => owners.push(Owner {
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

type Path = Vec<String>;

struct Owner {
    manager: String,
    operation: String,
    subresource: String,
    api_version: String,
    time: String,
    fields: BTreeSet<Path>,
}

impl Owner {
    fn is(&self, manager: &str, operation: &str, subresource: &str) -> bool {
        self.manager == manager && self.operation == operation && self.subresource == subresource
    }
}

fn owners(object: &Value) -> Vec<Owner> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let entries = object["metadata"]["managedFields"].as_array();
    entries
        .into_iter()
        .flatten()
        .map(|e| {
            let mut fields = BTreeSet::new();
            read_fields(&e["fieldsV1"], &mut Vec::new(), &mut fields);
            Owner {
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

fn write_owners(object: &mut Value, owners: &[Owner]) {
    let entries: Vec<Value> = owners
        .iter()
        .map(|o| {
            let mut fields = json!({});
            for path in &o.fields {
                let mut at = &mut fields;
                for part in path {
                    at = &mut at[format!("f:{part}")];
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
        at.push(key.strip_prefix("f:").unwrap_or(key).to_owned());
        read_fields(inner, at, found);
        at.pop();
    }
}

/// Every leaf that can be owned; empty maps count as leaves, lists are one.
fn leaves(value: &Value, at: &mut Path, found: &mut BTreeSet<Path>) {
    if UNOWNED.contains(&at.join("/").as_str()) {
        return;
    }
    match value.as_object() {
        Some(map) if !map.is_empty() || at.is_empty() => {
            for (key, inner) in map {
                at.push(key.clone());
                leaves(inner, at, found);
                at.pop();
            }
        }
        _ => {
            found.insert(at.clone());
        }
    }
}

fn lookup<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(value, |at, part| at.as_object()?.get(part))
}

fn insert(object: &mut Value, path: &[String], value: Value) {
    let Some((last, parents)) = path.split_last() else { return };
    let mut at = object;
    for part in parents {
        let Some(map) = map_of(at) else { return };
        at = map.entry(part.clone()).or_insert_with(|| json!({}));
    }
    if let Some(map) = map_of(at) {
        let merged = match (map.get(last), &value) {
            (Some(Value::Array(old)), Value::Array(new)) => join(old, new, last),
            // An empty map says that there is a map, not that it is empty.
            (Some(Value::Object(_)), Value::Object(new)) if new.is_empty() => return,
            _ => value,
        };
        map.insert(last.clone(), merged);
    }
}

/// Lists that several managers fill together.
fn join(old: &[Value], new: &[Value], field: &str) -> Value {
    let key = match field {
        "ownerReferences" => "uid",
        "conditions" => "type",
        "finalizers" => "",
        _ => return new.to_vec().into(),
    };
    let same = |a: &Value, b: &Value| if key.is_empty() { a == b } else { a[key] == b[key] };
    let mut all: Vec<Value> =
        old.iter().filter(|o| !new.iter().any(|n| same(o, n))).cloned().collect();
    all.extend(new.iter().cloned());
    all.into()
}

fn map_of(value: &mut Value) -> Option<&mut Map<String, Value>> {
    if value.is_null() {
        *value = json!({});
    }
    value.as_object_mut()
}

/// Removes a leaf and the maps that it leaves empty.
fn remove(object: &mut Value, path: &[String]) {
    let Some((first, rest)) = path.split_first() else { return };
    let Some(map) = object.as_object_mut() else { return };
    if rest.is_empty() {
        map.remove(first);
    } else if let Some(inner) = map.get_mut(first) {
        remove(inner, rest);
        if inner.as_object().is_some_and(Map::is_empty) && first != "metadata" && first != "spec" {
            map.remove(first);
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
        Apply { manager, force, api_version: "v1", subresource: "", now: "t" }.run(object, &applied)
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
        track(Some(&old), &mut object, "kubectl", "", "t");
        let refused = apply(&mut object, "a", false, json!({ "data": { "one": "1" } }));
        assert_eq!(refused.unwrap_err().code, 409);
    }
}
