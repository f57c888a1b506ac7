//! Documentation that only echoes a name: a line of three words or fewer that is all there is about its item. Their
//! number may only fall.

use super::report::{Finding, Report};
use super::tokens::{Kind, Token};
use super::tree::Tree;

/// How many there may be. It only falls: whoever deletes some lowers it to what the check prints.
const ECHOES_MAX: usize = 12;
/// Words up to which a lone line counts as an echo.
const WORDS_MAX: usize = 3;

/// Counts the echoes. Details name every one.
pub(super) fn check(tree: &Tree) -> Report {
    let mut all = Vec::new();
    for file in &tree.files {
        for (line, text) in echoes(&file.tokens) {
            let what = format!(
                "`{text}` says no more than the name: units, bounds, errors, sources, or nothing"
            );
            all.push(Finding::new(&file.path, line, what).to_string());
        }
    }
    let mut report = Report::default();
    if all.len() > ECHOES_MAX {
        let what = format!(
            "{} comments echo a name, at most {ECHOES_MAX} may: delete the new ones",
            all.len()
        );
        report.find("xtask/src/tidy/echoes.rs", 9, what);
    }
    report.notes.push(format!(
        "{} of at most {ECHOES_MAX}; `cargo xtask tidy echoes` lists them",
        all.len()
    ));
    report.details = all;
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
    fn a_lone_line_of_three_words_is_an_echo_and_the_bound_holds() {
        let text = "/// Its name.\nfn a() {}\n/// Its name.\n///\n/// In bytes.\nfn b() {}\n/// Name, without the namespace.\nfn c() {}";
        let tokens = tokens(text).unwrap();
        assert_eq!(echoes(&tokens), [(1, "Its name.")]);
        let many = format!("//! A.\n{}", "/// Its name.\nfn a() {}\n".repeat(ECHOES_MAX + 1));
        let found = check(&Tree::fixture(&[("crates/a/src/lib.rs", &many)])).findings;
        assert!(found[0].what.contains("comments echo a name"), "{found:?}");
        let one = check(&Tree::fixture(&[("crates/a/src/lib.rs", text)]));
        assert_eq!((one.findings.len(), one.details.len()), (0, 1));
    }
}
