//! Reads every file of a commit once: private keys anywhere refuse the repository, manifests of the
//! folder are kept for compilation (S5.2-5).

use std::collections::BTreeMap;

use regent_manifest::lint;

use super::IntentError;
use super::document::is_manifest;
use super::error::FileLine;
use super::fetch::Head;
use super::lint_rule::LintRule;
use crate::gitrepo::{self, Entry, GitError, LIMITS};

/// Findings kept: the status shows the first and a count.
const FINDINGS_MAX: usize = 32;

/// What a commit holds.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Manifest files of the folder, with their text.
    pub(super) files: BTreeMap<String, String>,
    /// Findings that refuse the repository, worst first.
    pub(super) findings: Vec<IntentError>,
    /// Submodules and symbolic links, by path; not followed.
    pub(super) not_followed: Vec<String>,
}

/// Reads `head` and lints it; `folder` is where objects are taken from, all of it when empty.
pub(super) fn scan(head: &Head, folder: &str) -> Result<Scan, GitError> {
    let repo = gitrepo::open(&head.dir)?;
    let mut scan = Scan::default();
    let mut large = None;
    let summary = gitrepo::walk(&repo, head.commit, LIMITS, &mut |entry| {
        if large.is_none() {
            large = scan_entry(&entry, folder, &mut scan);
        }
    })?;
    if let Some(what) = large {
        return Err(GitError::Limit { what, limit: format!("{} bytes", LIMITS.file_bytes_max) });
    }
    scan.not_followed = summary.submodules.into_iter().chain(summary.links).collect();
    scan.findings.sort_by_key(weight);
    Ok(scan)
}

/// Lints one file and keeps it if it is a manifest; the name of a manifest that is too large to
/// read.
fn scan_entry(entry: &Entry<'_>, folder: &str, scan: &mut Scan) -> Option<String> {
    let wanted = is_manifest(entry.path) && is_under(entry.path, folder);
    let Some(bytes) = entry.bytes else { return wanted.then(|| entry.path.to_owned()) };
    if bytes.contains(&0) {
        return None;
    }
    let text = String::from_utf8_lossy(bytes);
    for finding in lint::lint_file(entry.path, &text) {
        let rule = match finding.rule {
            lint::PRIVATE_KEY => LintRule::PrivateKey,
            lint::PLAINTEXT_SECRET if wanted => LintRule::PlaintextSecret,
            lint::PLAIN_UNDER_RULE if wanted => LintRule::UnencryptedData,
            lint::BROKEN_SEAL if wanted => LintRule::BrokenSeal,
            lint::RENAMED_FIELD if wanted => LintRule::RenamedField,
            _ => continue,
        };
        if scan.findings.len() < FINDINGS_MAX {
            scan.findings.push(IntentError::Lint {
                file_line: FileLine { file: entry.path.to_owned(), line: finding.line },
                rule,
                message: finding.message,
                advice: finding.advice,
            });
        }
    }
    if wanted {
        scan.files.insert(entry.path.to_owned(), text.into_owned());
    }
    None
}

/// Private keys before plaintext before the rest.
fn weight(error: &IntentError) -> u8 {
    match error {
        IntentError::Lint { rule: LintRule::PrivateKey, .. } => 0,
        IntentError::Lint { rule: LintRule::PlaintextSecret, .. } => 1,
        _ => 2,
    }
}

fn is_under(path: &str, folder: &str) -> bool {
    let folder = folder.trim_start_matches("./").trim_matches('/');
    folder.is_empty()
        || path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::is_under;

    #[test]
    fn a_folder_holds_what_is_below_it_and_not_its_namesakes() {
        let cases = [
            ("a/b.yaml", "", true),
            ("a/b.yaml", "a", true),
            ("a/b.yaml", "./a/", true),
            ("a/b.yaml", "/a", true),
            ("ab/c.yaml", "a", false),
            ("a/b.yaml", "a/b.yaml", true),
            ("a/b.yaml", "..", false),
        ];
        for (path, folder, expected) in cases {
            assert_eq!(is_under(path, folder), expected, "{path} {folder}");
        }
    }
}
