//! No resource of regent's has a field for a value: what a person could write a password into is not in a schema.

use serde_json::Value;

use super::report::Report;
use super::tree::Tree;

/// Definitions of regent's own kinds.
const DEFINITIONS: (&str, &str) = ("config/crds/", ".regent.dev.yaml");
/// Names of fields that would hold a value, in lower case.
const NAMES: [&str; 14] = [
    "value",
    "values",
    "plaintext",
    "password",
    "passphrase",
    "token",
    "privatekey",
    "secretkey",
    "secretvalue",
    "stringdata",
    "data",
    "secret",
    "key",
    "share",
];
/// Fields that have such a name and hold none, each with its reason.
const NO_VALUES: &[(&str, &str)] = &[(
    "runtimesecrets.regent.dev: spec.introduce.generate.keys.*.value",
    "fixed and no secret, such as a user name",
)];

/// Finds fields that would hold a value.
pub(super) fn check(tree: &Tree) -> Report {
    let mut report = Report::default();
    let mut count = 0;
    let mut known = Vec::new();
    for (path, text) in &tree.texts {
        let Some(inside) = path.strip_prefix(DEFINITIONS.0) else { continue };
        let Some(name) = inside.strip_suffix(".yaml").filter(|_| path.ends_with(DEFINITIONS.1))
        else {
            continue;
        };
        let parsed = text.split("\n---\n").last().map(serde_saphyr::from_str::<Value>);
        let Some(Ok(definition)) = parsed else {
            report.find(path, 1, "is no YAML");
            continue;
        };
        count += 1;
        let versions = definition["spec"]["versions"].as_array().cloned().unwrap_or_default();
        for version in versions {
            let mut found = Vec::new();
            walk(&version["schema"]["openAPIV3Schema"], "", &mut found);
            for field in found.into_iter().map(|field| format!("{name}: {field}")) {
                if NO_VALUES.iter().any(|(exception, _)| *exception == field) {
                    known.push(field);
                } else {
                    let what =
                        format!("{field} would hold a value, name where the value is instead");
                    report.find(path, 1, what);
                }
            }
        }
    }
    for (exception, _) in NO_VALUES.iter().filter(|(e, _)| !known.iter().any(|k| k == e)) {
        let what = format!("{exception} is not there, take it off NO_VALUES");
        report.find("xtask/src/tidy/fields.rs", 1, what);
    }
    report.notes.push(format!("{count} definitions"));
    report
}

fn walk(schema: &Value, at: &str, found: &mut Vec<String>) {
    for (name, below) in schema["properties"].as_object().into_iter().flatten() {
        let at = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        let text = below["type"] == "string" || below["additionalProperties"]["type"] == "string";
        let bytes = below["format"] == "byte" || below["format"] == "password";
        if bytes || (text && NAMES.contains(&name.to_lowercase().as_str())) {
            found.push(at.clone());
        }
        walk(below, &at, found);
    }
    for below in ["items", "additionalProperties"] {
        if schema[below].is_object() {
            walk(&schema[below], &format!("{at}.*"), found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_for_a_value_is_found_wherever_it_is() {
        let text = "# Generated\n---\nspec:\n  versions:\n  - schema:\n      openAPIV3Schema:\n        properties:\n          spec:\n            properties:\n\
                    \x20             name: {type: string}\n              users: {type: array, items: {properties: {password: {type: string}, blob: {type: string, format: byte}}}}\n";
        let tree = Tree::fixture(&[
            ("config/crds/things.regent.dev.yaml", text),
            ("config/crds/x.other.io.yaml", text),
        ]);
        let mut found: Vec<String> =
            check(&tree).findings.iter().map(ToString::to_string).collect();
        assert!(found.pop().unwrap().contains("take it off NO_VALUES"));
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found.iter().any(|f| f.contains("things.regent.dev: spec.users.*.password would hold")),
            "{found:?}"
        );
        assert!(found.iter().any(|f| f.contains("spec.users.*.blob")), "{found:?}");
    }
}
