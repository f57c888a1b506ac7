//! `tidy`: house rules that no lint knows. Findings are `path:line: error: what is wrong, what to do`.
//!
//! A check is a pure function from the [`Tree`] (files as text, what `cargo metadata` says) to a [`Report`], in a file
//! of its own, with a test that breaks its rule once. [`all`] is the list of them; `architecture.rs` holds which
//! invariant of `ARCHITECTURE.md` each one keeps.

mod architecture;
mod bans;
mod circles;
mod closures;
mod components;
mod echoes;
mod fields;
mod file;
mod header;
mod layers;
mod metadata;
mod modules;
mod plain_text;
mod report;
mod rights;
mod sizes;
mod tokens;
mod tree;
mod unused;

use anyhow::{Result, bail};

use report::Report;
use tree::Tree;

/// A rule of the house.
struct Check {
    /// What it is called in `cargo xtask tidy NAME` and in `architecture.rs`.
    name: &'static str,
    run: fn(&Tree) -> Report,
}

/// Every check, in the order in which they are printed.
fn all() -> Vec<Check> {
    vec![
        Check { name: "header", run: header::check },
        Check { name: "sizes", run: sizes::check },
        Check { name: "bans", run: bans::check },
        Check { name: "layers", run: layers::check },
        Check { name: "closures", run: closures::check },
        Check { name: "circles", run: circles::check },
        Check { name: "components", run: components::check },
        Check { name: "fields", run: fields::check },
        Check { name: "rights", run: rights::check },
        Check { name: "unused", run: unused::check },
        Check { name: "echoes", run: echoes::check },
        Check { name: "plain-text", run: plain_text::check },
        Check { name: "architecture", run: architecture::check },
    ]
}

pub(crate) fn run() -> Result<()> {
    run_named(&[])
}

/// Runs the checks that are named, or every one. A named one prints its details as well.
pub(crate) fn run_named(names: &[&str]) -> Result<()> {
    let checks = all();
    if let Some(unknown) = names.iter().find(|name| !checks.iter().any(|c| c.name == **name)) {
        let names: Vec<&str> = checks.iter().map(|c| c.name).collect();
        bail!("no check is called {unknown}: {}", names.join(", "));
    }
    let mut tree = Tree::read(&crate::root())?;
    tree.checks = checks.iter().map(|check| check.name).collect();
    let mut count = 0;
    for check in checks.iter().filter(|c| names.is_empty() || names.contains(&c.name)) {
        let mut report = (check.run)(&tree);
        report.findings.sort();
        for finding in &report.findings {
            println!("{finding}");
        }
        if !names.is_empty() {
            report.details.iter().for_each(|detail| println!("{detail}"));
        }
        for note in &report.notes {
            println!("tidy: {}: {note}", check.name);
        }
        count += report.findings.len();
    }
    if count > 0 {
        bail!("tidy: {count} findings");
    }
    println!("tidy: {} files, no finding", tree.files.len());
    Ok(())
}
