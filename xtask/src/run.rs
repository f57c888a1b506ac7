//! `test` and `ci`: the project's checks, in the order in which they fail fastest.

use std::process::Command;

use anyhow::{Context, Result, bail};

/// Every test. `--hermetic` leaves out what needs more than Rust: the worlds of a real control plane, which its
/// tools are built for otherwise. Under `CI` a world that cannot be had is a failure.
pub(crate) fn test(args: &[&str]) -> Result<()> {
    let hermetic = args.contains(&"--hermetic");
    let tools = match hermetic {
        true => {
            println!("test: hermetic: worlds beyond sandbox × embedded are skipped");
            None
        }
        false => crate::tools::ensure(&[])?,
    };
    let worlds = match (hermetic, std::env::var("REGENT_WORLDS")) {
        (true, _) => "sandbox".to_owned(),
        (false, Ok(wanted)) => wanted,
        (false, Err(_)) if std::env::var_os("CI").is_some() => "all".to_owned(),
        (false, Err(_)) => String::new(),
    };
    // The scenarios drive the real binary, so it is built first. Together with the tests, for the features of
    // dependencies are those of all that is built at once: apart, most of them would be compiled twice.
    cargo(&["build", "--workspace", "--bins", "--tests", "--examples"])?;
    let mut tests = Command::new(env!("CARGO"));
    tests.args(["test", "--workspace", "--no-fail-fast"]).current_dir(crate::root());
    if let Some(tools) = tools {
        tests.env("REGENT_TOOLS_BIN", tools);
    }
    let output = tests
        .env("REGENT_WORLDS", worlds)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .and_then(relay)
        .context("cargo test")?;
    let (status, counts) = output;
    println!("regent: {} passed, {} failed, {} skipped", counts.0, counts.1, counts.2);
    if !status.success() || counts.0 == 0 {
        bail!("tests failed");
    }
    Ok(())
}

/// Prints the child's lines as they come and adds up its `test result:` lines.
fn relay(
    mut child: std::process::Child,
) -> std::io::Result<(std::process::ExitStatus, (u64, u64, u64))> {
    use std::io::BufRead;
    let mut counts = (0, 0, 0);
    if let Some(stdout) = child.stdout.take() {
        for line in std::io::BufReader::new(stdout).lines() {
            let line = line?;
            println!("{line}");
            if let Some(result) = line.strip_prefix("test result:") {
                let count = |word: &str| {
                    let before = result.split(word).next().unwrap_or_default();
                    before
                        .split_whitespace()
                        .last()
                        .and_then(|n| n.parse::<u64>().ok())
                        .unwrap_or(0)
                };
                counts.0 += count(" passed");
                counts.1 += count(" failed");
                counts.2 += count(" ignored");
            }
        }
    }
    Ok((child.wait()?, counts))
}

/// What CI runs. The tools are made beside the first checks: for the most part that is waiting for downloads.
pub(crate) fn ci() -> Result<()> {
    std::thread::scope(|scope| {
        let tools = scope.spawn(|| crate::tools::ensure(&[]));
        let checked = checks();
        let made = tools.join().unwrap_or_else(|_| bail!("making the tools panicked"));
        checked.and(made.map(drop))
    })?;
    test(&[])
}

/// What needs neither a server nor the tools.
fn checks() -> Result<()> {
    cargo(&["fmt", "--all", "--check"])?;
    crate::tidy::run()?;
    crate::generate::run(true)?;
    let lints = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    cargo(&lints)?;
    let docs = ["doc", "--workspace", "--no-deps", "--document-private-items"];
    run(Command::new(env!("CARGO")).args(docs).env("RUSTDOCFLAGS", "-D warnings"))?;
    deny()
}

/// Licences, bans and sources. Advisories need a database from outside and are left to where it is reachable.
fn deny() -> Result<()> {
    let installed = Command::new(env!("CARGO")).args(["deny", "--version"]).output();
    if !installed.is_ok_and(|o| o.status.success()) {
        if std::env::var_os("CI").is_none() {
            println!("deny: skipped, cargo-deny is not installed (cargo install cargo-deny)");
            return Ok(());
        }
        // It runs once: what optimising costs is not won back.
        cargo(&["install", "cargo-deny", "--locked", "--debug", "--version", "0.20.2"])?;
    }
    cargo(&["deny", "--locked", "check", "licenses", "bans", "sources"])
}

fn cargo(args: &[&str]) -> Result<()> {
    run(Command::new(env!("CARGO")).args(args))
}

fn run(command: &mut Command) -> Result<()> {
    println!("$ {command:?}");
    let status = command.current_dir(crate::root()).status()?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}
