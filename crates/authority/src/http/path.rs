//! Paths: decoded once, then taken as they are. Policy and storage see the same string.

use super::limits::PATH_BYTES_MAX;
use crate::error::ApiError;

/// The path below `/v1/`, decoded. Leading blanks are dropped (one client sends a stray tab); what
/// could mean another path to somebody else (`.`, `..`, empty segments, control characters) is
/// refused.
pub(super) fn decode(raw: &str) -> Result<String, ApiError> {
    let below = raw.strip_prefix("/v1/").ok_or_else(|| ApiError::NoHandler(display(raw)))?;
    if below.len() > PATH_BYTES_MAX {
        return Err(ApiError::invalid(format!("path longer than {PATH_BYTES_MAX} bytes")));
    }
    let decoded = percent_decode(below.as_bytes())
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| ApiError::invalid("path: bad percent encoding or not UTF-8"))?;
    let path = decoded.trim_start();
    if path.chars().any(|c| c.is_control() || c == '\u{feff}') {
        return Err(ApiError::invalid("path: control characters are not allowed"));
    }
    let inner = path.strip_suffix('/').unwrap_or(path);
    if inner.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Err(ApiError::invalid("path: empty segments, '.' and '..' are not allowed"));
    }
    Ok(path.to_owned())
}

fn percent_decode(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            out.push(*byte);
            continue;
        }
        let (&[high, low], after) = rest.split_first_chunk::<2>()?;
        out.push(digit(high)? << 4 | digit(low)?);
        rest = after;
    }
    Some(out)
}

/// Short enough for a message, and printable.
fn display(raw: &str) -> String {
    raw.chars().take(64).filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_decoded_once() {
        for (raw, path) in [
            ("/v1/secret/data/a", "secret/data/a"),
            ("/v1/secret/metadata/", "secret/metadata/"),
            ("/v1/secret/data/a%20b%2Fc", "secret/data/a b/c"),
            ("/v1/secret/data/a%252e", "secret/data/a%2e"),
            ("/v1/%09auth/token/renew-self", "auth/token/renew-self"),
            ("/v1/secret/data/..a", "secret/data/..a"),
        ] {
            assert_eq!(decode(raw).unwrap(), path);
        }
    }

    #[test]
    fn paths_that_could_mean_another_are_refused() {
        for raw in [
            "/v1/secret/data/../../sys/seal",
            "/v1/secret/data/%2e%2e/x",
            "/v1/secret/./x",
            "/v1/secret//x",
            "/v1//sys/seal",
            "/v1/",
            "/v1/a%00b",
            "/v1/a%0ab",
            "/v1/a%",
            "/v1/a%zz",
            "/v1/a%ff",
        ] {
            assert!(matches!(decode(raw), Err(ApiError::Invalid(_))), "{raw}");
        }
        assert!(matches!(decode("/v2/secret/data/a"), Err(ApiError::NoHandler(_))));
        assert!(decode(&format!("/v1/{}", "a".repeat(PATH_BYTES_MAX + 1))).is_err());
    }
}
