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

mod lines;
mod private_keys;
mod rules;
mod seal;
#[cfg(test)]
mod tests;

use crate::{text, tree};

/// A Secret whose `data` or `stringData` stands in plain text.
pub const PLAINTEXT_SECRET: &str = "plaintext-secret";
/// A private key of any kind.
pub const PRIVATE_KEY: &str = "private-key";
/// A value in plain text although the file's own rule says encrypted.
pub const PLAIN_UNDER_RULE: &str = "plain-under-rule";
/// A seal that cannot be used: a `sops` block that is lost or broken, or that seals a list.
pub const BROKEN_SEAL: &str = "broken-seal";
/// A field under a name that it no longer has: the API server would drop it, or be sent another one.
pub const RENAMED_FIELD: &str = "renamed-field";
/// What could not be looked at: too large, in another encoding, or no YAML.
pub const NOT_LOOKED_AT: &str = "not-looked-at";

/// Largest manifest that is looked at, in bytes; intent applies no larger one.
pub const MANIFEST_BYTES_MAX: usize = crate::sops::TEXT_BYTES_MAX;

/// One thing found. It never holds the value that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file, as given.
    pub file: String,
    /// Line in the file, from 1.
    pub line: usize,
    /// Which rule: one of this module's constants.
    pub rule: &'static str,
    /// What was found there, in a sentence without any value.
    pub message: String,
    /// What the author of the file can do about it.
    pub advice: &'static str,
}

impl Finding {
    /// A file, or a place in it, that was not looked at; `why` follows "not looked at: ".
    #[must_use]
    pub fn not_looked_at(file: &str, line: usize, why: &str) -> Self {
        let message = format!("not looked at: {why}");
        let file = file.to_owned();
        Self { file, line, rule: NOT_LOOKED_AT, message, advice: advice(NOT_LOOKED_AT) }
    }
}

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
        manifest(text, &mut findings);
    }
    findings.sorted()
}

/// A manifest, of a file or of an EncryptedManifest.
fn manifest(text: &str, findings: &mut Findings<'_>) {
    if text.len() > MANIFEST_BYTES_MAX {
        let why = format!("larger than {MANIFEST_BYTES_MAX} bytes");
        findings.found.push(Finding::not_looked_at(findings.file, 1, &why));
        return;
    }
    match tree::parse(text) {
        Ok(documents) => {
            seal::look(text, &documents, findings);
            rules::look(&documents, findings);
        }
        Err(unread) => lines::look(text, &unread, findings),
    }
}

struct Findings<'f> {
    file: &'f str,
    found: Vec<Finding>,
}

impl<'f> Findings<'f> {
    fn of(file: &'f str) -> Self {
        Self { file, found: Vec::new() }
    }

    fn add(&mut self, line: usize, rule: &'static str, message: String) {
        self.advise(line, rule, message, advice(rule));
    }

    fn advise(&mut self, line: usize, rule: &'static str, message: String, advice: &'static str) {
        let file = self.file.to_owned();
        self.found.push(Finding { file, line, rule, message, advice });
    }

    /// Whether this rule has a finding on that line.
    fn has(&self, line: usize, rule: &str) -> bool {
        self.found.iter().any(|finding| finding.line == line && finding.rule == rule)
    }

    fn sorted(mut self) -> Vec<Finding> {
        self.found.sort_by_key(|finding| finding.line);
        self.found
    }
}

fn advice(rule: &str) -> &'static str {
    match rule {
        PLAINTEXT_SECRET => {
            "seal it with `regent seal`, and replace the value: it is in Git's history"
        }
        PRIVATE_KEY => "remove it and make a new key: this one is in Git's history",
        PLAIN_UNDER_RULE => {
            "replace the value, and seal the whole Secret again with `regent seal`: the one in the \
             file is in Git's history"
        }
        RENAMED_FIELD => "write source in place of on",
        NOT_LOOKED_AT => "make it YAML in UTF-8 of at most 1 MiB, or take it out of the folder",
        _ => "restore the file from Git's history or seal it again",
    }
}
