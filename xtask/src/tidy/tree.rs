//! What the checks look at: every Rust file, the other texts, and what cargo says of the packages.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};

use super::file::File;
use super::metadata::Metadata;
use super::modules::{self, Modules};

/// Folders that hold Rust.
const RUST: [&str; 3] = ["crates", "tests", "xtask"];
/// Folders and files of other text that a check reads.
const TEXTS: [&str; 7] =
    ["ARCHITECTURE.md", "README.md", "Cargo.toml", "config", "charts", "docs", "examples"];

/// The workspace as the checks see it.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) files: Vec<File>,
    /// Modules of each crate, by the folder of the crate.
    pub(super) crates: BTreeMap<String, Modules>,
    pub(super) texts: BTreeMap<String, String>,
    pub(super) metadata: Metadata,
    /// Names of all checks.
    pub(super) checks: Vec<&'static str>,
}

impl Tree {
    /// Reads the workspace below `root`.
    ///
    /// # Errors
    /// A file that cannot be read, or cargo that cannot say what the packages are.
    pub(super) fn read(root: &Path) -> Result<Self> {
        let mut rust = BTreeMap::new();
        for folder in RUST {
            collect(root, Path::new(folder), &|name| name.ends_with(".rs"), &mut rust)?;
        }
        let mut texts = BTreeMap::new();
        for text in TEXTS {
            collect(root, Path::new(text), &|_| true, &mut texts)?;
        }
        for folder in RUST {
            let beside_rust = |name: &str| {
                ["Cargo.toml", ".scenario", ".txt"].iter().any(|end| name.ends_with(end))
            };
            collect(root, Path::new(folder), &beside_rust, &mut texts)?;
        }
        Ok(Self::of(rust, texts, Metadata::read(root)?))
    }

    /// The workspace that consists of these Rust files, other texts and packages.
    pub(super) fn of(
        rust: BTreeMap<String, String>,
        texts: BTreeMap<String, String>,
        metadata: Metadata,
    ) -> Self {
        let files = rust.into_iter().map(|(path, text)| File::new(path, text)).collect();
        let mut tree = Self { files, texts, metadata, ..Self::default() };
        tree.crates = modules::of_every_crate(&mut tree.files);
        tree
    }

    #[cfg(test)]
    pub(super) fn fixture(files: &[(&str, &str)]) -> Self {
        let (rust, texts): (Vec<_>, Vec<_>) = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
            .partition(|(path, _)| path.ends_with(".rs"));
        Self::of(rust.into_iter().collect(), texts.into_iter().collect(), Metadata::default())
    }

    /// The line of a text on which `wanted` begins, or 1.
    pub(super) fn line_of(&self, path: &str, wanted: &str) -> usize {
        let text = self.texts.get(path).map_or("", String::as_str);
        text.lines().position(|line| line.trim_start().starts_with(wanted)).map_or(1, |at| at + 1)
    }
}

fn collect(
    root: &Path,
    below: &Path,
    wanted: &dyn Fn(&str) -> bool,
    found: &mut BTreeMap<String, String>,
) -> Result<()> {
    let path = root.join(below);
    if !path.exists() || below.ends_with("target") {
        return Ok(());
    }
    let name = below.to_string_lossy().replace('\\', "/");
    if path.is_file() {
        // Test data may be any bytes.
        if wanted(&name)
            && let Ok(text) = String::from_utf8(std::fs::read(&path).with_context(|| name.clone())?)
        {
            found.insert(name, text);
        }
        return Ok(());
    }
    for entry in std::fs::read_dir(&path).with_context(|| name.clone())? {
        collect(root, &below.join(entry?.file_name()), wanted, found)?;
    }
    Ok(())
}
