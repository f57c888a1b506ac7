//! hvac's published source distribution and a Python that runs its tests, made once in the cache of the tools.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Longest of each step that may fetch something.
const FETCH_MAX: &str = "300";

/// What runs the tests.
pub(crate) struct Package {
    folder: PathBuf,
    /// The source distribution, unpacked.
    pub(crate) source: PathBuf,
}

impl Package {
    /// Its own Python, with what the tests import.
    pub(crate) fn python(&self) -> PathBuf {
        self.folder.join("venv/bin/python")
    }
}

/// The package, or `None` after a line that says why it cannot be had; an error under CI and where every world must run.
#[allow(clippy::print_stderr, reason = "what is left out is not left out in silence")]
pub(crate) fn find_or_skip() -> Result<Option<Package>> {
    let worlds = std::env::var("REGENT_WORLDS").unwrap_or_default();
    if worlds == "sandbox" {
        eprintln!("skipped: hvac's tests need more than Rust, and REGENT_WORLDS is sandbox");
        return Ok(None);
    }
    let demanded = std::env::var_os("CI").is_some() || worlds == "all";
    match find() {
        Ok(package) => Ok(Some(package)),
        Err(error) if demanded => Err(error),
        Err(error) => {
            eprintln!("skipped: no hvac to test with: {error:#}");
            Ok(None)
        }
    }
}

fn find() -> Result<Package> {
    let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools");
    let cache = std::env::var_os("REGENT_TOOLS_CACHE").map_or_else(own, PathBuf::from);
    let folder = cache.join("hvac-2.4.0");
    if !folder.join("source").exists() {
        std::fs::create_dir_all(&cache)?;
        // Made aside: what is found in its place is whole.
        let aside = tempfile::Builder::new().prefix(".hvac-").tempdir_in(&cache)?;
        make(aside.path())?;
        let made = std::fs::rename(aside.path(), &folder);
        ensure!(made.is_ok() || folder.join("source").exists(), "{}: {made:?}", folder.display());
    }
    let folder = folder.canonicalize()?;
    Ok(Package { source: folder.join("source"), folder })
}

fn make(folder: &Path) -> Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hvac");
    run(Command::new("timeout")
        .arg(FETCH_MAX)
        .args(["python3", "-m", "venv"])
        .arg(folder.join("venv")))
    .context("python3 with its venv module is needed")?;
    let pip = |verb: &str| {
        let mut command = Command::new("timeout");
        command.arg(FETCH_MAX).arg(folder.join("venv/bin/python"));
        command.args(["-m", "pip", verb, "--quiet", "--disable-pip-version-check"]);
        command
    };
    run(pip("install").arg("-r").arg(here.join("requirements.txt")))?;
    let archive = folder.join("archive");
    run(pip("download")
        .args(["--no-deps", "--no-binary", "hvac", "--require-hashes", "-d"])
        .arg(&archive)
        .arg("-r")
        .arg(here.join("source.txt")))?;
    let unpacked = folder.join("unpacked");
    std::fs::create_dir(&unpacked)?;
    run(Command::new("tar")
        .arg("-xzf")
        .arg(archive.join("hvac-2.4.0.tar.gz"))
        .arg("-C")
        .arg(&unpacked))?;
    // Last: it says that all is there.
    Ok(std::fs::rename(unpacked.join("hvac-2.4.0"), folder.join("source"))?)
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {} {}", output.status, said.trim());
    Ok(())
}
