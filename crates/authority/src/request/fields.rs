//! Fields of a request, read as Vault reads them: a number may come as a string (query parameters
//! do), a list as comma-separated text. `null` is as absent. A message names the field, never what
//! it holds.

use serde_json::{Map, Value};

use super::duration::duration_s;
use crate::error::ApiError;

type Fields = Map<String, Value>;

fn present<'d>(data: &'d Fields, name: &str) -> Option<&'d Value> {
    data.get(name).filter(|value| !value.is_null())
}

fn wrong(name: &str, expected: &str) -> ApiError {
    ApiError::invalid(format!("field {name:?}: expected {expected}"))
}

/// A string. Like all below: `None` if absent or null, a 400 if it is something else.
pub(crate) fn text<'d>(data: &'d Fields, name: &str) -> Result<Option<&'d str>, ApiError> {
    present(data, name)
        .map(|value| value.as_str().ok_or_else(|| wrong(name, "a string")))
        .transpose()
}

/// A boolean, also as `"true"`, `"1"`, `1`.
pub(crate) fn flag(data: &Fields, name: &str) -> Result<Option<bool>, ApiError> {
    let read = |value: &Value| match value {
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => match number.as_u64() {
            Some(0) => Some(false),
            Some(1) => Some(true),
            _ => None,
        },
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "1" => Some(true),
            "false" | "f" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    };
    present(data, name).map(|value| read(value).ok_or_else(|| wrong(name, "a boolean"))).transpose()
}

/// A whole number, also as text.
pub(crate) fn integer(data: &Fields, name: &str) -> Result<Option<i64>, ApiError> {
    present(data, name)
        .map(|value| whole(value).ok_or_else(|| wrong(name, "a whole number")))
        .transpose()
}

/// A whole number not below zero.
pub(crate) fn count(data: &Fields, name: &str) -> Result<Option<u64>, ApiError> {
    integer(data, name)?
        .map(|n| u64::try_from(n).map_err(|_| wrong(name, "a whole number not below 0")))
        .transpose()
}

/// A duration not below zero, in seconds.
pub(crate) fn seconds(data: &Fields, name: &str) -> Result<Option<u64>, ApiError> {
    signed_seconds(data, name)?
        .map(|s| u64::try_from(s).map_err(|_| wrong(name, "a duration not below 0")))
        .transpose()
}

/// A duration in seconds.
pub(crate) fn signed_seconds(data: &Fields, name: &str) -> Result<Option<i64>, ApiError> {
    present(data, name)
        .map(|value| {
            let expected = "a duration such as \"90s\" or \"1h\", or seconds";
            duration_s(value).ok_or_else(|| wrong(name, expected))
        })
        .transpose()
}

/// Strings: a list, or comma-separated text. Blank ones are dropped.
pub(crate) fn texts(data: &Fields, name: &str) -> Result<Option<Vec<String>>, ApiError> {
    let expected = || wrong(name, "a list of strings");
    let Some(value) = present(data, name) else { return Ok(None) };
    let items: Vec<&str> = match value {
        Value::String(text) => text.split(',').collect(),
        Value::Array(items) => {
            items.iter().map(|item| item.as_str().ok_or_else(expected)).collect::<Result<_, _>>()?
        }
        _ => return Err(expected()),
    };
    let items = items.into_iter().map(str::trim).filter(|item| !item.is_empty());
    Ok(Some(items.map(str::to_owned).collect()))
}

/// Whole numbers not below zero: a list, comma-separated text or one number.
pub(crate) fn counts(data: &Fields, name: &str) -> Result<Vec<u64>, ApiError> {
    let one = |value: &Value| {
        let number = whole(value).and_then(|n| u64::try_from(n).ok());
        number.ok_or_else(|| wrong(name, "a list of whole numbers"))
    };
    match present(data, name) {
        None => Ok(Vec::new()),
        Some(Value::Array(items)) => items.iter().map(one).collect(),
        Some(Value::String(text)) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            items.map(|item| one(&Value::from(item))).collect()
        }
        Some(value) => Ok(vec![one(value)?]),
    }
}

/// An object of strings.
pub(crate) fn text_map(
    data: &Fields,
    name: &str,
) -> Result<Option<std::collections::BTreeMap<String, String>>, ApiError> {
    let expected = || wrong(name, "an object whose values are strings");
    let Some(value) = present(data, name) else { return Ok(None) };
    let entries = value.as_object().ok_or_else(expected)?.iter();
    let entry = |(key, value): (&String, &Value)| {
        Ok((key.clone(), value.as_str().ok_or_else(expected)?.to_owned()))
    };
    entries.map(entry).collect::<Result<_, _>>().map(Some)
}

fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_may_come_as_a_query_parameter() {
        let data = json!({"n": "3", "f": "true", "l": "1, 2", "t": "a,,b ", "x": [1], "z": null});
        let Value::Object(data) = data else { panic!() };
        assert_eq!(integer(&data, "n").unwrap(), Some(3));
        assert_eq!(flag(&data, "f").unwrap(), Some(true));
        assert_eq!(counts(&data, "l").unwrap(), [1, 2]);
        assert_eq!(texts(&data, "t").unwrap(), Some(vec!["a".to_owned(), "b".to_owned()]));
        assert!(texts(&data, "x").is_err() && flag(&data, "l").is_err());
        assert_eq!(text(&data, "z").unwrap(), None);
    }
}
