//! Claims about tokens, as requests to the whole authority.

use crate::tests::App;

const DENIED: &str = r#"403 {"errors": ["~permission denied"]}"#;

/// A policy that allows to make tokens.
const CREATE: &str = r#"path "auth/token/create*" { capabilities = ["update"] }"#;

async fn make(app: &App, request: &str) -> (String, String) {
    let answer = app.ask(request).await;
    let auth = &answer.body["auth"];
    let text =
        |name: &str| auth[name].as_str().unwrap_or_else(|| panic!("{request}: {}", answer.body));
    (text("client_token").to_owned(), text("accessor").to_owned())
}

/// Whether the token works.
async fn works(app: &mut App, token: &str) -> bool {
    let status =
        app.with_token(token, async |app| app.ask("GET auth/token/lookup-self").await.status);
    status.await == 200
}

async fn policy(app: &App, name: &str, text: &str) {
    let body = serde_json::json!({ "policy": text });
    app.check(&format!("PUT sys/policies/acl/{name} {body}"), "204").await;
}

#[tokio::test]
async fn a_token_is_described_to_its_holder() {
    let mut app = App::ready().await;
    let root = app.token.clone();
    let answer = app
        .check(
            "GET auth/token/lookup-self",
            r#"200 {"data": {"policies": ["root"], "ttl": 0, "expire_time": null, "type": "service",
                "orphan": true, "renewable": false, "display_name": "root", "path": "auth/token/root"}}"#,
        )
        .await;
    assert_eq!(answer.body["data"]["id"], root.as_str());
    assert!(root.starts_with("hvs.") && root.len() == 28);
    let (token, accessor) = make(
        &app,
        r#"POST auth/token/create {"policies": ["A", "default"], "ttl": "1h", "meta": {"m": "1"},
            "display_name": "ci/x", "explicit_max_ttl": "2h", "num_uses": "0"}"#,
    )
    .await;
    app.advance(60);
    let lookup = format!(r#"POST auth/token/lookup {{"token": "{token}"}}"#);
    app.check(
        &lookup,
        r#"200 {"data": {"policies": ["a", "default"], "creation_ttl": 3600, "ttl": 3540,
            "creation_time": 1800000000, "expire_time": "2027-01-15T09:00:00Z", "orphan": false,
            "issue_time": "2027-01-15T08:00:00Z", "meta": {"m": "1"}, "display_name": "token-ci-x",
            "explicit_max_ttl": 7200, "path": "auth/token/create", "renewable": true, "entity_id": ""}}"#,
    )
    .await;
    let by_accessor = format!(r#"POST auth/token/lookup-accessor {{"accessor": "{accessor}"}}"#);
    app.check(&by_accessor, r#"200 {"data": {"id": "", "ttl": 3540}}"#).await;
    assert!(works(&mut app, &token).await);
    app.check(r#"POST auth/token/lookup {"token": "hvs.nobody"}"#, DENIED).await;
    app.check(
        r#"POST auth/token/lookup-accessor {"accessor": "../id/x"}"#,
        r#"400 {"errors": ["invalid accessor"]}"#,
    )
    .await;
    assert!(!works(&mut app, "hvs.nobody").await && !works(&mut app, &"x".repeat(600)).await);
}

#[tokio::test]
async fn only_what_the_parent_has_can_be_given() {
    let mut app = App::ready().await;
    policy(&app, "maker", CREATE).await;
    let maker = app.token_of(&["maker", "b"]).await;
    let subset = r#"400 {"errors": ["child policies must be subset of parent"]}"#;
    app.with_token(&maker, async |app| {
        app.script(&[
            (
                r#"POST auth/token/create {"policies": ["B "]}"#,
                r#"200 {"auth": {"policies": ["b"], "orphan": false}}"#,
            ),
            (r#"POST auth/token/create {}"#, r#"200 {"auth": {"policies": ["b", "maker"]}}"#),
            (r#"POST auth/token/create {"policies": ["c"]}"#, subset),
            (r#"POST auth/token/create {"policies": ["root"]}"#, subset),
            (r#"POST auth/token/create {"policies": ["ROOT"]}"#, subset),
            (r#"POST auth/token/create {"policies": [" root"]}"#, subset),
            (
                r#"POST auth/token/create {"no_parent": true}"#,
                r#"400 {"errors": ["~sudo privileges"]}"#,
            ),
            (
                r#"POST auth/token/create {"period": "1h"}"#,
                r#"400 {"errors": ["~sudo privileges"]}"#,
            ),
            (r#"POST auth/token/create-orphan {}"#, r#"200 {"auth": {"orphan": true}}"#),
            (r#"LIST auth/token/accessors"#, DENIED),
        ])
        .await;
    })
    .await;
}

#[tokio::test]
async fn sudo_may_give_what_it_has_not_but_no_root() {
    let mut app = App::ready().await;
    policy(&app, "boss", &CREATE.replace("\"update\"", "\"update\", \"sudo\"")).await;
    let boss = app.token_of(&["boss"]).await;
    app.with_token(&boss, async |app| {
        app.script(&[
            (
                r#"POST auth/token/create {"policies": ["c"]}"#,
                r#"200 {"auth": {"policies": ["c", "default"]}}"#,
            ),
            (
                r#"POST auth/token/create {"policies": ["Root"]}"#,
                r#"400 {"errors": ["~root tokens may not be created"]}"#,
            ),
            (
                r#"POST auth/token/create {"no_parent": true, "period": "1h"}"#,
                r#"200 {"auth": {"orphan": true, "lease_duration": 3600}}"#,
            ),
            (r#"POST auth/token/create-orphan {}"#, r#"200 {"auth": {"orphan": true}}"#),
        ])
        .await;
    })
    .await;
    let expiring =
        make(&app, r#"POST auth/token/create {"policies": ["root", "x"], "ttl": "1h"}"#).await.0;
    app.with_token(&expiring, async |app| {
        app.check("GET auth/token/lookup-self", r#"200 {"data": {"policies": ["root"]}}"#).await;
        app.check("POST auth/token/create {}", r#"400 {"errors": ["~expiring root tokens"]}"#)
            .await;
    })
    .await;
}

#[tokio::test]
async fn what_is_not_supported_in_a_new_token_is_refused() {
    let app = App::ready().await;
    app.script(&[
        (
            r#"POST auth/token/create {"type": "batch"}"#,
            r#"400 {"errors": ["~only service tokens"]}"#,
        ),
        (r#"POST auth/token/create {"id": "mine"}"#, r#"400 {"errors": ["~not supported"]}"#),
        (r#"POST auth/token/create {"ttl": "-1s"}"#, r#"400 {"errors": ["~ttl"]}"#),
        (r#"POST auth/token/create {"num_uses": -1}"#, r#"400 {"errors": ["~num_uses"]}"#),
        (
            r#"POST auth/token/create {"policies": ["a/../b"]}"#,
            r#"400 {"errors": ["~policy name"]}"#,
        ),
        ("POST auth/token/create/role {}", r#"400 {"errors": ["~unknown role"]}"#),
        ("GET auth/token/create", r#"405 {"errors": ["*"]}"#),
        ("GET auth/token/nothing", r#"404 {"errors": ["~no handler"]}"#),
    ])
    .await;
}

#[tokio::test]
async fn a_token_ends_with_its_time_and_renewal_meets_the_maximum() {
    let mut app = App::ready().await;
    let (short, accessor) = make(
        &app,
        r#"POST auth/token/create {"policies": ["default"], "ttl": 100, "explicit_max_ttl": 250}"#,
    )
    .await;
    let (fixed, _) = make(
        &app,
        r#"POST auth/token/create {"policies": ["default"], "ttl": 100, "renewable": false}"#,
    )
    .await;
    let (periodic, _) =
        make(&app, r#"POST auth/token/create {"policies": ["default"], "period": 100}"#).await;
    app.advance(99);
    assert!(works(&mut app, &short).await && works(&mut app, &fixed).await);
    app.with_token(&short, async |app| {
        let answer = app
            .check("POST auth/token/renew-self {}", r#"200 {"auth": {"lease_duration": 100}}"#)
            .await;
        assert_eq!(answer.body["auth"]["client_token"], app.token.as_str());
    })
    .await;
    app.with_token(&fixed, async |app| {
        app.check("POST auth/token/renew-self {}", r#"400 {"errors": ["~not renewable"]}"#).await;
    })
    .await;
    let renew = format!(r#"POST auth/token/renew {{"token": "{periodic}", "increment": 7}}"#);
    app.check(&renew, r#"200 {"auth": {"lease_duration": 100}}"#).await;
    app.advance(1);
    assert!(!works(&mut app, &fixed).await);
    app.advance(50);
    let renew_it = format!(
        r#"POST auth/token/renew-accessor {{"accessor": "{accessor}", "increment": "1h"}}"#
    );
    app.check(
        &renew_it,
        r#"200 {"auth": {"lease_duration": 100, "client_token": ""}, "warnings": ["~capped"]}"#,
    )
    .await;
    app.advance(98);
    app.check(&renew, r#"403 {"errors": ["~denied"]}"#).await;
    assert!(works(&mut app, &short).await, "renewed until its 250th second");
    app.advance(2);
    assert!(!works(&mut app, &short).await);
    app.check(&renew_it, r#"400 {"errors": ["invalid accessor"]}"#).await;
}

#[tokio::test]
async fn a_used_up_token_is_refused_and_refused_uses_count_too() {
    let mut app = App::ready().await;
    let (token, _) =
        make(&app, r#"POST auth/token/create {"policies": ["default"], "num_uses": 3}"#).await;
    app.with_token(&token, async |app| {
        app.check("GET auth/token/lookup-self", r#"200 {"data": {"num_uses": 2}}"#).await;
        app.check("GET sys/mounts", DENIED).await;
        app.check("GET auth/token/lookup-self", r#"200 {"data": {"num_uses": 0}}"#).await;
        app.check("GET auth/token/lookup-self", DENIED).await;
    })
    .await;
    let (limited, _) =
        make(&app, r#"POST auth/token/create {"policies": ["root"], "num_uses": 5}"#).await;
    app.with_token(&limited, async |app| {
        app.check("POST auth/token/create {}", r#"400 {"errors": ["~restricted use token"]}"#)
            .await;
    })
    .await;
}

#[tokio::test]
async fn a_tree_ends_with_its_root_and_an_orphan_does_not() {
    let mut app = App::ready().await;
    let (top, top_accessor) =
        make(&app, r#"POST auth/token/create {"policies": ["root"], "ttl": "1h"}"#).await;
    let create = r#"POST auth/token/create {"policies": ["root"], "ttl": "2h"}"#;
    let (child, _) = app.with_token(&top, async |app| make(app, create).await).await;
    let orphan = r#"POST auth/token/create-orphan {"policies": ["default"]}"#;
    let (orphan, _) = app.with_token(&child, async |app| make(app, orphan).await).await;
    let mut all = Vec::new();
    for _ in 0..40 {
        let leaf = r#"POST auth/token/create {"policies": ["default"]}"#;
        all.push(app.with_token(&child, async |app| make(app, leaf).await.0).await);
    }
    assert!(works(&mut app, &all[0]).await);
    let accessors = app.ask("LIST auth/token/accessors").await;
    assert_eq!(accessors.body["data"]["keys"].as_array().unwrap().len(), 1 + 2 + 1 + 40);

    let revoke = format!(r#"POST auth/token/revoke-accessor {{"accessor": "{top_accessor}"}}"#);
    app.check(&revoke, "204").await;
    for dead in all.iter().chain([&top, &child]) {
        assert!(!works(&mut app, dead).await);
    }
    assert!(works(&mut app, &orphan).await);
    let accessors = app.ask("LIST auth/token/accessors").await;
    assert_eq!(accessors.body["data"]["keys"].as_array().unwrap().len(), 2);
    app.check(&format!(r#"POST auth/token/revoke {{"token": "{top}"}}"#), "204").await;
}

#[tokio::test]
async fn the_end_of_a_parent_by_time_ends_the_children_at_once() {
    let mut app = App::ready().await;
    let (top, _) =
        make(&app, r#"POST auth/token/create {"policies": ["root"], "ttl": "60s"}"#).await;
    let create = r#"POST auth/token/create {"policies": ["default"], "ttl": "2h"}"#;
    let (child, _) = app.with_token(&top, async |app| make(app, create).await).await;
    app.advance(59);
    assert!(works(&mut app, &child).await);
    app.advance(1);
    assert!(!works(&mut app, &child).await);
}

#[tokio::test]
async fn revoke_orphan_ends_one_token_and_frees_its_children() {
    let mut app = App::ready().await;
    let (top, _) =
        make(&app, r#"POST auth/token/create {"policies": ["root"], "ttl": "1h"}"#).await;
    let create = r#"POST auth/token/create {"policies": ["default"]}"#;
    let (child, _) = app.with_token(&top, async |app| make(app, create).await).await;
    app.check(&format!(r#"POST auth/token/revoke-orphan {{"token": "{top}"}}"#), "204").await;
    assert!(!works(&mut app, &top).await && works(&mut app, &child).await);
    let lookup = format!(r#"POST auth/token/lookup {{"token": "{child}"}}"#);
    app.check(&lookup, r#"200 {"data": {"orphan": true}}"#).await;
    app.with_token(&child, async |app| {
        app.check("POST auth/token/revoke-self {}", "204").await;
        app.check("GET auth/token/lookup-self", DENIED).await;
    })
    .await;
}

#[tokio::test]
async fn chains_of_parents_are_bounded() {
    let mut app = App::ready().await;
    let create = r#"POST auth/token/create {"policies": ["root"], "ttl": "1h"}"#;
    for depth in 1..=17 {
        let answer = app.ask(create).await;
        assert_eq!(answer.status, if depth <= 16 { 200 } else { 400 }, "{}", answer.body);
        if depth <= 16 {
            app.token = answer.body["auth"]["client_token"].as_str().unwrap().to_owned();
        }
    }
}

/// The store does not grow by tokens that have ended, although nobody sweeps.
#[tokio::test]
async fn each_new_token_takes_a_few_expired_ones_away() {
    let app = App::ready().await;
    for _ in 0..20 {
        make(
            &app,
            r#"POST auth/token/create {"policies": ["default"], "ttl": 10, "no_parent": true}"#,
        )
        .await;
    }
    app.advance(10);
    for _ in 0..5 {
        make(
            &app,
            r#"POST auth/token/create {"policies": ["default"], "ttl": 100, "no_parent": true}"#,
        )
        .await;
    }
    let accessors = app.ask("LIST auth/token/accessors").await;
    assert_eq!(accessors.body["data"]["keys"].as_array().unwrap().len(), 1 + 5);
}
