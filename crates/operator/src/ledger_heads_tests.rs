//! One chain, whose heads are sent by hand; time is paused.

use std::sync::Arc;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::PostParams;
use regent_sandbox::{Options, Sandbox};
use regent_types::identity::Identity;
use regent_vault::FileJwt;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::*;
use crate::{Endpoints, Shutdown};

const CHAIN: &str = "publisher";

struct World {
    authorities: Api<RuntimeAuthority>,
    heads: watch::Sender<Option<Head>>,
    end: oneshot::Sender<&'static str>,
    task: tokio::task::JoinHandle<Option<Result<&'static str, oneshot::error::RecvError>>>,
}

impl World {
    async fn new() -> Self {
        let sandbox = Sandbox::start(Options::default()).expect("a sandbox");
        let api = sandbox.admin();
        let params = PostParams::default();
        let crds: Api<CustomResourceDefinition> = Api::all(api.clone());
        for crd in regent_api::all_crds() {
            crds.create(&params, &crd).await.expect("a definition");
        }
        let authorities: Api<RuntimeAuthority> = Api::all(api.clone());
        authorities.create(&params, &authority()).await.expect("a RuntimeAuthority");
        let cx = Context {
            identity: Identity::Publisher,
            api,
            endpoints: Endpoints::default(),
            jwt: Arc::new(FileJwt { path: "none".into() }),
            shutdown: Shutdown::new().1,
        };
        let (heads, seen) = watch::channel(None);
        let (end, ended) = oneshot::channel();
        let task =
            tokio::spawn(async move { LedgerHeads::new(cx).follow(CHAIN, seen, ended).await });
        Self { authorities, heads, end, task }
    }

    fn append(&self, seq: u64) {
        let head = Head { day: "2026-01-01".into(), seq, hash: format!("hash-{seq}") };
        self.heads.send_replace(Some(head));
    }

    async fn after(&self, seconds: u64) -> Option<String> {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        published(&self.authorities).await
    }
}

async fn published(authorities: &Api<RuntimeAuthority>) -> Option<String> {
    let found = authorities.get(labels::AUTHORITY_NAME).await.expect("a RuntimeAuthority");
    let found = serde_json::to_value(found).expect("an object");
    found["status"]["ledgerHeads"][CHAIN].as_str().map(str::to_owned)
}

fn authority() -> RuntimeAuthority {
    let holder = json!({ "name": "ada", "recipient": "age1test" });
    let spec = json!({ "installation": "test", "seal": { "holders": [holder], "threshold": 1 } });
    let object: Value = json!({
        "apiVersion": "regent.dev/v1alpha1", "kind": "RuntimeAuthority",
        "metadata": { "name": labels::AUTHORITY_NAME }, "spec": spec,
    });
    serde_json::from_value(object).expect("a RuntimeAuthority")
}

fn text(seq: u64) -> Option<String> {
    Some(Head { day: "2026-01-01".into(), seq, hash: format!("hash-{seq}") }.text())
}

#[tokio::test(start_paused = true)]
async fn a_head_is_published_once_no_event_came_for_two_seconds() {
    let world = World::new().await;
    world.append(1);
    assert_eq!(world.after(1).await, None);
    world.append(2);
    assert_eq!(world.after(4).await, text(2));
    world.append(3);
    assert_eq!(world.after(4).await, text(2), "not more often than every ten seconds");
    assert_eq!(world.after(10).await, text(3));
}

/// PROTOCOLS.md §8: once a minute while events keep coming.
#[tokio::test(start_paused = true)]
async fn while_events_keep_coming_a_head_is_published_once_a_minute() {
    let world = World::new().await;
    let mut published = std::collections::BTreeSet::new();
    for seq in 1..=200 {
        world.append(seq);
        published.extend(world.after(1).await);
    }
    assert!((3..=5).contains(&published.len()), "{published:?}");
}

#[tokio::test(start_paused = true)]
async fn the_last_head_is_published_at_the_end_at_once() {
    let world = World::new().await;
    world.append(1);
    world.end.send("over").expect("it is followed");
    assert_eq!(world.task.await.expect("no panic"), Some(Ok("over")));
    assert_eq!(published(&world.authorities).await, text(1));

    let world = World::new().await;
    world.append(2);
    drop(world.heads);
    assert_eq!(world.task.await.expect("no panic"), None, "nobody writes any more");
    assert_eq!(published(&world.authorities).await, text(2));
}

/// H4: a published head never goes back, whatever a restored storage makes its writer say.
#[tokio::test(start_paused = true)]
async fn h04_an_earlier_head_is_not_published_over_a_later_one() {
    let world = World::new().await;
    world.append(7);
    assert_eq!(world.after(15).await, text(7));
    world.append(3);
    assert_eq!(world.after(30).await, text(7));
    world.append(8);
    assert_eq!(world.after(30).await, text(8));
}
