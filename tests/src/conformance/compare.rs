//! An expectation against what was found.

use serde_json::Value;

/// The first difference, with its place.
pub(super) fn differs(expected: &Value, found: &Value, at: &str) -> Option<String> {
    let wrong = || Some(format!("{at}: expected {expected}, found {found}"));
    match expected {
        Value::String(text) if text == "<any>" => found.is_null().then(wrong).flatten(),
        Value::String(text) if text.starts_with('~') => {
            let found = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
            if found.contains(&text[1..]) { None } else { wrong() }
        }
        Value::Object(fields) => {
            if !found.is_object() && !fields.is_empty() {
                return wrong();
            }
            fields.iter().find_map(|(key, expected)| {
                differs(expected, &found[key.as_str()], &format!("{at}.{key}"))
            })
        }
        Value::Array(items) => {
            let Some(all) = found.as_array().filter(|all| all.len() == items.len()) else {
                return wrong();
            };
            let pairs = items.iter().zip(all).enumerate();
            pairs.into_iter().find_map(|(i, (e, f))| differs(e, f, &format!("{at}[{i}]")))
        }
        _ if expected == found => None,
        _ => wrong(),
    }
}

/// The value at `a.b.0.c`; a dot in a name is written `\.`.
pub(super) fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    let hidden = path.replace("\\.", "\u{1}");
    hidden.split('.').map(|part| part.replace('\u{1}', ".")).fold(value, |value, part| {
        match part.parse::<usize>() {
            Ok(index) if value.is_array() => &value[index],
            _ => &value[part.as_str()],
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_map_is_a_subset_a_list_is_complete_and_null_is_absent() {
        let found = json!({ "a": [1, { "b": "long text" }], "c": 2 });
        let fits = |expected: Value| differs(&expected, &found, "").is_none();
        assert!(fits(json!({ "a": [1, { "b": "~text" }], "d": null, "c": "<any>" })));
        assert!(!fits(json!({ "a": [1] })));
        assert!(!fits(json!({ "c": null })));
        assert!(!fits(json!({ "d": "<any>" })));
        assert!(!fits(json!({ "a": [1, { "b": "text" }] })));
        assert_eq!(at(&found, "a.1.b"), "long text");
    }
}
