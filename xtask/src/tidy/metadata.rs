//! What `cargo metadata` says of the packages: who depends on whom, and how, on Linux, with default features.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The platform of the cluster image.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// How a package needs another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
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
    pub(super) kind: Kind,
}

/// A member of the workspace.
#[derive(Clone, Debug, Default)]
pub(super) struct Member {
    pub(super) package: String,
    /// Its folder, relative to the root.
    pub(super) folder: String,
    pub(super) dependencies: Vec<Dependency>,
    id: String,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Metadata {
    pub(super) members: Vec<Member>,
    /// Normal dependencies of every package, by id.
    normal: BTreeMap<String, Vec<String>>,
    /// Names of packages, by id.
    names: BTreeMap<String, String>,
}

impl Metadata {
    /// Asks cargo.
    ///
    /// # Errors
    /// cargo fails, for one because `Cargo.lock` is not up to date.
    pub(super) fn read(root: &Path) -> Result<Self> {
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", TARGET])
            .current_dir(root)
            .output()
            .context("cargo metadata")?;
        if !output.status.success() {
            bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(Self::parse(&serde_json::from_slice(&output.stdout).context("cargo metadata")?))
    }

    /// Reads what cargo printed.
    pub(super) fn parse(value: &Value) -> Self {
        let mut all = Self::default();
        let root = format!("{}/", text(&value["workspace_root"]));
        for package in list(&value["packages"]) {
            all.names.insert(text(&package["id"]), text(&package["name"]));
        }
        for node in list(&value["resolve"]["nodes"]) {
            let normal = list(&node["deps"]).filter(|dependency| {
                list(&dependency["dep_kinds"]).any(|kind| kind["kind"].is_null())
            });
            let ids = normal.map(|dependency| text(&dependency["pkg"])).collect();
            all.normal.insert(text(&node["id"]), ids);
        }
        let members: BTreeSet<String> = list(&value["workspace_members"]).map(text).collect();
        for package in list(&value["packages"]) {
            let id = text(&package["id"]);
            if members.contains(&id) {
                let manifest = text(&package["manifest_path"]);
                let folder = manifest.trim_start_matches(&root).trim_end_matches("/Cargo.toml");
                let dependencies = list(&package["dependencies"]).map(dependency).collect();
                let (folder, package) = (folder.to_owned(), text(&package["name"]));
                all.members.push(Member { package, folder, dependencies, id });
            }
        }
        all.members.sort_by(|a, b| a.folder.cmp(&b.folder));
        all
    }

    /// Names of all packages that are compiled into the member, without itself.
    pub(super) fn closure(&self, member: &Member) -> BTreeSet<&str> {
        let mut seen = BTreeSet::new();
        let mut open = vec![member.id.as_str()];
        while let Some(id) = open.pop() {
            for next in self.normal.get(id).into_iter().flatten() {
                if seen.insert(next.as_str()) {
                    open.push(next);
                }
            }
        }
        seen.into_iter().filter_map(|id| self.names.get(id)).map(String::as_str).collect()
    }
}

fn dependency(value: &Value) -> Dependency {
    let package = text(&value["name"]);
    let name = value["rename"].as_str().unwrap_or(&package).replace('-', "_");
    let kind = match value["kind"].as_str() {
        None => Kind::Normal,
        Some("dev") => Kind::Dev,
        Some(_) => Kind::Build,
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
    pub(super) fn fixture(members: &[(&str, &[(&str, Kind)])]) -> Self {
        let mut all = Self::default();
        for (folder, needed) in members {
            let short = folder.rsplit('/').next().unwrap_or(folder);
            let package = format!("regent-{short}");
            let dependencies = needed.iter().map(|(package, kind)| Dependency {
                package: (*package).to_owned(),
                name: package.replace('-', "_"),
                kind: *kind,
            });
            let normal = needed.iter().filter(|(_, kind)| *kind == Kind::Normal);
            all.normal.insert(package.clone(), normal.map(|(p, _)| (*p).to_owned()).collect());
            for (name, _) in *needed {
                all.names.insert((*name).to_owned(), (*name).to_owned());
            }
            all.names.insert(package.clone(), package.clone());
            all.members.push(Member {
                folder: (*folder).to_owned(),
                dependencies: dependencies.collect(),
                id: package.clone(),
                package,
            });
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_and_what_is_compiled_into_them_are_read() {
        let normal = json!([{ "kind": null }]);
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
            "resolve": { "nodes": [
                { "id": "a", "deps": [
                    { "pkg": "b", "dep_kinds": normal }, { "pkg": "d", "dep_kinds": [{ "kind": "dev" }] },
                ] },
                { "id": "b", "deps": [{ "pkg": "c", "dep_kinds": normal }] },
            ] },
        }));
        assert_eq!(all.members[0].folder, "crates/a");
        assert_eq!(all.members[0].dependencies[0].name, "to_b");
        assert_eq!(all.members[0].dependencies[1].name, "other");
        assert_eq!(all.members[0].dependencies[1].kind, Kind::Dev);
        let closure: Vec<&str> = all.closure(&all.members[0]).into_iter().collect();
        assert_eq!(closure, ["c", "to-b"]);
    }
}
