//! What is compiled into a crate, over all of its dependencies: a rule about what a crate can do at all is one about
//! this set, not about the names in its manifest.

use super::report::Report;
use super::tree::Tree;

/// What may not be compiled into a crate.
struct Closure {
    name: &'static str,
    /// Fewer packages than this, if there is a bound.
    below: Option<usize>,
    without: &'static [&'static str],
    why: &'static str,
}

const CLOSURES: &[Closure] = &[
    Closure {
        name: "protocol",
        below: Some(40),
        without: &[
            "tokio",
            "kube",
            "k8s-openapi",
            "hyper",
            "getrandom",
            "rustls",
            "axum",
            "reqwest",
            "gix",
        ],
        why: "what decides does no IO and has neither clock nor randomness",
    },
    Closure {
        name: "types",
        below: None,
        without: &[
            "tokio",
            "kube",
            "k8s-openapi",
            "hyper",
            "rustls",
            "getrandom",
            "axum",
            "reqwest",
        ],
        why: "the vocabulary is data",
    },
    Closure {
        name: "authority",
        below: None,
        without: &["kube", "k8s-openapi", "kube-client", "gix", "reqwest"],
        why: "the authority knows neither Kubernetes objects nor Git",
    },
    Closure {
        name: "manifest",
        below: None,
        without: &["tokio", "kube", "hyper"],
        why: "manifests are text",
    },
    Closure {
        name: "vault",
        below: None,
        without: &["kube", "k8s-openapi"],
        why: "it speaks the Vault API alone",
    },
];

/// Finds crates into which too much is compiled. Notes have the size of every closure.
pub(super) fn check(tree: &Tree) -> Report {
    let mut report = Report::default();
    let mut sizes = Vec::new();
    for member in &tree.metadata.members {
        let closure = tree.metadata.closure(member);
        let name = member.folder.rsplit('/').next().unwrap_or_default();
        sizes.push(format!("{name} {}", closure.len()));
        let Some(rule) = CLOSURES.iter().find(|c| c.name == name) else { continue };
        let path = format!("{}/Cargo.toml", member.folder);
        let line = tree.line_of(&path, "[dependencies]");
        let banned: Vec<&str> =
            rule.without.iter().copied().filter(|banned| closure.contains(banned)).collect();
        if !banned.is_empty() {
            let what = format!("{} is compiled into {name}, but {}", banned.join(", "), rule.why);
            report.find(&path, line, what);
        }
        if let Some(below) = rule.below
            && closure.len() >= below
        {
            let what = format!(
                "{} packages are compiled into {name}, use fewer than {below}",
                closure.len()
            );
            report.find(&path, line, what);
        }
    }
    report.notes.push(format!("packages compiled into each crate: {}", sizes.join(", ")));
    for rule in CLOSURES
        .iter()
        .filter(|rule| !tree.metadata.members.iter().any(|m| m.folder.ends_with(rule.name)))
    {
        report.find(
            "xtask/src/tidy/closures.rs",
            1,
            format!("{} is no crate, remove its rule", rule.name),
        );
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::metadata::{DependencyKind, Metadata};

    #[test]
    fn io_beneath_the_protocol_too_many_packages_and_a_cluster_beneath_the_authority_are_found() {
        let many: Vec<String> = (0..40).map(|n| format!("p{n}")).collect();
        let mut protocol: Vec<(&str, DependencyKind)> =
            many.iter().map(|p| (p.as_str(), DependencyKind::Normal)).collect();
        protocol.push(("tokio", DependencyKind::Dev));
        let members: &[(&str, &[(&str, DependencyKind)])] = &[
            ("crates/types", &[("tokio", DependencyKind::Normal)]),
            ("crates/protocol", &protocol),
            ("crates/authority", &[("regent-api", DependencyKind::Normal)]),
            ("crates/api", &[("kube", DependencyKind::Normal)]),
            ("crates/manifest", &[]),
            ("crates/vault", &[]),
        ];
        let tree = Tree { metadata: Metadata::fixture(members), ..Tree::default() };
        let found: Vec<String> = check(&tree).findings.iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].contains("tokio is compiled into types"));
        assert!(found[1].contains("40 packages are compiled into protocol"));
        assert!(found[2].contains("kube is compiled into authority"));
    }
}
