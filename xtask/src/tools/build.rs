//! Builds one binary, unless the cache has it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::catalogue::{LDFLAGS, Tool};
use super::child;

/// Longest wait for Go's version: it may fetch the toolchain that the modules ask for.
const GO_MAX: Duration = Duration::from_secs(300);
/// Longest build, downloads included, and longest wait for another process that builds the same.
const BUILD_MAX: Duration = Duration::from_secs(45 * 60);
/// Longest wait for a new binary to tell its version.
const PROBE_MAX: Duration = Duration::from_secs(60);

/// `go` in a module's folder, where it picks the toolchain that the module asks for.
fn go(module: &Path) -> Command {
    let mut command = Command::new("go");
    // `GOFLAGS` of the machine would change what is built without changing the hash.
    command.current_dir(module).envs([("CGO_ENABLED", "0"), ("GOWORK", "off")]);
    command.env("GOFLAGS", "-mod=readonly");
    if std::env::var_os("GOTOOLCHAIN").is_none() {
        // Some distributions switch it off.
        command.env("GOTOOLCHAIN", "auto");
    }
    command
}

/// What `go version` says in that module; None without Go.
pub(super) fn go_version(module: &Path) -> Result<Option<String>> {
    // A missing folder would look like a missing `go`.
    if !module.is_dir() {
        bail!("expected a Go module at {}, found none; restore tools/", module.display());
    }
    match child::run(go(module).arg("version"), GO_MAX) {
        Ok(ended) if ended.good => Ok(Some(last_line(&ended.text).to_owned())),
        Ok(ended) => bail!(
            "`go version`: expected the Go of {}/go.mod, found {}: {}; install that Go or allow \
             GOTOOLCHAIN=auto",
            module.display(),
            ended.how,
            ended.text
        ),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context("running `go version`"),
    }
}

/// The tool's binary in `folder`, and whether it had to be built.
pub(super) fn binary(tool: &Tool, module: &Path, folder: &Path) -> Result<(PathBuf, bool)> {
    let binary = folder.join("bin").join(tool.name);
    if binary.is_file() {
        return Ok((binary, false));
    }
    let make = |name: &str| {
        let path = folder.join(name);
        fs::create_dir_all(&path).with_context(|| format!("creating {}", path.display()))?;
        Ok::<_, anyhow::Error>(path)
    };
    make("bin")?;
    // Given back when this process ends, however it ends.
    let _lock = lock(&folder.join("lock"))?;
    if binary.is_file() {
        return Ok((binary, false));
    }
    let part = make("part")?.join(format!("{}.{}", tool.name, std::process::id()));
    eprintln!("{}: building v{}, which takes minutes the first time", tool.name, tool.version);
    let built = build(tool, module, &part).and_then(|()| {
        fs::rename(&part, &binary).with_context(|| format!("naming {}", binary.display()))
    });
    // What this and interrupted builds left; nobody else builds here while the lock is held.
    fs::remove_dir_all(folder.join("part")).ok();
    built.map(|()| (binary, true))
}

fn build(tool: &Tool, module: &Path, part: &Path) -> Result<()> {
    let mut command = go(module);
    command.args(["build", "-trimpath", "-buildvcs=false", "-ldflags"]);
    command.arg(format!("{LDFLAGS} {}", tool.ldflags)).arg("-o").arg(part).arg(tool.package);
    let ended = child::run(&mut command, BUILD_MAX).context("running `go build`")?;
    if !ended.good {
        bail!(
            "{}: expected `go build {}` in {} to succeed, found {}: {}; it needs the Go module \
             proxy and its checksum database once, run `cargo xtask tools --only {}` again",
            tool.name,
            tool.package,
            module.display(),
            ended.how,
            ended.text,
            tool.name
        );
    }
    let ended = child::run(Command::new(part).args(tool.probe), PROBE_MAX)
        .with_context(|| format!("running the new {}", tool.name))?;
    if !ended.good || !ended.text.contains(tool.version) {
        bail!(
            "{} {:?}: expected version {}, found {}: {}; compare xtask/src/tools/catalogue.rs with \
             {}/go.mod",
            tool.name,
            tool.probe,
            tool.version,
            ended.how,
            ended.text,
            module.display()
        );
    }
    Ok(())
}

fn lock(path: &Path) -> Result<fs::File> {
    let file = fs::File::create(path).with_context(|| format!("creating {}", path.display()))?;
    let deadline = Instant::now() + BUILD_MAX;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(fs::TryLockError::WouldBlock) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(200));
            }
            Err(error) => bail!(
                "{}: expected to hold it within {} s, found {error}; see which other `cargo xtask` \
                 builds the same",
                path.display(),
                BUILD_MAX.as_secs()
            ),
        }
    }
}

/// What a toolchain's download prints stands before the answer.
fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::FAMILIES;
    use super::*;

    #[test]
    fn what_is_in_the_cache_is_not_built() {
        let folder =
            std::env::temp_dir().join(format!("regent-xtask-built-{}", std::process::id()));
        let tool = &FAMILIES[1].tools[0];
        fs::create_dir_all(folder.join("bin")).unwrap();
        fs::write(folder.join("bin").join(tool.name), "").unwrap();
        let found = binary(tool, Path::new("/nowhere"), &folder).unwrap();
        assert_eq!(found, (folder.join("bin").join(tool.name), false));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_failed_build_leaves_nothing_half_made_and_says_what_to_do() {
        let folder = std::env::temp_dir().join(format!("regent-xtask-part-{}", std::process::id()));
        let tool = &FAMILIES[1].tools[0];
        // No module there: Go fails, or is missing.
        fs::create_dir_all(&folder).unwrap();
        binary(tool, &folder, &folder).unwrap_err();
        assert!(!folder.join("part").exists());
        assert_eq!(fs::read_dir(folder.join("bin")).unwrap().count(), 0);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_download_before_the_version_does_not_count() {
        let text = "go: downloading go1.26.8 (x/y)\ngo version go1.26.8 x/y";
        assert_eq!(last_line(text), "go version go1.26.8 x/y");
    }
}
