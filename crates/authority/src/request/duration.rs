//! Durations as Vault's API takes and prints them.

use serde_json::Value;

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
}
