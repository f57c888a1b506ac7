//! Whole passes over a sealed manifest, against the sandbox.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::{reflector, watcher};
use regent_api::condition;
use regent_api::condition::READY;
use regent_api::{EncryptedManifest, EncryptedManifestSpec, RuntimeSecret};
use regent_manifest::keys::{self, NewIdentity};
use regent_manifest::sops::{SealOptions, seal};
use regent_types::identity::Identity;
use regent_types::labels;
use serde_json::{Value, json};

use super::Args;
use super::ctx::Ctx;
use super::reconcile::reconcile;
use crate::test_api::TestApi;

const MANIFEST: &str = "/apis/regent.dev/v1alpha1/namespaces/apps/encryptedmanifests/db";
const RUNTIME: &str = "/apis/regent.dev/v1alpha1/namespaces/apps/runtimesecrets/database";
const SECRET: &str = "/api/v1/namespaces/apps/secrets/db";
const IDENTITY: &str = "/api/v1/namespaces/regent-system/secrets/regent-manifest-identity";
const CREATE: &str = "POST /api/v1/namespaces/apps/secrets";

struct World {
    api: TestApi,
    key: NewIdentity,
    ctx: Arc<Ctx>,
    known: reflector::store::Writer<RuntimeSecret>,
}

/// A process that was just started, which has seen no RuntimeSecret.
fn start(api: &TestApi) -> (Arc<Ctx>, reflector::store::Writer<RuntimeSecret>) {
    let cx = api.context(Identity::Bootstrap);
    let (store, mut known) = reflector::store();
    known.apply_watcher_event(&watcher::Event::Init);
    known.apply_watcher_event(&watcher::Event::InitDone);
    (Arc::new(Ctx::new(cx, Args::default(), store)), known)
}

impl World {
    fn new() -> Self {
        let api = TestApi::new(&["apps"]);
        let (ctx, known) = start(&api);
        let world = Self { api, key: keys::generate(), ctx, known };
        world.put_identity();
        world.put_manifest("planted-one");
        world
    }

    fn put_identity(&self) {
        let bytes = ByteString(self.key.identity.expose().clone().into_bytes());
        let secret =
            Secret { data: Some([("identities".to_owned(), bytes)].into()), ..Secret::default() };
        self.api.put(IDENTITY, secret);
    }

    fn put_manifest(&self, password: &str) {
        self.put_sealed(&format!(
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  namespace: apps\n\
             stringData:\n  password: {password}\n"
        ));
    }

    fn put_sealed(&self, plain: &str) {
        let options = SealOptions::new([self.key.recipient.clone()], Timestamp::UNIX_EPOCH);
        let sops = seal(plain, &options).unwrap();
        let mut manifest =
            EncryptedManifest::new("db", EncryptedManifestSpec { sops, source: None });
        manifest.metadata.namespace = Some("apps".into());
        if self.api.has(MANIFEST) {
            manifest.status = self.api.get::<EncryptedManifest>(MANIFEST).status;
        }
        self.api.put(MANIFEST, manifest);
    }

    /// A RuntimeSecret on the server; the watch has seen it as well where `seen` says so.
    fn put_runtime_secret(&mut self, authority: Option<&str>, seen: Option<&str>) {
        let of = |authority: Option<&str>| -> RuntimeSecret {
            serde_json::from_value(json!({
                "apiVersion": "regent.dev/v1alpha1", "kind": "RuntimeSecret",
                "metadata": {"name": "database", "namespace": "apps"},
                "spec": {"owner": "o", "purpose": "p",
                         "introduce": {"handover": {"bootstrapSecret": "db"}}},
                "status": {"authority": authority},
            }))
            .unwrap()
        };
        self.api.put(RUNTIME, of(authority));
        self.known.apply_watcher_event(&watcher::Event::Apply(of(seen)));
    }

    /// One pass; what was written beside statuses, and reason and message of `Ready`.
    async fn pass(&self) -> (Vec<String>, String, String) {
        let manifest: EncryptedManifest = self.api.get(MANIFEST);
        let _outcome = reconcile(Arc::new(manifest), Arc::clone(&self.ctx)).await;
        let status = self.api.get::<EncryptedManifest>(MANIFEST).status.unwrap_or_default();
        let ready = condition::get(&status.conditions, READY).cloned();
        let (reason, message) = ready.map(|r| (r.reason, r.message)).unwrap_or_default();
        let mut writes = self.api.writes();
        writes.retain(|w| !w.ends_with("/status") && !w.contains("regent-system"));
        (writes, reason, message)
    }

    fn password(&self) -> String {
        let secret: Secret = self.api.get(SECRET);
        String::from_utf8(secret.data.unwrap()["password"].0.clone()).unwrap()
    }

    /// Nothing but the Secrets themselves may hold a value.
    fn assert_no_value_leaked(&self) {
        let text = self.api.visible();
        let manifest: EncryptedManifest = self.api.get(MANIFEST);
        assert!(text.contains(manifest.metadata.uid.as_deref().unwrap()), "{text}");
        assert!(!text.contains("planted"), "{text}");
    }
}

fn writes(all: &[&str]) -> Vec<String> {
    all.iter().map(|w| (*w).to_owned()).collect()
}

#[tokio::test]
async fn a_sealed_manifest_becomes_a_labelled_secret_once_and_again_if_it_is_deleted() {
    let world = World::new();
    assert_eq!(world.pass().await.0, writes(&[CREATE]));
    assert_eq!(world.password(), "planted-one");
    let secret: Secret = world.api.get(SECRET);
    assert_eq!(secret.metadata.labels.unwrap()[labels::CLASS], "bootstrap");
    let notes = secret.metadata.annotations.unwrap();
    assert_eq!(notes[labels::SOURCE_COMMIT], "unknown");
    assert_eq!(notes[labels::MANIFEST], "apps/db");

    assert_eq!(
        world.pass().await,
        (vec![], "Produced".into(), "the bootstrap Secret exists".into())
    );
    world.api.remove(SECRET);
    assert_eq!(world.pass().await.0, writes(&[CREATE]));
    world.put_manifest("planted-two");
    assert_eq!(world.pass().await.0, writes(&[&format!("PUT {SECRET}")]));
    assert_eq!(world.password(), "planted-two");
    world.assert_no_value_leaked();
}

/// PROTOCOLS.md §2: after handover a manifest is silent; another value in Git is reported only.
#[tokio::test]
async fn after_handover_a_secret_does_not_come_back_and_another_value_is_ignored() {
    let mut world = World::new();
    world.pass().await;
    world.api.remove(SECRET);
    world.put_runtime_secret(Some("runtime"), Some("runtime"));
    assert_eq!(world.pass().await.1, "HandedOver");
    world.put_manifest("planted-one");
    assert_eq!(world.pass().await.1, "HandedOver");
    world.put_manifest("planted-other");
    let (written, reason, _) = world.pass().await;
    assert_eq!(reason, "IgnoredGitValue");
    let event = "/apis/events.k8s.io/v1/namespaces/apps/events";
    assert_eq!(written, writes(&[&format!("POST {event}")]));
    assert!(!world.api.has(SECRET));
    assert_eq!(world.pass().await.0, Vec::<String>::new());
    world.assert_no_value_leaked();
}

/// PROTOCOLS.md §1.3: the watch decides when to look, never what is true.
#[tokio::test]
async fn a_handover_that_the_watch_has_not_seen_yet_counts() {
    let mut world = World::new();
    world.put_runtime_secret(Some("runtime"), None);
    let (written, reason, message) = world.pass().await;
    assert_eq!((written, reason.as_str()), (vec![], "HandedOver"));
    assert!(message.contains("unknown"), "{message}");
}

/// A watch that was broken may know of no RuntimeSecret at all while one is in the authority's hands.
#[tokio::test]
async fn a_handover_counts_where_the_watch_knows_of_no_runtime_secret() {
    let mut world = World::new();
    world.put_runtime_secret(Some("runtime"), None);
    (world.ctx, world.known) = start(&world.api);
    let (written, reason, _) = world.pass().await;
    assert_eq!((written, reason.as_str()), (vec![], "HandedOver"));
}

#[tokio::test]
async fn a_secret_of_someone_else_is_left_alone() {
    let world = World::new();
    let mine = json!({"metadata": {"name": "db", "namespace": "apps"},
        "data": {"password": "bWluZQ=="}});
    world.api.put(SECRET, mine);
    assert_eq!(world.pass().await.1, "NotMine");
    assert_eq!(world.password(), "mine");
}

/// S5.7-1: no identity, no rights, broken seal: nothing half-made, and the next pass goes on.
#[tokio::test]
async fn each_failure_is_named_and_the_next_pass_goes_on() {
    let mut world = World::new();
    world.api.remove(IDENTITY);
    let (_, reason, message) = world.pass().await;
    assert_eq!(reason, "NoIdentity");
    assert!(message.contains("regent-system/regent-manifest-identity"), "{message}");
    world.put_identity();
    (world.ctx, world.known) = start(&world.api);

    world.api.refuse("/apps/secrets");
    let (_, reason, message) = world.pass().await;
    assert_eq!(reason, "SecretRefused");
    // The server's own sentence, which quotes no value.
    assert!(message.contains("403 Forbidden: Forbidden by the test server"), "{message}");
    world.api.allow();

    let mut broken: Value = world.api.get(MANIFEST);
    let text = broken["spec"]["sops"].as_str().unwrap().replace("name: db", "name: dc");
    broken["spec"]["sops"] = json!(text);
    let whole: Value = world.api.get(MANIFEST);
    world.api.put(MANIFEST, broken);
    assert_eq!(world.pass().await.1, "BadMac");
    assert!(!world.api.has(SECRET));
    world.api.put(MANIFEST, whole);
    assert_eq!(world.pass().await.1, "Produced");
    world.assert_no_value_leaked();
}

/// G7: what the manifest says beside its values is kept, and goes again; a type is changed by making the Secret anew.
#[tokio::test]
async fn g07_metadata_follows_the_manifest_and_another_type_makes_the_secret_anew() {
    let world = World::new();
    let plain = |metadata: &str, rest: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  namespace: apps\n{metadata}{rest}\
             stringData:\n  username: planted-user\n  password: planted-one\n"
        )
    };
    world.put_sealed(&plain("  labels: {app: db}\n  annotations: {note: kept}\n", ""));
    assert_eq!(world.pass().await.0, writes(&[CREATE]));
    let secret: Value = world.api.get(SECRET);
    assert_eq!(secret["metadata"]["annotations"]["note"], json!("kept"));

    world.put_sealed(&plain("  annotations: {note: changed}\n", ""));
    assert_eq!(world.pass().await.0, writes(&[&format!("PUT {SECRET}")]));
    let secret: Value = world.api.get(SECRET);
    assert_eq!(secret["metadata"]["annotations"]["note"], json!("changed"));
    assert!(secret["metadata"]["labels"].get("app").is_none());

    world.put_sealed(&plain("", "type: kubernetes.io/basic-auth\n"));
    let (written, reason, message) = world.pass().await;
    assert_eq!(written, writes(&[CREATE, &format!("DELETE {SECRET}"), CREATE]), "tried dry first");
    assert!(reason == "Produced" && message.contains("type"), "{reason} {message}");
    let secret: Value = world.api.get(SECRET);
    assert_eq!(secret["type"], json!("kubernetes.io/basic-auth"));
    assert_eq!(world.pass().await.0, Vec::<String>::new());
    world.assert_no_value_leaked();
}

/// What the API server refuses is said in its own words, for the generation that was looked at; the old Secret stays.
#[tokio::test]
async fn g07_a_secret_that_the_api_server_refuses_is_said_in_its_own_words() {
    let world = World::new();
    world.pass().await;
    world.put_sealed(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  namespace: apps\n  \
         labels: {app: 'not a label!'}\nstringData:\n  password: planted-one\n",
    );
    let (_, reason, message) = world.pass().await;
    assert_eq!(reason, "SecretRefused", "{message}");
    assert!(message.contains("not a label!"), "{message}");
    let manifest: EncryptedManifest = world.api.get(MANIFEST);
    assert_eq!(manifest.status.unwrap().observed_generation, manifest.metadata.generation);
    assert_eq!(world.password(), "planted-one");
    // A type that its data does not have: the old Secret is not deleted for it.
    world.put_sealed(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  namespace: apps\ntype: kubernetes.io/tls\n\
         stringData:\n  password: planted-two\n",
    );
    let (_, reason, message) = world.pass().await;
    assert_eq!(reason, "SecretRefused", "{message}");
    assert!(message.contains("tls.crt"), "{message}");
    assert_eq!(world.password(), "planted-one");
}

/// G3: the plaintext goes with its manifest; what was handed over, or is not ours, stays.
#[tokio::test]
async fn g03_a_secret_goes_with_its_manifest_unless_something_consumed_it() {
    let mut world = World::new();
    let place = ("apps".to_owned(), "db".to_owned());
    world.pass().await;
    world.ctx.retire(&place).await.unwrap();
    assert!(world.api.has(SECRET), "its manifest is there");

    world.api.remove(MANIFEST);
    world.put_runtime_secret(Some("runtime"), Some("runtime"));
    world.ctx.retire(&place).await.unwrap();
    assert!(world.api.has(SECRET), "the authority disposes of it");

    world.put_runtime_secret(Some("git"), Some("git"));
    world.ctx.retire(&place).await.unwrap();
    assert!(!world.api.has(SECRET));
    world.ctx.retire(&place).await.unwrap();
}

/// C28: after handover another value at each render is one report and one Event.
#[tokio::test]
async fn c28_after_handover_a_new_value_each_render_is_told_once() {
    let mut world = World::new();
    world.pass().await;
    world.put_runtime_secret(Some("runtime"), Some("runtime"));
    world.pass().await;
    let mut events = 0;
    for render in 0..5 {
        world.put_manifest(&format!("planted-{render}"));
        let (written, reason, _) = world.pass().await;
        assert_eq!(reason, "IgnoredGitValue");
        events += written.len();
    }
    assert_eq!(events, 1);
    assert_eq!(world.password(), "planted-one");
}

/// C28: before handover eight values are taken, and then it says so.
#[tokio::test]
async fn c28_before_handover_the_ninth_new_value_of_an_hour_waits() {
    let world = World::new();
    world.pass().await;
    for render in 0..8 {
        world.put_manifest(&format!("planted-{render}"));
        assert_eq!(world.pass().await.1, "Produced");
    }
    world.put_manifest("planted-ninth");
    let (_, reason, message) = world.pass().await;
    assert_eq!(reason, "KeepsChanging", "{message}");
    assert_eq!(world.password(), "planted-7");
    world.assert_no_value_leaked();
}
