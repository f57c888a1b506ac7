//! The client against a small fake of the Vault API: what the wire says and what becomes of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Request, Response, StatusCode};
use regent_types::{SecretData, Sensitive};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

const PLANTED: &str = "planted-value";

/// Scripted answers by `METHOD path?query`; `{n}` logins counted.
struct Fake {
    answers: BTreeMap<&'static str, (u16, String)>,
    logins: AtomicUsize,
    /// Tokens handed out before this number are refused.
    valid_from: usize,
}

async fn answer(State(fake): State<Arc<Fake>>, request: Request<Body>) -> Response<Body> {
    let reply = |status: u16, body: String| {
        let status = StatusCode::from_u16(status).unwrap();
        Response::builder().status(status).body(Body::from(body)).unwrap()
    };
    let target = format!("{} {}", request.method(), request.uri());
    if target == "POST /v1/auth/kubernetes/login" {
        let n = fake.logins.fetch_add(1, Ordering::SeqCst) + 1;
        tokio::task::yield_now().await;
        return reply(
            200,
            format!(
                r#"{{"auth":{{"client_token":"t{n}","accessor":"a{n}","lease_duration":600,"policies":["p"]}}}}"#
            ),
        );
    }
    if let Some(token) = request.headers().get("x-vault-token") {
        let number = token.to_str().unwrap().trim_start_matches('t').parse().unwrap_or(usize::MAX);
        if number < fake.valid_from {
            return reply(403, r#"{"errors":["permission denied"]}"#.into());
        }
    }
    match fake.answers.get(target.as_str()) {
        Some((status, body)) if body == "ECHO" => {
            let bytes: Bytes = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
            reply(*status, String::from_utf8(bytes.to_vec()).unwrap())
        }
        Some((status, body)) => reply(*status, body.clone()),
        None => reply(404, r#"{"errors":[]}"#.into()),
    }
}

async fn serve(fake: Fake) -> (Client, Arc<Fake>) {
    let fake = Arc::new(fake);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state(Arc::clone(&fake));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (client(&address), fake)
}

fn client(address: &str) -> Client {
    let deadline = Duration::from_secs(5);
    Client::new(Config { address: address.to_owned(), ca_pem: None, ca_file: None, deadline })
        .unwrap()
}

async fn kv(answers: &[(&'static str, u16, &str)]) -> Kv {
    let (client, _) = serve(fake(answers, 0)).await;
    Session::with_token(client, Token::new(Sensitive::new("root".into()))).kv("secret")
}

fn fake(answers: &[(&'static str, u16, &str)], valid_from: usize) -> Fake {
    let answers = answers.iter().map(|(t, s, b)| (*t, (*s, (*b).to_owned()))).collect();
    Fake { answers, logins: AtomicUsize::new(0), valid_from }
}

struct Jwt;

impl JwtSource for Jwt {
    fn jwt(&self) -> Result<Sensitive<String>, Error> {
        Ok(Sensitive::new("jwt".into()))
    }
}

#[tokio::test]
async fn a_live_version_has_data_and_its_pair() {
    let body = r#"{"request_id":"r","data":{"data":{"a":"planted-value","n":7},
        "metadata":{"version":3,"created_time":"T","deletion_time":"","destroyed":false,
        "custom_metadata":{"ttl":"60s"}}}}"#;
    let kv = kv(&[("GET /v1/secret/data/runtime/a/b", 200, body)]).await;
    let seen = kv.read("runtime/a/b", None).await.unwrap().unwrap();
    assert_eq!((seen.version.to_string().as_str(), seen.state), ("3@T", VersionState::Live));
    let data = seen.data.as_ref().unwrap();
    assert_eq!(data["a"].expose(), PLANTED.as_bytes());
    assert_eq!(data["n"].expose(), b"7");
    assert_eq!(seen.custom_metadata["ttl"], "60s");
    assert!(!format!("{seen:?}").contains(PLANTED));
}

#[tokio::test]
async fn a_404_tells_deleted_destroyed_absent_and_unmounted_apart() {
    let gone = |destroyed| {
        format!(
            r#"{{"data":{{"data":null,"metadata":{{"version":2,"created_time":"T",
            "deletion_time":"D","destroyed":{destroyed},"custom_metadata":null}}}}}}"#
        )
    };
    let kv = kv(&[
        ("GET /v1/secret/data/a?version=2", 404, &gone(false)),
        ("GET /v1/secret/data/b", 404, &gone(true)),
        ("GET /v1/secret/data/d", 404, r#"{"errors":["no handler for route \"secret/data/d\""]}"#),
    ])
    .await;
    let deleted = kv.read("a", Some(2)).await.unwrap().unwrap();
    assert_eq!((deleted.state, deleted.version.number), (VersionState::Deleted, 2));
    assert_eq!(kv.read("b", None).await.unwrap().unwrap().state, VersionState::Destroyed);
    assert!(kv.read_json::<serde_json::Value>("b").await.unwrap().is_none());
    assert!(kv.read("c", None).await.unwrap().is_none());
    assert!(matches!(kv.read("d", None).await, Err(Error::NotFound { .. })));
    assert!(kv.list("c").await.unwrap().is_empty());
    assert!(kv.metadata("c").await.unwrap().is_none());
}

#[tokio::test]
async fn a_refused_condition_is_told_from_other_refusals() {
    let kv = kv(&[
        (
            "POST /v1/secret/data/a",
            400,
            r#"{"errors":["check-and-set parameter did not match the current version"]}"#,
        ),
        ("POST /v1/secret/data/b", 400, r#"{"errors":["no data provided"]}"#),
    ])
    .await;
    let data = SecretData::from([("k".into(), Sensitive::new(b"v".to_vec()))]);
    assert!(kv.write("a", &data, Some(0)).await.unwrap_err().is_cas());
    assert!(matches!(kv.write("b", &data, None).await, Err(Error::BadRequest { .. })));
}

#[tokio::test]
async fn a_value_that_is_no_text_is_refused_before_anything_is_sent() {
    let kv = kv(&[]).await;
    let data = SecretData::from([("bin".into(), Sensitive::new(vec![0xff, 0xfe]))]);
    let error = kv.write("a", &data, None).await.unwrap_err();
    assert!(matches!(&error, Error::NotText { key } if key == "bin"));
}

#[tokio::test]
async fn statuses_are_told_apart() {
    let kv = kv(&[
        ("GET /v1/secret/data/sealed", 503, r#"{"errors":["Vault is sealed"]}"#),
        ("GET /v1/secret/data/standby", 429, "{}"),
        ("GET /v1/secret/data/moved", 307, ""),
        (
            "GET /v1/secret/data/made",
            400,
            r#"{"errors":["Upgrading from non-versioned to versioned data. This backend will be unavailable for a brief period and will resume service shortly."]}"#,
        ),
        ("GET /v1/secret/data/broken", 500, r#"{"errors":["internal error"]}"#),
        ("GET /v1/secret/data/denied", 403, r#"{"errors":["permission denied"]}"#),
        ("GET /v1/secret/data/odd", 200, r#"{"data":{"data":{"a":"planted-value"}}}"#),
    ])
    .await;
    let read = async |path: &str| kv.read(path, None).await.unwrap_err();
    assert!(read("sealed").await.is_sealed());
    assert!(matches!(read("standby").await, Error::Standby { status: 429, .. }));
    assert!(matches!(read("moved").await, Error::Standby { status: 307, .. }));
    assert!(matches!(read("broken").await, Error::Server { status: 500, .. }));
    assert!(read("denied").await.is_denied());
    assert!(read("made").await.is_upgrading());
    for path in ["sealed", "standby", "made", "broken"] {
        assert!(read(path).await.is_transient(), "{path}");
    }
    let odd = read("odd").await;
    assert!(matches!(odd, Error::Protocol { .. }));
    assert!(!format!("{odd} {odd:?}").contains(PLANTED));
}

#[tokio::test]
async fn every_health_status_is_an_answer() {
    for (status, sealed) in [(200, false), (429, false), (473, false), (501, true), (503, true)] {
        let body =
            format!(r#"{{"initialized":{},"sealed":{sealed},"version":"1"}}"#, status != 501);
        let (client, _) = serve(fake(&[("GET /v1/sys/health", status, &body)], 0)).await;
        let health = client.health().await.unwrap();
        assert_eq!((health.sealed, health.initialized), (sealed, status != 501));
    }
}

/// The one answer that holds shares in clear: it is complete or an error, and prints nothing.
#[tokio::test]
async fn shares_in_clear_are_as_many_as_were_asked_for_and_print_nothing() {
    let body = r#"{"keys":["00ff"],"keys_base64":["AP8="],"root_token":"planted-value"}"#;
    let (client, _) = serve(fake(&[("PUT /v1/sys/init", 200, body)], 0)).await;
    let answer = client.init(1, 1).await.unwrap();
    assert_eq!(answer.shares[0].expose(), &[0, 255]);
    assert_eq!(answer.root_token.expose(), PLANTED);
    let shown = format!("{answer:?}");
    assert!(!shown.contains(PLANTED) && !shown.contains("255"), "{shown}");
    assert!(matches!(client.init(3, 2).await, Err(Error::Protocol { .. })));
    let body = r#"{"keys_base64":["!"],"root_token":"t"}"#;
    let (client, _) = serve(fake(&[("PUT /v1/sys/init", 200, body)], 0)).await;
    let error = client.init(1, 1).await.unwrap_err();
    assert!(!error.to_string().contains('!'), "{error}");
}

#[tokio::test]
async fn an_answer_beyond_the_limit_is_refused() {
    let huge = "x".repeat(crate::transport::ANSWER_LEN_MAX + 1);
    let kv = kv(&[("GET /v1/secret/data/a", 200, &huge)]).await;
    assert!(matches!(kv.read("a", None).await, Err(Error::TooLarge { .. })));
}

#[tokio::test]
async fn a_refused_token_is_replaced_once_and_one_login_serves_everybody() {
    let body = r#"{"data":{"keys":["a","b/"]}}"#;
    let (client, fake) =
        serve(fake(&[("GET /v1/regent/metadata/record/?list=true", 200, body)], 2)).await;
    let kv = Session::kubernetes(client, "kubernetes", "r", Arc::new(Jwt)).kv("regent");
    assert_eq!(kv.list("record").await.unwrap(), ["a", "b/"]);
    assert_eq!(fake.logins.load(Ordering::SeqCst), 2);
    let all = (0..20).map(|_| {
        let kv = kv.clone();
        tokio::spawn(async move { kv.list("record").await.map(|k| k.len()) })
    });
    for task in all.collect::<Vec<_>>() {
        assert_eq!(task.await.unwrap().unwrap(), 2);
    }
    assert_eq!(fake.logins.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_token_that_stays_refused_is_denied_after_one_new_login() {
    let (client, fake) = serve(fake(&[], 99)).await;
    let session = Session::kubernetes(client, "kubernetes", "r", Arc::new(Jwt));
    assert!(session.kv("secret").read("a", None).await.unwrap_err().is_denied());
    assert_eq!(fake.logins.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn custom_metadata_is_merged_with_null_for_removal() {
    let (client, _) = serve(fake(&[("PATCH /v1/secret/metadata/a", 200, "ECHO")], 0)).await;
    let token = Token::new(Sensitive::new("root".into()));
    let body = serde_json::json!({ "custom_metadata": { "a": "1", "b": null } });
    let seen = client.request(&token, Method::PATCH, "secret/metadata/a", Some(&body)).await;
    assert_eq!(seen.unwrap(), Some(body));
    let kv = Session::with_token(client, token).kv("secret");
    let entries = BTreeMap::from([("a".to_owned(), Some("1".to_owned())), ("b".to_owned(), None)]);
    kv.patch_custom_metadata("a", &entries).await.unwrap();
    assert!(matches!(kv.patch_custom_metadata("b", &entries).await, Err(Error::NotFound { .. })));
}

/// A connection that is closed without an answer: a read is sent once more, a write is not.
#[tokio::test]
async fn a_dead_connection_is_tried_again_for_reads_only() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 1024];
            let _read = stream.read(&mut buffer).await;
            if count.fetch_add(1, Ordering::SeqCst) == 1 {
                let body = r#"{"initialized":true,"sealed":false}"#;
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                let _sent = stream.write_all(format!("{head}{body}").as_bytes()).await;
            }
        }
    });
    let client = client(&address);
    assert!(!client.health().await.unwrap().sealed);
    assert_eq!(seen.load(Ordering::SeqCst), 2);
    let share = Sensitive::new(vec![1; 33]);
    assert!(client.unseal(&share).await.unwrap_err().is_unreachable());
    assert_eq!(seen.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn nobody_listening_is_unreachable_and_silence_is_a_timeout() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let deadline = Duration::from_millis(50);
    let client =
        Client::new(Config { address: address.clone(), ca_pem: None, ca_file: None, deadline })
            .unwrap();
    assert!(matches!(client.health().await, Err(Error::Timeout { .. })));
    drop(listener);
    assert!(matches!(client.health().await, Err(Error::Unreachable { .. })));
}

#[test]
fn https_without_certificates_fails_closed() {
    let config = |ca_pem| Config {
        address: "https://authority.test:8200".into(),
        ca_pem,
        ca_file: None,
        deadline: Duration::from_secs(1),
    };
    assert!(matches!(Client::new(config(None)), Err(Error::Trust { .. })));
    assert!(matches!(Client::new(config(Some(b"no pem".to_vec()))), Err(Error::Trust { .. })));
}

#[test]
fn tokens_and_sessions_print_nothing() {
    let client = client("http://127.0.0.1:1");
    let session = Session::with_token(client, Token::new(Sensitive::new(PLANTED.into())));
    let all = format!(
        "{session:?} {:?} {:#?}",
        session.kv("a"),
        Token::new(Sensitive::new(PLANTED.into()))
    );
    assert!(!all.contains(PLANTED), "{all}");
}
