//! `test` and `ci`: the project's checks, in the order in which they fail fastest.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::load::Load;
use crate::repeat::Tally;

/// What `test` is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Asked {
    hermetic: bool,
    /// How often; none where it was not said, which is once and without a table.
    repeat: Option<u32>,
    load: bool,
}

impl Asked {
    fn parse(args: &[&str]) -> Result<Self> {
        let mut asked = Self { hermetic: false, repeat: None, load: false };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match *arg {
                "--hermetic" => asked.hermetic = true,
                "--load" => asked.load = true,
                "--repeat" => {
                    let times = args.next().and_then(|n| n.parse().ok()).filter(|n| *n > 0);
                    asked.repeat = Some(times.context("--repeat: expected a number of runs")?);
                }
                other => bail!("test: expected --hermetic, --repeat N, --load, found {other:?}"),
            }
        }
        Ok(asked)
    }
}

/// Every test. `--hermetic` leaves out what needs more than Rust: the worlds of a real control plane, which its
/// tools are built for otherwise. Under `CI`, and where runs are repeated, a world that cannot be had is a failure.
pub(crate) fn test(args: &[&str]) -> Result<()> {
    let asked = Asked::parse(args)?;
    let tools = match asked.hermetic {
        true => {
            println!("test: hermetic: worlds beyond sandbox × embedded are skipped");
            None
        }
        false => crate::tools::ensure(&[])?,
    };
    let all = std::env::var_os("CI").is_some() || asked.repeat.is_some();
    let worlds = match (asked.hermetic, std::env::var("REGENT_WORLDS")) {
        (true, _) => "sandbox".to_owned(),
        (false, Ok(wanted)) => wanted,
        (false, Err(_)) if all => "all".to_owned(),
        (false, Err(_)) => String::new(),
    };
    // The scenarios drive the real binary, so it is built first. Together with the tests, for the features of
    // dependencies are those of all that is built at once: apart, most of them would be compiled twice.
    cargo(&["build", "--workspace", "--bins", "--tests", "--examples"])?;
    let _load = asked.load.then(Load::start).transpose()?;
    let mut tally = Tally::default();
    for run in 1..=asked.repeat.unwrap_or(1) {
        if let Some(runs) = asked.repeat {
            println!("repeat: run {run} of {runs}");
        }
        let fine = once(tools.as_deref(), &worlds, &mut tally)?;
        tally.ended(fine);
    }
    if asked.repeat.is_some() {
        print!("{}", tally.table());
    }
    if !tally.is_clean() {
        bail!("tests failed");
    }
    Ok(())
}

/// Runs every test once; whether all passed.
fn once(tools: Option<&Path>, worlds: &str, tally: &mut Tally) -> Result<bool> {
    let mut tests = Command::new(env!("CARGO"));
    tests.args(["test", "--workspace", "--no-fail-fast"]).current_dir(crate::root());
    if let Some(tools) = tools {
        tests.env("REGENT_TOOLS_BIN", tools);
    }
    let child = tests.env("REGENT_WORLDS", worlds).stdout(std::process::Stdio::piped()).spawn();
    let (status, counts) = child.and_then(|child| relay(child, tally)).context("cargo test")?;
    println!("regent: {} passed, {} failed, {} skipped", counts.0, counts.1, counts.2);
    Ok(status.success() && counts.0 > 0)
}

/// Prints the child's lines as they come, tells them to `tally`, and adds up its `test result:` lines.
fn relay(
    mut child: std::process::Child,
    tally: &mut Tally,
) -> std::io::Result<(std::process::ExitStatus, (u64, u64, u64))> {
    use std::io::BufRead;
    let mut counts = (0, 0, 0);
    if let Some(stdout) = child.stdout.take() {
        for line in std::io::BufReader::new(stdout).lines() {
            let line = line?;
            println!("{line}");
            tally.line(&line);
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
    if std::env::var_os("CI").is_some() {
        // Gigabytes that nothing reads again; what the tests write needs room.
        run(Command::new("go").args(["clean", "-cache"]))?;
    }
    room();
    let tested = test(&[]);
    room();
    tested
}

/// Says how much room is left: without any, tests fail with whatever their servers make of it.
fn room() {
    let said = Command::new("df").arg("-h").arg(crate::root()).arg(std::env::temp_dir()).output();
    match said {
        Ok(said) => print!("{}", String::from_utf8_lossy(&said.stdout)),
        Err(error) => println!("room: df does not run: {error}"),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_told_by_the_arguments() {
        let asked = |hermetic, repeat, load| Some(Asked { hermetic, repeat, load });
        let cases: [(&[&str], Option<Asked>); 7] = [
            (&[], asked(false, None, false)),
            (&["--hermetic"], asked(true, None, false)),
            (&["--repeat", "10"], asked(false, Some(10), false)),
            (&["--load", "--repeat", "2", "--hermetic"], asked(true, Some(2), true)),
            (&["--repeat"], None),
            (&["--repeat", "0"], None),
            (&["--again"], None),
        ];
        for (args, expected) in cases {
            assert_eq!(Asked::parse(args).ok(), expected, "{args:?}");
        }
    }
}
