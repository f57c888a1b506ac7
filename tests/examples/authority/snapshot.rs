//! What a snapshot of many keys costs: its time, with the restore on trial, its size, memory, and reads meanwhile. Figures are
//! printed, never judged.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use serde_json::{Value, json};

use crate::api_server;
use crate::load::{Ask, in_turn, once, run};
use crate::servers::Served;

/// Connections that fill the storage, and that read meanwhile.
const CONNECTIONS: usize = 32;
/// How long reads are measured before.
const SPAN: Duration = Duration::from_secs(2);
/// From one look whether it is done to the next.
const LOOK: Duration = Duration::from_millis(20);
const PATH: &str = "sys/regent/snapshots";

/// All of it, of a storage with `keys` KV paths.
pub(crate) async fn measure(binary: &Path, keys: usize) -> Result<()> {
    let server = Served::with_snapshots(binary, &api_server::start().await?).await?;
    settled(&server).await?;
    let body = json!({"data": {"password": "correct horse battery staple"}});
    let each = keys.div_ceil(CONNECTIONS);
    let (root, body) = (&server.root, &body);
    let fill = |one: usize| {
        let path = move |n| format!("secret/data/fill/{one}/{n}");
        (0..each).map(move |n| Ask::new("POST", &path(n), root, Some(body)))
    };
    try_join_all((0..CONNECTIONS).map(|one| in_turn(server.addr, fill(one)))).await?;
    let reads: Vec<Ask> = (0..CONNECTIONS)
        .map(|_| Ask::new("GET", "secret/data/read", &server.reader, None))
        .collect();
    let before = run(server.addr, &reads, SPAN).await?;
    let (idle_bytes, began) = (server.resident_bytes()?, Instant::now());
    let (code, asked) = once(server.addr, &Ask::new("POST", PATH, root, None)).await?;
    ensure!(code == 200, "{code} {asked}");
    let told = settled(&server).await?;
    let (took, now_bytes) = (began.elapsed(), server.resident_bytes()?);
    let last = &told["last_good"];
    ensure!(last["name"] == asked["data"]["name"], "{told}");
    let mb = |bytes: u64| bytes as f64 / 1e6;
    println!(
        "snapshot and trial, {} records {:>6.2} s   {:.1} MB, memory {:.1} MB, {:.1} before   aim 100,000: < 10 s",
        last["keys"],
        took.as_secs_f64(),
        mb(last["bytes"].as_u64().context("no bytes")?),
        mb(now_bytes),
        mb(idle_bytes),
    );
    println!("reads before            {before}");
    // One of the schedule is due no more: another that is asked for, ten seconds after the last.
    tokio::time::sleep(Duration::from_secs(10)).await;
    once(server.addr, &Ask::new("POST", PATH, root, None)).await?;
    let during = run(server.addr, &reads, took.min(SPAN)).await?;
    println!("reads during another    {during}");
    Ok(())
}

/// What is told once none is under way.
async fn settled(server: &Served) -> Result<Value> {
    loop {
        let (code, mut told) =
            once(server.addr, &Ask::new("GET", PATH, &server.root, None)).await?;
        ensure!(code == 200, "{code} {told}");
        let told = told["data"].take();
        if told["running"].is_null() && !told["snapshots"].as_array().is_none_or(Vec::is_empty) {
            return Ok(told);
        }
        tokio::time::sleep(LOOK).await;
    }
}
