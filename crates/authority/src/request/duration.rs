//! Durations as Vault's API takes and prints them.

use regent_types::Json;

const NANOSECONDS: i128 = 1_000_000_000;

/// Units of Go's `time.ParseDuration`, in nanoseconds.
const UNITS: [(&str, i128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", NANOSECONDS),
    ("m", 60 * NANOSECONDS),
    ("h", 3600 * NANOSECONDS),
];

/// Seconds, or a Go duration: `90`, `"90"`, `"1h30m"`, `"1.5h"`, `"-1s"`; also days (`"7d"`). What is less
/// than a second is cut off, as Vault does.
pub(crate) fn duration_s(value: &Json) -> Option<i64> {
    let text = match value {
        Json::Number(token) => token.as_str(),
        Json::String(text) => text.trim(),
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => return None,
    };
    if text.is_empty() {
        return Some(0);
    }
    if let Ok(seconds) = text.parse() {
        return Some(seconds);
    }
    if let Some(days) = text.strip_suffix('d') {
        return days.parse::<i64>().ok()?.checked_mul(86_400);
    }
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut total = 0_i128;
    while !rest.is_empty() {
        let after = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let number = rest.strip_suffix(after)?;
        let next = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, next) = after.split_at_checked(next)?;
        let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit)?;
        total = total.checked_add(scaled(number, *scale)?)?;
        rest = next;
    }
    i64::try_from(sign * (total / NANOSECONDS)).ok()
}

/// A decimal number of units, in nanoseconds.
fn scaled(number: &str, scale: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    // Twelve digits are less than a nanosecond of any unit.
    let fraction = fraction.get(..12).unwrap_or(fraction);
    let digits = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<i128>().ok() };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let power = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    let part = digits(fraction)?.checked_mul(scale)? / power;
    digits(whole)?.checked_mul(scale)?.checked_add(part)
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
    use super::*;

    #[test]
    fn v09_durations_are_read_and_written_as_go_does() {
        for (text, seconds) in [
            ("90", Some(90)),
            ("\"90\"", Some(90)),
            ("\"1h30m\"", Some(5400)),
            ("\"1.5h\"", Some(5400)),
            ("\".5m\"", Some(30)),
            ("\"-1s\"", Some(-1)),
            ("\"+1s\"", Some(1)),
            ("\"7d\"", Some(604_800)),
            ("\"\"", Some(0)),
            ("\"1500ms\"", Some(1)),
            ("\"999us\"", Some(0)),
            ("\"s\"", None),
            ("\".s\"", None),
            ("\"1x\"", None),
            ("\"1h 30m\"", None),
            ("\"1.2.3s\"", None),
            ("1.5", None),
            ("\"99999999999999999999s\"", None),
            ("\"9223372036854775807h\"", None),
            ("true", None),
            ("[1]", None),
        ] {
            let value = Json::parse(text.as_bytes()).unwrap();
            assert_eq!(duration_s(&value), seconds, "{text}");
        }
        for (seconds, text) in [(0, "0s"), (90, "1m30s"), (34_128_000, "9480h0m0s"), (-1, "-1s")] {
            assert_eq!(go_duration(seconds), text);
        }
    }
}
