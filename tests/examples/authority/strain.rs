//! What strangers and size cost the embedded authority: bodies that are held, logins that nobody answers, opening a
//! storage of many keys. Figures are printed, never judged.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use futures::future::{join_all, try_join_all};
use serde_json::json;

use crate::api_server;
use crate::load::{Ask, held, in_turn, run};
use crate::servers::Served;

/// Connections that hold a body each.
const BODIES: usize = 2_000;
/// Bytes of one: the most that a request may have, for what it says beside.
const BODY_BYTES: usize = (1 << 20) - 64;
/// Logins at once, each with a token of its own.
const LOGINS: usize = 300;
/// Connections that read meanwhile, and that fill the storage.
const CONNECTIONS: usize = 32;
/// How long is measured.
const SPAN: Duration = Duration::from_secs(3);

/// All of it; `keys` is how many KV paths the storage has when it is opened.
pub(crate) async fn measure(binary: &Path, keys: usize) -> Result<()> {
    bodies(binary).await?;
    logins(binary).await?;
    opens(binary, keys).await
}

/// Memory while clients hold bodies of 1 MiB, all of it sent but the last byte.
async fn bodies(binary: &Path) -> Result<()> {
    let api_server = api_server::start().await?;
    for whose in ["nobody's token", "a good token"] {
        let server = Served::regent(binary, &api_server).await?;
        let token = if whose == "a good token" { server.root.as_str() } else { "" };
        let before = server.resident_bytes()?;
        let body = json!({"data": {"k": "x".repeat(BODY_BYTES)}});
        let ask = Ask::new("POST", "secret/data/held", token, Some(&body));
        let all = join_all((0..BODIES).map(|_| held(server.addr, &ask))).await;
        let open = all.iter().filter(|one| one.is_ok()).count();
        let now = server.resident_bytes()?;
        let mb = |bytes: u64| bytes as f64 / 1e6;
        println!(
            "{open} bodies held with {whose:<15} {:>6.1} MB, {:.1} before   aim < 128 MB",
            mb(now),
            mb(before)
        );
    }
    Ok(())
}

/// Reads while logins wait for an API server that answers none.
async fn logins(binary: &Path) -> Result<()> {
    let server = Served::regent(binary, &api_server::start_silent().await?).await?;
    let read = || (0..CONNECTIONS).map(|_| read(&server)).collect::<Vec<_>>();
    run(server.addr, &read(), SPAN).await?;
    let before = run(server.addr, &read(), SPAN).await?;
    let forged = |turn: usize| {
        let body = json!({"role": "app", "jwt": api_server::token(turn)});
        Ask::new("POST", "auth/kubernetes/login", "", Some(&body))
    };
    let asks: Vec<Ask> = (0..LOGINS).map(forged).collect();
    let logins = join_all(asks.into_iter().map(|ask| in_turn(server.addr, std::iter::once(ask))));
    let reads = read();
    let during = tokio::select! {
        during = run(server.addr, &reads, SPAN) => during?,
        _ = logins => bail!("all logins were answered before the reads were done"),
    };
    println!("reads beside no login         {before}");
    println!(
        "reads beside {LOGINS} forged logins {during}   slowest hundredth {:.2} times   aim 2",
        during.slowest_hundredth().as_secs_f64() / before.slowest_hundredth().as_secs_f64()
    );
    Ok(())
}

/// From the start of the process to its first answer.
async fn opens(binary: &Path, keys: usize) -> Result<()> {
    let mut server = Served::regent(binary, &api_server::start().await?).await?;
    let empty = server.again("TERM").await?;
    let body = json!({"data": {"password": "correct horse battery staple"}});
    let each = keys.div_ceil(CONNECTIONS);
    let root = server.root.clone();
    let write = |one: usize, n: usize| {
        Ask::new("POST", &format!("secret/data/fill/{one}/{n}"), &root, Some(&body))
    };
    let write = &write;
    let all =
        (0..CONNECTIONS).map(|one| in_turn(server.addr, (0..each).map(move |n| write(one, n))));
    try_join_all(all).await?;
    let ms = |took: Duration| took.as_secs_f64() * 1e3;
    println!("open, empty, closed in order        {:>8.0} ms", ms(empty));
    let clean = server.again("TERM").await?;
    println!(
        "open, {keys} paths, closed in order {:>8.0} ms   aim 100,000: < 50, 1,000,000: < 1,000",
        ms(clean)
    );
    let dirty = server.again("KILL").await?;
    println!("open, {keys} paths, killed          {:>8.0} ms", ms(dirty));
    Ok(())
}

fn read(server: &Served) -> Ask {
    Ask::new("GET", "secret/data/read", &server.reader, None)
}
