//! Strategic merge for the built-in kinds: like a merge patch, but lists whose items have a merge key are merged
//! item by item, and `$patch: delete` and `$deleteFromPrimitiveList` are understood.

use serde_json::Value;

/// Merge key of a list, by the name of its field.
fn merge_key(field: &str) -> Option<&'static str> {
    match field {
        "ownerReferences" => Some("uid"),
        "containers" | "initContainers" | "volumes" | "env" | "secrets" | "imagePullSecrets" => {
            Some("name")
        }
        "conditions" => Some("type"),
        "volumeMounts" => Some("mountPath"),
        "ports" => Some("port"),
        _ => None,
    }
}

pub(super) fn merge(target: &mut Value, patch: &Value, field: &str) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            for (key, value) in patch {
                if let Some(list) = key.strip_prefix("$deleteFromPrimitiveList/") {
                    let gone = value.as_array().cloned().unwrap_or_default();
                    if let Some(items) = target.get_mut(list).and_then(Value::as_array_mut) {
                        items.retain(|item| !gone.contains(item));
                    }
                } else if key.starts_with('$') {
                    // $setElementOrder and $retainKeys only order or repeat what the patch says anyway.
                } else if value.is_null() {
                    target.remove(key);
                } else {
                    merge(target.entry(key.clone()).or_insert(Value::Null), value, key);
                }
            }
            target.retain(|_, value| value.as_array().is_none_or(|items| !items.is_empty()));
        }
        (Value::Array(items), Value::Array(patches)) => merge_list(items, patches, field),
        (target, Value::Object(patch)) => {
            *target = Value::Object(serde_json::Map::new());
            merge(target, &Value::Object(patch.clone()), field);
        }
        (target, patch) => *target = patch.clone(),
    }
}

fn merge_list(items: &mut Vec<Value>, patches: &[Value], field: &str) {
    let Some(key) = merge_key(field) else {
        if field == "finalizers" {
            let new = patches.iter().filter(|p| !items.contains(p)).cloned();
            *items = new.collect::<Vec<_>>().into_iter().chain(items.drain(..)).collect();
        } else {
            *items = patches.to_vec();
        }
        return;
    };
    let mut new = Vec::new();
    for patch in patches {
        let found = items.iter().position(|item| item[key] == patch[key]);
        match (found, patch["$patch"] == "delete") {
            (Some(at), true) => {
                items.remove(at);
            }
            (Some(at), false) => merge(&mut items[at], patch, ""),
            (None, true) => {}
            (None, false) => new.push(patch.clone()),
        }
    }
    // What a patch adds comes first, as on the real API server.
    items.splice(0..0, new);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lists_with_a_merge_key_are_merged_item_by_item() {
        let mut object =
            json!({ "conditions": [{ "type": "A", "status": "True" }], "finalizers": ["x"] });
        let patch = json!({
            "conditions": [{ "type": "A", "status": "False" }, { "type": "B" }],
            "finalizers": ["y"], "$deleteFromPrimitiveList/finalizers": ["x"],
        });
        merge(&mut object, &patch, "");
        assert_eq!(object["conditions"].as_array().unwrap().len(), 2);
        assert_eq!(object["conditions"][1]["status"], "False");
        assert_eq!(object["finalizers"], json!(["y"]));
    }
}
