//! What policies see of KV: create is not update, whatever has been deleted and however fast one
//! writes.

use std::sync::Arc;

use super::app;
use crate::tests::App;

const LEDGER: &str = r#"path \"secret/data/ledger/*\" { capabilities = [\"create\", \"read\"] }"#;

async fn with_policy(text: &str) -> (App, String) {
    let app = app().await;
    let put = format!("PUT sys/policies/acl/it {{\"policy\": \"{text}\"}}");
    app.check(&put, "204").await;
    let token = app.token_of(&["it"]).await;
    (app, token)
}

/// PROTOCOLS.md §8: `create` alone never updates, not even what was deleted.
#[tokio::test]
async fn a_create_only_policy_writes_each_path_once() {
    let (mut app, token) = with_policy(LEDGER).await;
    let write = r#"PUT secret/data/ledger/1 {"data": {"e": "1"}}"#;
    let denied = r#"403 {"errors": ["~permission denied"]}"#;
    app.with_token(&token, async |app| {
        app.script(&[
            (write, r#"200 {"data": {"version": 1}}"#),
            (write, denied),
            (r#"PUT secret/data/ledger/1 {"data": {}, "options": {"cas": 1}}"#, denied),
            (r#"PATCH secret/data/ledger/1 {"data": {"e": "2"}}"#, denied),
            ("DELETE secret/data/ledger/1", denied),
            (r#"PUT secret/destroy/ledger/1 {"versions": [1]}"#, denied),
            ("DELETE secret/metadata/ledger/1", denied),
            ("GET secret/data/ledger/1", r#"200 {"data": {"data": {"e": "1"}}}"#),
        ])
        .await;
    })
    .await;
    app.check("DELETE secret/data/ledger/1", "204").await;
    app.with_token(&token, async |app| app.check(write, denied).await).await;
}

/// The decision "this is a create" is made again when the write happens.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_racing_creates_without_cas_do_not_both_write() {
    let (mut app, token) = with_policy(LEDGER).await;
    app.token = token;
    let app = Arc::new(app);
    for round in 0..8 {
        let tasks: Vec<_> = (0..8)
            .map(|i| {
                let app = app.clone();
                tokio::spawn(async move {
                    let body = format!(r#"{{"data": {{"by": "{i}"}}}}"#);
                    app.ask(&format!("PUT secret/data/ledger/{round} {body}")).await.status
                })
            })
            .collect();
        let mut written = 0;
        for task in tasks {
            match task.await.unwrap() {
                200 => written += 1,
                status => assert_eq!(status, 403),
            }
        }
        assert_eq!(written, 1, "round {round}");
    }
}

#[tokio::test]
async fn patch_needs_its_own_capability() {
    let text = r#"path \"secret/metadata/*\" { capabilities = [\"patch\", \"read\"] }"#;
    let (mut app, token) = with_policy(text).await;
    app.check(r#"PUT secret/data/a {"data": {}}"#, "200 {}").await;
    app.with_token(&token, async |app| {
        app.script(&[
            (r#"PATCH secret/metadata/a {"custom_metadata": {"x": "y"}}"#, "204"),
            (r#"POST secret/metadata/a {"custom_metadata": {}}"#, "403 {}"),
            (r#"POST secret/metadata/new {"custom_metadata": {}}"#, "403 {}"),
            ("GET secret/data/a", "403 {}"),
            ("LIST secret/metadata/", "403 {}"),
        ])
        .await;
    })
    .await;
}
