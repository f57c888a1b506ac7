//! `models`: the explorer of the protocols alone, with the numbers of worlds that it went through. `test` runs it too.

use std::process::Command;

use anyhow::{Result, bail};

/// How a line with counts says what was counted.
const COUNTED: &str = " worlds, ";

/// Explores, prints what each model went through, and fails where one found a broken invariant.
pub(crate) fn run() -> Result<()> {
    let output = Command::new(env!("CARGO"))
        .args(["test", "--package", "regent-protocol", "--lib", "explore", "--", "--nocapture"])
        .current_dir(crate::root())
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let counted: Vec<&str> = said.lines().filter(|line| line.contains(COUNTED)).collect();
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
