//! Validation of a value against a structural schema (the OpenAPI v3 subset of CustomResourceDefinitions).

use serde_json::Value;

/// What is wrong, as (field, message).
pub(super) type Causes = Vec<(String, String)>;

/// Causes kept; more help nobody.
const CAUSES_MAX: usize = 20;

/// Validates `value`; `top` skips the envelope.
pub(super) fn value(schema: &Value, value: &Value, at: &str, top: bool, causes: &mut Causes) {
    if causes.len() >= CAUSES_MAX {
        return;
    }
    let mut wrong = |message: String| causes.push((at.to_owned(), message));
    if value.is_null() && schema["nullable"] == true {
        return;
    }
    if schema["x-kubernetes-int-or-string"] == true && (value.is_i64() || value.is_string()) {
        return;
    }
    if let Some(wanted) = schema["type"].as_str()
        && !is_of(wanted, value)
    {
        let found = type_of(value);
        wrong(format!(
            "Invalid value: {found:?}: {at} in body must be of type {wanted}: {found:?}"
        ));
        return;
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        let names: Vec<String> = allowed.iter().map(ToString::to_string).collect();
        wrong(format!("Unsupported value: {value}: supported values: {}", names.join(", ")));
    }
    match value {
        Value::String(text) => string(schema, text, at, causes),
        Value::Number(number) => range(schema, number.as_f64().unwrap_or(0.0), at, causes),
        Value::Array(items) => {
            count(schema, ("minItems", "maxItems"), items.len(), "items", at, causes);
            for (index, item) in items.iter().enumerate() {
                self::value(&schema["items"], item, &format!("{at}[{index}]"), false, causes);
            }
        }
        Value::Object(map) => {
            count(schema, ("minProperties", "maxProperties"), map.len(), "properties", at, causes);
            for name in
                schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str)
            {
                if !map.contains_key(name) {
                    causes.push((join(at, name), "Required value".into()));
                }
            }
            for (key, inner) in map {
                if top && ["apiVersion", "kind", "metadata"].contains(&key.as_str()) {
                    continue;
                }
                let known = &schema["properties"][key];
                let schema = if known.is_null() { &schema["additionalProperties"] } else { known };
                self::value(schema, inner, &join(at, key), false, causes);
            }
        }
        _ => {}
    }
}

fn join(at: &str, name: &str) -> String {
    if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") }
}

fn is_of(wanted: &str, value: &Value) -> bool {
    match wanted {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        _ => true,
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_i64() || n.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn string(schema: &Value, text: &str, at: &str, causes: &mut Causes) {
    let found = text.chars().count() as u64;
    if let Some(least) = schema["minLength"].as_u64().filter(|least| found < *least) {
        let message =
            format!("Invalid value: {text:?}: {at} in body should be at least {least} chars long");
        causes.push((at.to_owned(), message));
    }
    if let Some(most) = schema["maxLength"].as_u64().filter(|most| found > *most) {
        causes.push((at.to_owned(), format!("Too long: may not be more than {most} bytes")));
    }
    if let Some(pattern) = schema["pattern"].as_str() {
        // A pattern that does not compile was refused with its definition.
        let matches = regex::Regex::new(pattern).is_ok_and(|r| r.is_match(text));
        if !matches {
            let message = format!("Invalid value: {text:?}: {at} in body should match '{pattern}'");
            causes.push((at.to_owned(), message));
        }
    }
    if schema["format"] == "date-time" && text.parse::<jiff::Timestamp>().is_err() {
        let message =
            format!("Invalid value: {text:?}: {at} in body must be of type date-time: {text:?}");
        causes.push((at.to_owned(), message));
    }
}

fn range(schema: &Value, number: f64, at: &str, causes: &mut Causes) {
    let bounds = [
        (
            "minimum",
            "greater than or equal to",
            number < schema["minimum"].as_f64().unwrap_or(f64::MIN),
        ),
        (
            "maximum",
            "less than or equal to",
            number > schema["maximum"].as_f64().unwrap_or(f64::MAX),
        ),
    ];
    for (bound, words, _) in bounds.iter().filter(|(.., crossed)| *crossed) {
        let bound = schema[bound].as_f64().unwrap_or_default();
        let message = format!("Invalid value: {number}: {at} in body should be {words} {bound}");
        causes.push((at.to_owned(), message));
    }
}

fn count(
    schema: &Value,
    bounds: (&str, &str),
    found: usize,
    what: &str,
    at: &str,
    causes: &mut Causes,
) {
    let found = found as u64;
    if let Some(least) = schema[bounds.0].as_u64().filter(|least| found < *least) {
        let message =
            format!("Invalid value: {found}: {at} in body should have at least {least} {what}");
        causes.push((at.to_owned(), message));
    }
    if let Some(most) = schema[bounds.1].as_u64().filter(|most| found > *most) {
        causes.push((at.to_owned(), format!("Too many: {found}: must have at most {most} {what}")));
    }
}
