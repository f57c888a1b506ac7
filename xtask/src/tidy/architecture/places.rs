//! Places in the code that the document names exist: `a/src/b.rs`, `crates/a/src/{b,c}`, a file or a folder.

use super::super::report::Report;
use super::super::tree::Tree;
use super::holders::DOCUMENT;

/// Finds names of places that are not there.
pub(super) fn check(report: &mut Report, tree: &Tree, text: &str) {
    for (number, line) in text.lines().enumerate() {
        for span in line.split('`').skip(1).step_by(2).filter(|span| span.contains("/src/")) {
            for place in spread(span) {
                if place.contains(['*', ' ']) {
                    continue;
                }
                let place = place.trim_end_matches('/');
                let full = format!("crates/{place}");
                let mut paths = tree.files.iter().map(|file| &file.path).chain(tree.texts.keys());
                let there = paths.any(|path| {
                    [place, &full].iter().any(|p| {
                        path.strip_prefix(*p).is_some_and(|rest| {
                            rest.is_empty() || rest.starts_with('/') || rest == ".rs"
                        })
                    })
                });
                if !there {
                    report.find(DOCUMENT, number + 1, format!("{place} does not exist"));
                }
            }
        }
    }
}

/// `a/{b,c}` as `a/b` and `a/c`.
fn spread(span: &str) -> Vec<String> {
    match span.split_once('{').and_then(|(head, rest)| Some((head, rest.split_once('}')?))) {
        Some((head, (names, tail))) => {
            names.split(',').map(|name| format!("{head}{}{tail}", name.trim())).collect()
        }
        None => vec![span.to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_not_there_is_found() {
        let tree = Tree::fixture(&[
            ("crates/a/src/lib.rs", "//! A.\n"),
            ("crates/a/src/b/mod.rs", "//! B.\n"),
        ]);
        let mut report = Report::default();
        let text = "`a/src/lib.rs`, `crates/a/src/b/`, `a/src/{b,lib}`\nand `a/src/{b,c}.rs`, `src/*`, `/src`\n";
        check(&mut report, &tree, text);
        let found: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
        let expected =
            ["b.rs", "c.rs"].map(|f| format!("ARCHITECTURE.md:2: error: a/src/{f} does not exist"));
        assert_eq!(found, expected);
    }
}
