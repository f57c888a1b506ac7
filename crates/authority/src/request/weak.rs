//! One JSON value as a type, the way Vault's API takes it: scalars stand for each other where nothing is
//! lost. Source: OpenBao `sdk/framework/field_data.go`, which decodes weakly (mapstructure), and its
//! `parseutil`.
//!
//! ```text
//! text     "a"  7 → "7"  1.10 → "1.10"  true → "1"
//! flag     true  1  0  "t"  "TRUE"  "false"  "" → false
//! integer  7  "7"  "0x1f"  true → 1  "" → 0
//! list     ["a", 7]  "a, b"  7 → ["7"]
//! map      {"a": 7}  "a=b"  ["a=b", "c=d"]
//! ```

use std::collections::BTreeMap;

use regent_types::Json;

/// A scalar as text.
pub(super) fn text(value: &Json) -> Option<&str> {
    match value {
        Json::String(text) => Some(text),
        Json::Number(token) => Some(token.as_str()),
        Json::Bool(true) => Some("1"),
        Json::Bool(false) => Some("0"),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

/// A boolean; a number is true unless it is 0.
pub(super) fn flag(value: &Json) -> Option<bool> {
    match value {
        Json::Bool(flag) => Some(*flag),
        Json::Number(token) => token.as_f64().map(|number| number != 0.0),
        Json::String(text) => match text.trim() {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
            "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
            _ => None,
        },
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

/// A whole number, in text also with the prefix of its base.
pub(super) fn integer(value: &Json) -> Option<i64> {
    match value {
        Json::Bool(flag) => Some(i64::from(*flag)),
        Json::Number(token) => token.as_i64(),
        Json::String(text) => parse(text.trim()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

/// Texts: a list of scalars, or one scalar with commas. Blank ones are dropped.
pub(super) fn texts(value: &Json) -> Option<Vec<&str>> {
    let items: Vec<&str> = match value {
        Json::Array(items) => items.iter().map(text).collect::<Option<_>>()?,
        scalar => text(scalar)?.split(',').collect(),
    };
    Some(items.into_iter().map(str::trim).filter(|item| !item.is_empty()).collect())
}

/// Whole numbers: a list of scalars, or one scalar with commas.
pub(super) fn integers(value: &Json) -> Option<Vec<i64>> {
    match value {
        Json::Array(items) => items.iter().map(integer).collect(),
        Json::String(text) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            items.map(parse).collect()
        }
        scalar => Some(vec![integer(scalar)?]),
    }
}

/// An object of scalars, or `key=value` once or in a list. A null in an object is an empty text.
pub(super) fn map(value: &Json) -> Option<BTreeMap<String, String>> {
    match value {
        Json::Object(fields) => {
            let entry = |(key, value): (&String, &Json)| {
                let value = if value.is_null() { "" } else { text(value)? };
                Some((key.clone(), value.to_owned()))
            };
            fields.iter().map(entry).collect()
        }
        pairs => texts(pairs)?.into_iter().map(pair).collect(),
    }
}

fn pair(text: &str) -> Option<(String, String)> {
    let (key, value) = text.split_once('=')?;
    Some((key.trim().to_owned(), value.trim().to_owned()))
}

fn parse(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (base, digits) = match lower.as_bytes() {
        [] if text.is_empty() => return Some(0),
        [b'0', b'x', ..] => (16, lower.get(2..)?),
        [b'0', b'o', ..] => (8, lower.get(2..)?),
        [b'0', b'b', ..] => (2, lower.get(2..)?),
        [b'0', _, ..] => (8, lower.get(1..)?),
        _ => (10, lower.as_str()),
    };
    let plain = digits.starts_with(|c: char| c.is_ascii_hexdigit());
    plain.then(|| i64::from_str_radix(&format!("{sign}{digits}"), base).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        Json::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn v09_scalars_stand_for_each_other() {
        for (given, as_text, as_flag, as_integer) in [
            ("\"a\"", Some("a"), None, None),
            ("7", Some("7"), Some(true), Some(7)),
            ("0", Some("0"), Some(false), Some(0)),
            ("1.10", Some("1.10"), Some(true), None),
            ("true", Some("1"), Some(true), Some(1)),
            ("false", Some("0"), Some(false), Some(0)),
            ("\"true\"", Some("true"), Some(true), None),
            ("\"TRUE\"", Some("TRUE"), Some(true), None),
            ("\"yes\"", Some("yes"), None, None),
            ("\"\"", Some(""), Some(false), Some(0)),
            ("\"1\"", Some("1"), Some(true), Some(1)),
            ("\"-7\"", Some("-7"), None, Some(-7)),
            ("\"+7\"", Some("+7"), None, Some(7)),
            ("\"0x1f\"", Some("0x1f"), None, Some(31)),
            ("\"010\"", Some("010"), None, Some(8)),
            ("\"--7\"", Some("--7"), None, None),
            ("\"0x-7\"", Some("0x-7"), None, None),
            ("\"7 \"", Some("7 "), None, Some(7)),
            ("99999999999999999999", Some("99999999999999999999"), Some(true), None),
            ("null", None, None, None),
            ("[]", None, None, None),
            ("{}", None, None, None),
        ] {
            let value = json(given);
            assert_eq!(text(&value), as_text, "{given}");
            assert_eq!(flag(&value), as_flag, "{given}");
            assert_eq!(integer(&value), as_integer, "{given}");
        }
    }

    #[test]
    fn v09_lists_and_maps_come_in_several_spellings() {
        for (given, expected) in [
            (r#"["a", 7, true]"#, Some(vec!["a", "7", "1"])),
            (r#""a,, b ""#, Some(vec!["a", "b"])),
            ("7", Some(vec!["7"])),
            (r#""""#, Some(vec![])),
            (r#"["a", ["b"]]"#, None),
            ("{}", None),
        ] {
            assert_eq!(texts(&json(given)), expected, "{given}");
        }
        for (given, expected) in [
            (r#"[1, "2", "0x3"]"#, Some(vec![1, 2, 3])),
            (r#""1, 2""#, Some(vec![1, 2])),
            ("3", Some(vec![3])),
            (r#"["x"]"#, None),
        ] {
            assert_eq!(integers(&json(given)), expected, "{given}");
        }
        let entries = |given| map(&json(given)).map(|map| format!("{map:?}"));
        for (given, expected) in [
            (
                r#"{"version": 2, "b": true, "n": null}"#,
                Some(r#"{"b": "1", "n": "", "version": "2"}"#),
            ),
            (r#""a=b""#, Some(r#"{"a": "b"}"#)),
            (r#"["a=b", "c = d=e"]"#, Some(r#"{"a": "b", "c": "d=e"}"#)),
            (r#""a""#, None),
            (r#"{"a": {}}"#, None),
        ] {
            assert_eq!(entries(given), expected.map(str::to_owned), "{given}");
        }
    }
}
