//! Claims about logins, with a reviewer that is played.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::future::BoxFuture;
use regent_types::Sensitive;
use serde_json::json;

use crate::tests::App;
use crate::{Authority, Review, ReviewError, ReviewTarget, TokenReviewer};

/// Answers what the test says, and notes what it was asked.
#[derive(Default)]
struct Played {
    answer: Mutex<Option<Review>>,
    asked: Mutex<Vec<(String, bool, Vec<String>)>>,
}

impl TokenReviewer for Played {
    fn review<'a>(
        &'a self,
        target: &'a ReviewTarget,
        _jwt: &'a Sensitive<String>,
        audiences: &'a [String],
    ) -> BoxFuture<'a, Result<Review, ReviewError>> {
        let asked = (target.host.clone(), target.reviewer_jwt.is_some(), audiences.to_vec());
        self.asked.lock().unwrap().push(asked);
        let answer = self.answer.lock().unwrap().clone();
        let host = target.host.clone();
        Box::pin(async move {
            answer.ok_or(ReviewError::Unreachable { host, detail: "played".to_owned() })
        })
    }
}

fn good() -> Review {
    Review {
        authenticated: true,
        username: "system:serviceaccount:payments:app".to_owned(),
        uid: "u-1".to_owned(),
        groups: Vec::new(),
        audiences: vec!["regent-authority".to_owned()],
        error: None,
    }
}

fn jwt(claims: &serde_json::Value) -> String {
    format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

fn projected() -> serde_json::Value {
    json!({
        "iss": "https://kubernetes.default.svc", "aud": ["regent-authority"],
        "kubernetes.io": {"namespace": "payments", "serviceaccount": {"name": "app", "uid": "u-1"}},
    })
}

async fn app() -> (App, Arc<Played>) {
    let reviewer = Arc::new(Played::default());
    *reviewer.answer.lock().unwrap() = Some(good());
    let theirs = reviewer.clone();
    let mut app = App::with(move |mut options| {
        options.reviewer = theirs;
        Authority::open(options).unwrap()
    });
    app.init().await;
    app.unseal().await;
    app.script(&[
        (r#"POST sys/auth/kubernetes {"type": "kubernetes"}"#, "204"),
        (r#"POST auth/kubernetes/config {"kubernetes_host": "https://k"}"#, "204"),
        (
            r#"POST auth/kubernetes/role/app {"bound_service_account_names": ["app"],
                "bound_service_account_namespaces": "pay*,other", "audience": "regent-authority",
                "token_policies": ["App"], "token_ttl": "10m", "token_max_ttl": 600,
                "token_no_default_policy": true}"#,
            "204",
        ),
    ])
    .await;
    (app, reviewer)
}

fn login(role: &str, jwt: &str) -> String {
    format!("POST auth/kubernetes/login {}", json!({"role": role, "jwt": jwt}))
}

#[tokio::test]
async fn a_bound_account_gets_the_roles_token() {
    let (mut app, reviewer) = app().await;
    app.token.clear();
    let answer = app
        .check(
            &login("app", &jwt(&projected())),
            r#"200 {"auth": {"policies": ["app"], "lease_duration": 600, "renewable": true, "orphan": true,
                "token_type": "service", "metadata": {"role": "app", "service_account_name": "app",
                "service_account_namespace": "payments", "service_account_uid": "u-1"}}}"#,
        )
        .await;
    let asked = ("https://k".to_owned(), false, vec!["regent-authority".to_owned()]);
    assert_eq!(*reviewer.asked.lock().unwrap(), [asked]);
    app.token = answer.body["auth"]["client_token"].as_str().unwrap().to_owned();
    app.check("GET auth/token/lookup-self", "403 {}").await;
}

#[tokio::test]
async fn who_is_not_bound_is_refused_before_anybody_is_asked() {
    let (app, reviewer) = app().await;
    let with = |pointer: &str, value: serde_json::Value| {
        let mut claims = projected();
        *claims.pointer_mut(pointer).unwrap() = value;
        jwt(&claims)
    };
    let account = "/kubernetes.io/serviceaccount";
    for refused in [
        with("/kubernetes.io/namespace", json!("team")),
        with("/kubernetes.io/namespace", json!("pay:ments")),
        with(&format!("{account}/name"), json!("app2")),
        with(&format!("{account}/uid"), json!("")),
        with("/aud", json!(["vault"])),
        with("/aud", json!([])),
        "garbage".to_owned(),
        "a.b.c".to_owned(),
        format!("{}.x", jwt(&projected())),
        jwt(&json!({"sub": "system:serviceaccount:payments:app"})),
        format!("e30.{}.x", "A".repeat(40_000)),
    ] {
        app.check(&login("app", &refused), r#"403 {"errors": ["~permission denied"]}"#).await;
    }
    app.script(&[
        (login("nobody", "x").as_str(), r#"400 {"errors": ["~invalid role name"]}"#),
        (r#"POST auth/kubernetes/login {"jwt": "x"}"#, r#"400 {"errors": ["missing role"]}"#),
        (r#"POST auth/kubernetes/login {"role": "app"}"#, r#"400 {"errors": ["missing jwt"]}"#),
        (
            r#"POST auth/kubernetes/login {"role": "app", "jwt": ""}"#,
            r#"400 {"errors": ["missing jwt"]}"#,
        ),
        ("GET auth/kubernetes/login", r#"405 {"errors": ["*"]}"#),
    ])
    .await;
    assert!(reviewer.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_review_decides() {
    let (app, reviewer) = app().await;
    type Change = fn(&mut Review);
    let changes: [(Change, &str); 7] = [
        (|_| {}, "200 {}"),
        (|r| r.authenticated = false, "403 {}"),
        (|r| r.username = "system:serviceaccount:payments:other".into(), "403 {}"),
        (|r| r.username = "system:serviceaccount:other:app".into(), "403 {}"),
        (|r| r.uid = "u-2".into(), "403 {}"),
        (|r| r.audiences.clear(), "403 {}"),
        (|r| r.error = Some("expired".into()), "403 {}"),
    ];
    for (change, status) in changes {
        let mut review = good();
        change(&mut review);
        *reviewer.answer.lock().unwrap() = Some(review);
        app.check(&login("app", &jwt(&projected())), status).await;
        // Refusals are remembered for a while.
        app.advance(11);
    }
    *reviewer.answer.lock().unwrap() = None;
    // A client can tell that it is not its token that is wrong.
    app.check(&login("app", &jwt(&projected())), r#"500 {"errors": ["internal error"]}"#).await;
}

#[tokio::test]
async fn without_a_role_audience_the_tokens_own_is_asked_and_must_be_confirmed() {
    let (app, reviewer) = app().await;
    app.check(r#"POST auth/kubernetes/role/app {"audience": ""}"#, "204").await;
    let mut claims = projected();
    claims["aud"] = json!("https://k");
    app.check(&login("app", &jwt(&claims)), "403 {}").await;
    *reviewer.answer.lock().unwrap() =
        Some(Review { audiences: vec!["https://k".to_owned()], ..good() });
    app.check(&login("app", &jwt(&claims)), "200 {}").await;
    let legacy = json!({
        "iss": "kubernetes/serviceaccount",
        "kubernetes.io/serviceaccount/namespace": "payments",
        "kubernetes.io/serviceaccount/service-account.name": "app",
        "kubernetes.io/serviceaccount/service-account.uid": "u-1",
    });
    app.check(&login("app", &jwt(&legacy)), "200 {}").await;
    let asked = reviewer.asked.lock().unwrap().last().cloned();
    assert_eq!(asked.unwrap().2, Vec::<String>::new());
    let config = r#"POST auth/kubernetes/config {"kubernetes_host": "https://k", "disable_iss_validation": false}"#;
    app.check(config, "204").await;
    app.check(&login("app", &jwt(&legacy)), "200 {}").await;
    app.check(&login("app", &jwt(&claims)), "403 {}").await;
}

#[tokio::test]
async fn a_role_is_kept_as_written_and_refused_where_it_would_say_less() {
    let (app, _) = app().await;
    app.script(&[
        (
            "GET auth/kubernetes/role/app",
            r#"200 {"data": {"bound_service_account_names": ["app"],
                "bound_service_account_namespaces": ["pay*", "other"], "token_policies": ["app"],
                "token_ttl": 600, "token_max_ttl": 600, "token_no_default_policy": true,
                "audience": "regent-authority", "alias_name_source": "serviceaccount_uid"}}"#,
        ),
        (r#"POST auth/kubernetes/role/app {"ttl": 60, "policies": "x,y", "max_ttl": "2m", "num_uses": 3}"#, "204"),
        (
            "GET auth/kubernetes/role/app",
            r#"200 {"data": {"token_ttl": 60, "token_max_ttl": 120, "token_policies": ["x", "y"],
                "token_num_uses": 3, "bound_service_account_names": ["app"]}}"#,
        ),
        ("LIST auth/kubernetes/role", r#"200 {"data": {"keys": ["app"]}}"#),
        (r#"POST auth/kubernetes/role/b {"bound_service_account_names": ["a"]}"#, r#"400 {"errors": ["~namespaces can not be empty"]}"#),
        (r#"POST auth/kubernetes/role/b {"bound_service_account_namespaces": ["a"]}"#, r#"400 {"errors": ["~names can not be empty"]}"#),
        (r#"POST auth/kubernetes/role/app {"bound_service_account_names": []}"#, r#"400 {"errors": ["~names can not be empty"]}"#),
        (r#"POST auth/kubernetes/role/all {"bound_service_account_names": "*", "bound_service_account_namespaces": "*"}"#, "204"),
        ("DELETE auth/kubernetes/role/all", "204"),
        (r#"POST auth/kubernetes/role/app {"token_policies": ["ROOT "]}"#, r#"400 {"errors": ["~cannot create root tokens"]}"#),
        (r#"POST auth/kubernetes/role/app {"token_bound_cidrs": ["10.0.0.0/8"]}"#, r#"400 {"errors": ["~not supported"]}"#),
        (r#"POST auth/kubernetes/role/app {"token_type": "batch"}"#, r#"400 {"errors": ["~only service tokens"]}"#),
        (r#"POST auth/kubernetes/role/app {"token_ttl": "1h", "token_max_ttl": "1m"}"#, r#"400 {"errors": ["~should not be greater"]}"#),
        ("GET auth/kubernetes/role/b", r#"404 {"errors": []}"#),
        ("DELETE auth/kubernetes/role/app", "204"),
        ("LIST auth/kubernetes/role", r#"404 {"errors": []}"#),
    ])
    .await;
}

#[tokio::test]
async fn the_reviewer_token_is_never_shown() {
    let (app, reviewer) = app().await;
    let ca = "-----BEGIN CERTIFICATE-----\\nAA==\\n-----END CERTIFICATE-----\\n";
    let answer = app
        .check(
            "GET auth/kubernetes/config",
            r#"200 {"data": {"token_reviewer_jwt_set": false, "disable_iss_validation": true}}"#,
        )
        .await;
    assert_eq!(answer.body["data"]["kubernetes_host"], "https://k");
    let with_token = format!(
        r#"POST auth/kubernetes/config {{"kubernetes_host": "https://k", "kubernetes_ca_cert": "{ca}", "token_reviewer_jwt": "planted-value"}}"#
    );
    app.check(&with_token, "204").await;
    let answer = app
        .check("GET auth/kubernetes/config", r#"200 {"data": {"token_reviewer_jwt_set": true}}"#)
        .await;
    assert!(!answer.body.to_string().contains("planted-value"));
    app.check(&login("app", &jwt(&projected())), "200 {}").await;
    assert!(reviewer.asked.lock().unwrap().last().unwrap().1);
    app.script(&[
        (r#"POST auth/kubernetes/config {}"#, r#"400 {"errors": ["no host provided"]}"#),
        (
            r#"POST auth/kubernetes/config {"kubernetes_host": "h", "kubernetes_ca_cert": "x"}"#,
            r#"400 {"errors": ["~PEM"]}"#,
        ),
        (
            r#"POST auth/kubernetes/config {"kubernetes_host": "h", "disable_local_ca_jwt": true}"#,
            r#"400 {"errors": ["~must be given"]}"#,
        ),
        (
            r#"POST auth/kubernetes/config {"kubernetes_host": "h", "pem_keys": ["k"]}"#,
            r#"400 {"errors": ["~not supported"]}"#,
        ),
    ])
    .await;
}
