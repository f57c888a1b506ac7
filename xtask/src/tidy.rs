//! `tidy`: house rules that no lint knows. `path:line: error: what, use what`.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// Longest file, in lines.
const LINES_MAX: usize = 800;
/// Dependencies that each crate may have inside the workspace: layers point down only (`layers-down-only`).
const LAYERS: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("manifest", &["types"]),
    ("protocol", &["types"]),
    ("vault", &["types"]),
    ("authority", &["types", "manifest"]),
    ("sandbox", &["types"]),
    ("components", &["types", "manifest", "protocol", "vault"]),
];
/// What `protocol` must not depend on: no IO, no clock, no randomness (`protocol-no-io`).
const PROTOCOL_BANS: &[&str] = &["tokio", "kube", "getrandom", "hyper", "reqwest", "axum"];

/// Checks every Rust file and every crate manifest.
pub(crate) fn run() -> Result<()> {
    let root = crate::root();
    let mut problems = Vec::new();
    let mut files = Vec::new();
    for folder in ["crates", "tests", "xtask"] {
        collect(&root.join(folder), &mut files)?;
    }
    for file in &files {
        let text = std::fs::read_to_string(file)?;
        let name = file.strip_prefix(&root).unwrap_or(file).display().to_string();
        problems.extend(check_file(&name, &text));
    }
    for (name, allowed) in LAYERS {
        let manifest = std::fs::read_to_string(root.join("crates").join(name).join("Cargo.toml"))?;
        problems.extend(check_layers(name, allowed, &manifest));
    }
    for problem in &problems {
        println!("{problem}");
    }
    if !problems.is_empty() {
        bail!("{} tidy problems", problems.len());
    }
    println!("tidy: {} files", files.len());
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(())
}

fn check_file(name: &str, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if !text.starts_with("//!") {
        problems.push(format!("{name}:1: error: no module comment, start with //!"));
    }
    let lines = text.lines().count();
    if lines > LINES_MAX {
        problems.push(format!("{name}:{lines}: error: {lines} lines, split above {LINES_MAX}"));
    }
    let marks = ["FIX".to_owned() + "ME", "TO".to_owned() + "DO", "#[igno".to_owned() + "re"];
    for (number, line) in text.lines().enumerate() {
        for mark in &marks {
            if line.contains(mark.as_str()) {
                problems.push(format!("{name}:{}: error: {mark} is banned", number + 1));
            }
        }
    }
    problems
}

fn check_layers(name: &str, allowed: &[&str], manifest: &str) -> Vec<String> {
    // Tests may look up: only what is built into the product counts.
    let built = manifest.split("[dev-dependencies]").next().unwrap_or_default();
    let mut problems = Vec::new();
    for line in built.lines() {
        let dependency = line.split(['.', ' ', '=']).next().unwrap_or_default();
        if let Some(own) = dependency.strip_prefix("regent-")
            && !allowed.contains(&own)
            && own != name
        {
            problems.push(format!("crates/{name}/Cargo.toml: error: {name} may not use {own}"));
        }
        if name == "protocol" && PROTOCOL_BANS.contains(&dependency) {
            problems.push(format!(
                "crates/{name}/Cargo.toml: error: protocol may not use {dependency}"
            ));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_comment_a_mark_and_an_upward_layer_are_found() {
        assert_eq!(check_file("a.rs", "//! Fine.\n").len(), 0);
        let marked = format!("fn main() {{}} // {}", "FIX".to_owned() + "ME");
        assert_eq!(check_file("a.rs", &marked).len(), 2);
        let manifest = "name = \"regent-types\"\n[dependencies]\nregent-vault.workspace = true\n";
        assert_eq!(check_layers("types", &[], manifest).len(), 1);
        assert_eq!(check_layers("types", &["vault"], manifest).len(), 0);
    }
}
