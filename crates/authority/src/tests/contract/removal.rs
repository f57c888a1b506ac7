//! What a login gave ends with the mount or the role that gave it, by lease and by prefix.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::json;

use super::logins::{app, login};
use crate::tests::App;

async fn logged_in(app: &App, role: &str) -> String {
    let answer = app.check(&login(role, &json!({})), "200 {}").await;
    answer.body["auth"]["client_token"].as_str().unwrap().to_owned()
}

/// Whether a token is still good.
async fn lives(app: &App, token: &str) -> bool {
    let request = format!(r#"POST auth/token/lookup {{"token": "{token}"}}"#);
    app.ask(&request).await.status == 200
}

const OTHER_ROLE: &str = r#"POST auth/kubernetes/role/other {"bound_service_account_names": ["*"],
    "bound_service_account_namespaces": ["*"], "token_policies": ["maker"]}"#;

#[tokio::test]
async fn v02_tokens_end_with_the_mount_they_came_by_and_those_below_them_too() {
    let (mut app, _) = app().await;
    app.check(OTHER_ROLE, "204").await;
    let policy = r#"path \"auth/token/create\" { capabilities = [\"update\"] }"#;
    app.check(&format!(r#"PUT sys/policies/acl/maker {{"policy": "{policy}"}}"#), "204").await;
    let direct = logged_in(&app, "app").await;
    let above = logged_in(&app, "other").await;
    let below = app.with_token(&above, async |app| app.token_of(&["maker"]).await).await;
    let made = app.token_of(&["app"]).await;
    app.check("DELETE sys/auth/kubernetes", "204").await;
    for token in [&direct, &above, &below] {
        assert!(!lives(&app, token).await);
    }
    assert!(lives(&app, &made).await, "what the root token made is no login's");
    // The path can be used again, and nothing of before comes back.
    app.check(r#"POST sys/auth/kubernetes {"type": "kubernetes"}"#, "204").await;
    assert!(!lives(&app, &direct).await);
}

#[tokio::test]
async fn v02_tokens_end_with_their_role_and_those_of_another_go_on() {
    let (app, _) = app().await;
    app.check(OTHER_ROLE, "204").await;
    let (gone, kept) = (logged_in(&app, "app").await, logged_in(&app, "other").await);
    app.check("DELETE auth/kubernetes/role/app", "204").await;
    assert!(!lives(&app, &gone).await && lives(&app, &kept).await);
    app.check("GET auth/kubernetes/role/app", r#"404 {"errors": []}"#).await;
    app.check(&login("app", &json!({})), r#"400 {"errors": ["~invalid role"]}"#).await;
    app.check("DELETE auth/kubernetes/role/app", "204").await;
}

/// The login read its role before it was removed, and would store its token after.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v02_a_login_under_way_does_not_outlive_its_role_or_mount() {
    for removal in ["DELETE auth/kubernetes/role/app", "DELETE sys/auth/kubernetes"] {
        let (app, reviewer) = app().await;
        let app = Arc::new(app);
        reviewer.held.store(true, Ordering::SeqCst);
        let asking = {
            let app = app.clone();
            tokio::spawn(async move { app.ask(&login("app", &json!({}))).await.status })
        };
        reviewer.arrived.notified().await;
        app.check(removal, "204").await;
        reviewer.go.notify_one();
        assert_eq!(asking.await.unwrap(), 403, "{removal}");
    }
}

#[tokio::test]
async fn v02_what_a_crash_left_of_a_mounts_tokens_ends_at_the_next_unseal() {
    let (app, _) = app().await;
    let token = logged_in(&app, "app").await;
    // As far as a process gets that dies between the two commits.
    app.core().unsealed().unwrap().mounts.remove("auth/kubernetes/").await.unwrap();
    let pending = r#"400 {"errors": ["~disable it again"]}"#;
    app.check(r#"POST sys/auth/kubernetes {"type": "kubernetes"}"#, pending).await;
    app.reopen().await;
    assert!(!lives(&app, &token).await);
    app.check(r#"POST sys/auth/kubernetes {"type": "kubernetes"}"#, "204").await;
}

#[tokio::test]
async fn v02_tokens_are_leases_that_can_be_looked_up_and_revoked_one_by_one_and_by_prefix() {
    let (app, _) = app().await;
    let (one, two) = (logged_in(&app, "app").await, logged_in(&app, "app").await);
    let made = app.token_of(&["app"]).await;
    let folders = r#"200 {"data": {"keys": ["auth/"]}}"#;
    app.check("LIST sys/leases/lookup", folders).await;
    let answer = app.check("LIST sys/leases/lookup/auth/kubernetes/login", "200 {}").await;
    let names = answer.body["data"]["keys"].as_array().unwrap().clone();
    assert_eq!(names.len(), 2);
    let id = format!("auth/kubernetes/login/{}", names[0].as_str().unwrap());
    let lookup = format!(r#"PUT sys/leases/lookup {{"lease_id": "{id}"}}"#);
    let described = format!(
        r#"200 {{"data": {{"id": "{id}", "ttl": 2764800, "renewable": true, "last_renewal": null,
            "issue_time": "2027-01-15T08:00:00Z", "expire_time": "*"}}}}"#
    );
    app.check(&lookup, &described).await;
    let renew = format!(r#"PUT sys/leases/renew {{"lease_id": "{id}"}}"#);
    app.check(&renew, r#"400 {"errors": ["~tokens cannot be renewed"]}"#).await;
    app.check(&format!(r#"PUT sys/leases/revoke {{"lease_id": "{id}", "sync": true}}"#), "204")
        .await;
    app.check(&lookup, r#"400 {"errors": ["invalid lease"]}"#).await;
    app.check(&format!("PUT sys/leases/revoke/{id}"), "204").await;
    assert!(lives(&app, &one).await != lives(&app, &two).await, "one of the two");
    app.script(&[
        ("PUT sys/leases/revoke-prefix/auth/kuber", "204"),
        ("PUT sys/leases/lookup {\"lease_id\": \"x\"}", r#"400 {"errors": ["~lease_id"]}"#),
        ("PUT sys/leases/revoke-prefix", r#"404 {"errors": ["~no handler"]}"#),
    ])
    .await;
    assert!(lives(&app, &one).await != lives(&app, &two).await, "a prefix ends at a slash");
    app.check("PUT sys/revoke-prefix/auth/kubernetes", "204").await;
    assert!(!lives(&app, &one).await && !lives(&app, &two).await && lives(&app, &made).await);
    app.check("LIST sys/leases/lookup/auth/kubernetes", r#"404 {"errors": []}"#).await;
    app.check("PUT sys/leases/revoke-force/auth", "204").await;
    assert!(!lives(&app, &made).await);
    app.check("GET auth/token/lookup-self", "200 {}").await;
}

#[tokio::test]
async fn v02_revocation_by_prefix_and_listing_need_sudo() {
    let mut app = App::ready().await;
    let policy = r#"path \"sys/*\" { capabilities = [\"update\", \"list\"] }"#;
    app.check(&format!(r#"PUT sys/policies/acl/p {{"policy": "{policy}"}}"#), "204").await;
    let token = app.token_of(&["p"]).await;
    app.with_token(&token, async |app| {
        for request in [
            "PUT sys/leases/revoke-prefix/auth/kubernetes",
            "PUT sys/leases/revoke-force/auth/kubernetes",
            "PUT sys/revoke-prefix/auth/kubernetes",
            "PUT sys/revoke-force/auth/kubernetes",
            "LIST sys/leases/lookup/auth/kubernetes",
            "LIST sys/leases/lookup",
        ] {
            assert_eq!(app.ask(request).await.status, 403, "{request}");
        }
    })
    .await;
}
