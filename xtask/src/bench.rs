//! `bench`: empty cluster → steady state through the release binary; prints figures, never judges them.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Runs the benches for the scales given, by default the example, 100 and 1,000 secrets.
pub(crate) fn run(args: &[&str]) -> Result<()> {
    let scales: Vec<u32> = if args.is_empty() {
        vec![0, 100, 1_000]
    } else {
        args.iter().map(|a| a.parse()).collect::<Result<_, _>>().context("N is a number")?
    };
    let began = Instant::now();
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--package", "regent"])
        .current_dir(crate::root())
        .status()?;
    if !built.success() {
        bail!("the release build failed");
    }
    let binary = crate::root().join("target/release/regent");
    let size = std::fs::metadata(&binary)?.len();
    println!(
        "release build        {:>9.1} s (cold only if nothing was built before)",
        began.elapsed().as_secs_f64()
    );
    println!("binary               {:>9.1} MB   aim < 40", size as f64 / 1e6);
    for scale in scales {
        steady(&binary, scale)?;
    }
    Ok(())
}

fn steady(binary: &std::path::Path, scale: u32) -> Result<()> {
    let output = Command::new(binary)
        .args(["dev", "--until", "steady", "--timeout", "300s", "-o", "json"])
        .args(["--secrets", &scale.to_string(), "--idle-sample", "5s"])
        .output()?;
    if !output.status.success() {
        bail!("dev --secrets {scale}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let summary: Value = serde_json::from_slice(&output.stdout).context("the summary is JSON")?;
    let aim = match scale {
        0 => "aim < 2 s",
        1..=100 => "aim < 5 s, < 80 MB",
        _ => "aim < 30 s",
    };
    println!(
        "{:<20} {:>9.2} s   {:>6.1} MB peak RSS   idle CPU {:>5.2} %   {aim}",
        if scale == 0 { "example".to_owned() } else { format!("{scale} secrets more") },
        summary["steadySeconds"].as_f64().unwrap_or(f64::NAN),
        summary["peakRssBytes"].as_f64().unwrap_or(f64::NAN) / 1e6,
        summary["idleCpuPercent"].as_f64().unwrap_or(f64::NAN),
    );
    Ok(())
}
