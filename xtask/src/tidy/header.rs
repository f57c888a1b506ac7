//! Every file starts with what it is for, is Rust, and belongs to a crate.

use super::report::Report;
use super::tree::Tree;

/// Finds files without a module comment, files that are no Rust and files that no crate compiles.
pub(super) fn check(tree: &Tree) -> Report {
    let mut report = Report::default();
    for file in &tree.files {
        if !file.text.starts_with("//!") {
            report.find(
                &file.path,
                1,
                "no module comment, start with `//!` and say what it is for",
            );
        }
        if let Some(why) = &file.broken {
            report.find(&file.path, 1, format!("is no Rust: {why}"));
        }
        if !file.reached {
            report.find(&file.path, 1, "no crate compiles it, declare it with `mod` or delete it");
        }
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_comment_one_that_is_no_rust_and_one_of_no_crate_are_found() {
        let tree = Tree::fixture(&[
            ("crates/a/src/lib.rs", "//! A.\nmod b;\nmod c;\n"),
            ("crates/a/src/b.rs", "fn b() {}\n"),
            ("crates/a/src/c.rs", "//! C.\nfn c() {\n"),
            ("crates/a/src/stray.rs", "//! Stray.\n"),
        ]);
        let found: Vec<String> = check(&tree).findings.iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].starts_with("crates/a/src/b.rs:1: error: no module comment"));
        assert!(found[1].starts_with("crates/a/src/c.rs:1: error: is no Rust"));
        assert!(found[2].starts_with("crates/a/src/stray.rs:1: error: no crate"));
    }
}
