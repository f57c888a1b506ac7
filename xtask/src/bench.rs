//! `bench`: empty cluster → steady state through the binary of profile `dist`; prints figures, never judges them. `bench real`
//! does so on a real control plane (`tests/examples/figures.rs`), `bench authority` has the embedded authority beside OpenBao
//! (`tests/examples/authority`), `bench delivery` the materializer before OpenBao (`tests/examples/delivery.rs`),
//! `bench git` one GitSource of many objects (`tests/examples/git.rs`).

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Runs the benches for the scales given, by default the example, 100 and 1,000 secrets.
pub(crate) fn run(args: &[&str]) -> Result<()> {
    if let Some(example @ ("authority" | "delivery" | "git")) = args.first().copied() {
        return beside_openbao(example, &args[1..]);
    }
    let real = args.first() == Some(&"real");
    let args = if real { &args[1..] } else { args };
    let scales: Vec<u32> = if args.is_empty() && real {
        vec![1_000]
    } else if args.is_empty() {
        vec![0, 100, 1_000]
    } else {
        args.iter().map(|a| a.parse()).collect::<Result<_, _>>().context("N is a number")?
    };
    let began = Instant::now();
    let built = Command::new(env!("CARGO"))
        .args(["build", "--profile", "dist", "--package", "regent"])
        .current_dir(crate::root())
        .status()?;
    if !built.success() {
        bail!("the dist build failed");
    }
    let binary = crate::root().join("target/dist/regent");
    let size = std::fs::metadata(&binary)?.len();
    println!(
        "dist build           {:>9.1} s (cold only if nothing was built before)",
        began.elapsed().as_secs_f64()
    );
    println!("binary               {:>9.1} MB", size as f64 / 1e6);
    for scale in scales {
        println!("load average         {:>9}", load());
        if real { on_real(&binary, scale)? } else { steady(&binary, scale)? }
    }
    Ok(())
}

fn steady(binary: &std::path::Path, scale: u32) -> Result<()> {
    // What a run leaves is measured too: the audit log says what was asked.
    let folder = crate::root().join(format!("target/bench-{scale}"));
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    let output = Command::new(binary)
        .args(["dev", "--until", "steady", "--timeout", "300s", "-o", "json"])
        .args(["--secrets", &scale.to_string(), "--idle-sample", "5s", "--data-dir"])
        .arg(&folder)
        .output()?;
    if !output.status.success() {
        bail!("dev --secrets {scale}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let summary: Value = serde_json::from_slice(&output.stdout).context("the summary is JSON")?;
    let aim = match scale {
        0 => "aim < 2 s",
        1..=100 => "aim < 5 s, < 80 MB",
        101..=1_000 => "aim < 30 s",
        _ => "aim: less than 5 times as long as a fifth of it",
    };
    println!(
        "{:<20} {:>9.2} s   {:>6.1} MB peak RSS   idle CPU {:>5.2} %   {aim}",
        if scale == 0 { "example".to_owned() } else { format!("{scale} secrets more") },
        summary["steadySeconds"].as_f64().unwrap_or(f64::NAN),
        summary["peakRssBytes"].as_f64().unwrap_or(f64::NAN) / 1e6,
        summary["idleCpuPercent"].as_f64().unwrap_or(f64::NAN),
    );
    if scale > 0 {
        crate::bench_requests::print(&folder.join("authority/audit.log"), scale)?;
    }
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

/// The same on a real control plane, with what was asked of the API server.
fn on_real(binary: &std::path::Path, scale: u32) -> Result<()> {
    let done = Command::new(env!("CARGO"))
        .args(["run", "--package", "regent-tests", "--example", "figures", "--"])
        .arg(binary)
        .arg(scale.to_string())
        .current_dir(crate::root())
        .status()?;
    if !done.success() {
        bail!("the figures on a real control plane failed");
    }
    Ok(())
}

/// `authority`: the embedded authority beside OpenBao; `rest` is how many seconds each work is measured. `delivery`: the
/// materializer on a real control plane with OpenBao; `rest` is for how many ExternalSecrets. `git`: one GitSource; `rest` is of
/// how many objects. `authority` asks a binary of profile `dist`, the others one of `release`.
fn beside_openbao(example: &str, rest: &[&str]) -> Result<()> {
    let cargo = |args: &[&str]| {
        let done = Command::new(env!("CARGO")).args(args).current_dir(crate::root()).status()?;
        if done.success() { Ok(()) } else { bail!("cargo {} failed", args.join(" ")) }
    };
    // The authority is asked as the image has it; there is no time for that where all components are processes.
    let profile = if example == "authority" { "dist" } else { "release" };
    cargo(&["build", "--profile", profile, "--package", "regent"])?;
    println!("load average         {:>9}", load());
    let binary = crate::root().join("target").join(profile).join("regent").display().to_string();
    let mut args =
        vec!["run", "--release", "--package", "regent-tests", "--example", example, "--"];
    if example == "authority" {
        args.push(&binary);
    }
    args.extend(rest);
    cargo(&args)
}

/// What else this machine did in the last minute: figures taken beside other work are worse.
fn load() -> String {
    let found = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    found.split_whitespace().next().unwrap_or("unknown").to_owned()
}
