//! What is too much, checked before a parser builds anything.

use crate::error::ApiError;

/// Body of one request. KV values are small; policies and certificates are smaller.
pub(super) const BODY_BYTES_MAX: usize = 1 << 20;

/// Body of one request that needs no token: a login's token, shares, holders.
pub(super) const STRANGER_BODY_BYTES_MAX: usize = 64 << 10;

/// A path: longer than any mount, folder depth and name that make sense.
pub(super) const PATH_BYTES_MAX: usize = 2048;

/// A token: `hvs.` and 24 letters; room for foreign forms.
pub(super) const TOKEN_BYTES_MAX: usize = 4096;

/// Nesting of JSON. Real requests have 4 levels (`data`, `data`, a value's own).
const JSON_DEPTH_MAX: usize = 64;

/// Values in one document: bounds memory (≈ 100 bytes each) however small they are written.
const JSON_VALUES_MAX: usize = 50_000;

/// Refuses documents that would grow far beyond their bytes (reference: CVE-2025-6203). Not a
/// parser: it counts brackets and commas outside of strings, which a valid document cannot hide.
pub(super) fn check_json(bytes: &[u8]) -> Result<(), ApiError> {
    let (mut depth, mut values, mut in_string, mut escaped) = (0_usize, 0_usize, false, false);
    for byte in bytes {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                values += 1;
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' => values += 1,
            _ => {}
        }
        if depth > JSON_DEPTH_MAX {
            return Err(ApiError::invalid(format!("JSON nested deeper than {JSON_DEPTH_MAX}")));
        }
        if values > JSON_VALUES_MAX {
            return Err(ApiError::invalid(format!("JSON of more than {JSON_VALUES_MAX} values")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_and_wide_documents_are_refused_and_strings_do_not_count() {
        let deep = "[".repeat(JSON_DEPTH_MAX + 1);
        assert!(check_json(deep.as_bytes()).is_err());
        assert!(check_json(&deep.as_bytes()[1..]).is_ok());
        assert!(check_json(&vec![b','; JSON_VALUES_MAX + 1]).is_err());
        let text = format!("{{\"a\\\"\": \"{}\"}}", "[,".repeat(JSON_VALUES_MAX));
        assert!(check_json(text.as_bytes()).is_ok());
    }
}
