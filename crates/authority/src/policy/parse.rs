//! A policy's text to a [`Policy`], whichever of its two languages it is in.

use super::document::{self, Policy};
use super::{hcl, json};

/// Longest policy text, in bytes: the largest that `regent` writes is below 4 KiB.
const TEXT_LEN_MAX: usize = 256 << 10;

/// Reads a policy, HCL1 or JSON. Fails with every problem found, each led by its `line:column`
/// where known.
pub(crate) fn parse(text: &str) -> Result<Policy, Vec<String>> {
    if text.len() > TEXT_LEN_MAX {
        return Err(vec![format!(
            "expected at most {TEXT_LEN_MAX} bytes of policy, found {}",
            text.len()
        )]);
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let fields =
        if text.trim_start().starts_with('{') { json::parse(text) } else { hcl::parse(text) };
    document::policy(fields.map_err(|problem| vec![problem.to_string()])?)
}
