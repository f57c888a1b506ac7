//! Response wrapping.

use serde_json::Value;

use crate::tests::{Answer, App};

const TTL: (&str, &str) = ("x-vault-wrap-ttl", "15m");

async fn app() -> App {
    let app = App::ready().await;
    app.check(r#"POST sys/mounts/secret {"type": "kv-v2"}"#, "204").await;
    app.check(r#"PUT secret/data/a {"data": {"k": "planted-value", "n": 1.10}}"#, "200 {}").await;
    app
}

fn token_of(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(answer.body["data"].is_null() && answer.body["auth"].is_null(), "{}", answer.text);
    answer.body["wrap_info"]["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_answer_is_kept_and_fetched_once() {
    let mut app = app().await;
    let wrapped = app.ask_with("GET secret/data/a", &[TTL]).await;
    let token = token_of(&wrapped);
    let info = &wrapped.body["wrap_info"];
    assert_eq!(info["ttl"], 900);
    assert_eq!(info["creation_path"], "secret/data/a");
    assert!(!wrapped.text.contains("planted"));
    assert!(!app.audit_lines().iter().any(|line| line.to_string().contains(&token)));
    let lookup = format!(r#"POST sys/wrapping/lookup {{"token": "{token}"}}"#);
    app.with_token("", async |app| {
        let known = r#"200 {"data": {"creation_path": "secret/data/a", "creation_ttl": 900}}"#;
        app.check(&lookup, known).await;
    })
    .await;
    // The token is good for nothing else, and fetches by itself.
    app.with_token(&token, async |app| {
        app.check("GET secret/data/a", r#"403 {"errors": ["*"]}"#).await;
        app.check("GET auth/token/lookup-self", r#"403 {"errors": ["*"]}"#).await;
        let answer = app.check("PUT sys/wrapping/unwrap", r#"200 {"wrap_info": null}"#).await;
        assert!(
            answer.text.contains(r#""data":{"k":"planted-value","n":1.10}"#),
            "{}",
            answer.text
        );
        app.check("PUT sys/wrapping/unwrap", r#"403 {"errors": ["*"]}"#).await;
    })
    .await;
    let gone = r#"400 {"errors": ["~wrapping token is not valid"]}"#;
    app.check(&format!(r#"PUT sys/wrapping/unwrap {{"token": "{token}"}}"#), gone).await;
    app.check(&lookup, gone).await;
}

#[tokio::test]
async fn a_new_token_can_be_wrapped_and_another_may_fetch_it() {
    let app = app().await;
    let made = app.ask_with(r#"POST auth/token/create {"period": "30m"}"#, &[TTL]).await;
    assert!(made.body["wrap_info"]["wrapped_accessor"].is_string());
    let token = token_of(&made);
    let unwrap = format!(r#"PUT sys/wrapping/unwrap {{"token": "{token}"}}"#);
    let answer =
        app.check(&unwrap, r#"200 {"auth": {"lease_duration": 1800}, "data": null}"#).await;
    let inner = answer.body["auth"]["client_token"].as_str().unwrap();
    let lookup = format!(r#"POST auth/token/lookup {{"token": "{inner}"}}"#);
    app.check(&lookup, r#"200 {"data": {"period": 1800}}"#).await;
}

#[tokio::test]
async fn rewrapping_ends_the_old_token_and_time_ends_each() {
    let app = app().await;
    let first = token_of(&app.ask_with(r#"POST sys/wrapping/wrap {"any": [1.10]}"#, &[TTL]).await);
    app.check("POST sys/wrapping/wrap {}", r#"400 {"errors": ["~requires response wrapping"]}"#)
        .await;
    let again = app.ask(&format!(r#"PUT sys/wrapping/rewrap {{"token": "{first}"}}"#)).await;
    assert_eq!(again.body["wrap_info"]["creation_path"], "sys/wrapping/wrap");
    let second = token_of(&again);
    let gone = r#"400 {"errors": ["~wrapping token is not valid"]}"#;
    app.check(&format!(r#"PUT sys/wrapping/unwrap {{"token": "{first}"}}"#), gone).await;
    app.advance(901);
    app.check(&format!(r#"PUT sys/wrapping/unwrap {{"token": "{second}"}}"#), gone).await;
    // What is no wrapping token is none.
    let own = app.token.clone();
    app.check(&format!(r#"PUT sys/wrapping/unwrap {{"token": "{own}"}}"#), gone).await;
    app.check("PUT sys/wrapping/unwrap", gone).await;
    // Nothing to keep is answered as it is, and nobody is given the policy of such tokens.
    assert_eq!(app.ask_with("PUT sys/rotate", &[TTL]).await.status, 204);
    let assign = r#"POST auth/token/create {"policies": ["response-wrapping"]}"#;
    app.check(assign, r#"400 {"errors": ["~cannot assign"]}"#).await;
    let update = r#"PUT sys/policies/acl/response-wrapping {"policy": "path \"*\" {}"}"#;
    app.check(update, r#"400 {"errors": ["~cannot update"]}"#).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_fetch_at_once_one_gets_it() {
    let app = std::sync::Arc::new(app().await);
    let token = token_of(&app.ask_with("GET secret/data/a", &[TTL]).await);
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let (app, token) = (app.clone(), token.clone());
            tokio::spawn(async move {
                app.ask(&format!(r#"PUT sys/wrapping/unwrap {{"token": "{token}"}}"#)).await.status
            })
        })
        .collect();
    let mut got = 0;
    for task in tasks {
        got += usize::from(task.await.unwrap() == 200);
    }
    assert_eq!(got, 1);
}

/// A policy may ask that what it grants is wrapped, for no shorter and no longer than it says.
#[tokio::test]
async fn a_policy_bounds_how_long_an_answer_lies_wrapped() {
    let mut app = app().await;
    let policy = r#"path \"secret/data/a\" { capabilities = [\"read\"] min_wrapping_ttl = 60 max_wrapping_ttl = \"1h\" }"#;
    app.check(&format!(r#"PUT sys/policies/acl/p {{"policy": "{policy}"}}"#), "204").await;
    let token = app.token_of(&["p"]).await;
    app.with_token(&token, async |app| {
        for (ttl, status) in [("", 403), ("59", 403), ("60", 200), ("1h", 200), ("3601", 403)] {
            let headers = [("x-vault-wrap-ttl", ttl)];
            let answer = app.ask_with("GET secret/data/a", &headers).await;
            assert_eq!(answer.status, status, "{ttl}: {}", answer.text);
            assert!(answer.body.get("data").is_none_or(Value::is_null), "{ttl}");
        }
    })
    .await;
}
