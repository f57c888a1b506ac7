//! What is written about the values: the chart's `values.yaml`, its schema, and a table for people. All three come
//! from the doc comments, bounds and defaults in `values`, so none of them can be out of date.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::template::helm::scalar;
use super::values::Values;

/// Columns of the comments in `values.yaml`.
const COLUMNS_MAX: usize = 100;

/// JSON Schema of the values.
pub fn schema() -> Value {
    let settings = schemars::generate::SchemaSettings::draft07();
    // Helm's readers of schemas differ in how well they follow references.
    let settings = settings.with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<Values>().to_value();
    schema["properties"]["global"] = json!({
        "description": "Put there by Helm where this chart is a part of another.", "type": "object",
    });
    schema
}

struct Field {
    path: Vec<String>,
    /// What it means; empty where the same was said of another component.
    text: String,
    /// Its default; none where it has fields of its own.
    default: Option<Value>,
}

fn fields() -> Result<Vec<Field>, serde_json::Error> {
    let mut all = Vec::new();
    let defaults = serde_json::to_value(Values::default())?;
    walk(&schema(), &defaults, &[], &mut BTreeSet::new(), &mut all);
    Ok(all)
}

fn walk(
    schema: &Value,
    defaults: &Value,
    at: &[String],
    said: &mut BTreeSet<String>,
    all: &mut Vec<Field>,
) {
    // Sorted here, since maps keep another order where some crate asks for that.
    let keys: BTreeSet<&String> = defaults.as_object().into_iter().flat_map(|m| m.keys()).collect();
    for key in keys {
        let (schema, default) = (&schema["properties"][key], &defaults[key]);
        let path = [at, std::slice::from_ref(key)].concat();
        let text = schema["description"].as_str().unwrap_or_default().replace('\n', " ");
        let text = if said.insert(format!("{key} {text}")) { text } else { String::new() };
        let nested = schema["properties"].is_object();
        let default = (!nested).then(|| default.clone());
        all.push(Field { path: path.clone(), text, default });
        if nested {
            walk(schema, &defaults[key], &path, said, all);
        }
    }
}

/// The chart's `values.yaml`: every value with its default, and what it means.
pub fn values_yaml() -> Result<String, serde_json::Error> {
    let mut text = String::new();
    for Field { path, text: meaning, default } in fields()? {
        let margin = "  ".repeat(path.len() - 1);
        if path.len() == 1 {
            text.push('\n');
        }
        for line in wrapped(&meaning, COLUMNS_MAX - margin.len() - 2) {
            text.push_str(&format!("{margin}# {line}\n"));
        }
        let key = path.last().map(String::as_str).unwrap_or_default();
        let value = default.map(|value| format!(" {}", scalar(&value))).unwrap_or_default();
        text.push_str(&format!("{margin}{key}:{value}\n"));
    }
    Ok(text)
}

/// A Markdown table of the values.
pub fn table() -> Result<String, serde_json::Error> {
    let mut text = String::from("| value | default | meaning |\n| --- | --- | --- |\n");
    for Field { path, text: meaning, default } in fields()? {
        if meaning.is_empty() {
            continue;
        }
        let default = default.map(|value| format!("`{}`", scalar(&value))).unwrap_or_default();
        text.push_str(&format!("| `{}` | {default} | {meaning} |\n", path.join(".")));
    }
    Ok(text)
}

fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    /// C2-2: whoever installs reads of every value what it means; a field without a word about it is a mistake.
    #[test]
    fn every_value_is_told() {
        let mut said = BTreeSet::new();
        for field in fields().unwrap() {
            let key = field.path.last().unwrap().clone();
            assert!(!field.text.is_empty() || said.contains(&key), "{:?}", field.path);
            said.insert(key);
        }
        assert_eq!(schema()["additionalProperties"], false);
    }
}
