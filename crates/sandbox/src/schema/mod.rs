//! Custom resources against their structural schema: pruning, defaults, validation, CEL rules.

mod validate;

use kube_cel::{CompiledSchema, Validator, compile_schema};
use serde_json::Value;

use crate::status::Failure;

thread_local! {
    // Registering the CEL functions costs more than evaluating a rule, and the validator is not shared by threads.
    static VALIDATOR: Validator = Validator::new();
}

pub(crate) struct Schema {
    plain: Value,
    rules: CompiledSchema,
}

impl Schema {
    /// `None` where a version has no schema.
    pub(crate) fn compile(schema: &Value) -> Option<Self> {
        schema.is_object().then(|| Self { plain: schema.clone(), rules: compile_schema(schema) })
    }

    /// Rules that cannot be compiled, which the real API server refuses in the definition.
    pub(crate) fn broken_rules(&self) -> Vec<String> {
        let mut broken = Vec::new();
        collect_broken(&self.rules, &mut broken);
        broken
    }

    /// Drops unknown fields; returns their paths.
    pub(crate) fn prune(&self, object: &mut Value) -> Vec<String> {
        let mut gone = Vec::new();
        prune(&self.plain, object, "", &mut gone);
        gone
    }

    /// The schema as the definition has it.
    pub(crate) fn plain(&self) -> &Value {
        &self.plain
    }

    /// Fills defaults, validates; `old` is the object before an update.
    pub(crate) fn admit(
        &self,
        kind: &str,
        object: &mut Value,
        old: Option<&Value>,
    ) -> Result<(), Failure> {
        let filled = kube_cel::apply_defaults(&self.plain, object);
        *object = filled;
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let mut causes = Vec::new();
        validate::value(&self.plain, object, "", true, &mut causes);
        if causes.is_empty() {
            let errors = VALIDATOR.with(|v| v.validate_compiled(&self.rules, object, old));
            let errors = errors.err().map(|e| e.into_vec()).unwrap_or_default();
            causes.extend(errors.into_iter().map(|e| {
                let field = e.field_path.trim_start_matches('.').to_owned();
                (field, format!("Invalid value: {}", e.message))
            }));
        }
        if causes.is_empty() { Ok(()) } else { Err(Failure::invalid(kind, &name, &causes)) }
    }
}

/// Rules that do not compile, of the schema and of all in it.
fn collect_broken(rules: &CompiledSchema, broken: &mut Vec<String>) {
    let own = rules.compilation_errors();
    broken.extend(own.iter().map(|e| format!("Invalid value: compilation failed: {e}")));
    let nested = rules.properties.values().chain(rules.items.as_deref());
    nested.chain(rules.additional_properties.as_deref()).for_each(|r| collect_broken(r, broken));
}

/// Fields that every object may have beside its schema.
const ENVELOPE: [&str; 3] = ["apiVersion", "kind", "metadata"];

fn prune(schema: &Value, value: &mut Value, at: &str, gone: &mut Vec<String>) {
    let top = at.is_empty();
    match value {
        Value::Object(map) => {
            let keep = schema["x-kubernetes-preserve-unknown-fields"] == true;
            let properties = schema["properties"].as_object();
            let more = &schema["additionalProperties"];
            let path = |key: &str| if top { key.to_owned() } else { format!("{at}.{key}") };
            map.retain(|key, _| {
                let known = properties.is_some_and(|p| p.contains_key(key))
                    || keep
                    || more.is_object()
                    || *more == true
                    || (top && ENVELOPE.contains(&key.as_str()));
                if !known {
                    gone.push(path(key));
                }
                known
            });
            for (key, inner) in map.iter_mut() {
                if top && ENVELOPE.contains(&key.as_str()) {
                    continue;
                }
                match properties.and_then(|p| p.get(key)) {
                    Some(schema) => prune(schema, inner, &path(key), gone),
                    None if more.is_object() => prune(more, inner, &path(key), gone),
                    None => {}
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                prune(&schema["items"], item, &format!("{at}[{index}]"), gone);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema() -> Schema {
        Schema::compile(&json!({
            "type": "object", "required": ["spec"],
            "properties": { "spec": {
                "type": "object", "required": ["name"],
                "properties": {
                    "name": { "type": "string", "minLength": 2, "pattern": "^[a-z]+$" },
                    "count": { "type": "integer", "default": 3, "maximum": 9 },
                    "free": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
                    "kind": { "type": "string", "enum": ["a", "b"] },
                },
                "x-kubernetes-validations": [{ "rule": "self.count != 7", "message": "not seven" }],
            }},
        }))
        .unwrap()
    }

    #[test]
    fn unknown_fields_go_and_defaults_come() {
        let mut object = json!({
            "kind": "X", "metadata": { "name": "n" },
            "spec": { "name": "ab", "odd": 1, "free": { "any": [1] } },
        });
        assert_eq!(schema().prune(&mut object), ["spec.odd"]);
        schema().admit("X", &mut object, None).unwrap();
        assert_eq!(object["spec"], json!({ "name": "ab", "free": { "any": [1] }, "count": 3 }));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_field() {
        let cases = [
            (json!({}), "spec.name: Required value"),
            (json!({ "name": "A" }), "spec.name: Invalid value"),
            (json!({ "name": "ab", "count": 10 }), "spec.count: Invalid value"),
            (json!({ "name": "ab", "count": 7 }), "spec: Invalid value: not seven"),
            (json!({ "name": "ab", "kind": "c" }), "spec.kind: Unsupported value"),
            (json!({ "name": 4 }), "spec.name: Invalid value"),
        ];
        for (spec, wanted) in cases {
            let mut object = json!({ "metadata": { "name": "n" }, "spec": spec });
            let error = schema().admit("X", &mut object, None).unwrap_err();
            assert_eq!(error.code, 422);
            assert!(error.message.contains(wanted), "{}", error.message);
        }
    }
}
