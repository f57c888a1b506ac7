//! Reads every file of a commit once: what may not stand in Git is found, manifests of the folder are kept for
//! compilation, and what could not be read is said (S5.2-5).

use std::collections::BTreeMap;

use regent_manifest::lint;

use super::IntentError;
use super::document::is_manifest;
use super::error::FileLine;
use super::fetch::Head;
use super::lint_rule::LintRule;
use super::problems::Problems;
use super::unreadable::{self, PassedOver};
use crate::gitrepo::{self, Entry, GitError, LIMITS, WalkSummary, is_under};

/// What a commit holds.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Manifest files of the folder, with their text.
    pub(super) files: BTreeMap<String, String>,
    /// What may not be there, and what could not be read. A file that is named here is not among `files`.
    pub(super) problems: Problems,
    /// Submodules and symbolic links of the folder; not followed.
    pub(super) passed_over: Vec<PassedOver>,
}

/// Reads `head` and lints it; `folder` is where objects are taken from, all of it when empty.
pub(super) fn scan(head: &Head, folder: &str) -> Result<Scan, GitError> {
    let repo = gitrepo::open(&head.dir)?;
    let mut scan = Scan::default();
    let summary = gitrepo::walk(&repo, head.commit, LIMITS, &mut |entry| {
        scan_entry(&entry, folder, &mut scan);
    })?;
    take_unread(summary, folder, &mut scan);
    Ok(scan)
}

/// Lints one file and keeps it if it is a manifest that can be read and breaks no rule.
fn scan_entry(entry: &Entry<'_>, folder: &str, scan: &mut Scan) {
    let wanted = is_manifest(entry.path) && is_under(entry.path, folder);
    let Some(bytes) = entry.bytes else {
        if wanted {
            scan.problems.push(unreadable::too_large(entry.path, entry.size));
        }
        return;
    };
    if wanted && let Err(problem) = unreadable::text(entry.path, bytes) {
        scan.problems.push(problem);
        return;
    }
    if bytes.contains(&0) {
        return;
    }
    // What is not wanted is searched for keys alone.
    let text = String::from_utf8_lossy(bytes);
    let before = scan.problems.count();
    for finding in lint::lint_file(entry.path, &text) {
        let rule = match finding.rule {
            lint::PRIVATE_KEY if opens_manifests(&text, finding.line) => LintRule::DecryptionKey,
            lint::PRIVATE_KEY => LintRule::PrivateKey,
            lint::PLAINTEXT_SECRET if wanted => LintRule::PlaintextSecret,
            lint::PLAIN_UNDER_RULE if wanted => LintRule::UnencryptedData,
            lint::BROKEN_SEAL if wanted => LintRule::BrokenSeal,
            lint::RENAMED_FIELD if wanted => LintRule::RenamedField,
            _ => continue,
        };
        scan.problems.push(IntentError::Lint {
            file_line: FileLine { file: entry.path.to_owned(), line: finding.line },
            rule,
            message: finding.message,
            advice: finding.advice,
        });
    }
    if wanted && scan.problems.count() == before {
        scan.files.insert(entry.path.to_owned(), text.into_owned());
    }
}

/// Whether the key on `line`, from 1, is one that opens manifests, and not one of another kind.
fn opens_manifests(text: &str, line: usize) -> bool {
    let line = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    line.to_ascii_uppercase().contains("AGE-SECRET-KEY-")
}

/// What the walk did not read: a manifest among it is a problem, everything else is named.
fn take_unread(summary: WalkSummary, folder: &str, scan: &mut Scan) {
    for name in summary.refused {
        scan.problems.push(unreadable::bad_name(name.shown, name.why));
    }
    for path in summary.links {
        if is_manifest(&path) && is_under(&path, folder) {
            scan.problems.push(unreadable::link(&path));
        } else if touches(&path, folder) {
            scan.passed_over.push(PassedOver { path, what: "a symbolic link" });
        }
    }
    for path in summary.submodules.into_iter().filter(|path| touches(path, folder)) {
        scan.passed_over.push(PassedOver { path, what: "a submodule" });
    }
}

/// Whether what `path` leads to would be looked into: below the folder, or the folder is below it.
fn touches(path: &str, folder: &str) -> bool {
    is_under(path, folder) || is_under(folder, path)
}
