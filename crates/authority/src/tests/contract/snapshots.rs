//! `sys/regent/snapshots`: who may ask, what is answered, and a restored authority that goes on.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::tests::App;
use crate::{Authority, SnapshotOptions, Storage, restore};

const PATH: &str = "sys/regent/snapshots";

fn open(folder: &Path, data_file: &str) -> App {
    App::with(|mut options| {
        options.storage = Storage::File(folder.join(data_file));
        options.snapshots = Some(SnapshotOptions {
            directory: folder.join("place"),
            scratch: folder.join("scratch"),
            interval: Duration::from_secs(3_600),
            keep: 3,
        });
        Authority::open(options).unwrap()
    })
}

/// What is answered once nothing is under way and there is a good one.
async fn settled(app: &App) -> Value {
    let limit = Duration::from_secs(60);
    let waiting = async {
        loop {
            let answer = app.ask(&format!("GET {PATH}")).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            let data = &answer.body["data"];
            if data["running"].is_null() && !data["last_good"].is_null() {
                return data.clone();
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(limit, waiting).await.unwrap()
}

#[tokio::test]
async fn where_no_place_is_declared_that_is_said_and_none_can_be_asked_for() {
    let app = App::ready().await;
    app.script(&[
        ("GET sys/regent/snapshots", r#"200 {"data": {"configured": false, "restored": null}}"#),
        ("POST sys/regent/snapshots", r#"400 {"errors": ["~--snapshot-dir"]}"#),
        ("DELETE sys/regent/snapshots", r#"405 {"errors": ["*"]}"#),
        ("PUT sys/seal", "204"),
        ("GET sys/regent/snapshots", r#"503 {"errors": ["*"]}"#),
    ])
    .await;
}

#[tokio::test]
async fn each_capability_is_granted_apart_and_nobody_else_is_let_in() {
    let mut app = App::ready().await;
    for (name, capability) in [("looks", "read"), ("asks", "update"), ("other", "list")] {
        let policy = format!(r#"path \"{PATH}\" {{ capabilities = [\"{capability}\"] }}"#);
        app.check(&format!(r#"PUT sys/policies/acl/{name} {{"policy": "{policy}"}}"#), "204").await;
    }
    for (policy, read, ask) in
        [("looks", "200", "403"), ("asks", "403", "400"), ("other", "403", "403")]
    {
        let token = app.token_of(&[policy]).await;
        app.with_token(&token, async |app| {
            assert_eq!(app.ask(&format!("GET {PATH}")).await.status.to_string(), read, "{policy}");
            assert_eq!(app.ask(&format!("POST {PATH}")).await.status.to_string(), ask, "{policy}");
        })
        .await;
    }
    app.with_token("", async |app| {
        assert_eq!(app.ask(&format!("GET {PATH}")).await.status, 403);
        assert_eq!(app.ask(&format!("POST {PATH}")).await.status, 403);
    })
    .await;
}

#[tokio::test]
async fn a_restored_authority_goes_on_with_what_the_snapshot_holds() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    std::fs::create_dir(folder.join("place")).unwrap();
    let mut app = open(folder, "first.redb");
    app.init().await;
    app.unseal().await;
    app.check(r#"POST sys/mounts/secret {"type": "kv-v2"}"#, "204").await;
    app.check(r#"PUT secret/data/a {"data": {"v": "kept"}}"#, "200 {}").await;
    let keeping = tokio::spawn(app.keep_snapshots());
    let first = settled(&app).await;
    assert_eq!(first["standing"], "current", "{first}");
    app.advance(60);
    let asked = app.check(&format!("POST {PATH}"), r#"200 {"data": {"name": "*"}}"#).await;
    app.check(&format!("POST {PATH}"), r#"200 {"data": {"name": "*"}}"#).await;
    let name = asked.body["data"]["name"].as_str().unwrap().to_owned();
    while settled(&app).await["last_good"]["name"] != name {
        tokio::task::yield_now().await;
    }
    app.check(&format!("POST {PATH}"), r#"429 {"errors": ["*"]}"#).await;
    app.check(r#"PUT secret/data/a {"data": {"v": "lost"}}"#, "200 {}").await;
    keeping.abort();
    assert!(keeping.await.unwrap_err().is_cancelled());

    let at = Timestamp::from_second(1_900_000_000).unwrap();
    restore(&folder.join("place").join(&name), &folder.join("second.redb"), at).unwrap();
    let mut again = open(folder, "second.redb");
    again.token.clone_from(&app.token);
    again.shares.clone_from(&app.shares);
    again.unseal().await;
    again.check("GET secret/data/a", r#"200 {"data": {"data": {"v": "kept"}}}"#).await;
    let restored = again.ask(&format!("GET {PATH}")).await.body["data"]["restored"].clone();
    assert_eq!(restored["from"], name);
    assert_eq!((&restored["epoch"], &restored["authentic"]), (&1.into(), &true.into()));
    // What it was made from is still this authority's.
    again.advance(7_200);
    let keeping = tokio::spawn(again.keep_snapshots());
    let good = |known: &Value| {
        let all = known["snapshots"].as_array().unwrap();
        all.iter().filter(|one| one["trial"] == "good").count()
    };
    while good(&settled(&again).await) < 3 {
        tokio::task::yield_now().await;
    }
    keeping.abort();
}
