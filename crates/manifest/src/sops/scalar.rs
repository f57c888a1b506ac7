//! Scalars as go-yaml v3.0.4 resolves them, and their bytes as SOPS hashes and encrypts them.
//!
//! SOPS reads YAML with go-yaml, so the MAC of a file with `0644` holds `420`, that of `2024-01-01`
//! holds `2024-01-01T00:00:00Z`. Sources: go-yaml `resolve.go`, SOPS `ToBytes` in `sops.go`.

use std::sync::LazyLock;

use granit_parser::ScalarStyle;
use regex::Regex;
use zeroize::Zeroizing;

use super::gotime;

/// Type of a scalar: the `type:` of an `ENC[…]` token, and null, which is never encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ScalarKind {
    Null,
    Str,
    Int,
    Float,
    Bool,
    Time,
    Bytes,
    Comment,
}

/// A scalar and its canonical bytes.
#[derive(Clone, PartialEq)]
pub(crate) struct Scalar {
    pub(crate) kind: ScalarKind,
    pub(crate) bytes: Zeroizing<Vec<u8>>,
}

impl Scalar {
    pub(crate) fn new(kind: ScalarKind, bytes: impl Into<Vec<u8>>) -> Self {
        Self { kind, bytes: Zeroizing::new(bytes.into()) }
    }

    /// Whether SOPS leaves it as it is: null and the empty string.
    pub(crate) fn is_blank(&self) -> bool {
        self.bytes.is_empty()
            && matches!(self.kind, ScalarKind::Null | ScalarKind::Str | ScalarKind::Comment)
    }
}

/// The tags that change how a scalar is read; any other tag is refused by the parser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    Str,
    Int,
    Float,
    Bool,
    Null,
    Timestamp,
    /// Of the key `<<` alone: SOPS writes `!!merge <<:`.
    Merge,
}

/// A scalar that SOPS cannot read either: an integer beyond `i64`, or a value against its tag.
#[derive(Debug)]
pub(crate) struct Unresolvable;

static YAML_FLOAT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$").ok());
static DOT_FLOAT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^\.[0-9]+(_[0-9]+)*([eE][-+]?[0-9]+(_[0-9]+)*)?$").ok());

/// Resolves a scalar as go-yaml does.
pub(crate) fn resolve(
    text: &str,
    style: ScalarStyle,
    tag: Option<Tag>,
) -> Result<Scalar, Unresolvable> {
    let Some(tag) = tag else {
        return match style {
            ScalarStyle::Plain => plain(text, true),
            _ => Ok(Scalar::new(ScalarKind::Str, text)),
        };
    };
    if tag == Tag::Str {
        return Ok(Scalar::new(ScalarKind::Str, text));
    }
    let scalar = plain(text, tag == Tag::Timestamp)?;
    match (tag, scalar.kind) {
        (Tag::Int, ScalarKind::Int)
        | (Tag::Float, ScalarKind::Float)
        | (Tag::Bool, ScalarKind::Bool)
        | (Tag::Null, ScalarKind::Null)
        | (Tag::Timestamp, ScalarKind::Time) => Ok(scalar),
        (Tag::Float, ScalarKind::Int) => {
            let text = std::str::from_utf8(&scalar.bytes).map_err(|_| Unresolvable)?;
            let number: f64 = text.parse().map_err(|_| Unresolvable)?;
            Ok(Scalar::new(ScalarKind::Float, go_float(number)))
        }
        _ => Err(Unresolvable),
    }
}

fn plain(text: &str, dates: bool) -> Result<Scalar, Unresolvable> {
    match text {
        "true" | "True" | "TRUE" => return Ok(Scalar::new(ScalarKind::Bool, "True")),
        "false" | "False" | "FALSE" => return Ok(Scalar::new(ScalarKind::Bool, "False")),
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Scalar::new(ScalarKind::Null, "")),
        ".nan" | ".NaN" | ".NAN" => return Ok(Scalar::new(ScalarKind::Float, "NaN")),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Ok(Scalar::new(ScalarKind::Float, "+Inf"));
        }
        "-.inf" | "-.Inf" | "-.INF" => return Ok(Scalar::new(ScalarKind::Float, "-Inf")),
        _ => {}
    }
    let found = match text.as_bytes().first() {
        Some(b'.') => dotted(text),
        Some(b'0'..=b'9' | b'+' | b'-') => number_or_date(text, dates)?,
        _ => None,
    };
    Ok(found.unwrap_or_else(|| Scalar::new(ScalarKind::Str, text)))
}

/// `.5`: only here does Go's own float parser see underscores.
fn dotted(text: &str) -> Option<Scalar> {
    DOT_FLOAT.as_ref().filter(|regex| regex.is_match(text))?;
    float(&text.replace('_', ""))
}

fn number_or_date(text: &str, dates: bool) -> Result<Option<Scalar>, Unresolvable> {
    if dates && let Some(time) = gotime::parse(text) {
        return Ok(Some(Scalar::new(ScalarKind::Time, time.rfc3339_nano())));
    }
    let plain = text.replace('_', "");
    match go_int(&plain) {
        GoInt::Fits(number) => return Ok(Some(Scalar::new(ScalarKind::Int, number.to_string()))),
        GoInt::Unsigned => return Err(Unresolvable),
        GoInt::No => {}
    }
    if YAML_FLOAT.as_ref().is_some_and(|regex| regex.is_match(&plain))
        && let Some(scalar) = float(&plain)
    {
        return Ok(Some(scalar));
    }
    // go-yaml looks for these prefixes once more, which lets a sign follow them.
    for (prefix, radix) in [("0b", 2), ("-0b", 2), ("0o", 8), ("-0o", 8)] {
        if let Some(digits) = plain.strip_prefix(prefix) {
            let negative = prefix.starts_with('-');
            let signed = if negative { format!("-{digits}") } else { digits.to_owned() };
            let number = i64::from_str_radix(&signed, radix).ok();
            return Ok(number.map(|number| Scalar::new(ScalarKind::Int, number.to_string())));
        }
    }
    Ok(None)
}

/// Overflow is an error in Go, so such a scalar stays text.
fn float(text: &str) -> Option<Scalar> {
    let number: f64 = text.parse().ok()?;
    number.is_finite().then(|| Scalar::new(ScalarKind::Float, go_float(number)))
}

enum GoInt {
    Fits(i64),
    /// Beyond `i64` but within `u64`: go-yaml reads it, SOPS refuses it.
    Unsigned,
    No,
}

/// Go's `strconv.ParseInt(s, 0, 64)`, then `ParseUint`.
fn go_int(text: &str) -> GoInt {
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'-') => (Some(true), &text[1..]),
        Some(b'+') => (Some(false), &text[1..]),
        _ => (None, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, body) = match (lower.len(), lower.get(..2)) {
        (3.., Some("0b")) => (2, &lower[2..]),
        (3.., Some("0o")) => (8, &lower[2..]),
        (3.., Some("0x")) => (16, &lower[2..]),
        (2.., _) if lower.starts_with('0') => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    // `from_str_radix` would take a sign of its own.
    if body.is_empty() || !body.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return GoInt::No;
    }
    let Ok(magnitude) = i128::from_str_radix(body, radix) else { return GoInt::No };
    let value = if sign == Some(true) { -magnitude } else { magnitude };
    match i64::try_from(value) {
        Ok(number) => GoInt::Fits(number),
        Err(_) if sign.is_none() && u64::try_from(value).is_ok() => GoInt::Unsigned,
        Err(_) => GoInt::No,
    }
}

/// Go's `FormatFloat(f, 'f', -1, 64)`: shortest, never an exponent. Rust's `Display` is the same.
pub(crate) fn go_float(number: f64) -> String {
    if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        number.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each row was read by go-yaml v3.0.4 through SOPS 3.13.3 (fixture `scalars`).
    #[test]
    fn plain_scalars_resolve_as_in_go_yaml() {
        let rows = [
            ("0644", ScalarKind::Int, "420"),
            ("0o644", ScalarKind::Int, "420"),
            ("0x1F", ScalarKind::Int, "31"),
            ("-0b101", ScalarKind::Int, "-5"),
            ("1_000", ScalarKind::Int, "1000"),
            ("089", ScalarKind::Float, "89"),
            ("0", ScalarKind::Int, "0"),
            ("+7", ScalarKind::Int, "7"),
            ("1.50", ScalarKind::Float, "1.5"),
            ("1e3", ScalarKind::Float, "1000"),
            ("6.02e23", ScalarKind::Float, "602000000000000000000000"),
            (".5", ScalarKind::Float, "0.5"),
            ("5.", ScalarKind::Float, "5"),
            ("1e400", ScalarKind::Str, "1e400"),
            ("-0.0", ScalarKind::Float, "-0"),
            (".inf", ScalarKind::Float, "+Inf"),
            (".NaN", ScalarKind::Float, "NaN"),
            ("2024-01-01", ScalarKind::Time, "2024-01-01T00:00:00Z"),
            ("2024-1-2 3:04:05.500", ScalarKind::Time, "2024-01-02T03:04:05.5Z"),
            ("2024-01-01T10:00:00+02:00", ScalarKind::Time, "2024-01-01T10:00:00+02:00"),
            ("2024-02-30", ScalarKind::Str, "2024-02-30"),
            ("yes", ScalarKind::Str, "yes"),
            ("on", ScalarKind::Str, "on"),
            ("TRUE", ScalarKind::Bool, "True"),
            ("~", ScalarKind::Null, ""),
            ("Null", ScalarKind::Null, ""),
            ("v1", ScalarKind::Str, "v1"),
            ("1.2.3", ScalarKind::Str, "1.2.3"),
            ("0x", ScalarKind::Str, "0x"),
            ("-", ScalarKind::Str, "-"),
            ("12:30", ScalarKind::Str, "12:30"),
            ("-9223372036854775809", ScalarKind::Float, "-9223372036854776000"),
        ];
        for (text, kind, bytes) in rows {
            let scalar = resolve(text, ScalarStyle::Plain, None).unwrap();
            assert_eq!(scalar.kind, kind, "{text}");
            assert_eq!(std::str::from_utf8(&scalar.bytes).unwrap(), bytes, "{text}");
        }
        assert!(resolve("18446744073709551615", ScalarStyle::Plain, None).is_err());
    }

    #[test]
    fn quoted_and_tagged_scalars_follow_quote_and_tag() {
        let check = |text, style, tag, kind, bytes: &str| {
            let scalar = resolve(text, style, tag).unwrap();
            assert_eq!((scalar.kind, &scalar.bytes[..]), (kind, bytes.as_bytes()), "{text}");
        };
        check("0644", ScalarStyle::SingleQuoted, None, ScalarKind::Str, "0644");
        check("0644", ScalarStyle::Literal, None, ScalarKind::Str, "0644");
        check("12", ScalarStyle::Plain, Some(Tag::Str), ScalarKind::Str, "12");
        check("12", ScalarStyle::Plain, Some(Tag::Float), ScalarKind::Float, "12");
        check("12", ScalarStyle::DoubleQuoted, Some(Tag::Int), ScalarKind::Int, "12");
        assert!(resolve("x", ScalarStyle::Plain, Some(Tag::Int)).is_err());
    }
}
