//! Length of files and of functions, tests included. There is no list of exceptions.

use super::report::Report;
use super::tokens::Token;
use super::tree::Tree;

/// Longest file, in lines.
const FILE_MAX: usize = 800;
/// Longest function from `fn` to its closing brace, in lines.
const FUNCTION_MAX: usize = 70;

/// Finds what is too long.
pub(super) fn check(tree: &Tree) -> Report {
    let mut report = Report::default();
    let mut longest = 0;
    for file in &tree.files {
        let lines = file.text.lines().count();
        if lines > FILE_MAX {
            report.find(&file.path, lines, format!("{lines} lines, split above {FILE_MAX}"));
        }
        for (name, line, length) in functions(&file.tokens) {
            longest = longest.max(length);
            if length > FUNCTION_MAX {
                let what = format!("fn {name} has {length} lines, split above {FUNCTION_MAX}");
                report.find(&file.path, line, what);
            }
        }
    }
    report.notes.push(format!("the longest function has {longest} lines"));
    report
}

/// Name, first line and length of every function that has a body.
fn functions(tokens: &[Token]) -> Vec<(String, usize, usize)> {
    let mut found = Vec::new();
    for (at, pair) in tokens.windows(2).enumerate() {
        if !pair[0].is("fn") || !pair[1].is_ident() {
            continue;
        }
        let mut next = at + 2;
        while let Some(token) = tokens.get(next) {
            if token.is("{") {
                let length = tokens[token.mate].line + 1 - pair[0].line;
                found.push((pair[1].text.clone(), pair[0].line, length));
            }
            if token.is("{") || token.is(";") || ["}", ")", "]"].iter().any(|end| token.is(end)) {
                break;
            }
            next = token.mate + 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_function_of(lines: usize) -> String {
        format!("//! A.\nfn long(f: fn(u8)) {{{}}}\n", "\n".repeat(lines - 1))
    }

    #[test]
    fn a_function_and_a_file_that_are_one_line_too_long_are_found() {
        let fits = Tree::fixture(&[("crates/a/src/lib.rs", &with_function_of(70))]);
        assert_eq!(check(&fits).findings, []);
        let long = Tree::fixture(&[("crates/a/src/lib.rs", &with_function_of(71))]);
        let found = check(&long).findings;
        assert_eq!(found.len(), 1);
        let expected = "crates/a/src/lib.rs:2: error: fn long has 71 lines, split above 70";
        assert_eq!(found[0].to_string(), expected);
        let file = "//! A.\n".repeat(801);
        assert_eq!(check(&Tree::fixture(&[("crates/a/src/lib.rs", &file)])).findings.len(), 1);
    }
}
