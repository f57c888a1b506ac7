//! Methods, envelopes, codes, limits (reference: HTTP surface).

use super::App;

#[tokio::test]
async fn the_envelope_has_every_field_that_clients_read() {
    let app = App::ready().await;
    let answer =
        app.check("GET sys/policies/acl/default", r#"200 {"data": {"name": "default"}}"#).await;
    let fields: Vec<_> = answer.body.as_object().unwrap().keys().cloned().collect();
    for field in [
        "auth",
        "data",
        "lease_duration",
        "lease_id",
        "renewable",
        "request_id",
        "warnings",
        "wrap_info",
    ] {
        assert!(fields.iter().any(|found| found == field), "{field}");
    }
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.headers["content-type"], "application/json");
    let empty = app
        .check(r#"PUT sys/policies/acl/p {"policy": "path \"a\" {policy = \"read\"}"}"#, "204")
        .await;
    assert_eq!(empty.headers["cache-control"], "no-store");
}

#[tokio::test]
async fn lists_come_by_method_and_by_query() {
    let app = App::ready().await;
    app.script(&[
        ("LIST sys/policies/acl", r#"200 {"data": {"keys": ["default", "root"]}}"#),
        ("GET sys/policies/acl?list=true", r#"200 {"data": {"keys": ["default", "root"]}}"#),
        ("GET sys/policy", r#"200 {"keys": ["default", "root"], "data": {"policies": "*"}}"#),
        (r#"POST sys/mounts/secret {"type": "kv-v2"}"#, "204"),
        ("LIST secret/metadata", r#"404 {"errors": []}"#),
        (r#"POST secret/data/f/one {"data": {"a": "1"}}"#, r#"200 {"data": "*"}"#),
        (r#"PUT secret/data/two {"data": {"a": "1"}}"#, r#"200 {"data": "*"}"#),
        ("LIST secret/metadata", r#"200 {"data": {"keys": ["f/", "two"]}}"#),
        ("GET secret/metadata/f?list=true", r#"200 {"data": {"keys": ["one"]}}"#),
    ])
    .await;
}

#[tokio::test]
async fn what_is_not_served_has_its_code() {
    let app = App::ready().await;
    app.script(&[
        ("GET nowhere/x", r#"404 {"errors": ["~no handler for route"]}"#),
        ("GET sys/nothing", r#"404 {"errors": ["~no handler for route"]}"#),
        ("OPTIONS sys/mounts", r#"405 {"errors": ["~unsupported operation"]}"#),
        ("DELETE sys/init", r#"405 {"errors": ["~unsupported operation"]}"#),
        ("GET sys/seal", r#"405 {"errors": ["~unsupported operation"]}"#),
        ("GET sys/policies/acl/none", r#"404 {"errors": []}"#),
        ("PUT sys/unseal [1]", r#"400 {"errors": ["~not a JSON object"]}"#),
        ("PUT sys/unseal {\"key\":", r#"400 {"errors": ["~not a JSON object"]}"#),
        ("GET secret/../sys/mounts", r#"400 {"errors": ["~segments"]}"#),
        ("GET secret/%2e%2e/sys/mounts", r#"400 {"errors": ["~segments"]}"#),
        ("GET secret/a%00", r#"400 {"errors": ["~control"]}"#),
    ])
    .await;
    let large = format!(r#"PUT sys/policies/acl/p {{"policy": "{}"}}"#, "a".repeat(1 << 20));
    app.check(&large, r#"413 {"errors": ["*"]}"#).await;
    let deep = format!("PUT sys/unseal {}", "[".repeat(100));
    app.check(&deep, r#"400 {"errors": ["~nested"]}"#).await;
}

#[tokio::test]
async fn headers_that_change_the_meaning_are_honoured_or_refused() {
    let mut app = App::ready().await;
    let token = std::mem::take(&mut app.token);
    let bearer = format!("Bearer {token}");
    for (headers, status) in [
        (vec![], 403),
        (vec![("x-vault-token", token.as_str())], 200),
        (vec![("authorization", bearer.as_str())], 200),
        (vec![("x-vault-token", "hvs.wrong")], 403),
        (vec![("x-vault-token", token.as_str()), ("x-vault-request", "true")], 200),
        (vec![("x-vault-token", token.as_str()), ("x-vault-namespace", "root")], 200),
        (vec![("x-vault-token", token.as_str()), ("x-vault-namespace", "team")], 404),
        (vec![("x-vault-token", token.as_str()), ("x-vault-wrap-ttl", "60")], 200),
        (vec![("x-vault-token", token.as_str()), ("x-vault-wrap-ttl", "soon")], 400),
        (vec![("x-vault-token", token.as_str()), ("x-vault-wrap-format", "jwt")], 400),
    ] {
        assert_eq!(app.ask_with("GET sys/mounts", &headers).await.status, status, "{headers:?}");
    }
    app.check("GET nowhere/x", r#"403 {"errors": ["~permission denied"]}"#).await;
}

#[tokio::test]
async fn a_patch_says_that_it_is_a_merge_patch() {
    let app = App::ready().await;
    app.check(r#"POST sys/mounts/secret {"type": "kv-v2"}"#, "204").await;
    let http = http::Request::patch("/v1/secret/data/a")
        .header("x-vault-token", &app.token)
        .header("content-type", "application/json")
        .body(axum::body::Body::from("{}"))
        .unwrap();
    let answer = tower::ServiceExt::oneshot(app.authority.router(), http).await.unwrap();
    assert_eq!(answer.status(), 415);
}

#[tokio::test]
async fn head_answers_without_a_body() {
    let app = App::ready().await;
    let answer = app.check("HEAD sys/health", "200").await;
    assert!(answer.body.is_null());
}

/// Reference: client-cut writes. A call that has begun runs to its end.
#[tokio::test]
async fn a_client_that_hangs_up_does_not_cut_its_write_in_half() {
    let app = App::ready().await;
    app.check(r#"POST sys/mounts/secret {"type": "kv-v2"}"#, "204").await;
    for turn in 0..20 {
        let request = format!(r#"PUT secret/data/k{turn} {{"data": {{"a": "1"}}}}"#);
        let asking = app.ask(&request);
        // Polled once or twice, then dropped.
        let _ = tokio::time::timeout(std::time::Duration::from_micros(turn * 50), asking).await;
    }
    let after = r#"PUT secret/data/k0 {"data": {"a": "2"}}"#;
    app.check(after, r#"200 {"data": {"version": "*"}}"#).await;
}

#[tokio::test]
async fn writes_to_one_key_at_once_are_all_kept_in_order() {
    let app = App::ready().await;
    app.check(r#"POST sys/mounts/secret {"type": "kv-v2"}"#, "204").await;
    let writes = (0..32)
        .map(|_| app.ask(r#"PUT secret/data/a {"options": {"cas": 0}, "data": {"a": "1"}}"#));
    let answers = futures::future::join_all(writes).await;
    let won = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(won, 1, "cas=0 succeeds once");
}
