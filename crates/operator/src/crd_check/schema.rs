//! Which fields of a definition the API server does not serve: those that it would prune in silence. Pure.

use serde_json::Value;

/// Levels compared; regent's own schemas have fewer than half.
const DEPTH_MAX: usize = 32;

/// The first field of `own`, in the order of its text, that `served` lacks: `status.version.number`.
///
/// Both are OpenAPI v3 schemas (kube: CustomResourceDefinition `openAPIV3Schema`; `/openapi/v3/apis/GROUP/VERSION`). What
/// `served` has beyond `own` is of a later release, and is left to it.
pub(super) fn lacking(own: &Value, served: &Value) -> Option<String> {
    below(own, served, DEPTH_MAX).map(|fields| fields.join("."))
}

fn below(own: &Value, served: &Value, depth: usize) -> Option<Vec<String>> {
    if depth == 0 || served["x-kubernetes-preserve-unknown-fields"] == true {
        return None;
    }
    for (field, schema) in own["properties"].as_object().into_iter().flatten() {
        let mut rest = match served["properties"].get(field) {
            Some(found) => match below(schema, found, depth - 1) {
                Some(rest) => rest,
                None => continue,
            },
            None => Vec::new(),
        };
        rest.insert(0, field.clone());
        return Some(rest);
    }
    // An entry of a list or map bears no name.
    ["items", "additionalProperties"]
        .into_iter()
        .filter(|inner| own[inner].is_object())
        .find_map(|inner| below(&own[inner], &served[inner], depth - 1))
}

/// The schema of `kind` in the OpenAPI document of its group and version.
pub(super) fn of_kind<'a>(document: &'a Value, kind: &str) -> Option<&'a Value> {
    let schemas = document["components"]["schemas"].as_object()?;
    schemas.values().find(|schema| {
        let names = schema["x-kubernetes-group-version-kind"].as_array();
        names.is_some_and(|all| all.iter().any(|name| name["kind"] == kind))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn own() -> Value {
        let pair = json!({ "type": "object", "properties": { "number": {}, "createdTime": {} } });
        json!({ "properties": {
            "spec": { "properties": { "keys": { "additionalProperties": pair } } },
            "status": { "properties": { "versions": { "items": pair }, "any": { "properties": { "x": {} } } } },
        } })
    }

    fn without(pointer: &str, field: &str) -> Value {
        let mut served = own();
        let properties = served.pointer_mut(pointer).and_then(Value::as_object_mut).expect("there");
        properties.remove(field).expect("there");
        served
    }

    #[test]
    fn the_first_missing_field_is_named_wherever_it_is() {
        assert_eq!(lacking(&own(), &own()), None);
        for (pointer, field, named) in [
            ("/properties", "status", "status"),
            ("/properties/status/properties", "versions", "status.versions"),
            (
                "/properties/status/properties/versions/items/properties",
                "number",
                "status.versions.number",
            ),
            (
                "/properties/spec/properties/keys/additionalProperties/properties",
                "createdTime",
                "spec.keys.createdTime",
            ),
        ] {
            assert_eq!(lacking(&own(), &without(pointer, field)).as_deref(), Some(named));
        }
    }

    #[test]
    fn what_a_later_release_added_and_what_keeps_unknown_fields_is_fine() {
        let mut later = own();
        later["properties"]["spec"]["properties"]["later"] = json!({});
        assert_eq!(lacking(&own(), &later), None);
        let mut open = without("/properties/status/properties/any/properties", "x");
        assert_eq!(lacking(&own(), &open).as_deref(), Some("status.any.x"));
        open["properties"]["status"]["properties"]["any"]["x-kubernetes-preserve-unknown-fields"] =
            json!(true);
        assert_eq!(lacking(&own(), &open), None);
    }

    #[test]
    fn a_kind_is_found_by_its_name_in_the_document() {
        let schema = json!({ "x-kubernetes-group-version-kind": [{ "kind": "RuntimeSecret" }] });
        let document = json!({ "components": { "schemas": { "dev.regent.v1alpha1.RuntimeSecret": schema, "list": {} } } });
        assert_eq!(of_kind(&document, "RuntimeSecret"), Some(&schema));
        assert_eq!(of_kind(&document, "Workflow"), None);
    }
}
