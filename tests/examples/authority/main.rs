//! `cargo xtask bench authority`: the embedded authority beside OpenBao, one work after the other on both.
//!
//! `authority BINARY [SECONDS]` starts `regent authority serve` of that binary and OpenBao's `bao server` (one raft
//! node), both on loopback without TLS, durable, with an audit log in a file. It asks each the same with so many
//! connections that stay open, and prints answers a second, the slowest hundredth, and the processor time that the server
//! took for one answer. Whoever asks runs on the same machine. Figures are printed, never judged.
//!
//! `authority BINARY strain [KEYS]` asks the embedded one what strangers and size cost (`strain.rs`), and
//! `authority BINARY snapshot [KEYS]` what a snapshot costs (`snapshot.rs`).

#![allow(clippy::print_stdout, reason = "a tool for the terminal")]

mod api_server;
mod load;
mod servers;
mod snapshot;
mod strain;

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;

use load::{Ask, Sample};
use servers::Served;

/// Before each measurement, so that connections are there and caches are warm.
const WARM_UP: Duration = Duration::from_millis(300);

/// One kind of work, and with how many connections it is done.
struct Work {
    name: &'static str,
    connections: &'static [usize],
    /// The request of one connection.
    ask: fn(&Served, usize) -> Ask,
    /// The least ratio to OpenBao's answers a second that is aimed at, for each number of connections.
    aims: &'static [f64],
}

const WORKS: &[Work] = &[
    Work {
        name: "KV read, root",
        connections: &[1, 8, 32, 128],
        ask: read_as_root,
        aims: &[3.0, 4.0, 4.0, 4.0],
    },
    Work {
        name: "KV read, policy",
        connections: &[1, 8, 32, 128],
        ask: read_as_reader,
        aims: &[3.0, 6.0, 6.0, 6.0],
    },
    Work { name: "KV write", connections: &[1, 32, 128], ask: write, aims: &[2.5, 5.0, 5.0] },
    Work { name: "token create", connections: &[1, 32], ask: create, aims: &[0.0, 0.0] },
    Work { name: "health", connections: &[1, 32], ask: health, aims: &[1.5, 1.5] },
    Work { name: "kubernetes login", connections: &[1, 32], ask: login, aims: &[4.0, 4.0] },
];

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let Some(binary) = args.next() else { bail!("authority BINARY [SECONDS]") };
    let mut args = args.peekable();
    if args.next_if_eq("strain").is_some() {
        let keys = args.next().map_or(Ok(100_000), |text| text.parse());
        return strain::measure(binary.as_ref(), keys.context("KEYS is a number")?).await;
    }
    if args.next_if_eq("snapshot").is_some() {
        let keys = args.next().map_or(Ok(100_000), |text| text.parse());
        return snapshot::measure(binary.as_ref(), keys.context("KEYS is a number")?).await;
    }
    let seconds = args.next().map_or(Ok(2), |text| text.parse()).context("SECONDS is a number")?;
    let span = Duration::from_secs(seconds);
    let api_server = api_server::start().await?;
    let regent = Served::regent(binary.as_ref(), &api_server).await?;
    let bao = match regent_tests::openbao::binary() {
        Ok(binary) => Some(Served::bao(&binary, &api_server).await?),
        Err(absent) => {
            println!("{absent}; the ratio is left out");
            None
        }
    };
    println!("{:<17} {:>4}  {:<38} {:<38} ratio", "work", "conn", "regent", "OpenBao");
    for work in WORKS {
        for (connections, aim) in work.connections.iter().zip(work.aims) {
            let ours = measure(&regent, work, *connections, span).await?;
            let theirs = match &bao {
                Some(bao) => Some(measure(bao, work, *connections, span).await?),
                None => None,
            };
            tell(work.name, *connections, &ours, theirs.as_ref(), *aim);
        }
    }
    println!(
        "resident              {:<38} {}",
        memory(&regent),
        bao.as_ref().map_or_else(String::new, memory)
    );
    Ok(())
}

async fn measure(
    server: &Served,
    work: &Work,
    connections: usize,
    span: Duration,
) -> Result<Sample> {
    let asks: Vec<_> = (0..connections).map(|one| (work.ask)(server, one)).collect();
    load::run(server.addr, &asks, WARM_UP).await?;
    let before = server.processor_time()?;
    let mut sample = load::run(server.addr, &asks, span).await?;
    sample.processor_time = server.processor_time()? - before;
    if sample.refused > 0 {
        bail!(
            "{}: {} of {} answers to {} were no success",
            server.name,
            sample.refused,
            sample.answers,
            work.name
        );
    }
    Ok(sample)
}

fn tell(name: &str, connections: usize, ours: &Sample, theirs: Option<&Sample>, aim: f64) {
    let ratio = theirs.map(|theirs| {
        let aim = if aim > 0.0 { format!("   aim {aim:.1}") } else { String::new() };
        format!("{:.2}{aim}", ours.per_second() / theirs.per_second())
    });
    let theirs = theirs.map_or_else(String::new, Sample::to_string);
    println!("{name:<17} {connections:>4}  {ours:<38} {theirs:<38} {}", ratio.unwrap_or_default());
}

fn memory(server: &Served) -> String {
    server
        .resident_bytes()
        .map_or_else(|_| "?".to_owned(), |bytes| format!("{:.1} MB", bytes as f64 / 1e6))
}

fn read_as_root(server: &Served, _one: usize) -> Ask {
    Ask::new("GET", "secret/data/read", &server.root, None)
}

fn read_as_reader(server: &Served, _one: usize) -> Ask {
    Ask::new("GET", "secret/data/read", &server.reader, None)
}

fn write(server: &Served, one: usize) -> Ask {
    let body = json!({"data": {"username": "app", "password": "correct horse battery staple"}});
    Ask::new("POST", &format!("secret/data/write/{one}"), &server.root, Some(&body))
}

fn create(server: &Served, _one: usize) -> Ask {
    let body = json!({"policies": ["reader"], "ttl": "1h"});
    Ask::new("POST", "auth/token/create", &server.root, Some(&body))
}

fn health(_server: &Served, _one: usize) -> Ask {
    Ask::new("GET", "sys/health", "", None)
}

fn login(_server: &Served, _one: usize) -> Ask {
    let body = json!({"role": "app", "jwt": api_server::account_token()});
    Ask::new("POST", "auth/kubernetes/login", "", Some(&body))
}
