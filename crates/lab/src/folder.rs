//! Where a run lives: a private temporary folder that dies with it, and the `--data-dir` that stays.

use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use regent_types::Advice;
use tempfile::TempDir;

use regent_host::failure::Failure;

/// The folders of a run.
pub struct Folder {
    temporary: TempDir,
    kept: Option<PathBuf>,
}

impl Folder {
    /// Makes the temporary folder (mode 0700) and, where given, the kept one.
    pub fn open(data_dir: Option<&Path>) -> Result<Self, Failure> {
        let fail = |what: String, e: std::io::Error| {
            Failure::new(
                "CannotWriteFolder",
                "a folder for this run cannot be made",
                Advice::new(
                    "a folder that can be written",
                    format!("{what}: {e}"),
                    "name another --data-dir",
                ),
            )
        };
        let temporary = tempfile::Builder::new()
            .prefix("regent-dev-")
            .tempdir()
            .map_err(|e| fail("the temporary folder".into(), e))?;
        let private = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(temporary.path(), private)
            .map_err(|e| fail("the temporary folder".into(), e))?;
        if let Some(kept) = data_dir {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(kept)
                .map_err(|e| fail(kept.display().to_string(), e))?;
        }
        Ok(Self { temporary, kept: data_dir.map(Path::to_owned) })
    }

    /// What dies with the run.
    pub fn temporary(&self) -> &Path {
        self.temporary.path()
    }

    /// Where authority and Git live: kept if asked for.
    pub fn lasting(&self) -> &Path {
        self.kept.as_deref().unwrap_or_else(|| self.temporary.path())
    }

    /// Where the root of trust lies by default: beside a kept folder, never inside it.
    pub fn default_identity(&self) -> PathBuf {
        match &self.kept {
            Some(kept) => {
                let mut name = kept.file_name().unwrap_or_default().to_owned();
                name.push(".root-of-trust");
                kept.with_file_name(name)
            }
            None => self.temporary.path().join("root-of-trust"),
        }
    }

    /// Holds the kept folder to one installation: the first start writes its name, later ones compare.
    pub fn claim(&self, installation: &str) -> Result<(), Failure> {
        let Some(kept) = &self.kept else { return Ok(()) };
        let file = kept.join("installation");
        let found = std::fs::read_to_string(&file).unwrap_or_default();
        let found = found.trim();
        if found == installation {
            return Ok(());
        }
        if found.is_empty() {
            return std::fs::write(&file, format!("{installation}\n")).map_err(|e| {
                let found = format!("{}: {e}", file.display());
                let advice =
                    Advice::new("a folder that can be written", found, "name another --data-dir");
                Failure::new("CannotWriteFolder", "the data folder cannot be claimed", advice)
            });
        }
        Err(Failure::new(
            "AnotherInstallation",
            "the data folder belongs to another installation",
            Advice::new(
                format!("installation {installation}, as the repository's RuntimeAuthority says"),
                format!("installation {found} in {}", kept.display()),
                "name another --data-dir, or the repository that this one belongs to",
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_folder_belongs_to_one_installation() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(Some(&place.path().join("d"))).unwrap();
        folder.claim("one").unwrap();
        folder.claim("one").unwrap();
        assert_eq!(folder.claim("two").unwrap_err().reason, "AnotherInstallation");
    }

    #[test]
    fn the_root_of_trust_lies_outside_the_data_folder() {
        let place = tempfile::tempdir().unwrap();
        let kept = place.path().join("d");
        let folder = Folder::open(Some(&kept)).unwrap();
        assert!(!folder.default_identity().starts_with(&kept));
    }
}
