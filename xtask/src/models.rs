//! `models`: the explorer of the protocols alone, with the numbers of worlds that it went through. `test` runs it too.

use std::process::Command;

use anyhow::{Result, bail};

/// How a line with counts says what was counted.
const COUNTED: [&str; 2] = [" worlds, ", " orders"];
/// Where the models are, as names of tests.
const MODELS: [&str; 2] = ["explore", "ledger::model"];

/// Explores, prints what each model went through, and fails where one found a broken invariant.
pub(crate) fn run() -> Result<()> {
    let output = Command::new(env!("CARGO"))
        .args(["test", "--package", "regent-protocol", "--lib", "--", "--nocapture"])
        .args(MODELS)
        .current_dir(crate::root())
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let counted: Vec<&str> =
        said.lines().filter(|line| COUNTED.iter().any(|c| line.contains(c))).collect();
    for line in &counted {
        println!("{line}");
    }
    if !output.status.success() {
        eprint!("{said}{}", String::from_utf8_lossy(&output.stderr));
        bail!("a model found a broken invariant, or one guard is not needed");
    }
    if counted.is_empty() {
        bail!("no model said what it went through");
    }
    println!("models: {} explored whole, and each guard left out was missed", counted.len());
    Ok(())
}
