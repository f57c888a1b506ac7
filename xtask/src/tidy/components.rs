//! Components meet only in Kubernetes objects and the Vault API: no module of one names a module of another, in the
//! product or in tests.

use super::file::File;
use super::modules::{Modules, references};
use super::report::Report;
use super::tree::Tree;

/// The components. Each has a folder of its name.
pub(super) const COMPONENTS: [&str; 7] =
    ["intent", "bootstrap", "orchestrator", "triggers", "warden", "materializer", "publisher"];
/// Crates that hold components.
const CRATES: [&str; 3] = ["control", "delivery", "gitops"];

/// Finds imports of one component in another, and source files of one that another compiles.
pub(super) fn check(tree: &Tree) -> Report {
    let mut report = Report::default();
    for name in CRATES {
        let Some(modules) = tree.crates.get(&format!("crates/{name}")) else { continue };
        for id in 0..modules.len() {
            check_module(&mut report, &tree.files, modules, id);
        }
    }
    report
}

fn check_module(report: &mut Report, files: &[File], modules: &Modules, id: usize) {
    let module = &modules[id];
    let path = files[module.file].path.as_str();
    let Some(own) = module.path.first().and_then(|first| component(first)) else { return };
    if let Some(other) = folder(path).filter(|other| *other != own) {
        report.find(path, 1, format!("{own} compiles a file of {other}, give each its own"));
    }
    for reference in references(modules, id, &files[module.file].tokens) {
        let target = reference.module.map(|to| &modules[to]);
        let inside = target.and_then(|to| to.path.first()).and_then(|first| component(first));
        let outside = match reference.written.as_slice() {
            [krate, second, ..] if CRATES.iter().any(|c| *krate == format!("regent_{c}")) => {
                component(second)
            }
            _ => None,
        };
        if let Some(other) = inside.or(outside).filter(|other| *other != own) {
            let written = reference.written.join("::");
            let what = format!(
                "{own} names {written} of {other}, meet in objects of the API or move what both need to operator"
            );
            report.find(path, reference.line, what);
        }
    }
}

fn component(name: &str) -> Option<&'static str> {
    COMPONENTS.into_iter().find(|component| *component == name)
}

/// The component whose folder a file lies in.
fn folder(path: &str) -> Option<&'static str> {
    let (_, inside) = path.split_once("/src/")?;
    component(inside.split(['/', '.']).next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_that_names_another_in_product_test_or_by_its_file_is_found() {
        let tree = Tree::fixture(&[
            (
                "crates/gitops/src/lib.rs",
                "//! G.\nmod bootstrap;\nmod intent;\nmod shared;\npub use intent::Scan;\n",
            ),
            ("crates/gitops/src/shared.rs", "//! S.\npub struct Shared;\n"),
            (
                "crates/gitops/src/bootstrap/mod.rs",
                "//! B.\nuse crate::shared::Shared;\nfn f() { super::intent::scan(); }\n\
                 #[cfg(test)]\nmod tests { use crate::Scan; use regent_control::warden::X; }\n\
                 #[cfg(test)]\n#[path = \"../intent/fake.rs\"]\nmod fake;\n",
            ),
            (
                "crates/gitops/src/intent/mod.rs",
                "//! I.\nuse crate::shared::Shared;\nmod fake;\npub struct Scan;\n",
            ),
            ("crates/gitops/src/intent/fake.rs", "//! F.\n"),
        ]);
        let found: Vec<String> = check(&tree).findings.iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(found[0].contains("bootstrap names super::intent::scan of intent"), "{found:?}");
        assert!(found.iter().any(|f| f.contains("names crate::Scan of intent")), "{found:?}");
        assert!(
            found.iter().any(|f| f.contains("regent_control::warden::X of warden")),
            "{found:?}"
        );
        assert!(
            found.iter().any(|f| f.contains("bootstrap compiles a file of intent")),
            "{found:?}"
        );
    }
}
