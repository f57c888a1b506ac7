//! `cargo xtask bench`: figures on a real control plane, of the release binary (issue "the real control plane").
//!
//! `figures BINARY SECRETS` starts etcd, kube-apiserver and kube-controller-manager, lets `regent dev --kubeconfig` come
//! to steady state there with all components in its process and the authority in another, has it do nothing for a minute and then start its
//! components anew. What was asked of the API server meanwhile says its audit log. Figures are printed, never judged.

#![allow(clippy::print_stdout, reason = "a tool for the terminal")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use regent_tests::real::{Options, Real};
use serde_json::Value;

/// How the user names of components begin.
const COMPONENTS: &str = "system:serviceaccount:regent-system:regent-";
/// A second with more requests than this is still part of the start.
const BUSY: u64 = 5;
/// Kinds of requests shown, busiest first.
const SHOWN_MAX: usize = 12;

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let (binary, secrets) = match (args.next(), args.next()) {
        (Some(binary), Some(secrets)) => (binary, secrets),
        _ => bail!("figures BINARY SECRETS"),
    };
    let began = Instant::now();
    let real = Real::start(Options::default()).await?;
    figure("control plane up", format!("{:.1} s", began.elapsed().as_secs_f64()), "< 10 s");
    let output = tokio::task::block_in_place(|| {
        Command::new(&binary)
            .args(["dev", "--until", "steady", "--timeout", "600s", "-o", "json", "--kubeconfig"])
            .arg(real.kubeconfig())
            .args([
                "--authority-process",
                "--secrets",
                &secrets,
                "--idle-sample",
                "60s",
                "--restart-sample",
                "60s",
            ])
            .output()
    })?;
    if !output.status.success() {
        bail!("regent dev: {}", String::from_utf8_lossy(&output.stderr));
    }
    let summary: Value = serde_json::from_slice(&output.stdout).context("the summary is JSON")?;
    let seconds = summary["steadySeconds"].as_f64().unwrap_or(f64::NAN);
    figure(&format!("{secrets} secrets, steady"), format!("{seconds:.1} s"), "none");
    let memory = |field: &str| summary[field].as_f64().unwrap_or(f64::NAN) / 1e6;
    let text =
        format!("{:.1} MB, at most {:.1} MB", memory("idleRssBytes"), memory("peakRssBytes"));
    figure("memory without the authority", text, "< 60 MB");
    let log = real.audit_log();
    introduction(&log, &summary, secrets.parse()?)?;
    idle(&log, &summary)?;
    restart(&log, &summary)
}

fn figure(what: &str, found: String, aim: &str) {
    println!("{what:<28} {found:>30}   aim {aim}");
}

fn time(summary: &Value, field: &str) -> Result<Timestamp> {
    summary[field].as_str().with_context(|| format!("no {field}"))?.parse().context("a time")
}

/// Whether a request is what idle components may ask: a watch, a lease renewal, a look at a token.
fn quiet(event: &Request) -> bool {
    event.verb == "watch" || ["leases", "tokenreviews"].contains(&event.resource.as_str())
}

/// What the orchestrator asked of the API server until nothing changed any more.
fn introduction(log: &Path, summary: &Value, secrets: u32) -> Result<()> {
    let all = requests(log, Timestamp::UNIX_EPOCH, time(summary, "idleFrom")?)?;
    let own: Vec<Request> =
        all.into_iter().filter(|r| r.user == "orchestrator" && !quiet(r)).collect();
    let each = own.len() as f64 / f64::from(secrets.max(1));
    figure("orchestrator, each secret", format!("{each:.1} requests"), "<= 8");
    table(&own);
    Ok(())
}

fn idle(log: &Path, summary: &Value) -> Result<()> {
    let (from, to) = (time(summary, "idleFrom")?, time(summary, "idleTo")?);
    let seconds = to.duration_since(from).as_secs_f64();
    let all = requests(log, from, to)?;
    let rate = all.len() as f64 / seconds;
    figure("idle, requests", format!("{rate:.2} /s ({})", all.len()), "<= 1 /s");
    let other: Vec<Request> = all.into_iter().filter(|r| !quiet(r)).collect();
    figure("idle, other than quiet ones", other.len().to_string(), "0");
    table(&other);
    Ok(())
}

fn restart(log: &Path, summary: &Value) -> Result<()> {
    let (from, to) = (time(summary, "restartedAt")?, time(summary, "restartTo")?);
    let all = requests(log, from, to)?;
    let mut by_second: BTreeMap<i64, u64> = BTreeMap::new();
    for request in &all {
        *by_second.entry(request.at.duration_since(from).as_secs()).or_default() += 1;
    }
    let busy = by_second.iter().rev().find(|(_, count)| **count > BUSY).map_or(0, |(s, _)| s + 1);
    figure("cold start, busy for", format!("{busy} s"), "< 20 s");
    figure("cold start, requests", all.len().to_string(), "none");
    table(&all);
    Ok(())
}

/// One line of the audit log.
struct Request {
    at: Timestamp,
    user: String,
    verb: String,
    resource: String,
}

fn requests(log: &Path, from: Timestamp, to: Timestamp) -> Result<Vec<Request>> {
    let mut all = Vec::new();
    for line in BufReader::new(std::fs::File::open(log)?).lines() {
        let event: Value = serde_json::from_str(&line?).context("a line of the audit log")?;
        let text = |at: &str| event.pointer(at).and_then(Value::as_str).unwrap_or_default();
        let at: Timestamp = text("/requestReceivedTimestamp").parse()?;
        if let Some(user) = text("/user/username").strip_prefix(COMPONENTS)
            && (from..to).contains(&at)
        {
            let mut resource = text("/objectRef/resource").to_owned();
            let sub = text("/objectRef/subresource");
            if !sub.is_empty() {
                resource = format!("{resource}/{sub}");
            }
            let (user, verb) = (user.to_owned(), text("/verb").to_owned());
            all.push(Request { at, user, verb, resource });
        }
    }
    Ok(all)
}

fn table(all: &[Request]) {
    let mut counts: BTreeMap<(&str, &str, &str), u64> = BTreeMap::new();
    for r in all {
        *counts.entry((&r.user, &r.verb, &r.resource)).or_default() += 1;
    }
    let mut sorted: Vec<_> = counts.into_iter().collect();
    sorted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for ((user, verb, resource), count) in sorted.into_iter().take(SHOWN_MAX) {
        println!("    {count:>6}  {user} {verb} {resource}");
    }
}
