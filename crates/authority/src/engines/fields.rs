//! Fields of a request, read as Vault reads them: a number may come as a string (query parameters
//! do), a list as comma-separated text. `null` is as absent. A message names the field, never what
//! it holds.

use serde_json::{Map, Value};

use super::Fault;

type Fields = Map<String, Value>;

fn present<'d>(data: &'d Fields, name: &str) -> Option<&'d Value> {
    data.get(name).filter(|value| !value.is_null())
}

fn wrong(name: &str, expected: &str) -> Fault {
    Fault::invalid(format!("field {name:?}: expected {expected}"))
}

/// A string.
pub(crate) fn text<'d>(data: &'d Fields, name: &str) -> Result<Option<&'d str>, Fault> {
    present(data, name)
        .map(|value| value.as_str().ok_or_else(|| wrong(name, "a string")))
        .transpose()
}

/// A boolean, also as `"true"`, `"1"`, `1`.
pub(crate) fn flag(data: &Fields, name: &str) -> Result<Option<bool>, Fault> {
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

/// A whole number.
pub(crate) fn integer(data: &Fields, name: &str) -> Result<Option<i64>, Fault> {
    present(data, name)
        .map(|value| whole(value).ok_or_else(|| wrong(name, "a whole number")))
        .transpose()
}

/// A whole number not below zero.
pub(crate) fn count(data: &Fields, name: &str) -> Result<Option<u64>, Fault> {
    integer(data, name)?
        .map(|n| u64::try_from(n).map_err(|_| wrong(name, "a whole number not below 0")))
        .transpose()
}

/// A duration not below zero, in seconds.
pub(crate) fn seconds(data: &Fields, name: &str) -> Result<Option<u64>, Fault> {
    signed_seconds(data, name)?
        .map(|s| u64::try_from(s).map_err(|_| wrong(name, "a duration not below 0")))
        .transpose()
}

/// A duration in seconds.
pub(crate) fn signed_seconds(data: &Fields, name: &str) -> Result<Option<i64>, Fault> {
    present(data, name)
        .map(|value| {
            let expected = "a duration such as \"90s\" or \"1h\", or seconds";
            duration_s(value).ok_or_else(|| wrong(name, expected))
        })
        .transpose()
}

/// Strings: a list, or comma-separated text. Blank ones are dropped.
pub(crate) fn texts(data: &Fields, name: &str) -> Result<Option<Vec<String>>, Fault> {
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
pub(crate) fn counts(data: &Fields, name: &str) -> Result<Vec<u64>, Fault> {
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
) -> Result<Option<std::collections::BTreeMap<String, String>>, Fault> {
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

/// Seconds, or a Go duration: `90`, `"90"`, `"1h30m"`, `"-1s"`; also days (`"7d"`). Whole seconds
/// only.
pub(crate) fn duration_s(value: &Value) -> Option<i64> {
    let text = match value {
        Value::Number(number) => return number.as_i64(),
        Value::String(text) => text.trim(),
        _ => return None,
    };
    if text.is_empty() {
        return Some(0);
    }
    if let Ok(seconds) = text.parse() {
        return Some(seconds);
    }
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let mut total = 0_i64;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, tail) = rest.split_at_checked(digits)?;
        let letters = tail.len() - tail.trim_start_matches(|c: char| c.is_ascii_lowercase()).len();
        let (unit, next) = tail.split_at_checked(letters)?;
        let number: i64 = number.parse().ok()?;
        let scale = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            "ms" | "us" | "ns" if number == 0 => 1,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(scale)?)?;
        rest = next;
    }
    Some(sign * total)
}

/// As Go prints a duration: `0s`, `1m30s`, `9480h0m0s`.
pub(crate) fn go_duration(seconds: i64) -> String {
    let sign = if seconds < 0 { "-" } else { "" };
    let total = seconds.unsigned_abs();
    let (h, m, s) = (total / 3600, total % 3600 / 60, total % 60);
    match (h, m) {
        (0, 0) => format!("{sign}{s}s"),
        (0, _) => format!("{sign}{m}m{s}s"),
        _ => format!("{sign}{h}h{m}m{s}s"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn durations_are_read_and_written_as_go_does() {
        for (value, seconds) in [
            (json!(90), Some(90)),
            (json!("90"), Some(90)),
            (json!("1h30m"), Some(5400)),
            (json!("-1s"), Some(-1)),
            (json!("7d"), Some(604_800)),
            (json!(""), Some(0)),
            (json!("1500ms"), None),
            (json!("s"), None),
            (json!("1"), Some(1)),
            (json!("1x"), None),
            (json!(1.5), None),
            (json!("99999999999999999999s"), None),
            (json!("9223372036854775807h"), None),
            (json!(true), None),
        ] {
            assert_eq!(duration_s(&value), seconds, "{value}");
        }
        for (seconds, text) in [(0, "0s"), (90, "1m30s"), (34_128_000, "9480h0m0s"), (-1, "-1s")] {
            assert_eq!(go_duration(seconds), text);
        }
    }

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
