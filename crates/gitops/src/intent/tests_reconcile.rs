//! Whole passes over a repository on disk, against the sandbox.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gix::object::tree::EntryKind;
use kube::runtime::controller::Action;
use regent_api::condition;
use regent_api::condition::READY;
use regent_api::{GitSource, GitSourceSpec};
use regent_manifest::keys;
use regent_manifest::sops::{SealOptions, seal};
use regent_types::identity::Identity;
use serde_json::{Value, json};

use super::Args;
use super::ctx::Ctx;
use super::reconcile::reconcile;
use crate::gitrepo;
use crate::test_api::TestApi;

const SOURCE: &str = "/apis/regent.dev/v1alpha1/namespaces/regent-system/gitsources/platform";
const NAMESPACE: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: apps}\n";
/// A Secret as `regent seal` leaves it in Git.
fn sealed() -> String {
    let plain = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  namespace: apps\n\
                 stringData:\n  password: planted-value\n";
    let recipient = keys::generate().recipient;
    seal(plain, &SealOptions::new([recipient], at(1))).unwrap()
}

struct World {
    home: tempfile::TempDir,
    api: TestApi,
}

impl World {
    fn new(files: &[(&str, &str)]) -> Self {
        let world = Self { home: tempfile::tempdir().unwrap(), api: TestApi::new(&[]) };
        let files: BTreeMap<String, Vec<u8>> =
            files.iter().map(|(p, t)| ((*p).to_owned(), t.as_bytes().to_vec())).collect();
        gitrepo::create(&world.repo(), &files, "one", at(1)).unwrap();
        let spec: GitSourceSpec =
            serde_json::from_value(json!({"url": world.repo().display().to_string()})).unwrap();
        let mut source = GitSource::new("platform", spec);
        source.metadata.namespace = Some("regent-system".into());
        world.api.put(SOURCE, source);
        world
    }

    fn repo(&self) -> PathBuf {
        self.home.path().join("r")
    }

    fn commit(&self, changes: &[(&str, Option<&str>)]) {
        let own =
            |(p, t): &(&str, Option<&str>)| ((*p).to_owned(), t.map(|t| t.as_bytes().to_vec()));
        gitrepo::commit(&self.repo(), &changes.iter().map(own).collect(), "m", at(2)).unwrap();
    }

    fn commit_bytes(&self, path: &str, bytes: &[u8]) {
        let change = BTreeMap::from([(path.to_owned(), Some(bytes.to_vec()))]);
        gitrepo::commit(&self.repo(), &change, "m", at(2)).unwrap();
    }

    /// A pass of a process that was just started; what it wrote, and reason and message of `Ready`.
    async fn pass(&self) -> (Vec<String>, String, String) {
        let args = Args {
            cache_dir: Path::new("/nonexistent").to_owned(),
            system_namespace: "regent-system".into(),
        };
        let ctx = Arc::new(Ctx::new(self.api.context(Identity::Intent), args));
        self.again(&ctx).await
    }

    async fn again(&self, ctx: &Arc<Ctx>) -> (Vec<String>, String, String) {
        let source: GitSource = self.api.get(SOURCE);
        reconcile(Arc::new(source), Arc::clone(ctx)).await.unwrap();
        let source: GitSource = self.api.get(SOURCE);
        let status = source.status.unwrap();
        let ready = condition::get(&status.conditions, READY).unwrap().clone();
        let mut writes = self.api.writes();
        writes.retain(|w| !w.ends_with("/status") && !w.contains("/events"));
        (writes, ready.reason, ready.message)
    }

    fn inventory(&self) -> usize {
        self.api.get::<GitSource>(SOURCE).status.unwrap().inventory.len()
    }
}

fn at(second: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(second).unwrap()
}

fn config(name: &str, value: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: apps}}\n\
         data: {{a: {value}}}\n"
    )
}

const CONFIG_A: &str = "/api/v1/namespaces/apps/configmaps/a";
const CONFIG_B: &str = "/api/v1/namespaces/apps/configmaps/b";
const MANIFEST: &str = "/apis/regent.dev/v1alpha1/namespaces/apps/encryptedmanifests/db";

/// S5.2-1: everything is applied, namespaces first; another commit writes only what it changed.
#[tokio::test]
async fn a_commit_is_applied_whole_and_the_next_one_only_where_it_differs() {
    let (a, b, sealed) = (config("a", "one"), config("b", "one"), sealed());
    let world =
        World::new(&[("0.yaml", &a), ("b.yaml", &b), ("s.yaml", &sealed), ("z.yaml", NAMESPACE)]);
    let (writes, reason, _) = world.pass().await;
    assert_eq!((writes.len(), reason.as_str()), (4, "Applied"));
    assert_eq!(writes[0], "PATCH /api/v1/namespaces/apps");
    let manifest: Value = world.api.get(MANIFEST);
    assert_eq!(manifest["spec"]["sops"], json!(sealed));
    assert_eq!(world.inventory(), 4);

    assert_eq!(world.pass().await.0, Vec::<String>::new());
    world.commit(&[("b.yaml", Some(&config("b", "two")))]);
    let (writes, reason, _) = world.pass().await;
    assert_eq!((writes, reason.as_str()), (vec![format!("PATCH {CONFIG_B}")], "Applied"));
}

#[tokio::test]
async fn what_was_changed_by_hand_goes_back() {
    let a = config("a", "one");
    let world = World::new(&[("a.yaml", &a), ("z.yaml", NAMESPACE)]);
    world.pass().await;
    let mut live: Value = world.api.get(CONFIG_A);
    live["data"]["a"] = json!("by hand");
    world.api.put(CONFIG_A, live);
    assert_eq!(world.pass().await.0, [format!("PATCH {CONFIG_A}")]);
    assert_eq!(world.api.get::<Value>(CONFIG_A)["data"]["a"], json!("one"));
}

/// PROTOCOLS.md §9: pruning never removes a namespace, and never everything.
#[tokio::test]
async fn what_left_the_repository_is_removed_unless_something_says_to_keep_it() {
    let (a, b, sealed) = (config("a", "one"), config("b", "one"), sealed());
    let world =
        World::new(&[("a.yaml", &a), ("b.yaml", &b), ("s.yaml", &sealed), ("z.yaml", NAMESPACE)]);
    world.pass().await;
    let mut kept: Value = world.api.get(CONFIG_B);
    kept["metadata"]["annotations"]["regent.dev/prune"] = json!("disabled");
    world.api.put(CONFIG_B, kept);
    world.commit(&[("a.yaml", None), ("b.yaml", None), ("z.yaml", None)]);
    let (writes, reason, _) = world.pass().await;
    assert_eq!((writes, reason.as_str()), (vec![format!("DELETE {CONFIG_A}")], "Applied"));
    assert!(world.api.has("/api/v1/namespaces/apps") && world.api.has(CONFIG_B));
    assert_eq!(world.inventory(), 1);

    world.commit(&[("s.yaml", None), ("README.md", Some("empty"))]);
    let (writes, reason, _) = world.pass().await;
    assert_eq!((writes, reason.as_str()), (Vec::new(), "EmptySource"));
    assert!(world.api.has(MANIFEST));
}

/// S5.2-5, G6: what is refused says file and line; everything else is applied, and nothing is removed.
#[tokio::test]
async fn g06_what_is_refused_stops_nothing_else_and_nothing_is_removed() {
    let a = config("a", "one");
    let world = World::new(&[("a.yaml", &a), ("z.yaml", NAMESPACE)]);
    world.pass().await;
    let plain = "apiVersion: v1\nkind: Secret\nmetadata: {name: p, namespace: apps}\n\
                 stringData: {password: planted-value}\n";
    world.commit(&[("a.yaml", None), ("b.yaml", Some(&config("b", "x"))), ("p.yaml", Some(plain))]);
    let (writes, reason, message) = world.pass().await;
    assert_eq!((writes, reason.as_str()), (vec![format!("PATCH {CONFIG_B}")], "PlaintextSecret"));
    assert!(message.starts_with("p.yaml:") && !message.contains("planted-value"), "{message}");
    assert!(message.contains("2 objects of commit"), "{message}");
    assert!(world.api.has(CONFIG_A) && world.api.has(CONFIG_B));
    assert_eq!(world.inventory(), 3);

    world.commit(&[("p.yaml", None)]);
    assert_eq!(world.pass().await.1, "Applied");
    assert!(!world.api.has(CONFIG_A));
}

/// G6: at the first sync too.
#[tokio::test]
async fn g06_the_first_sync_applies_everything_but_what_is_bad() {
    let key = format!("# notes\n-----BEGIN {} KEY-----\nabc\n", "PRIVATE");
    let world = World::new(&[
        ("README.md", &key),
        ("a.yaml", &config("a", "one")),
        ("indent.yaml", "apiVersion: v1\n kind: ConfigMap\n"),
        ("template.yaml", "kind: ConfigMap\nmetadata: {{ .Values.meta }}\n"),
        ("unknown.yaml", "apiVersion: example.org/v1\nkind: Thing\nmetadata: {name: t}\n"),
        ("z.yaml", NAMESPACE),
    ]);
    let (writes, reason, message) = world.pass().await;
    assert_eq!((writes.len(), reason.as_str()), (2, "PrivateKey"), "{message}");
    assert!(message.starts_with("README.md:2:"), "{message}");
    for place in ["indent.yaml:2 Inv", "template.yaml:", "unknown.yaml:1 ForbiddenKind"] {
        assert!(message.contains(place), "{place}: {message}");
    }
    let source: GitSource = world.api.get(SOURCE);
    let status = source.status.unwrap();
    assert_eq!(status.observed_generation, source.metadata.generation);
    assert_eq!(status.revision, None);
}

/// S5.2-5: a key that opens manifests refuses the repository as a whole.
#[tokio::test]
async fn a_decryption_key_anywhere_refuses_the_repository() {
    let key = keys::generate();
    let leak = format!("# backup\n{}\n", key.identity.expose());
    let world = World::new(&[("a.yaml", &config("a", "one")), ("z.yaml", NAMESPACE)]);
    world.pass().await;
    world.commit(&[("a.yaml", None), ("keys/backup.txt", Some(&leak))]);
    let (writes, reason, message) = world.pass().await;
    assert_eq!((writes, reason.as_str()), (Vec::new(), "PrivateKey"), "{message}");
    assert!(message.starts_with("keys/backup.txt:2:"), "{message}");
    assert!(world.api.has(CONFIG_A));
}

/// G1: what cannot be read over what was applied is an error at its place, and prunes nothing.
#[tokio::test]
async fn g01_a_manifest_that_becomes_unreadable_is_an_error_and_prunes_nothing() {
    let utf16: Vec<u8> = "\u{feff}a: b".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let lfs = "version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 5\n";
    let cases: [(&[u8], &str); 7] = [
        (lfs.as_bytes(), "UnreadableFile"),
        (&utf16, "UnreadableFile"),
        (b"a: \0\n", "UnreadableFile"),
        (b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: caf\xe9}\n", "UnreadableFile"),
        (b"see the other branch\n", "InvalidManifest"),
        (b"values: {a: 1}\n", "UnreadableFile"),
        (&[b' '; (1 << 20) + 1], "UnreadableFile"),
    ];
    let a = config("a", "one");
    for (bytes, expected) in cases {
        let world = World::new(&[("a.yaml", &a), ("z.yaml", NAMESPACE)]);
        world.pass().await;
        world.commit_bytes("a.yaml", bytes);
        let (writes, reason, message) = world.pass().await;
        assert_eq!((writes, reason.as_str()), (Vec::new(), expected), "{message}");
        assert!(message.starts_with("a.yaml:"), "{message}");
        assert!(world.api.has(CONFIG_A) && !world.api.visible().contains('\u{fffd}'));
        assert_eq!(world.inventory(), 2, "{message}");
        world.commit(&[("a.yaml", Some(&a))]);
        assert_eq!(world.pass().await.1, "Applied");
        world.commit(&[("a.yaml", None)]);
        assert_eq!(world.pass().await.1, "Applied");
        assert!(!world.api.has(CONFIG_A));
    }
}

/// G1: links and submodules, over a file and over a folder; and what is passed over is named.
#[tokio::test]
async fn g01_a_link_or_submodule_over_what_was_applied_prunes_nothing() {
    let a = config("a", "one");
    for (path, kind, expected) in [
        ("apps/a.yaml", EntryKind::Link, "apps/a.yaml:1: a symbolic link"),
        ("apps", EntryKind::Link, "apps:1: a symbolic link"),
        ("apps", EntryKind::Commit, "apps:1: a submodule"),
    ] {
        let world = World::new(&[("apps/a.yaml", &a), ("z.yaml", NAMESPACE)]);
        world.pass().await;
        let repo = gitrepo::open(&world.repo()).unwrap();
        let id = match kind {
            EntryKind::Commit => gitrepo::resolve(&repo, "main").unwrap(),
            _ => repo.write_blob(b"elsewhere").unwrap().detach(),
        };
        world.commit(&[("apps/a.yaml", None)]);
        gitrepo::tests::commit_entry(&world.repo(), path, kind, id);
        let (writes, reason, message) = world.pass().await;
        assert_eq!((writes, reason.as_str()), (Vec::new(), "UnreadableFile"), "{message}");
        assert!(message.starts_with(expected), "{message}");
        assert!(world.api.has(CONFIG_A));
    }
    let world = World::new(&[("values.yaml", "a: 1\n"), ("z.yaml", NAMESPACE)]);
    let id = gitrepo::resolve(&gitrepo::open(&world.repo()).unwrap(), "main").unwrap();
    gitrepo::tests::commit_entry(&world.repo(), "vendor/lib", EntryKind::Commit, id);
    let (_, reason, message) = world.pass().await;
    let named = "passed over: vendor/lib (a submodule), values.yaml (no object)";
    assert!(reason == "Applied" && message.contains(named), "{message}");
}

/// Unreadable is never absent, in Kubernetes too: what cannot be asked about is neither removed nor forgotten.
#[tokio::test]
async fn nothing_is_forgotten_while_the_api_server_refuses_to_remove_it() {
    let world = World::new(&[("a.yaml", &config("a", "one")), ("z.yaml", NAMESPACE)]);
    world.pass().await;
    world.commit(&[("a.yaml", None)]);
    world.api.refuse("configmaps/a");
    let (_, reason, message) = world.pass().await;
    assert!(reason == "ApplyFailed" && message.contains("removed"), "{reason} {message}");
    assert_eq!(world.inventory(), 2);
    world.api.allow();
    assert_eq!(world.pass().await.1, "Applied");
    assert!(!world.api.has(CONFIG_A));
}

/// Issue 14.9: a trigger that still says `on` is refused with its line and the name to write.
#[tokio::test]
async fn a_field_under_its_former_name_is_refused_where_it_stands() {
    let a = config("a", "one");
    let world = World::new(&[("a.yaml", &a), ("z.yaml", NAMESPACE)]);
    let trigger = "apiVersion: regent.dev/v1alpha1\nkind: EventTrigger\n\
                   metadata: {name: t, namespace: apps}\nspec:\n  workflow: w\n  on: {stage: Runtime}\n";
    world.commit(&[("t.yaml", Some(trigger))]);
    let (writes, reason, message) = world.pass().await;
    assert_eq!(reason, "RenamedField");
    assert!(!writes.iter().any(|write| write.contains("eventtriggers")), "{writes:?}");
    assert!(world.api.has(CONFIG_A), "the other files are applied");
    assert!(message.starts_with("t.yaml:6:") && message.contains("spec.source"), "{message}");
}

#[tokio::test]
async fn nothing_is_pruned_while_something_could_not_be_applied() {
    let a = config("a", "one");
    let world = World::new(&[("a.yaml", &a), ("z.yaml", NAMESPACE)]);
    world.pass().await;
    world.commit(&[("a.yaml", None), ("b.yaml", Some(&config("b", "x")))]);
    world.api.refuse("configmaps/b");
    let (_, reason, message) = world.pass().await;
    assert_eq!(reason, "ApplyFailed", "{message}");
    assert!(message.contains("ConfigMap apps/b") && message.contains("b.yaml:1"), "{message}");
    assert!(world.api.has(CONFIG_A));

    world.api.allow();
    let (_, reason, _) = world.pass().await;
    assert_eq!(reason, "Applied");
    assert!(!world.api.has(CONFIG_A) && world.api.has(CONFIG_B));
}

/// What a person who lets `account` do more applies: a Role below `rules` and its binding.
fn grant(world: &World, rules: &str, kind: &str, account: &str, rule: Value) {
    let plural = kind.to_lowercase();
    let name = format!("{account}-more");
    world.api.put(&format!("{rules}/{plural}s/{name}"), json!({"rules": [rule]}));
    let binding = json!({
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": "regent-system"}]});
    world.api.put(&format!("{rules}/{plural}bindings/{name}"), binding);
}

/// C4-1: other kinds are written with the rights of the account that the source names.
#[tokio::test]
async fn other_kinds_are_written_as_the_account_that_the_source_names() {
    let deployment =
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, namespace: apps}\n";
    let world = World::new(&[("d.yaml", deployment), ("z.yaml", NAMESPACE)]);
    assert_eq!(world.pass().await.1, "ForbiddenKind");
    let rules = "/apis/rbac.authorization.k8s.io/v1";
    let system = format!("{rules}/namespaces/regent-system");
    grant(
        &world,
        rules,
        "ClusterRole",
        "deployer",
        json!({
        "apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "create", "patch"]}),
    );
    grant(
        &world,
        &system,
        "Role",
        "regent-intent",
        json!({
        "apiGroups": [""], "resources": ["serviceaccounts"], "resourceNames": ["deployer"],
        "verbs": ["impersonate"]}),
    );
    for (account, expected) in
        [("regent-orchestrator", "ForbiddenAccount"), ("deployer", "Applied")]
    {
        let mut source: Value = world.api.get(SOURCE);
        source["spec"]["serviceAccountName"] = json!(account);
        world.api.put(SOURCE, source);
        let (writes, reason, message) = world.pass().await;
        assert_eq!(reason, expected, "{message}");
        let by = "system:serviceaccount:regent-system:deployer";
        let wanted = format!("PATCH /apis/apps/v1/namespaces/apps/deployments/a as {by}");
        assert_eq!(writes.contains(&wanted), account == "deployer", "{writes:?}");
    }
}

#[tokio::test]
async fn a_repository_that_cannot_be_reached_keeps_what_was_applied() {
    let world = World::new(&[("z.yaml", NAMESPACE)]);
    world.pass().await;
    std::fs::rename(world.repo(), world.home.path().join("away")).unwrap();
    let (writes, reason, _) = world.pass().await;
    assert_eq!((writes, reason.as_str()), (Vec::new(), "Unreachable"));
    assert_eq!(world.inventory(), 1);
}

#[tokio::test]
async fn between_two_looks_nothing_is_asked_unless_the_source_changes() {
    let world = World::new(&[("z.yaml", NAMESPACE)]);
    let args = Args { cache_dir: PathBuf::new(), system_namespace: "regent-system".into() };
    let ctx = Arc::new(Ctx::new(world.api.context(Identity::Intent), args));
    world.again(&ctx).await;
    world.commit(&[("a.yaml", Some(&config("a", "x")))]);
    assert_eq!(world.again(&ctx).await.0, Vec::<String>::new());
    let mut source: Value = world.api.get(SOURCE);
    source["spec"]["intervalSeconds"] = json!(30);
    world.api.put(SOURCE, source);
    assert_eq!(world.again(&ctx).await.0, [format!("PATCH {CONFIG_A}")]);
}

/// An edit is looked at at once and makes no pause short again; a sync that succeeds does.
#[tokio::test]
async fn only_a_sync_that_succeeds_makes_the_pauses_short_again() {
    let world = World::new(&[("z.yaml", NAMESPACE)]);
    let args = Args { cache_dir: PathBuf::new(), system_namespace: "regent-system".into() };
    let ctx = Arc::new(Ctx::new(world.api.context(Identity::Intent), args));
    let edited = |generation: i64| {
        let mut source: GitSource = world.api.get(SOURCE);
        source.metadata.generation = Some(generation);
        reconcile(Arc::new(source), Arc::clone(&ctx))
    };
    let pause = |ms: u64| Action::requeue(Duration::from_millis(ms));
    let away = world.home.path().join("away");
    std::fs::rename(world.repo(), &away).unwrap();
    assert_eq!(edited(1).await.unwrap(), pause(200));
    assert_eq!(edited(2).await.unwrap(), pause(400));
    std::fs::rename(&away, world.repo()).unwrap();
    edited(3).await.unwrap();
    std::fs::rename(world.repo(), &away).unwrap();
    assert_eq!(edited(4).await.unwrap(), pause(200));
}
