//! Every named invariant says what holds it, and that exists: a check of `tidy` or a test, and a test that breaks it
//! once and sees it found.

use super::super::report::Report;
use super::super::tokens::starts_with;
use super::super::tree::Tree;
use super::holders::{Broken, DOCUMENT, Held, Invariant};

/// How an invariant is introduced.
const MARK: &str = "**Invariant `";
/// How documentation in the code names one.
const MARK_IN_CODE: &str = "rchitecture invariant `";
const HELD_BY: &str = "Held by:";

/// Finds invariants without a holder, unknown ones, and holders that do not exist.
pub(super) fn check(report: &mut Report, tree: &Tree, text: &str, known: &[Invariant]) {
    let named = named(text);
    for (name, line, held) in &named {
        if !held {
            report.find(
                DOCUMENT,
                *line,
                format!("{name} has no \"{HELD_BY}\", say what fails when it is broken"),
            );
        }
        match known.iter().find(|invariant| invariant.name == name) {
            None => {
                let what = format!(
                    "{name} is held by nothing, name its check or test in xtask/src/tidy/architecture/holders.rs"
                );
                report.find(DOCUMENT, *line, what);
            }
            Some(invariant) => {
                for missing in missing(tree, invariant) {
                    report.find(DOCUMENT, *line, format!("{name}: {missing} does not exist"));
                }
            }
        }
    }
    in_code(report, tree, known);
    for invariant in known.iter().filter(|i| !named.iter().any(|(name, ..)| name == i.name)) {
        let what = format!("{} is not in {DOCUMENT}, take it off the list", invariant.name);
        report.find("xtask/src/tidy/architecture/holders.rs", 1, what);
    }
    let unbroken = known.iter().filter_map(|invariant| match invariant.broken {
        Broken::Not(why) => Some(format!("{} ({why})", invariant.name)),
        Broken::By(..) => None,
    });
    let unbroken: Vec<String> = unbroken.collect();
    let note = format!("{} invariants; broken by no test: {}", named.len(), unbroken.join(", "));
    report.notes.push(note);
}

/// What the documentation of code names as an invariant is one of the document's.
fn in_code(report: &mut Report, tree: &Tree, known: &[Invariant]) {
    for file in &tree.files {
        for token in file.tokens.iter().filter(|token| token.is_doc()) {
            let Some((_, rest)) = token.text.split_once(MARK_IN_CODE) else { continue };
            let name = rest.split('`').next().unwrap_or_default();
            if !known.iter().any(|invariant| invariant.name == name) {
                let what = format!("{name} is no invariant of {DOCUMENT}, name it there");
                report.find(&file.path, token.line, what);
            }
        }
    }
}

/// Name, line and whether a holder is named, of each invariant.
fn named(text: &str) -> Vec<(String, usize, bool)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(MARK) {
        let rest = &text[at + MARK.len()..];
        let name = rest.split('`').next().unwrap_or_default().to_owned();
        let ends = [rest.find(MARK), rest.find("\n#"), rest.find("\n\n")];
        let end = ends.into_iter().flatten().min().unwrap_or(rest.len());
        found.push((name, text[..at].matches('\n').count() + 1, rest[..end].contains(HELD_BY)));
    }
    found
}

/// What an invariant relies on and is not there.
fn missing(tree: &Tree, invariant: &Invariant) -> Vec<String> {
    let mut missing = Vec::new();
    match invariant.held {
        Held::Check(check) => {
            if !tree.checks.contains(&check) {
                missing.push(format!("the check {check}"));
            }
        }
        Held::Test(path, test) => missing.extend(missing_test(tree, path, test)),
        Held::Text(path) => {
            if !tree.texts.contains_key(path) {
                missing.push(path.to_owned());
            }
        }
    }
    if let Broken::By(path, test) = invariant.broken {
        missing.extend(missing_test(tree, path, test));
    }
    missing
}

fn missing_test(tree: &Tree, path: &str, test: &str) -> Option<String> {
    let file = tree.files.iter().find(|file| file.path == path);
    let there = file.is_some_and(|file| {
        (0..file.tokens.len()).any(|at| starts_with(&file.tokens[at..], &["fn", test]))
    });
    (!there).then(|| format!("{path}, fn {test}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[Invariant] = &[
        Invariant {
            name: "one",
            held: Held::Check("layers"),
            broken: Broken::By("tests/tests/a.rs", "breaks_one"),
        },
        Invariant {
            name: "two",
            held: Held::Check("no-such"),
            broken: Broken::By("tests/tests/a.rs", "breaks_two"),
        },
        Invariant {
            name: "gone",
            held: Held::Text("a.scenario"),
            broken: Broken::By("tests/tests/a.rs", "breaks_one"),
        },
    ];

    #[test]
    fn an_invariant_without_holder_one_that_is_unknown_and_a_test_that_is_gone_are_found() {
        let mut tree = Tree::fixture(&[
            ("tests/tests/a.rs", "//! A.\n#[test]\nfn breaks_one() {}\n"),
            (
                "crates/a/src/lib.rs",
                "//! A. **Architecture invariant `one`:** x.\n/// **Architecture invariant `four`:** y.\nfn a() {}\n",
            ),
        ]);
        tree.checks = vec!["layers"];
        let text = "# A\n\n**Invariant `one`:** true. Held by: tidy. **Invariant `two`:** true.\n\n\
                    **Invariant `three`:** true.\nHeld by: hope.\n";
        let mut report = Report::default();
        check(&mut report, &tree, text, KNOWN);
        let found: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
        let expected = [
            "ARCHITECTURE.md:3: error: two has no \"Held by:\"",
            "ARCHITECTURE.md:3: error: two: the check no-such does not exist",
            "ARCHITECTURE.md:3: error: two: tests/tests/a.rs, fn breaks_two does not exist",
            "ARCHITECTURE.md:5: error: three is held by nothing",
            "crates/a/src/lib.rs:2: error: four is no invariant of ARCHITECTURE.md",
            "xtask/src/tidy/architecture/holders.rs:1: error: gone is not in ARCHITECTURE.md",
        ];
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found}");
        }
    }
}
