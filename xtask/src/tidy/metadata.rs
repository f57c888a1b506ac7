//! What cargo says of the packages: who depends on whom, how, and what is compiled into each, on Linux, with default
//! features.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The platform of the cluster image.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// How a package needs another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum DependencyKind {
    Normal,
    Dev,
    Build,
}

/// One dependency of a member of the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dependency {
    pub(super) package: String,
    /// Its name in code.
    pub(super) name: String,
    pub(super) kind: DependencyKind,
}

/// A member of the workspace.
#[derive(Clone, Debug, Default)]
pub(super) struct Member {
    pub(super) package: String,
    /// Its folder, relative to the root.
    pub(super) folder: String,
    pub(super) dependencies: Vec<Dependency>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Metadata {
    pub(super) members: Vec<Member>,
    /// What is compiled into each member, by its package.
    compiled: BTreeMap<String, BTreeSet<String>>,
}

impl Metadata {
    /// Asks cargo.
    ///
    /// # Errors
    /// cargo fails, for one because `Cargo.lock` is not up to date.
    pub(super) fn read(root: &Path) -> Result<Self> {
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version", "1", "--locked", "--no-deps"])
            .current_dir(root)
            .output()
            .context("cargo metadata")?;
        if !output.status.success() {
            bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
        }
        let mut all =
            Self::parse(&serde_json::from_slice(&output.stdout).context("cargo metadata")?);
        for member in &all.members {
            let compiled = compiled_into(root, &member.package)?;
            all.compiled.insert(member.package.clone(), compiled);
        }
        Ok(all)
    }

    /// Reads what cargo printed.
    pub(super) fn parse(value: &Value) -> Self {
        let mut all = Self::default();
        let root = format!("{}/", text(&value["workspace_root"]));
        let members: BTreeSet<String> = list(&value["workspace_members"]).map(text).collect();
        for package in list(&value["packages"]) {
            let id = text(&package["id"]);
            if members.contains(&id) {
                let manifest = text(&package["manifest_path"]);
                let folder = manifest.trim_start_matches(&root).trim_end_matches("/Cargo.toml");
                let dependencies = list(&package["dependencies"]).map(dependency).collect();
                let (folder, package) = (folder.to_owned(), text(&package["name"]));
                all.members.push(Member { package, folder, dependencies });
            }
        }
        all.members.sort_by(|a, b| a.folder.cmp(&b.folder));
        all
    }

    /// Names of all packages that are compiled into the member where it is built alone, without itself.
    pub(super) fn closure(&self, member: &Member) -> BTreeSet<&str> {
        self.compiled.get(&member.package).into_iter().flatten().map(String::as_str).collect()
    }
}

/// What a build of `package` compiles. In a build of the whole workspace a dependency may have features that others ask
/// for, and more below it; `package` cannot reach these.
fn compiled_into(root: &Path, package: &str) -> Result<BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--package", package, "--edges", "normal", "--target", TARGET])
        .args(["--prefix", "none", "--format", "{p}", "--locked"])
        .current_dir(root)
        .output()
        .context("cargo tree")?;
    if !output.status.success() {
        bail!("cargo tree --package {package}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(names(&String::from_utf8_lossy(&output.stdout), package))
}

/// The names that `cargo tree` printed, one a line, but `package` itself.
fn names(printed: &str, package: &str) -> BTreeSet<String> {
    let names = printed.lines().filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != package).map(str::to_owned).collect()
}

fn dependency(value: &Value) -> Dependency {
    let package = text(&value["name"]);
    let name = value["rename"].as_str().unwrap_or(&package).replace('-', "_");
    let kind = match value["kind"].as_str() {
        None => DependencyKind::Normal,
        Some("dev") => DependencyKind::Dev,
        Some(_) => DependencyKind::Build,
    };
    Dependency { package, name, kind }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
impl Metadata {
    /// Members with what each depends on: `crates/a` is the package `regent-a`.
    pub(super) fn fixture(members: &[(&str, &[(&str, DependencyKind)])]) -> Self {
        let mut all = Self::default();
        for (folder, needed) in members {
            let short = folder.rsplit('/').next().unwrap_or(folder);
            let package = format!("regent-{short}");
            let dependencies = needed.iter().map(|(package, kind)| Dependency {
                package: (*package).to_owned(),
                name: package.replace('-', "_"),
                kind: *kind,
            });
            let normal = needed.iter().filter(|(_, kind)| *kind == DependencyKind::Normal);
            all.compiled.insert(package.clone(), normal.map(|(p, _)| (*p).to_owned()).collect());
            all.members.push(Member {
                folder: (*folder).to_owned(),
                dependencies: dependencies.collect(),
                package,
            });
        }
        all.close();
        all
    }

    /// Adds to each member what its members bring.
    fn close(&mut self) {
        for _ in 0..self.members.len() {
            let before = self.compiled.clone();
            for names in self.compiled.values_mut() {
                let below = names.iter().filter_map(|name| before.get(name)).flatten();
                let below: Vec<String> = below.cloned().collect();
                names.extend(below);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_and_what_is_compiled_into_them_are_read() {
        let all = Metadata::parse(&json!({
            "workspace_root": "/w",
            "workspace_members": ["a"],
            "packages": [
                { "id": "a", "name": "regent-a", "manifest_path": "/w/crates/a/Cargo.toml", "dependencies": [
                    { "name": "to-b", "kind": null, "rename": null },
                    { "name": "d", "kind": "dev", "rename": "other" },
                ] },
                { "id": "b", "name": "to-b" }, { "id": "c", "name": "c" }, { "id": "d", "name": "d" },
            ],
        }));
        assert_eq!(all.members[0].folder, "crates/a");
        assert_eq!(all.members[0].dependencies[0].name, "to_b");
        assert_eq!(all.members[0].dependencies[1].name, "other");
        assert_eq!(all.members[0].dependencies[1].kind, DependencyKind::Dev);
        let printed =
            "regent-a v0.1.0 (/w/crates/a)\nto-b v1.0.0\nc v1.0.0 (proc-macro)\nto-b v1.0.0 (*)\n";
        assert_eq!(names(printed, "regent-a").into_iter().collect::<Vec<_>>(), ["c", "to-b"]);
    }
}
