//! No files that import each other, directly or round about, in any crate: the order in which they can be read, moved
//! and compiled apart is a line. Declaring and re-exporting children (`mod`, `pub use`) is no import.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::modules::{Modules, references};
use super::report::Report;
use super::tree::Tree;

/// Files in circles that exist only because a parent uses its children and they use what it declares. Lower it to what
/// the check prints; at 0 each such item lies in a file of its own.
const PARENTS_MAX: usize = 11;

/// What a file imports: the file, and the line on which it is named first.
type Edges = BTreeMap<usize, BTreeMap<usize, usize>>;

/// Finds every circle: a set of files of which each reaches each other one. That a parent uses its own children is
/// composition and counts apart.
pub(super) fn check(tree: &Tree) -> Report {
    let mut report = Report::default();
    let mut through_parents = 0;
    for (folder, modules) in &tree.crates {
        let (aside, all) = edges(tree, modules);
        let found = circles(&aside);
        for circle in &found {
            describe(&mut report, tree, folder, circle, &aside);
        }
        for circle in circles(&all).iter().filter(|circle| !found.contains(circle)) {
            through_parents += circle.len();
            let mut parents = Report::default();
            describe(&mut parents, tree, folder, circle, &all);
            report.details.extend(parents.findings.iter().map(|f| format!("with parents: {f}")));
        }
    }
    report.notes.push(format!(
        "{through_parents} of at most {PARENTS_MAX} files in circles of parents and children"
    ));
    if through_parents > PARENTS_MAX {
        let what = format!(
            "{through_parents} files lie in circles of a parent that uses its children and children that use what it declares, at most {PARENTS_MAX} may: move what both use to a file of its own"
        );
        report.find("xtask/src/tidy/circles.rs", 12, what);
    }
    report
}

/// Imports that are no composition, and all imports.
fn edges(tree: &Tree, modules: &Modules) -> (Edges, Edges) {
    let (mut aside, mut all) = (Edges::new(), Edges::new());
    for (id, module) in modules.iter().enumerate().filter(|(_, module)| !module.test) {
        for reference in references(modules, id, &tree.files[module.file].tokens) {
            let Some(target) = reference.module.map(|to| &modules[to]) else { continue };
            let names_no_item = reference.whole || reference.passed_on;
            let other = target.file != module.file && !target.test;
            if names_no_item || reference.test || !other {
                continue;
            }
            let own_child = target.path.starts_with(&module.path);
            for edges in [Some(&mut all), (!own_child).then_some(&mut aside)].into_iter().flatten()
            {
                edges.entry(module.file).or_default().entry(target.file).or_insert(reference.line);
            }
        }
    }
    (aside, all)
}

fn describe(report: &mut Report, tree: &Tree, folder: &str, circle: &[usize], edges: &Edges) {
    let path = |file: &usize| tree.files[*file].path.as_str();
    let files: Vec<&str> = circle.iter().map(path).collect();
    let round = shortest(edges, circle[0]);
    let steps: Vec<String> =
        round.iter().map(|(file, line)| format!("{}:{line}", path(file))).collect();
    let what = format!(
        "{} files of {folder} import each other in a circle: {}; one way round: {}; let imports point one way",
        circle.len(),
        files.join(", "),
        steps.join(" → "),
    );
    report.find(path(&circle[0]), round[0].1, what);
    for from in circle {
        for (to, line) in edges[from].iter().filter(|(to, _)| circle.contains(to)) {
            report.details.push(format!("{}:{line}: → {}", path(from), path(to)));
        }
    }
}

fn reached(edges: &Edges, from: usize) -> BTreeSet<usize> {
    let mut seen = BTreeSet::new();
    let mut open = vec![from];
    while let Some(file) = open.pop() {
        for next in edges.get(&file).into_iter().flat_map(BTreeMap::keys) {
            if seen.insert(*next) {
                open.push(*next);
            }
        }
    }
    seen
}

/// Strongly connected components of more than one file.
fn circles(edges: &Edges) -> Vec<Vec<usize>> {
    let reached: BTreeMap<usize, BTreeSet<usize>> =
        edges.keys().map(|file| (*file, reached(edges, *file))).collect();
    let mut found: BTreeSet<Vec<usize>> = BTreeSet::new();
    for (file, others) in &reached {
        if others.contains(file) {
            let back = |other: &&usize| reached.get(other).is_some_and(|r| r.contains(file));
            found.insert(others.iter().filter(back).copied().collect());
        }
    }
    found.into_iter().collect()
}

/// The shortest way from a file back to itself: each file of it, with the line that names the next one.
fn shortest(edges: &Edges, from: usize) -> Vec<(usize, usize)> {
    let mut open = VecDeque::from([vec![from]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = open.pop_front() {
        let last = way[way.len() - 1];
        for next in edges.get(&last).into_iter().flat_map(BTreeMap::keys) {
            if *next == from {
                let line = |at: usize| edges[&way[at]][way.get(at + 1).unwrap_or(&from)];
                return way.iter().enumerate().map(|(at, file)| (*file, line(at))).collect();
            }
            if seen.insert(*next) {
                open.push_back(way.iter().copied().chain([*next]).collect());
            }
        }
    }
    vec![(from, 1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        check(&Tree::fixture(files)).findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_line_of_imports_and_a_root_that_re_exports_are_no_circle() {
        let files = [
            (
                "crates/a/src/lib.rs",
                "//! A.\nmod one;\nmod two;\npub use one::One;\npub use two::two;\n",
            ),
            (
                "crates/a/src/one.rs",
                "//! One.\npub struct One;\n#[cfg(test)]\nmod tests { use crate::two; fn t() { two::two() } }\n",
            ),
            (
                "crates/a/src/two.rs",
                "//! Two.\nuse crate::One;\npub fn two() -> One { One } // crate::two\n",
            ),
        ];
        assert_eq!(found(&files), Vec::<String>::new());
    }

    #[test]
    fn a_circle_is_found_through_a_re_export_a_path_in_the_text_and_a_macro() {
        let files = [
            ("crates/a/src/lib.rs", "//! A.\nmod one;\nmod two;\nmod three;\npub use one::One;\n"),
            (
                "crates/a/src/one.rs",
                "//! One.\nuse super::two;\npub struct One;\nfn f() { two::f() }\n",
            ),
            ("crates/a/src/two.rs", "//! Two.\npub fn f() { log!(crate::three::g()) }\n"),
            ("crates/a/src/three.rs", "//! Three.\n\nuse super::One;\npub fn g() -> One { One }\n"),
        ];
        let found = found(&files);
        assert_eq!(found.len(), 1, "{found:?}");
        let way = "crates/a/src/one.rs:4 → crates/a/src/two.rs:2 → crates/a/src/three.rs:3";
        assert!(found[0].contains("3 files of crates/a"), "{found:?}");
        assert!(found[0].contains(way), "{found:?}");
    }

    #[test]
    fn what_a_function_imports_for_itself_counts_and_a_bound_of_a_type_does_not() {
        let files = [
            ("crates/a/src/lib.rs", "//! A.\nmod one;\nmod two;\nmod three;\n"),
            (
                "crates/a/src/one.rs",
                "//! One.\npub fn f() { use crate::two as second; second::g() }\n",
            ),
            (
                "crates/a/src/two.rs",
                "//! Two.\nuse crate::one;\npub fn g<'a>() -> impl Fn() + use<'a> { || one::f() }\n",
            ),
            ("crates/a/src/three.rs", "//! Three.\nuse crate::two;\npub fn h() { two::g() }\n"),
        ];
        let found = found(&files);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("2 files of crates/a"), "{found:?}");
    }

    #[test]
    fn a_parent_that_uses_a_child_which_uses_what_the_parent_declares_counts_apart() {
        let files = [
            ("crates/a/src/lib.rs", "//! A.\nmod one;\n"),
            (
                "crates/a/src/one/mod.rs",
                "//! One.\nmod step;\npub struct World;\nfn run() { step::run() }\n",
            ),
            (
                "crates/a/src/one/step.rs",
                "//! Step.\nuse super::*;\npub(super) fn run(_: World) {}\n",
            ),
        ];
        let report = check(&Tree::fixture(&files));
        assert_eq!(report.findings, []);
        assert!(report.notes[0].starts_with("2 of at most"), "{:?}", report.notes);
    }
}
