//! Documentation that only echoes a name: a line of three words or fewer that is all there is about its item.

use super::report::Report;
use super::tokens::{Kind, Token};
use super::tree::Tree;

/// Words up to which a lone line counts as an echo.
const WORDS_MAX: usize = 3;

pub(super) fn check(tree: &Tree) -> Report {
    let mut report = Report::default();
    for file in &tree.files {
        for (line, text) in echoes(&file.tokens) {
            let what = format!(
                "`{text}` says no more than the name: units, bounds, errors, sources, or nothing"
            );
            report.find(&file.path, line, what);
        }
    }
    report
}

fn echoes(tokens: &[Token]) -> Vec<(usize, &str)> {
    let is_doc =
        |at: Option<usize>| at.and_then(|at| tokens.get(at)).is_some_and(|t| t.kind == Kind::Doc);
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let alone = !is_doc(at.checked_sub(1)) && !is_doc(Some(at + 1));
        if token.kind == Kind::Doc && alone && token.text.split_whitespace().count() <= WORDS_MAX {
            found.push((token.line, token.text.trim()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tokens::tokens;

    #[test]
    fn a_lone_line_of_three_words_is_an_echo() {
        let text = "/// Its name.\nfn a() {}\n/// Its name.\n///\n/// In bytes.\nfn b() {}\n/// Name, without the namespace.\nfn c() {}";
        let tokens = tokens(text).unwrap();
        assert_eq!(echoes(&tokens), [(1, "Its name.")]);
        let found = check(&Tree::fixture(&[("crates/a/src/lib.rs", text)])).findings;
        assert!(found[0].what.contains("says no more than the name"), "{found:?}");
        assert_eq!(found.len(), 1);
    }
}
