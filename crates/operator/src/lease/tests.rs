//! Two replicas over one API; time is paused, so that a whole Lease passes in no time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use k8s_openapi::api::core::v1::Namespace;
use kube::api::PostParams;
use regent_sandbox::{Options, Sandbox};
use regent_types::identity::Identity;
use regent_vault::FileJwt;
use serde_json::json;

use super::*;
use crate::Endpoints;

/// A replica and what it came to.
struct Replica {
    leadership: watch::Receiver<Leadership>,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<Result<(), std::io::Error>>,
}

/// `working` counts who works at this moment; never more than one may.
fn replica(sandbox: &Sandbox, name: &'static str, working: &Arc<AtomicUsize>) -> Replica {
    let (stop, shutdown) = Shutdown::new();
    let cx = Context {
        identity: Identity::Orchestrator,
        api: sandbox.admin(),
        endpoints: Endpoints::default(),
        jwt: Arc::new(FileJwt { path: "none".into() }),
        shutdown,
    };
    let (told, leadership) = watch::channel(Leadership::Unknown);
    let working = Arc::clone(working);
    let task = tokio::spawn(async move {
        run_as_leader(&cx, name, &told, |stop| {
            let at_work = AtWork::begin(&working);
            async move {
                stop.wait().await;
                drop(at_work);
                Ok(())
            }
        })
        .await
    });
    Replica { leadership, stop, task }
}

struct AtWork(Arc<AtomicUsize>);

impl AtWork {
    fn begin(working: &Arc<AtomicUsize>) -> Self {
        assert_eq!(working.fetch_add(1, Ordering::SeqCst), 0, "two work at once");
        Self(Arc::clone(working))
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn cluster() -> Sandbox {
    let sandbox = Sandbox::start(Options::default()).unwrap();
    let namespaces: Api<Namespace> = Api::all(sandbox.admin());
    let system: Namespace =
        serde_json::from_value(json!({ "metadata": { "name": SYSTEM_NAMESPACE } })).unwrap();
    namespaces.create(&PostParams::default(), &system).await.unwrap();
    sandbox
}

async fn until(replica: &mut Replica, wanted: Leadership) {
    replica.leadership.wait_for(|s| *s == wanted).await.unwrap();
}

/// C2-5: the second takes over at once from a leader that stops.
#[tokio::test(start_paused = true)]
async fn a_leader_that_stops_hands_over() {
    let (sandbox, working) = (cluster().await, Arc::default());
    let mut first = replica(&sandbox, "first", &working);
    until(&mut first, Leadership::Leading).await;
    let mut second = replica(&sandbox, "second", &working);
    until(&mut second, Leadership::Waiting).await;
    let began = Instant::now();
    first.stop.send_replace(true);
    first.task.await.unwrap().unwrap();
    until(&mut second, Leadership::Leading).await;
    assert!(began.elapsed() < RENEW, "it waited for the lease to expire");
    second.stop.send_replace(true);
    second.task.await.unwrap().unwrap();
}

/// C2-5, C4-3: a leader that dies is followed once its Lease was seen unchanged for its duration, not before.
#[tokio::test(start_paused = true)]
async fn a_leader_that_dies_is_followed_when_its_lease_is_over() {
    let (sandbox, working) = (cluster().await, Arc::default());
    let mut first = replica(&sandbox, "first", &working);
    until(&mut first, Leadership::Leading).await;
    let mut second = replica(&sandbox, "second", &working);
    until(&mut second, Leadership::Waiting).await;
    let began = Instant::now();
    first.task.abort();
    assert!(first.task.await.unwrap_err().is_cancelled());
    until(&mut second, Leadership::Leading).await;
    assert!(began.elapsed() >= DURATION - RENEW, "it did not wait");
    second.stop.send_replace(true);
    second.task.await.unwrap().unwrap();
}

/// A Lease that somebody stole: its old holder stops working, waits, and works again when it is free.
#[tokio::test(start_paused = true)]
async fn a_stolen_lease_stops_its_old_holder() {
    let (sandbox, working) = (cluster().await, Arc::default());
    let mut first = replica(&sandbox, "first", &working);
    until(&mut first, Leadership::Leading).await;
    let api: Api<Lease> = Api::namespaced(sandbox.admin(), SYSTEM_NAMESPACE);
    let mut lease = api.get("regent-orchestrator").await.unwrap();
    lease.spec.as_mut().unwrap().holder_identity = Some("thief".into());
    api.replace("regent-orchestrator", &PostParams::default(), &lease).await.unwrap();
    until(&mut first, Leadership::Waiting).await;
    assert_eq!(working.load(Ordering::SeqCst), 0);
    until(&mut first, Leadership::Leading).await;
    first.stop.send_replace(true);
    first.task.await.unwrap().unwrap();
}

/// Minutes of clock skew, ahead or behind, change nothing: a Lease is over when it was seen unchanged for its duration,
/// whatever its holder wrote as the time.
#[tokio::test(start_paused = true)]
async fn a_holder_with_a_wrong_clock_is_waited_for_like_any_other() {
    for skew_s in [-600, 600] {
        let (sandbox, working) = (cluster().await, Arc::default());
        let renewed = Timestamp::now() + k8s_openapi::jiff::SignedDuration::from_secs(skew_s);
        let lease = serde_json::from_value(json!({
            "metadata": { "name": "regent-orchestrator" },
            "spec": {
                "holderIdentity": "another", "leaseDurationSeconds": DURATION.as_secs(),
                "acquireTime": renewed, "renewTime": renewed,
            },
        }))
        .unwrap();
        let api: Api<Lease> = Api::namespaced(sandbox.admin(), SYSTEM_NAMESPACE);
        api.create(&PostParams::default(), &lease).await.unwrap();
        let began = Instant::now();
        let mut replica = replica(&sandbox, "first", &working);
        until(&mut replica, Leadership::Leading).await;
        let waited = began.elapsed();
        assert!(waited >= DURATION && waited < DURATION + RENEW, "{skew_s} s: {waited:?}");
        replica.stop.send_replace(true);
        replica.task.await.unwrap().unwrap();
    }
}
