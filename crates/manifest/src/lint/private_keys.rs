//! Private keys, in whatever file.

use std::sync::LazyLock;

use regex::bytes::Regex;

use super::finding::{Findings, PRIVATE_KEY};
use crate::text;

/// Whole keys only, so that a text which mentions the format is not a finding.
static PRIVATE_KEYS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        "(?i-u:AGE-SECRET-KEY-(?:PQ-)?1[02-9AC-HJ-NP-Z]{20,})\
         |-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----",
    )
    .ok()
});

/// Finds at most one key a line.
pub(super) fn look(bytes: &[u8], findings: &mut Findings<'_>) {
    let Some(regex) = PRIVATE_KEYS.as_ref() else { return };
    let decoded = text::searchable(bytes);
    let bytes = decoded.as_deref().map_or(bytes, str::as_bytes);
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if let Some(found) = regex.find(line) {
            let what = if found.as_bytes().starts_with(b"-") { "a PEM" } else { "an age" };
            findings.add(index + 1, PRIVATE_KEY, format!("{what} private key"));
        }
    }
}
