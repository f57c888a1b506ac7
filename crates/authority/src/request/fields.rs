//! Fields of a request, read as Vault reads them (`weak.rs`). `null` is as absent. A message names the
//! field, never what it holds.

use std::collections::BTreeMap;

use regent_types::Json;
use regent_types::json::Object;

use super::duration::duration_s;
use super::weak;
use crate::error::ApiError;

fn read<'d, T>(
    data: &'d Object,
    name: &str,
    expected: &str,
    decode: impl FnOnce(&'d Json) -> Option<T>,
) -> Result<Option<T>, ApiError> {
    let present = data.get(name).filter(|value| !value.is_null());
    present.map(|value| decode(value).ok_or_else(|| wrong(name, expected))).transpose()
}

fn wrong(name: &str, expected: &str) -> ApiError {
    ApiError::invalid(format!("field {name:?}: expected {expected}"))
}

/// A string. Like all below: `None` if absent or null, a 400 if it is something else.
pub(crate) fn text<'d>(data: &'d Object, name: &str) -> Result<Option<&'d str>, ApiError> {
    read(data, name, "a string", weak::text)
}

/// A boolean, also as `1`, `0`, `"true"`, `"f"`.
pub(crate) fn flag(data: &Object, name: &str) -> Result<Option<bool>, ApiError> {
    read(data, name, "a boolean", weak::flag)
}

/// A whole number of 64 bits, also as text.
pub(crate) fn integer(data: &Object, name: &str) -> Result<Option<i64>, ApiError> {
    read(data, name, "a whole number", weak::integer)
}

/// A whole number not below zero.
pub(crate) fn count(data: &Object, name: &str) -> Result<Option<u64>, ApiError> {
    let count = |value| weak::integer(value).and_then(|number| u64::try_from(number).ok());
    read(data, name, "a whole number not below 0", count)
}

/// A duration not below zero, in seconds.
pub(crate) fn seconds(data: &Object, name: &str) -> Result<Option<u64>, ApiError> {
    let seconds = |value| duration_s(value).and_then(|seconds| u64::try_from(seconds).ok());
    read(data, name, "a duration such as \"90s\" or \"1h\", or seconds, not below 0", seconds)
}

/// A duration in seconds.
pub(crate) fn signed_seconds(data: &Object, name: &str) -> Result<Option<i64>, ApiError> {
    read(data, name, "a duration such as \"90s\" or \"1h\", or seconds", duration_s)
}

/// Strings: a list, or comma-separated text. Blank ones are dropped.
pub(crate) fn texts(data: &Object, name: &str) -> Result<Option<Vec<String>>, ApiError> {
    let texts = read(data, name, "a list of strings", weak::texts)?;
    Ok(texts.map(|texts| texts.into_iter().map(str::to_owned).collect()))
}

/// Whole numbers not below zero: a list, comma-separated text or one number.
pub(crate) fn counts(data: &Object, name: &str) -> Result<Vec<u64>, ApiError> {
    let counts = |value| {
        let numbers = weak::integers(value)?.into_iter();
        numbers.map(|number| u64::try_from(number).ok()).collect::<Option<Vec<_>>>()
    };
    Ok(read(data, name, "a list of whole numbers", counts)?.unwrap_or_default())
}

/// An object of strings, or `key=value` pairs.
pub(crate) fn text_map(
    data: &Object,
    name: &str,
) -> Result<Option<BTreeMap<String, String>>, ApiError> {
    read(data, name, "an object whose values are strings", weak::map)
}

/// Further fields, one level down.
pub(crate) fn object<'d>(data: &'d Object, name: &str) -> Result<Option<&'d Object>, ApiError> {
    read(data, name, "an object", Json::as_object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_may_come_as_a_query_parameter_and_a_message_names_it_alone() {
        let text_of = r#"{"n": "3", "f": "true", "l": "1, 2", "t": "a,,b ", "x": [{}], "z": null}"#;
        let Json::Object(data) = Json::parse(text_of.as_bytes()).unwrap() else { panic!() };
        assert_eq!(integer(&data, "n").unwrap(), Some(3));
        assert_eq!(flag(&data, "f").unwrap(), Some(true));
        assert_eq!(counts(&data, "l").unwrap(), [1, 2]);
        assert_eq!(texts(&data, "t").unwrap(), Some(vec!["a".to_owned(), "b".to_owned()]));
        assert!(texts(&data, "x").is_err() && flag(&data, "l").is_err());
        assert_eq!(text(&data, "z").unwrap(), None);
        let said = count(&data, "t").unwrap_err().to_string();
        assert!(said.contains("\"t\"") && !said.contains("a,,b"), "{said}");
    }
}
