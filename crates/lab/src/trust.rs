//! Phase 0: the root of trust, made once, kept in a private file, never in Git and never in `--data-dir`.
//!
//! The file of the example holds four age identities: the first opens manifests and is the only one that enters
//! the cluster; the others belong to three share holders, who in life would be three people.

use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use regent_manifest::keys::{self, Identities};
use regent_types::{Advice, Sensitive};

use regent_host::failure::Failure;

/// Largest identity file read, in bytes: about 800 identities.
const FILE_LEN_MAX: u64 = 65_536;

/// The root of trust of a run.
pub struct Trust {
    /// Path of the identity file.
    pub path: PathBuf,
    /// Whether this run made it.
    pub fresh: bool,
    identities: Identities,
    text: Sensitive<String>,
}

impl Trust {
    /// Reads the identities in `path`.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let fail = |reason: &str, found: String| {
            Failure::new(
                reason,
                "the root of trust cannot be read",
                Advice::new(
                    "a private file (mode 0600) of age identities",
                    found,
                    "make one with `regent keygen`, or name yours with --identity FILE",
                ),
            )
        };
        let shown = path.display();
        let meta =
            std::fs::metadata(path).map_err(|e| fail("NoIdentityFile", format!("{shown}: {e}")))?;
        if meta.len() > FILE_LEN_MAX {
            return Err(fail("NoIdentityFile", format!("{shown}: {} bytes", meta.len())));
        }
        if meta.permissions().mode() & 0o077 != 0 {
            let mode = meta.permissions().mode() & 0o777;
            return Err(fail("IdentityFileNotPrivate", format!("{shown}: mode {mode:o}")));
        }
        let text = std::fs::read_to_string(path)
            .map_err(|e| fail("NoIdentityFile", format!("{shown}: {e}")))?;
        let text = Sensitive::new(text);
        let identities = Identities::parse(text.expose())
            .map_err(|e| Failure::of(&format!("reading {shown}"), &e))?;
        Ok(Self { path: path.to_owned(), fresh: false, identities, text })
    }

    /// Makes a new one at `path`, which must not exist.
    pub fn create(path: &Path) -> Result<Self, Failure> {
        let made: Vec<_> = (0..4).map(|_| keys::generate()).collect();
        let comments = ["manifests", "holder alice", "holder bob", "holder carol"];
        let pairs: Vec<_> = comments.iter().copied().zip(made.iter()).collect();
        let text = keys::identity_file_text(&pairs);
        let write = || -> std::io::Result<()> {
            let mut options = std::fs::OpenOptions::new();
            let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;
            file.write_all(text.expose().as_bytes())?;
            file.sync_all()
        };
        write().map_err(|e| {
            Failure::new(
                "CannotWriteIdentity",
                "the root of trust cannot be written",
                Advice::new(
                    "a place for a new private file",
                    format!("{}: {e}", path.display()),
                    "name another place with --identity FILE, or --data-dir somewhere else",
                ),
            )
        })?;
        Self::read(path).map(|trust| Self { fresh: true, ..trust })
    }

    /// Recipient that manifests are sealed to.
    pub fn manifest_recipient(&self) -> String {
        self.identities.recipients().into_iter().next().unwrap_or_default()
    }

    /// Recipient of share holder `number`, from 1; a file with fewer identities gives its last.
    pub fn holder_recipient(&self, number: usize) -> String {
        let all = self.identities.recipients();
        all.get(number).or_else(|| all.last()).cloned().unwrap_or_default()
    }

    /// How many identities there are.
    pub fn count(&self) -> usize {
        self.identities.recipients().len()
    }

    /// All identities: what the person holds who plays the one human act.
    pub fn identities(&self) -> &Identities {
        &self.identities
    }

    /// The identities that may enter the cluster to open manifests: never one that holds a share, unless the
    /// file has no other.
    pub fn manifest_identities(&self, holders: &[String]) -> Sensitive<String> {
        let keep: Vec<&str> = self
            .text
            .expose()
            .lines()
            .map(str::trim)
            .filter(|line| line.starts_with("AGE-SECRET-KEY-"))
            .filter(|line| {
                let one = Identities::parse(line).map(|i| i.recipients()).unwrap_or_default();
                !one.iter().any(|r| holders.contains(r))
            })
            .collect();
        if keep.is_empty() { self.text.duplicate() } else { Sensitive::new(keep.join("\n") + "\n") }
    }
}
