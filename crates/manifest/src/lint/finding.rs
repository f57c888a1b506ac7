//! What is found, by rule, and what is advised.

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

pub(super) struct Findings<'f> {
    pub(super) file: &'f str,
    pub(super) found: Vec<Finding>,
}

impl<'f> Findings<'f> {
    pub(super) fn of(file: &'f str) -> Self {
        Self { file, found: Vec::new() }
    }

    pub(super) fn add(&mut self, line: usize, rule: &'static str, message: String) {
        self.advise(line, rule, message, advice(rule));
    }

    pub(super) fn advise(
        &mut self,
        line: usize,
        rule: &'static str,
        message: String,
        advice: &'static str,
    ) {
        let file = self.file.to_owned();
        self.found.push(Finding { file, line, rule, message, advice });
    }

    /// Whether this rule has a finding on that line.
    pub(super) fn has(&self, line: usize, rule: &str) -> bool {
        self.found.iter().any(|finding| finding.line == line && finding.rule == rule)
    }

    pub(super) fn sorted(mut self) -> Vec<Finding> {
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
