//! `cargo xtask bench delivery [N]`: the materializer on a real control plane with OpenBao, as processes of profile
//! `release`. N ExternalSecrets of three entries each that nobody has looked at before, and then N of one path. Counted are
//! requests in both audit logs; figures are printed, never judged.

#![allow(clippy::print_stdout, reason = "a tool for the terminal")]

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures::StreamExt;
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, ListParams, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use regent_tests::World;
use regent_tests::api_audit::{asked, len, lines};
use regent_tests::world::steady;
use regent_tests::worlds::{self, Authority, WorldKind};
use regent_types::identity::Identity;
use serde_json::json;

/// Where the example platform puts further secrets.
const NAMESPACE: &str = "scale";
/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(600);

#[tokio::main]
async fn main() -> Result<()> {
    let count = std::env::args().nth(1).map_or(Ok(1_000), |text| text.parse::<u32>());
    let count = count.context("delivery N")?;
    let _already = rustls::crypto::ring::default_provider().install_default();
    let mut world =
        World::new(WorldKind { api: worlds::Api::Real, authority: Authority::OpenBao }).await?;
    world.options.extra_secrets = count;
    let began = Instant::now();
    while let Err(error) = world.until(steady).await {
        if began.elapsed() > LIMIT {
            return Err(error);
        }
    }
    println!(
        "{count} secrets of the example are steady after {:.0} s",
        began.elapsed().as_secs_f64()
    );
    // Nobody else may bring them back.
    world.system().await?.kill(Identity::Intent, 0).await;
    let (own, crowd) = (own_path as fn(u32) -> String, first_path as fn(u32) -> String);
    for (what, path) in [("cold, a path each", own), ("cold, one path for all", crowd)] {
        cold(&mut world, what, count, path).await?;
    }
    world.end().await.1
}

fn own_path(number: u32) -> String {
    format!("runtime/{NAMESPACE}/s-{number:05}")
}

fn first_path(_: u32) -> String {
    own_path(0)
}

/// Replaces all ExternalSecrets by new ones while the materializer is away, and times it from its start on.
async fn cold(world: &mut World, what: &str, count: u32, path: fn(u32) -> String) -> Result<()> {
    world.system().await?.kill(Identity::Materializer, 0).await;
    let externals = world.api("ExternalSecret", Some(NAMESPACE)).await?;
    let secrets = world.api("Secret", Some(NAMESPACE)).await?;
    for api in [&externals, &secrets] {
        api.delete_collection(&DeleteParams::default(), &ListParams::default()).await?;
    }
    for number in 0..count {
        externals.create(&PostParams::default(), &external(number, &path(number))?).await?;
    }
    let authority_log = world.folder("bao/audit.log");
    let api_log = world.api_audit_log()?;
    let (before_api, before_authority) = (len(&api_log)?, len(&authority_log)?);
    let began = Instant::now();
    world.system().await?.start_component(Identity::Materializer, 0)?;
    all_ready(&externals, count).await?;
    let seconds = began.elapsed().as_secs_f64();
    let asked = asked(&api_log, before_api, ":regent-materializer")?;
    // Those of the example's own ExternalSecrets, whom the start concerns as well, are not counted.
    let read = format!("secret/data/runtime/{NAMESPACE}/");
    let reads = lines(&authority_log, before_authority)?
        .into_iter()
        .filter(|e| e["type"] == "response" && e["request"]["operation"] == "read")
        .filter(|e| e["request"]["path"].as_str().is_some_and(|p| p.starts_with(&read)))
        .count();
    let each = |line: &str| *asked.get(line).unwrap_or(&0) as f64 / f64::from(count);
    println!("{what}: {count} in {seconds:.1} s, load {}", load());
    println!(
        "  reads of the authority   {:>8.3} each, {reads} in all",
        reads as f64 / f64::from(count)
    );
    for line in ["get secrets", "create secrets", "update secrets", "update externalsecrets/status"]
    {
        println!("  {line:<24} {:>8.3} each", each(line));
    }
    Ok(())
}

fn external(number: u32, path: &str) -> Result<DynamicObject> {
    let entry = |key: &str| json!({ "secretKey": key, "remoteRef": { "key": path, "property": "password" } });
    Ok(serde_json::from_value(json!({
        "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
        "metadata": { "name": format!("s-{number:05}-live"), "namespace": NAMESPACE },
        "spec": {
            "secretStoreRef": { "name": "vault-backend", "kind": "ClusterSecretStore" },
            "target": { "name": format!("s-{number:05}-live") },
            "data": [entry("one"), entry("two"), entry("three")],
        },
    }))?)
}

/// Waits until so many are Ready, as one watch tells.
async fn all_ready(externals: &Api<DynamicObject>, count: u32) -> Result<()> {
    let mut ready = std::collections::BTreeSet::new();
    let events =
        watcher(externals.clone(), watcher::Config::default()).default_backoff().applied_objects();
    let mut events = std::pin::pin!(events);
    let waiting = async {
        while let Some(event) = events.next().await {
            let Ok(object) = event else { continue };
            let conditions =
                object.data["status"]["conditions"].as_array().cloned().unwrap_or_default();
            if conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True") {
                ready.insert(object.metadata.name.unwrap_or_default());
            }
            if ready.len() >= count as usize {
                return;
            }
        }
    };
    if tokio::time::timeout(LIMIT, waiting).await.is_err() {
        bail!("only {} of {count} are Ready after {LIMIT:?}", ready.len());
    }
    Ok(())
}

fn load() -> String {
    let told = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    told.split_whitespace().next().unwrap_or("unknown").to_owned()
}
