//! `cargo xtask bench git [N]`: one GitSource of N ConfigMaps on a real control plane, with components as processes of
//! profile `release`: how long until all are applied, and what intent asks of the API server then and over a minute in
//! which nothing changes. Figures are printed, never judged.

#![allow(clippy::print_stdout, reason = "a tool for the terminal")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use regent_tests::World;
use regent_tests::api_audit::{asked, len};
use regent_tests::world::steady;
use regent_tests::worlds::{self, Authority, WorldKind};
use regent_types::labels::SYSTEM_NAMESPACE;

/// Objects in one file of the repository.
const FILE_OBJECTS: u32 = 500;
/// A namespace of the example.
const NAMESPACE: &str = "payments";
/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(900);
/// Time in which nothing changes.
const IDLE: Duration = Duration::from_secs(60);
/// From one look at the GitSource to the next.
const LOOK: Duration = Duration::from_millis(200);

#[tokio::main]
async fn main() -> Result<()> {
    let count = std::env::args().nth(1).map_or(Ok(12_000), |text| text.parse::<u32>());
    let count = count.context("git N")?;
    let _already = rustls::crypto::ring::default_provider().install_default();
    let mut world =
        World::new(WorldKind { api: worlds::Api::Real, authority: Authority::Embedded }).await?;
    world.until(steady).await?;
    let log = world.api_audit_log()?;
    let before = len(&log)?;
    let began = Instant::now();
    world.commit(&files(count)).await?;
    applied(&mut world, u64::from(count)).await?;
    println!("{count} objects applied after {:.1} s", began.elapsed().as_secs_f64());
    tell(&log, before)?;
    // What intent still writes of itself is not part of the minute.
    tokio::time::sleep(LOOK * 10).await;
    let before = len(&log)?;
    tokio::time::sleep(IDLE).await;
    println!("{IDLE:?} in which nothing changes");
    tell(&log, before)?;
    world.end().await.1
}

fn files(count: u32) -> BTreeMap<String, Option<Vec<u8>>> {
    let mut files = BTreeMap::new();
    for first in (0..count).step_by(FILE_OBJECTS as usize) {
        let mut text = String::new();
        for number in first..count.min(first + FILE_OBJECTS) {
            // Writing to a text does not fail.
            let _ = write!(
                text,
                "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: many-{number:05}, namespace: {NAMESPACE}}}\n\
                 data: {{number: \"{number}\"}}\n"
            );
        }
        files.insert(format!("many/{first:05}.yaml"), Some(text.into_bytes()));
    }
    files
}

/// Waits until the GitSource says that so many objects and more are applied.
async fn applied(world: &mut World, count: u64) -> Result<()> {
    let sources = world.api("GitSource", Some(SYSTEM_NAMESPACE)).await?;
    let deadline = Instant::now() + LIMIT;
    while Instant::now() < deadline {
        let all = sources.list(&Default::default()).await?;
        let status = all.items.first().map(|source| source.data["status"].clone());
        let set = status.as_ref().and_then(|s| s["inventorySet"]["objects"].as_u64());
        let ready = status.iter().flat_map(|s| s["conditions"].as_array()).flatten();
        let ready = ready.into_iter().any(|c| c["type"] == "Ready" && c["status"] == "True");
        if ready && set.is_some_and(|objects| objects >= count) {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
    bail!("{count} objects are not applied after {LIMIT:?}")
}

/// What intent asked since the log had `before` lines, watches and its Lease aside.
fn tell(log: &Path, before: usize) -> Result<()> {
    let mut counts = asked(log, before, ":regent-intent")?;
    counts.retain(|line, _| !line.starts_with("watch ") && !line.ends_with(" leases"));
    if counts.is_empty() {
        println!("    intent asked nothing");
    }
    for (line, count) in counts {
        println!("    {count:>6}  {line}");
    }
    Ok(())
}
