//! Every dependency that a manifest names is named in the code, and where it says: what tests alone use is no
//! dependency of the product. From text, in no time; `cargo machete` and `cargo shear` see no more and must be compiled.

use std::collections::BTreeSet;

use super::metadata::{Dependency, DependencyKind, Member};
use super::modules::references;
use super::report::Report;
use super::tree::Tree;

/// Dependencies that no code names: the package that has them, the dependency, and why it is kept.
const KEPT: &[(&str, &str, &str)] = &[(
    "regent-gitops",
    "reqwest",
    "its features give gix TLS with ring, and no second crypto provider",
)];

/// Finds dependencies that nothing uses, and those that are declared in the wrong place.
pub(super) fn check(tree: &Tree) -> Report {
    let mut report = Report::default();
    let mut kept = BTreeSet::new();
    for member in &tree.metadata.members {
        check_member(&mut report, tree, member, &mut kept);
    }
    for (package, dependency, _) in KEPT {
        if !kept.contains(&(*package, *dependency)) {
            let what = format!("{package} needs no exception for {dependency}, take it off KEPT");
            report.find("xtask/src/tidy/unused.rs", 1, what);
        }
    }
    check_workspace(&mut report, tree);
    report
}

fn check_member(
    report: &mut Report,
    tree: &Tree,
    member: &Member,
    kept: &mut BTreeSet<(&'static str, &'static str)>,
) {
    let path = format!("{}/Cargo.toml", member.folder);
    let (product, tests) = names(tree, &member.folder);
    for dependency in &member.dependencies {
        let package = dependency.package.as_str();
        let (in_product, in_tests) =
            (product.contains(&dependency.name), tests.contains(&dependency.name));
        let what = match dependency.kind {
            _ if in_product && dependency.kind != DependencyKind::Dev => continue,
            DependencyKind::Dev if in_tests => continue,
            // More features for tests of what the product uses.
            DependencyKind::Dev if in_product => {
                let also = |d: &&_| is_normal(d, package);
                if member.dependencies.iter().find(also).is_some() {
                    continue;
                }
                "is a dev-dependency that the product uses, list it under [dependencies]"
            }
            DependencyKind::Normal if in_tests => {
                "is used by tests alone, list it under [dev-dependencies]"
            }
            _ => "is used nowhere, remove it",
        };
        let exception = KEPT.iter().find(|(p, d, _)| *p == member.package && *d == package);
        match exception {
            Some((package, dependency, _)) => drop(kept.insert((*package, *dependency))),
            None => report.find(&path, tree.line_of(&path, package), format!("{package} {what}")),
        }
    }
}

fn is_normal(dependency: &Dependency, package: &str) -> bool {
    dependency.package == package && dependency.kind == DependencyKind::Normal
}

/// Names outside the crate with which paths in it begin, in the product and in tests.
fn names(tree: &Tree, folder: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let mut found = (BTreeSet::new(), BTreeSet::new());
    let Some(modules) = tree.crates.get(folder) else { return found };
    for (id, module) in modules.iter().enumerate() {
        let file = &tree.files[module.file];
        for reference in references(modules, id, &file.tokens) {
            if reference.module.is_none() {
                let tests = module.test || reference.test;
                let into = if tests { &mut found.1 } else { &mut found.0 };
                into.extend(reference.written.into_iter().next());
            }
        }
    }
    found
}

/// Entries of `[workspace.dependencies]` that no member takes.
fn check_workspace(report: &mut Report, tree: &Tree) {
    let taken: BTreeSet<&str> = tree
        .metadata
        .members
        .iter()
        .flat_map(|member| &member.dependencies)
        .map(|dependency| dependency.package.as_str())
        .collect();
    let text = tree.texts.get("Cargo.toml").map_or("", String::as_str);
    let mut inside = false;
    for (number, line) in text.lines().enumerate() {
        if line.starts_with('[') {
            inside = line == "[workspace.dependencies]";
        } else if inside && let Some((name, _)) = line.split_once([' ', '=']) {
            let name = name.trim();
            if !name.is_empty() && !name.starts_with('#') && !taken.contains(name) {
                report.find("Cargo.toml", number + 1, format!("no crate takes {name}, remove it"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::metadata::Metadata;

    #[test]
    fn one_that_nothing_uses_one_of_tests_alone_and_one_in_the_wrong_place_are_found() {
        let manifest =
            "[package]\n[dependencies]\nserde.workspace = true\nhyper.workspace = true\n";
        let code = "//! A.\nuse serde::Serialize;\nfn a(x: crate::http::X) { tower::x(); } // http::x\n\
                    #[cfg(test)]\nmod tests { use hyper::x; #[tokio::test] async fn a() {} }\n";
        let root =
            "[workspace.dependencies]\nserde = \"1\"\nstray = \"1\"\n\n[workspace.lints.rust]\n";
        let mut tree = Tree::fixture(&[
            ("crates/a/Cargo.toml", manifest),
            ("crates/a/src/lib.rs", code),
            ("Cargo.toml", root),
        ]);
        let needed = [
            ("serde", DependencyKind::Normal),
            ("http", DependencyKind::Normal),
            ("hyper", DependencyKind::Normal),
            ("tokio", DependencyKind::Dev),
            ("tower", DependencyKind::Dev),
            ("axum", DependencyKind::Dev),
        ];
        tree.metadata = Metadata::fixture(&[("crates/a", &needed)]);
        let found: Vec<String> = check(&tree)
            .findings
            .iter()
            .filter(|f| !f.path.starts_with("xtask"))
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            found,
            [
                "crates/a/Cargo.toml:1: error: http is used nowhere, remove it",
                "crates/a/Cargo.toml:4: error: hyper is used by tests alone, list it under [dev-dependencies]",
                "crates/a/Cargo.toml:1: error: tower is a dev-dependency that the product uses, list it under [dependencies]",
                "crates/a/Cargo.toml:1: error: axum is used nowhere, remove it",
                "Cargo.toml:3: error: no crate takes stray, remove it",
            ]
        );
    }
}
