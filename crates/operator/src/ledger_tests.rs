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

fn start(kv: Kv) -> Ledger {
    Ledger::start(kv, "warden", Published::Nowhere)
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
    regent_protocol::ledger::verify_chain(&entries).unwrap();
    entries.iter().flat_map(|e| e.events.iter().map(|e| e.detail.clone())).collect()
}

#[tokio::test]
async fn an_append_is_durable_when_it_returns_and_the_head_says_so() {
    let (kv, mount) = mount().await;
    let ledger = start(kv);
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
    let ledger = start(kv);
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
    let ledger = start(kv);
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
    let ledger = start(kv);
    mount.lock().unwrap().sealed_once = true;
    assert_eq!(ledger.append(event(0)).await.unwrap_err().reason(), "Sealed");
    ledger.append(event(0)).await.unwrap();
    assert_eq!(recorded(&mount), ["0"]);
}

/// A restart resumes behind the newest entry and knows what it holds.
#[tokio::test]
async fn a_new_writer_resumes_the_chain() {
    let (kv, mount) = mount().await;
    start(kv.clone()).append(event(0)).await.unwrap();
    let again = start(kv);
    again.append(event(0)).await.unwrap();
    again.append(event(1)).await.unwrap();
    assert_eq!(recorded(&mount), ["0", "1"]);
}

/// Two writers of one chain (a rollout's overlap): the place that is taken is refused, seen and passed by.
#[tokio::test]
async fn two_writers_of_one_chain_do_not_fork_it() {
    let (kv, mount) = mount().await;
    let (a, b) = (start(kv.clone()), start(kv));
    a.append(event(0)).await.unwrap();
    b.append(event(1)).await.unwrap();
    a.append(event(2)).await.unwrap();
    b.append(event(3)).await.unwrap();
    assert_eq!(recorded(&mount), ["0", "1", "2", "3"]);
}

#[tokio::test]
async fn an_edited_entry_stops_the_chain() {
    let (kv, mount) = mount().await;
    let first = start(kv.clone());
    first.append(event(0)).await.unwrap();
    first.append(event(1)).await.unwrap();
    let edit = |entry: &mut Value| entry["events"][0]["detail"] = json!("other");
    mount.lock().unwrap().entries.values_mut().take(1).for_each(edit);
    let error = start(kv).append(event(2)).await.unwrap_err();
    assert_eq!(error.reason(), "LedgerWentBack");
}

/// Keeps the first `keep` entries: an older copy of the storage was put in place.
fn restore(mount: &Shared, keep: usize) {
    let mut mount = mount.lock().unwrap();
    let kept: BTreeMap<String, Value> =
        mount.entries.iter().take(keep).map(|(k, v)| (k.clone(), v.clone())).collect();
    mount.entries = kept;
}

/// H3: a running writer whose storage was replaced by an older copy leaves no hole, and says what is the matter.
#[tokio::test(start_paused = true)]
async fn h03_a_storage_that_went_back_under_a_running_writer_takes_no_entry() {
    let (kv, mount) = mount().await;
    let ledger = start(kv);
    for n in 0..5 {
        ledger.append(event(n)).await.unwrap();
    }
    restore(&mount, 2);
    tokio::time::advance(Duration::from_secs(2)).await;
    let error = ledger.append(event(5)).await.unwrap_err();
    assert_eq!((error.reason(), error.is_transient()), ("LedgerWentBack", false));
    assert_eq!(recorded(&mount), ["0", "1"]);
    assert!(error.advice().action.contains("regent authority accept-restore"));
}

/// H3, H4: a writer that starts on an older copy judges it by the head that was published, and goes on once a person has
/// accepted it; what he accepted once covers no second restore.
#[tokio::test]
async fn h04_a_writer_that_starts_on_an_older_copy_waits_for_a_person() {
    let (kv, mount) = mount().await;
    let first = start(kv.clone());
    for n in 0..5 {
        first.append(event(n)).await.unwrap();
    }
    let said = Arc::new(Mutex::new(PublishedHead { head: first.head(), accepted: None }));
    restore(&mount, 2);
    let again = Ledger::start(kv.clone(), "warden", Published::Said(Arc::clone(&said)));
    assert_eq!(again.append(event(5)).await.unwrap_err().reason(), "LedgerWentBack");
    assert_eq!(again.head(), None, "no head is told that goes back");
    let head = said.lock().unwrap().head.as_ref().map(Head::text).unwrap();
    let accepted = crate::published_head::Accepted { head, by: "ann".into(), run: "r".into() };
    said.lock().unwrap().accepted = Some(accepted);
    again.append(event(5)).await.unwrap();
    assert_eq!(again.head().map(|h| h.seq), Some(6), "heads only grow");
    // One that starts anew before the new head was published goes on as well.
    let third = Ledger::start(kv.clone(), "warden", Published::Said(Arc::clone(&said)));
    third.append(event(6)).await.unwrap();
    assert_eq!(recorded(&mount), ["0", "1", "5", "6"]);
    said.lock().unwrap().head = third.head();
    restore(&mount, 1);
    let fourth = Ledger::start(kv, "warden", Published::Said(said));
    assert_eq!(fourth.append(event(7)).await.unwrap_err().reason(), "LedgerWentBack");
}
