//! `tools`: the real control plane, built once from the Go modules below `tools/` and kept in a cache.

mod build;
mod cache;
mod catalogue;
mod child;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use catalogue::{FAMILIES, Tool};

/// What a machine without Go loses.
const NO_GO: &str = "Go is missing: expected `go` on the PATH, found none; it costs 3 of the 4 worlds \
    (kube-apiserver × embedded, sandbox × OpenBao, kube-apiserver × OpenBao), which leaves \
    sandbox × embedded; install Go, then run `cargo xtask tools`";

/// `cargo xtask tools [--only NAME[,NAME]]`: builds what is missing, prints a line for each binary.
pub(crate) fn run(args: &[&str]) -> Result<()> {
    let names = only(args)?;
    if let Some(folder) = ensure(&names)? {
        println!("tools: {} in {}", names.len(), folder.display());
    }
    Ok(())
}

/// Makes sure that the tools named exist, all of them if none is named, and gives the folder that links to each by
/// its name. None where Go is missing; under `CI` that is an error.
pub(crate) fn ensure(names: &[&str]) -> Result<Option<PathBuf>> {
    let root = crate::root();
    let modules = root.join("tools");
    let first = FAMILIES.first().context("no module below tools/")?;
    let Some(go) = build::go_version(&modules.join(first.folder))? else {
        if std::env::var_os("CI").is_some() {
            bail!("{NO_GO}");
        }
        println!("tools: skipped, {NO_GO}");
        return Ok(None);
    };
    let links = root.join("target/tools/bin");
    let cache = cache::folder(&root, std::env::var_os("REGENT_TOOLS_CACHE"));
    for family in FAMILIES {
        let wanted = |tool: &&Tool| names.is_empty() || names.contains(&tool.name);
        let tools: Vec<&Tool> = family.tools.iter().filter(wanted).collect();
        if tools.is_empty() {
            continue;
        }
        let module = modules.join(family.folder);
        let folder = cache.join(cache::content_hash(family, &module, &go)?);
        for tool in tools {
            let began = Instant::now();
            let (binary, built) = build::binary(tool, &module, &folder)?;
            cache::link(&binary, &links.join(tool.name))?;
            let how = match built {
                true => format!("built in {} s", began.elapsed().as_secs()),
                false => "cached".to_owned(),
            };
            println!("{:<24} v{:<8} {how:<14} {}", tool.name, tool.version, binary.display());
        }
    }
    Ok(Some(links))
}

/// The tools that the arguments name: all without `--only`.
fn only(args: &[&str]) -> Result<Vec<&'static str>> {
    let known: Vec<&'static str> = catalogue::names().collect();
    let list = match args {
        [] => return Ok(known),
        ["--only", list] => *list,
        [one] if one.starts_with("--only=") => one.trim_start_matches("--only="),
        _ => bail!("expected `cargo xtask tools [--only NAME[,NAME]]`, found {args:?}"),
    };
    let mut names = Vec::new();
    for name in list.split(',').map(str::trim) {
        match known.iter().find(|k| **k == name) {
            Some(found) => names.push(*found),
            None => bail!("--only: expected names out of {}, found {name:?}", known.join(", ")),
        }
    }
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_known_tools_and_nothing_means_all() {
        assert_eq!(only(&[]).unwrap().len(), 7);
        assert_eq!(only(&["--only", "bao,etcd,bao"]).unwrap(), ["bao", "etcd"]);
        assert_eq!(only(&["--only=kubectl"]).unwrap(), ["kubectl"]);
        let error = only(&["--only", "etcd,vault"]).unwrap_err().to_string();
        assert!(error.contains("kube-apiserver") && error.ends_with("found \"vault\""), "{error}");
        assert!(only(&["--only"]).is_err() && only(&["--only", ""]).is_err());
        assert!(only(&["etcd"]).is_err());
    }
}
