//! Many objects, drift, and statuses that cannot be written, against the sandbox.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use regent_api::condition::{self, READY};
use regent_api::{GitSource, GitSourceSpec};
use regent_types::{Explain, identity::Identity};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::ctx::{Ctx, LastSync};
use super::reconcile::reconcile;
use super::{Args, IntentError, follow};
use crate::gitrepo;
use crate::test_api::TestApi;

const SOURCE: &str = "/apis/regent.dev/v1alpha1/namespaces/regent-system/gitsources/platform";
const CONFIGS: &str = "/api/v1/namespaces/apps/configmaps";
/// Longest wait for what a watch tells: a limit against hanging.
const LIMIT: Duration = Duration::from_secs(30);

struct World {
    home: tempfile::TempDir,
    api: TestApi,
    ctx: Arc<Ctx>,
}

fn name(number: usize) -> String {
    format!("{}-{number}", "long".repeat(50))
}

impl World {
    /// A repository of `count` ConfigMaps with names of 200 characters.
    fn new(count: usize) -> Self {
        let home = tempfile::tempdir().unwrap();
        let api = TestApi::new(&["apps"]);
        let mut text = String::new();
        for number in 0..count {
            text += &format!(
                "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {}, namespace: apps}}\ndata: {{a: one}}\n",
                name(number)
            );
        }
        let files = BTreeMap::from([("all.yaml".to_owned(), text.into_bytes())]);
        gitrepo::create(&home.path().join("r"), &files, "one", at(1)).unwrap();
        let url = home.path().join("r").display().to_string();
        let spec: GitSourceSpec = serde_json::from_value(json!({ "url": url })).unwrap();
        let mut source = GitSource::new("platform", spec);
        source.metadata.namespace = Some("regent-system".into());
        api.put(SOURCE, source);
        let ctx = start(&api);
        Self { home, api, ctx }
    }

    fn source(&self) -> GitSource {
        self.api.get(SOURCE)
    }

    /// A look as at the next interval; its outcome, and what was written beside statuses and Events.
    async fn look(&self) -> (Result<(), IntentError>, Vec<String>) {
        let source = self.source();
        let uid = source.metadata.uid.clone().unwrap();
        if let Some(last) = self.ctx.last_sync(&uid) {
            self.ctx.set_last_sync(uid, LastSync { due: Instant::now(), ..last });
        }
        let done = reconcile(Arc::new(source), Arc::clone(&self.ctx)).await.map(|_| ());
        let mut writes = self.api.writes();
        writes.retain(|w| !w.ends_with("/status") && !w.contains("/events"));
        (done, writes)
    }

    fn ready(&self) -> (String, String) {
        let status = self.source().status.unwrap_or_default();
        let ready = condition::get(&status.conditions, READY).cloned().unwrap();
        (ready.reason, ready.message)
    }

    /// Follows the objects, and waits until all `count` are known to be as they were left.
    async fn follow(&self, count: usize) {
        let drift = Arc::clone(&self.ctx.drift);
        let followed = follow::objects(self.ctx.operator.api.clone(), "regent-system", drift);
        tokio::spawn(followed);
        self.until(|vouched| vouched == count).await;
    }

    async fn until(&self, wanted: impl Fn(usize) -> bool) {
        let waiting = async {
            while !wanted(self.ctx.drift.vouched()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LIMIT, waiting).await.expect("the watch tells");
    }
}

fn start(api: &TestApi) -> Arc<Ctx> {
    let args = Args { cache_dir: PathBuf::new(), system_namespace: "regent-system".into() };
    Arc::new(Ctx::new(api.context(Identity::Intent), args))
}

fn at(second: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(second).unwrap()
}

#[tokio::test]
async fn g04_an_inventory_beyond_a_status_is_kept_beside_it_and_pruned_by() {
    const COUNT: usize = 600;
    let mut world = World::new(COUNT);
    assert!(world.look().await.0.is_ok());
    assert_eq!(world.ready().0, "Applied");
    let set = world.source().status.unwrap().inventory_set.unwrap();
    assert_eq!((set.objects, set.parts), (600, 1));
    assert!(world.source().status.unwrap().inventory.is_empty());
    let part =
        format!("/api/v1/namespaces/regent-system/configmaps/regent-inventory-{}-0", set.name);
    assert!(world.api.has(&part));

    // A process that was just started finds the list again, and writes nothing.
    world.ctx = start(&world.api);
    assert_eq!(world.look().await.1, Vec::<String>::new());

    // A list that lost a part is known: nothing is removed by it, and a new one is made.
    world.api.remove(&part);
    let keep = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: keep, namespace: apps}\n";
    let change = BTreeMap::from([("all.yaml".to_owned(), Some(keep.as_bytes().to_vec()))]);
    gitrepo::commit(&world.home.path().join("r"), &change, "two", at(2)).unwrap();
    assert!(world.look().await.0.is_ok());
    assert_eq!(world.ready().0, "InventoryLost");
    assert!(world.api.has(&format!("{CONFIGS}/{}", name(0))));
    assert!(world.look().await.0.is_ok());
    assert_eq!(world.ready().0, "Applied");
}

/// G4, G16: what a watch vouches for is not read again, and a look that finds nothing moved asks nothing.
#[tokio::test]
async fn g04_a_look_at_a_repository_that_did_not_move_costs_nothing() {
    let world = World::new(40);
    assert!(world.look().await.0.is_ok());
    world.follow(40).await;
    let before = world.api.requests();
    for _ in 0..10 {
        assert!(world.look().await.0.is_ok());
    }
    assert_eq!(world.api.requests() - before, 0);
}

#[tokio::test]
async fn g16_what_is_deleted_or_changed_by_hand_is_put_back_at_the_next_look_and_reported() {
    let world = World::new(5);
    assert!(world.look().await.0.is_ok());
    world.follow(5).await;
    let (one, two) = (format!("{CONFIGS}/{}", name(1)), format!("{CONFIGS}/{}", name(2)));
    world.api.remove(&one);
    let mut live: Value = world.api.get(&two);
    live["data"]["a"] = json!("by hand");
    world.api.put(&two, live);
    world.until(|vouched| vouched == 3).await;

    let before = world.api.requests();
    let (_, mut writes) = world.look().await;
    writes.sort();
    assert_eq!(writes, [format!("PATCH {one}"), format!("PATCH {two}")]);
    // Two reads, two writes, one status, one Event.
    assert_eq!(world.api.requests() - before, 6);
    assert_eq!(world.api.get::<Value>(&two)["data"]["a"], json!("one"));
    let (reason, message) = world.ready();
    assert_eq!(reason, "Applied");
    assert!(message.contains("changed outside Git and put back"), "{message}");
    assert!(message.contains("(deleted)") && message.contains("(changed by "), "{message}");
    let events: Value = world.api.get("/apis/events.k8s.io/v1/namespaces/regent-system/events");
    assert!(events.to_string().contains("DriftCorrected"), "{events}");
    world.until(|vouched| vouched == 5).await;
    assert_eq!(world.look().await.1, Vec::<String>::new());
}

#[tokio::test]
async fn g04_a_status_that_cannot_be_written_says_so_and_repeats_no_work() {
    let world = World::new(20);
    world.api.refuse("gitsources/platform/status");
    let (done, writes) = world.look().await;
    assert_eq!((done.unwrap_err().reason(), writes.len()), ("StatusRefused", 20));
    let events: Value = world.api.get("/apis/events.k8s.io/v1/namespaces/regent-system/events");
    assert!(events.to_string().contains("StatusRefused"), "{events}");
    // Between two looks only the status is tried again.
    for _ in 0..3 {
        let source = Arc::new(world.source());
        let before = world.api.requests();
        assert!(reconcile(source, Arc::clone(&world.ctx)).await.is_err());
        assert!(world.api.requests() - before <= 2, "the status, and an Event about it");
    }
    world.api.allow();
    let source = Arc::new(world.source());
    reconcile(source, Arc::clone(&world.ctx)).await.unwrap();
    assert_eq!(world.ready().0, "Applied");
    assert_eq!(world.source().status.unwrap().inventory.len(), 20);
}
