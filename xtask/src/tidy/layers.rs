//! Which crate uses which: arrows point down only, and every one is used. `ARCHITECTURE.md` draws the same table
//! (`architecture/arrows.rs`).

use super::metadata::DependencyKind;
use super::report::Report;
use super::tree::Tree;

/// A crate, what it may use, and what its tests may use besides. Names are without `regent-`.
pub(super) struct Layer {
    pub(super) name: &'static str,
    pub(super) uses: &'static [&'static str],
    tests_use: &'static [&'static str],
}

const fn layer(
    name: &'static str,
    uses: &'static [&'static str],
    tests_use: &'static [&'static str],
) -> Layer {
    Layer { name, uses, tests_use }
}

/// What the tests of a component run on.
const SERVERS: &[&str] = &["sandbox", "authority", "vault"];
/// What the tests of gitops start and compare with.
const GITOPS_TESTS: &[&str] = &["sandbox", "authority", "vault", "install"];

/// Every crate, lowest first. `tests` and `xtask` are at the top and use what they like.
pub(super) const LAYERS: &[Layer] = &[
    layer("types", &[], &[]),
    layer("api", &["types"], &[]),
    layer("protocol", &["types"], &[]),
    layer("manifest", &["types"], &[]),
    layer("vault", &["types"], &[]),
    layer("install", &["types", "api"], &[]),
    layer("authority", &["types", "manifest"], &["install"]),
    layer("sandbox", &["types"], &["api", "install"]),
    layer("operator", &["types", "api", "protocol", "vault", "install"], SERVERS),
    layer("gitops", &["types", "api", "manifest", "operator"], GITOPS_TESTS),
    layer(
        "control",
        &["types", "api", "protocol", "manifest", "vault", "install", "operator"],
        SERVERS,
    ),
    layer("delivery", &["types", "api", "protocol", "vault", "operator"], SERVERS),
    layer(
        "host",
        &["types", "api", "vault", "authority", "operator", "gitops", "control", "delivery"],
        &[],
    ),
    layer(
        "lab",
        &[
            "types", "api", "manifest", "vault", "install", "sandbox", "operator", "gitops",
            "control", "host",
        ],
        &[],
    ),
    layer(
        "regent",
        &[
            "types",
            "api",
            "protocol",
            "manifest",
            "vault",
            "install",
            "authority",
            "operator",
            "control",
            "host",
            "lab",
        ],
        &[],
    ),
];

/// Packages that only some crates may use, and why.
const ONLY: &[(&str, &[&str], &str)] = &[(
    "anyhow",
    &["host", "lab", "regent"],
    "an error has a reason, and what was expected, found, to do",
)];

/// Finds dependencies that point up or aside, and crates without a place.
pub(super) fn check(tree: &Tree) -> Report {
    let mut report = Report::default();
    let members: Vec<&str> = tree.metadata.members.iter().map(|m| m.package.as_str()).collect();
    for member in &tree.metadata.members {
        let path = format!("{}/Cargo.toml", member.folder);
        let Some(name) = member.folder.strip_prefix("crates/") else { continue };
        let Some(layer) = LAYERS.iter().find(|layer| layer.name == name) else {
            report.find(
                &path,
                1,
                format!("{name} has no layer, give it one in xtask/src/tidy/layers.rs"),
            );
            continue;
        };
        let normal = |used: &str| {
            let package = format!("regent-{used}");
            member
                .dependencies
                .iter()
                .any(|d| d.kind == DependencyKind::Normal && d.package == package)
        };
        for unused in layer.uses.iter().filter(|used| !normal(used)) {
            let what = format!("{name} does not use {unused}, take the arrow off LAYERS");
            report.find("xtask/src/tidy/layers.rs", 1, what);
        }
        for dependency in &member.dependencies {
            for (package, users, why) in ONLY {
                if dependency.package == *package && !users.contains(&name) {
                    let line = tree.line_of(&path, package);
                    report.find(&path, line, format!("{name} may not use {package}: {why}"));
                }
            }
            if !members.contains(&dependency.package.as_str()) {
                continue;
            }
            let used = dependency.package.trim_start_matches("regent-");
            let in_tests =
                dependency.kind == DependencyKind::Dev && layer.tests_use.contains(&used);
            if !layer.uses.contains(&used) && !in_tests && used != name {
                let line = tree.line_of(&path, &dependency.package);
                let what = match layer.uses {
                    [] => format!("{name} may not use {used}, it uses no other crate"),
                    uses => format!("{name} may not use {used}, only {}", uses.join(", ")),
                };
                report.find(&path, line, what);
            }
        }
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::metadata::Metadata;

    fn found(members: &[(&str, &[(&str, DependencyKind)])]) -> Vec<String> {
        let metadata = Metadata::fixture(members);
        let tree = Tree { metadata, ..Tree::default() };
        let found = check(&tree).findings.into_iter();
        found.filter(|f| !f.what.contains("take the arrow off")).map(|f| f.to_string()).collect()
    }

    #[test]
    fn an_arrow_that_nobody_uses_is_found() {
        let metadata = Metadata::fixture(&[("crates/types", &[]), ("crates/api", &[])]);
        let found = check(&Tree { metadata, ..Tree::default() }).findings;
        assert_eq!(found.len(), 1);
        assert!(found[0].what.starts_with("api does not use types"), "{found:?}");
    }

    #[test]
    fn an_arrow_up_one_aside_and_a_crate_without_a_place_are_found() {
        let members: &[(&str, &[(&str, DependencyKind)])] = &[
            ("crates/types", &[("regent-gitops", DependencyKind::Dev)]),
            (
                "crates/gitops",
                &[
                    ("regent-vault", DependencyKind::Normal),
                    ("regent-control", DependencyKind::Normal),
                ],
            ),
            ("crates/control", &[("regent-sandbox", DependencyKind::Normal)]),
            ("crates/sandbox", &[("regent-control", DependencyKind::Normal)]),
            ("crates/delivery", &[("regent-manifest", DependencyKind::Normal)]),
            ("crates/manifest", &[]),
            ("crates/new", &[]),
            ("crates/vault", &[("anyhow", DependencyKind::Normal)]),
            ("tests", &[("regent-control", DependencyKind::Normal)]),
        ];
        let found = found(members);
        let expected = [
            "types may not use gitops",
            "gitops may not use vault",
            "gitops may not use control",
            "control may not use sandbox",
            "sandbox may not use control",
            "delivery may not use manifest",
            "new has no layer",
            "vault may not use anyhow",
        ];
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.contains(expected), "{found}");
        }
    }

    #[test]
    fn tests_of_a_component_may_use_the_sandbox_and_layers_name_lower_ones_alone() {
        assert_eq!(
            found(&[
                ("crates/control", &[("regent-sandbox", DependencyKind::Dev)]),
                ("crates/sandbox", &[])
            ]),
            [""; 0]
        );
        for (at, layer) in LAYERS.iter().enumerate() {
            let lower = |used: &&str| LAYERS[..at].iter().any(|other| other.name == *used);
            assert!(layer.uses.iter().all(lower), "{} uses one that is not below it", layer.name);
        }
    }
}
