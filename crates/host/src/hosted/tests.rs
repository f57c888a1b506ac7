//! A server and a client over TLS while certificates change beneath them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use regent_vault::{Client, Config, Error};

use super::tls::Reload;
use super::*;

fn reserved(addr: &str) -> Reserved {
    Reserved::at(addr.parse().unwrap()).unwrap()
}

struct Ca {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// Puts a certificate for 127.0.0.1 and its key into `folder`.
    fn issue(&self, folder: &Path) {
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(folder.join("tls.crt"), certificate.pem()).unwrap();
        std::fs::write(folder.join("tls.key"), key.serialize_pem()).unwrap();
    }
}

struct CertificateFolder {
    folder: tempfile::TempDir,
    ca: Ca,
}

impl CertificateFolder {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), ca: Ca::new() }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn ca_file(&self) -> PathBuf {
        self.path().join("ca.crt")
    }

    async fn serve(&self, certificates: Option<&Certificates>) -> Hosted {
        let reviewer = Reviewer::new("none".into(), None);
        let site =
            Site { folder: self.path().join("data"), audit: None, reviewer, snapshots: None };
        Hosted::start(site, reserved("127.0.0.1:0"), certificates).await.unwrap()
    }

    fn client(&self, hosted: &Hosted) -> Client {
        Client::new(Config {
            address: format!("https://{}", hosted.addr),
            ca_pem: None,
            ca_file: Some(self.ca_file()),
            deadline: Duration::from_secs(10),
        })
        .unwrap()
    }
}

/// C7-3: a renewed certificate is served to new connections and costs no request; a pair that does
/// not fit is refused and the one in use stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_renewed_under_load() {
    let place = CertificateFolder::new();
    place.ca.issue(place.path());
    std::fs::write(place.ca_file(), &place.ca.pem).unwrap();
    let mut certificates = Certificates::wait(place.path()).await;
    let hosted = place.serve(Some(&certificates)).await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let load: Vec<_> = (0..4)
        .map(|_| {
            let (client, stopped) = (place.client(&hosted), stopped.clone());
            tokio::spawn(async move {
                let mut answers = 0_u32;
                while !*stopped.borrow() {
                    client.health().await.unwrap();
                    answers += 1;
                }
                answers
            })
        })
        .collect();
    assert_eq!(certificates.reload(), Reload::Same);
    let next = Ca::new();
    std::fs::write(place.ca_file(), format!("{}{}", place.ca.pem, next.pem)).unwrap();
    // Halves of two pairs, as in the middle of a change that is not atomic.
    std::fs::write(place.path().join("tls.key"), KeyPair::generate().unwrap().serialize_pem())
        .unwrap();
    assert_eq!(certificates.reload(), Reload::Refused);
    place.client(&hosted).health().await.unwrap();
    next.issue(place.path());
    assert_eq!(certificates.reload(), Reload::Renewed);
    // Who trusts the new CA alone is served by now; who began before goes on.
    std::fs::write(place.ca_file(), &next.pem).unwrap();
    place.client(&hosted).health().await.unwrap();
    stop.send_replace(true);
    for task in load {
        assert!(task.await.unwrap() > 0);
    }
    hosted.stop_within(Duration::from_secs(5)).await;
}

/// PROTOCOLS.md §3: a client follows the CA without being made anew, and trusts nobody before it is
/// there.
#[tokio::test]
async fn a_client_follows_its_ca() {
    let place = CertificateFolder::new();
    place.ca.issue(place.path());
    let mut certificates = Certificates::wait(place.path()).await;
    let hosted = place.serve(Some(&certificates)).await;
    let client = place.client(&hosted);
    assert!(matches!(client.health().await, Err(Error::Trust { .. })));
    std::fs::write(place.ca_file(), &place.ca.pem).unwrap();
    client.health().await.unwrap();

    // Another CA: refused until it is named, accepted at once when it is.
    let other = Ca::new();
    other.issue(place.path());
    assert_eq!(certificates.reload(), Reload::Renewed);
    let addr = hosted.addr;
    hosted.stop().await;
    let reviewer = Reviewer::new("none".into(), None);
    let site = Site { folder: place.path().join("data"), audit: None, reviewer, snapshots: None };
    let hosted =
        Hosted::start(site, Reserved::at(addr).unwrap(), Some(&certificates)).await.unwrap();
    assert!(matches!(client.health().await, Err(Error::Unreachable { .. })));
    std::fs::write(place.ca_file(), "no certificate").unwrap();
    assert!(matches!(client.health().await, Err(Error::Unreachable { .. })));
    std::fs::write(place.ca_file(), &other.pem).unwrap();
    client.health().await.unwrap();
    hosted.stop().await;
}

/// Plain HTTP is served on loopback only.
#[tokio::test]
async fn plain_http_is_refused_beyond_loopback() {
    let place = CertificateFolder::new();
    place.serve(None).await.stop().await;
    let reviewer = Reviewer::new("none".into(), None);
    let site = Site { folder: place.path().join("data"), audit: None, reviewer, snapshots: None };
    let refused = Hosted::start(site, reserved("0.0.0.0:0"), None).await;
    assert_eq!(refused.err().map(|f| (f.reason, f.code)), Some(("PlainBeyondLoopback".into(), 2)));
}

/// A certificate that comes late is awaited.
#[tokio::test(start_paused = true)]
async fn a_certificate_that_is_not_there_yet_is_awaited() {
    let place = CertificateFolder::new();
    let folder = place.path().to_owned();
    let waiting = tokio::spawn(async move { Certificates::wait(&folder).await });
    tokio::time::advance(Duration::from_secs(60)).await;
    assert!(!waiting.is_finished());
    place.ca.issue(place.path());
    waiting.await.unwrap();
}

#[tokio::test]
async fn a_reserved_address_refuses_whoever_connects_and_nobody_else_gets_it() {
    let one = reserved("127.0.0.1:0");
    let refused = tokio::net::TcpStream::connect(one.addr).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    let again = Reserved::at(one.addr).and_then(|other| {
        // Two sockets may be bound to it, and only one of them can listen.
        let _first = one.listen()?;
        other.listen().map(drop)
    });
    assert!(again.is_err_and(|failure| failure.reason == "PortInUse"));
}

/// V8: whoever does not finish a head, or asks nothing at all, is gone within seconds.
#[tokio::test]
async fn v08_half_a_request_is_waited_for_ten_seconds() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let place = CertificateFolder::new();
    let hosted = place.serve(None).await;
    let silent = tokio::net::TcpStream::connect(hosted.addr).await.unwrap();
    let mut slow = tokio::net::TcpStream::connect(hosted.addr).await.unwrap();
    let mut second = tokio::net::TcpStream::connect(hosted.addr).await.unwrap();
    slow.write_all(b"GET /v1/sys/health HTTP/1.1\r\nHost: a\r\n").await.unwrap();
    // One request is answered; the next one's head is never finished.
    second.write_all(b"GET /v1/sys/health HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    second.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 501");
    second.write_all(b"GET /v1").await.unwrap();
    let began = std::time::Instant::now();
    for mut stream in [silent, slow, second] {
        let ended = async {
            let mut bytes = Vec::new();
            // Closed or reset: gone either way.
            let _ = stream.read_to_end(&mut bytes).await;
        };
        tokio::time::timeout(Duration::from_secs(14), ended).await.unwrap();
    }
    assert!(began.elapsed() >= Duration::from_secs(8), "{:?}", began.elapsed());
    hosted.stop().await;
}

/// V8: more connections than a process may have open cost nobody else his answer.
#[tokio::test]
async fn v08_idle_connections_make_room() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let connections = connections::Connections::of(4);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let answer = tower::service_fn(|_: http::Request<_>| async {
        Ok::<_, std::convert::Infallible>(http::Response::new(axum::body::Body::from("here")))
    });
    let guarded = axum_server::from_tcp(listener).unwrap().map(|a| Guard::new(a, connections));
    let served = tower::make::Shared::new(answer);
    let server = tokio::spawn(guarded.serve(served));
    let mut idle = Vec::new();
    for _ in 0..40 {
        idle.push(tokio::net::TcpStream::connect(addr).await.unwrap());
        let mut honest = tokio::net::TcpStream::connect(addr).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        honest.write_all(request).await.unwrap();
        let mut said = String::new();
        honest.read_to_string(&mut said).await.unwrap();
        assert!(said.ends_with("here"), "{said:?}");
    }
    server.abort();
}

/// V12, V13: a log that was moved away goes on in a new file.
#[tokio::test]
async fn v13_the_audit_log_is_opened_anew() {
    let place = CertificateFolder::new();
    let hosted = place.serve(None).await;
    let log = place.path().join("data").join(AUDIT_LOG);
    std::fs::rename(&log, place.path().join("moved")).unwrap();
    hosted.reopen_audit().await;
    assert!(log.exists());
    hosted.stop().await;
}

/// An API server that answers every review with yes, and counts its connections.
async fn api_server() -> (SocketAddr, Arc<std::sync::atomic::AtomicUsize>) {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (addr, count) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = count.clone();
    let review = || async {
        axum::Json(serde_json::json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {},
            "status": {"authenticated": true, "user": {"username": "u", "uid": "1"}},
        }))
    };
    let path = "/apis/authentication.k8s.io/v1/tokenreviews";
    let router = axum::Router::new().route(path, axum::routing::post(review));
    let counting = axum::serve::ListenerExt::tap_io(listener, move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    tokio::spawn(async move { axum::serve(counting, router).await });
    (addr, count)
}

#[tokio::test]
async fn v05_reviews_share_connections_and_none_waits_for_an_acknowledgement() {
    use regent_authority::{ReviewTarget, TokenReviewer};
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), "reviewer\n").unwrap();
    let reviewer = Reviewer::new(folder.path().join("token"), None);
    let (addr, connections) = api_server().await;
    let target = ReviewTarget { host: format!("http://{addr}/"), ca_pem: None, reviewer_jwt: None };
    let jwt = regent_types::Sensitive::new("jwt".to_owned());
    let began = std::time::Instant::now();
    for _ in 0..50 {
        let review = reviewer.review(&target, &jwt, &[]).await.unwrap();
        assert!(review.authenticated && review.username == "u");
    }
    assert_eq!(connections.load(std::sync::atomic::Ordering::Relaxed), 1);
    // Each would take 40 ms.
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}
