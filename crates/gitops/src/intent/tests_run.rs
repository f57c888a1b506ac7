//! The whole controller, from watch to status.

use std::collections::BTreeMap;

use regent_api::{GitSource, GitSourceSpec};
use regent_types::identity::Identity;
use serde_json::{Value, json};

use super::{Args, run};
use crate::gitrepo;
use crate::test_api::TestApi;

const SOURCE: &str = "/apis/regent.dev/v1alpha1/namespaces/regent-system/gitsources/platform";
const NAMESPACE: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: apps}\n";

/// S5.2-1: a source that comes is synced, a branch that moves is followed, and a stop ends it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_is_synced_when_it_comes_and_again_when_its_branch_moves() {
    let api = TestApi::new(&[]);
    let home = tempfile::tempdir().unwrap();
    let repo = home.path().join("r");
    let now = jiff::Timestamp::UNIX_EPOCH;
    let files: BTreeMap<String, Vec<u8>> = [("z.yaml".to_owned(), NAMESPACE.into())].into();
    let first = gitrepo::create(&repo, &files, "one", now).unwrap();

    let (stop, cx) = api.run_context(Identity::Intent);
    let args =
        Args { cache_dir: home.path().join("cache"), system_namespace: "regent-system".into() };
    let running = tokio::spawn(run(cx, args));
    let spec: GitSourceSpec =
        serde_json::from_value(json!({"url": repo.display().to_string(), "intervalSeconds": 1}))
            .unwrap();
    let mut source = GitSource::new("platform", spec);
    source.metadata.namespace = Some("regent-system".into());
    api.put(SOURCE, source);
    let at = |revision: String| move |s: &Value| s["status"]["revision"] == json!(revision);
    api.until(SOURCE, at(first)).await;

    let config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: apps}\n";
    let change = [("a.yaml".to_owned(), Some(config.as_bytes().to_vec()))].into();
    let second = gitrepo::commit(&repo, &change, "two", now).unwrap();
    api.until(SOURCE, at(second)).await;
    assert!(api.has("/api/v1/namespaces/apps/configmaps/a"));
    stop.send(true).unwrap();
    running.await.unwrap();
}

/// G15: a Git server that accepts and never answers holds up no stop.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g15_a_git_server_that_hangs_holds_up_no_stop() {
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let api = TestApi::new(&[]);
    let home = tempfile::tempdir().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/r.git", listener.local_addr().unwrap());
    let (stop, cx) = api.run_context(Identity::Intent);
    let args =
        Args { cache_dir: home.path().join("cache"), system_namespace: "regent-system".into() };
    let running = tokio::spawn(run(cx, args));
    let spec: GitSourceSpec = serde_json::from_value(json!({ "url": url })).unwrap();
    let mut source = GitSource::new("platform", spec);
    source.metadata.namespace = Some("regent-system".into());
    api.put(SOURCE, source);
    let (_held, _) = listener.accept().await.unwrap();
    let asked = std::time::Instant::now();
    stop.send(true).unwrap();
    running.await.unwrap();
    assert!(asked.elapsed() < std::time::Duration::from_secs(2), "{:?}", asked.elapsed());
}
