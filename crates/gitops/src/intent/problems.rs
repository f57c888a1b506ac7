//! What keeps a commit from being applied whole: told together, the worst in full and the others by their places.

use std::fmt::Write as _;

use regent_types::Explain;

use super::IntentError;
use crate::gitrepo::printable_text;

/// Problems kept of one commit; the others are counted.
const KEPT_MAX: usize = 64;
/// Problems beside the first that a status names.
const NAMED_MAX: usize = 8;

/// Problems of one commit.
#[derive(Debug, Default)]
pub(super) struct Problems {
    kept: Vec<IntentError>,
    beyond: usize,
}

impl Problems {
    pub(super) fn push(&mut self, problem: IntentError) {
        if self.kept.len() < KEPT_MAX {
            self.kept.push(problem);
            self.kept.sort_by_key(IntentError::weight);
            return;
        }
        self.beyond += 1;
        // A private key is never only counted.
        if let Some(last) = self.kept.last_mut().filter(|last| last.weight() > problem.weight()) {
            *last = problem;
            self.kept.sort_by_key(IntentError::weight);
        }
    }

    pub(super) fn extend(&mut self, others: Self) {
        self.beyond += others.beyond;
        others.kept.into_iter().for_each(|problem| self.push(problem));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.kept.len() + self.beyond
    }

    /// The worst of them, which gives the condition its reason.
    pub(super) fn first(&self) -> Option<&IntentError> {
        self.kept.first()
    }

    /// Whether nothing at all of the commit may be applied.
    pub(super) fn refuse_all(&self) -> bool {
        self.first().is_some_and(IntentError::refuses_all)
    }

    /// Whether trying again without a new commit can help.
    pub(super) fn is_transient(&self) -> bool {
        self.kept.iter().any(IntentError::is_transient)
    }

    /// For the condition: the worst with what to do, and where the others are. Nothing in it acts on a terminal.
    pub(super) fn message(&self) -> String {
        let Some(first) = self.first() else { return String::new() };
        let mut text = explain(first);
        let others = &self.kept[1..];
        if others.is_empty() {
            return printable_text(&text);
        }
        let named: Vec<String> = others.iter().take(NAMED_MAX).map(named).collect();
        // Writing to a String cannot fail.
        let _infallible = write!(text, ". Also {}", named.join(", "));
        let more = others.len().saturating_sub(NAMED_MAX) + self.beyond;
        if more > 0 {
            let _infallible = write!(text, " and {more} more");
        }
        printable_text(&text)
    }
}

impl From<IntentError> for Problems {
    fn from(problem: IntentError) -> Self {
        Self { kept: vec![problem], beyond: 0 }
    }
}

fn explain(error: &IntentError) -> String {
    let advice = error.advice();
    let found = match error {
        IntentError::Repository { .. } => format!("{error}: {}", advice.found),
        _ => error.to_string(),
    };
    format!("{found}; {}", advice.action)
}

fn named(error: &IntentError) -> String {
    match error.place() {
        Some(place) => format!("{place} {}", error.reason()),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::error::FileLine;
    use super::super::lint_rule::LintRule;
    use super::*;

    fn invalid(file: &str, line: usize) -> IntentError {
        let file_line = FileLine { file: file.to_owned(), line };
        IntentError::Invalid { file_line, problem: "this is not valid YAML".into() }
    }

    fn key() -> IntentError {
        IntentError::Lint {
            file_line: FileLine { file: "k.txt".into(), line: 9 },
            rule: LintRule::PrivateKey,
            message: "an age private key".into(),
            advice: "remove it",
        }
    }

    #[test]
    fn g06_the_worst_is_told_in_full_and_the_others_by_their_places() {
        let mut problems = Problems::from(invalid("a.yaml", 3));
        problems.push(invalid("b.yaml", 1));
        problems.push(key());
        let expected = "k.txt:9: an age private key; remove it. Also a.yaml:3 InvalidManifest, b.yaml:1 \
                        InvalidManifest";
        assert_eq!(problems.message(), expected);
        assert_eq!(problems.first().map(IntentError::reason), Some("PrivateKey"));
    }

    #[test]
    fn g06_a_thousand_problems_are_counted_and_a_key_among_them_is_named() {
        let mut problems = Problems::default();
        for line in 0..1_000 {
            problems.push(invalid("a.yaml", line));
        }
        problems.push(key());
        let message = problems.message();
        assert!(message.starts_with("k.txt:9:") && message.ends_with("and 992 more"), "{message}");
        assert!(message.len() < 1_024);
    }

    #[test]
    fn g12_a_name_that_acts_on_a_terminal_is_escaped_in_the_message() {
        let message = Problems::from(invalid("\u{1b}[2Ja.yaml", 1)).message();
        assert!(!message.contains('\u{1b}') && message.contains("\\u{1b}"), "{message}");
    }
}
