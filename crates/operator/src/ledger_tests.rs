//! The ledger writer against a KV mount whose policy grants `create` and `read` alone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{Method, Request, Response};
use regent_protocol::ledger::event_id;
use regent_types::Sensitive;
use regent_vault::{Client, Config, Session, Token};
use serde_json::{Value, json};

use super::*;

/// The mount: entries by path, and how the next write goes wrong.
#[derive(Default)]
struct Mount {
    entries: BTreeMap<String, Value>,
    writes: usize,
    /// The next write is kept, and its answer says 500.
    lose_answer: bool,
    /// The next write is not kept, and its answer says 503 sealed.
    sealed_once: bool,
}

type Shared = Arc<Mutex<Mount>>;

async fn serve(State(mount): State<Shared>, request: Request<Body>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let (method, body) = (request.method().clone(), request.into_body());
    let bytes = to_bytes(body, 1 << 20).await.unwrap();
    let mut mount = mount.lock().unwrap();
    let (status, body) = match (method, path.split_once("/v1/regent/").unwrap().1) {
        (Method::GET, rest) if rest.starts_with("metadata/") => {
            let folder = rest.trim_start_matches("metadata/");
            let below = mount.entries.keys().filter_map(|k| k.strip_prefix(folder));
            let mut keys: Vec<String> = below
                .map(|k| k.split_once('/').map_or(k.to_owned(), |(day, _)| format!("{day}/")))
                .collect();
            keys.dedup();
            match keys.is_empty() {
                true => (404, json!({ "errors": [] })),
                false => (200, json!({ "data": { "keys": keys } })),
            }
        }
        (Method::GET, rest) => match mount.entries.get(rest.trim_start_matches("data/")) {
            None => (404, json!({ "errors": [] })),
            Some(entry) => {
                let metadata = json!({ "version": 1, "created_time": "t" });
                (200, json!({ "data": { "data": entry, "metadata": metadata } }))
            }
        },
        (_, rest) => {
            let path = rest.trim_start_matches("data/").to_owned();
            let sent: Value = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(sent["options"]["cas"], 0, "an entry is only ever created");
            mount.writes += 1;
            if std::mem::take(&mut mount.sealed_once) {
                (503, json!({ "errors": ["Vault is sealed"] }))
            } else if let std::collections::btree_map::Entry::Vacant(e) = mount.entries.entry(path)
            {
                e.insert(sent["data"].clone());
                match std::mem::take(&mut mount.lose_answer) {
                    true => (500, json!({ "errors": ["internal error"] })),
                    false => (200, json!({ "data": { "version": 1, "created_time": "t" } })),
                }
            } else {
                (403, json!({ "errors": ["permission denied"] }))
            }
        }
    };
    Response::builder().status(status).body(Body::from(body.to_string())).unwrap()
}

async fn mount() -> (Kv, Shared) {
    let mount = Shared::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(serve).with_state(Arc::clone(&mount));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let config = Config { address, ca_pem: None, ca_file: None, deadline: Duration::from_secs(5) };
    let token = Token::new(Sensitive::new("token".into()));
    (Session::with_token(Client::new(config).unwrap(), token).kv("regent"), mount)
}

fn event(n: usize) -> Event {
    Event {
        id: event_id("configured", None, None, None, &n.to_string()),
        kind: "configured".into(),
        at: Timestamp::UNIX_EPOCH,
        writer: "warden".into(),
        actor: "warden".into(),
        cause: String::new(),
        path: None,
        version: None,
        run: None,
        result: "succeeded".into(),
        detail: n.to_string(),
    }
}

/// The chain as it lies in the mount, proved; the events' details in order.
fn recorded(mount: &Shared) -> Vec<String> {
    let mount = mount.lock().unwrap();
    let entries: Vec<Entry> =
        mount.entries.values().map(|v| serde_json::from_value(v.clone()).unwrap()).collect();
    verify_chain(&entries).unwrap();
    entries.iter().flat_map(|e| e.events.iter().map(|e| e.detail.clone())).collect()
}

#[tokio::test]
async fn an_append_is_durable_when_it_returns_and_the_head_says_so() {
    let (kv, mount) = mount().await;
    let ledger = Ledger::start(kv, "warden");
    assert_eq!(ledger.head(), None);
    for n in 0..3 {
        ledger.append(event(n)).await.unwrap();
        assert_eq!(recorded(&mount).len(), n + 1);
    }
    assert_eq!(ledger.head().map(|h| h.seq), Some(3));
}

#[tokio::test]
async fn appends_that_wait_together_share_entries() {
    let (kv, mount) = mount().await;
    let ledger = Ledger::start(kv, "warden");
    let all = (0..200).map(|n| {
        let ledger = ledger.clone();
        tokio::spawn(async move { ledger.append(event(n)).await })
    });
    for task in all.collect::<Vec<_>>() {
        task.await.unwrap().unwrap();
    }
    assert_eq!(recorded(&mount).len(), 200);
    assert!(mount.lock().unwrap().writes < 100);
}

/// The entry was written and its answer lost: the same event appended again is found, not written twice.
#[tokio::test]
async fn a_lost_answer_makes_no_second_entry() {
    let (kv, mount) = mount().await;
    let ledger = Ledger::start(kv, "warden");
    ledger.append(event(0)).await.unwrap();
    mount.lock().unwrap().lose_answer = true;
    assert!(ledger.append(event(1)).await.unwrap_err().is_transient());
    ledger.append(event(1)).await.unwrap();
    ledger.append(event(2)).await.unwrap();
    assert_eq!(recorded(&mount), ["0", "1", "2"]);
}

#[tokio::test]
async fn a_sealed_authority_is_told_and_the_chain_goes_on_afterwards() {
    let (kv, mount) = mount().await;
    let ledger = Ledger::start(kv, "warden");
    mount.lock().unwrap().sealed_once = true;
    assert_eq!(ledger.append(event(0)).await.unwrap_err().reason(), "Sealed");
    ledger.append(event(0)).await.unwrap();
    assert_eq!(recorded(&mount), ["0"]);
}

/// A restart resumes behind the newest entry and knows what it holds.
#[tokio::test]
async fn a_new_writer_resumes_the_chain() {
    let (kv, mount) = mount().await;
    Ledger::start(kv.clone(), "warden").append(event(0)).await.unwrap();
    let again = Ledger::start(kv, "warden");
    again.append(event(0)).await.unwrap();
    again.append(event(1)).await.unwrap();
    assert_eq!(recorded(&mount), ["0", "1"]);
}

/// Two writers of one chain (a rollout's overlap): the place that is taken is refused, seen and passed by.
#[tokio::test]
async fn two_writers_of_one_chain_do_not_fork_it() {
    let (kv, mount) = mount().await;
    let (a, b) = (Ledger::start(kv.clone(), "warden"), Ledger::start(kv, "warden"));
    a.append(event(0)).await.unwrap();
    b.append(event(1)).await.unwrap();
    a.append(event(2)).await.unwrap();
    b.append(event(3)).await.unwrap();
    assert_eq!(recorded(&mount), ["0", "1", "2", "3"]);
}

#[tokio::test]
async fn an_edited_entry_stops_the_chain() {
    let (kv, mount) = mount().await;
    let first = Ledger::start(kv.clone(), "warden");
    first.append(event(0)).await.unwrap();
    first.append(event(1)).await.unwrap();
    let edit = |entry: &mut Value| entry["events"][0]["detail"] = json!("other");
    mount.lock().unwrap().entries.values_mut().take(1).for_each(edit);
    let error = Ledger::start(kv, "warden").append(event(2)).await.unwrap_err();
    assert_eq!(error.reason(), "LedgerBroken");
}
