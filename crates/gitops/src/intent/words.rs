//! What a sync says about itself.

use super::IntentError;
use super::unreadable::PassedOver;
use crate::gitrepo::printable_text;

/// Length of a commit in messages.
const COMMIT_SHOWN: usize = 12;
/// Objects and places that a message names; the others are counted.
const NAMED_MAX: usize = 5;

pub(super) fn short(commit: &str) -> String {
    commit.chars().take(COMMIT_SHOWN).collect()
}

/// One error for all failures of a pass: the first in full, the rest as a number.
pub(super) fn summary(
    verb: &'static str,
    mut failures: Vec<IntentError>,
    total: usize,
) -> Option<IntentError> {
    if failures.is_empty() {
        return None;
    }
    let failed = failures.len();
    let first = match failures.swap_remove(0) {
        IntentError::Apply { first, .. } => first,
        error if failed == 1 => return Some(error),
        error => error.to_string(),
    };
    Some(IntentError::Apply { verb, failed, total, first })
}

/// What is applied of a commit that has problems.
pub(super) fn rest(applied: usize, commit: &str) -> String {
    format!("{applied} objects of commit {} are applied, and nothing is removed", short(commit))
}

/// What a whole commit came to.
pub(super) fn applied(
    total: usize,
    commit: &str,
    passed_over: &[PassedOver],
    put_back: &[String],
) -> String {
    let mut message = format!("{total} objects of commit {}", short(commit));
    if !passed_over.is_empty() {
        let places: Vec<String> = passed_over.iter().map(PassedOver::to_string).collect();
        message = format!("{message}; passed over: {}", list(&places));
    }
    if !put_back.is_empty() {
        message = format!("{message}; {}", changed_outside_git(put_back));
    }
    printable_text(&message)
}

/// That objects which were changed outside Git are as Git says again.
pub(super) fn changed_outside_git(put_back: &[String]) -> String {
    format!("changed outside Git and put back: {}", list(put_back))
}

fn list(all: &[String]) -> String {
    let shown = all.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(NAMED_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
