//! What must not stand in Git, found without keys (S5.2-5). Used by `regent lint`, and by intent to
//! refuse a repository.
//!
//! ```text
//! bytes ──▶ private_keys   in any file, in any encoding
//!   └─ a manifest, by its name ──▶ tree       YAML as kubectl reads it: anchors, merges, tags
//!                                   ├─ rules   what its objects say: Secrets, renamed fields
//!                                   ├─ seal    what its sops block says, read as `regent open` does
//!                                   └─ lines   no YAML: judged by its lines
//! ```
//! What cannot be looked at is a finding of its own: nothing passes unseen.

mod finding;
mod lines;
mod manifest;
mod private_keys;
mod rules;
mod seal;
#[cfg(test)]
mod tests;

pub use finding::{
    BROKEN_SEAL, Finding, NOT_LOOKED_AT, PLAIN_UNDER_RULE, PLAINTEXT_SECRET, PRIVATE_KEY,
    RENAMED_FIELD,
};
pub use manifest::MANIFEST_BYTES_MAX;

use crate::text;
use finding::Findings;

/// Whether a file can hold Kubernetes objects, by the ending of its name.
#[must_use]
pub fn is_manifest(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    [".yaml", ".yml", ".json"].iter().any(|ending| lower.ends_with(ending))
}

/// Checks one file as it lies in Git. `path` is only copied into the findings and tells manifests
/// by its ending.
#[must_use]
pub fn lint_bytes(path: &str, bytes: &[u8]) -> Vec<Finding> {
    if !is_manifest(path) {
        let mut findings = Findings::of(path);
        private_keys::look(bytes, &mut findings);
        return findings.sorted();
    }
    match text::utf8(bytes) {
        Ok(text) => lint_file(path, text),
        Err(error) => {
            let line = match &error {
                crate::Error::NotUtf8 { line, .. } => *line,
                _ => 1,
            };
            let mut found = match text::searchable(bytes) {
                Some(text) => lint_file(path, &text),
                None => lint_file(path, &String::from_utf8_lossy(bytes)),
            };
            found.retain(|finding| finding.rule != NOT_LOOKED_AT);
            found.insert(0, Finding::not_looked_at(path, line, &error.to_string()));
            found
        }
    }
}

/// Checks one file's text. `path` is only copied into the findings and tells manifests by its
/// ending.
#[must_use]
pub fn lint_file(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Findings::of(path);
    private_keys::look(text.as_bytes(), &mut findings);
    if is_manifest(path) {
        manifest::look(text, &mut findings);
    }
    findings.sorted()
}
