//! Where binaries are kept and how tests find them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use super::catalogue::{Family, LDFLAGS};

/// The folder that holds a folder for each content: relative paths start at the workspace's root.
pub(super) fn folder(root: &Path, variable: Option<std::ffi::OsString>) -> PathBuf {
    match variable.filter(|value| !value.is_empty()) {
        Some(value) => root.join(value),
        None => root.join("target/tools"),
    }
}

/// The name of a family's folder in the cache: changes with everything that changes its binaries.
pub(super) fn content_hash(family: &Family, module: &Path, go: &str) -> Result<String> {
    let read = |name: &str| {
        let path = module.join(name);
        fs::read(&path).with_context(|| format!("reading {}; restore tools/", path.display()))
    };
    Ok(hash(family, &read("go.mod")?, &read("go.sum")?, go))
}

fn hash(family: &Family, manifest: &[u8], sums: &[u8], go: &str) -> String {
    let mut parts = vec![manifest, sums, go.as_bytes(), LDFLAGS.as_bytes()];
    for tool in family.tools {
        parts.extend([tool.name, tool.package, tool.ldflags].map(str::as_bytes));
    }
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Makes `link` point to `binary`, with no moment at which there is none.
pub(super) fn link(binary: &Path, link: &Path) -> Result<()> {
    if fs::read_link(link).is_ok_and(|target| target == binary) {
        return Ok(());
    }
    let context = || format!("linking {} to {}", link.display(), binary.display());
    let folder = link.parent().with_context(context)?;
    fs::create_dir_all(folder).with_context(context)?;
    let new = link.with_extension(format!("{}.new", std::process::id()));
    fs::remove_file(&new).ok();
    std::os::unix::fs::symlink(binary, &new).with_context(context)?;
    fs::rename(&new, link).with_context(context)
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::FAMILIES;
    use super::*;

    #[test]
    fn the_hash_changes_with_each_input_and_not_by_itself() {
        let family = &FAMILIES[0];
        let base = hash(family, b"mod", b"sum", "go1");
        assert_eq!(base.len(), 64);
        assert_eq!(base, hash(family, b"mod", b"sum", "go1"));
        for other in [
            hash(family, b"mod2", b"sum", "go1"),
            hash(family, b"mod", b"sum2", "go1"),
            hash(family, b"mod", b"sum", "go2"),
            hash(family, b"mods", b"um", "go1"),
            hash(&FAMILIES[1], b"mod", b"sum", "go1"),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn a_link_follows_its_binary() {
        let folder = std::env::temp_dir().join(format!("regent-xtask-link-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let name = folder.join("bin/etcd");
        for content in ["old", "new", "new"] {
            let binary = folder.join(content);
            fs::write(&binary, content).unwrap();
            link(&binary, &name).unwrap();
            assert_eq!(fs::read_to_string(&name).unwrap(), content);
            assert_eq!(fs::read_dir(folder.join("bin")).unwrap().count(), 1);
        }
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn the_cache_is_below_target_unless_the_environment_names_another() {
        let root = Path::new("/r");
        assert_eq!(super::folder(root, None), Path::new("/r/target/tools"));
        assert_eq!(super::folder(root, Some("".into())), Path::new("/r/target/tools"));
        assert_eq!(super::folder(root, Some("/c".into())), Path::new("/c"));
        assert_eq!(super::folder(root, Some("c".into())), Path::new("/r/c"));
    }
}
