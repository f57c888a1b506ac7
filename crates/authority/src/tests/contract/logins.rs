//! Logins with a reviewer that is played, decided as OpenBao decides them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::future::BoxFuture;
use regent_types::Sensitive;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::tests::App;
use crate::{Authority, Review, ReviewError, ReviewTarget, TokenReviewer};

/// Finds `payments/app` good, or answers with `status`; while `held`, it says so and waits.
#[derive(Default)]
pub(super) struct Played {
    pub(super) status: AtomicU16,
    pub(super) held: AtomicBool,
    pub(super) arrived: Notify,
    pub(super) go: Notify,
}

impl TokenReviewer for Played {
    fn review<'a>(
        &'a self,
        target: &'a ReviewTarget,
        _jwt: &'a Sensitive<String>,
        audiences: &'a [String],
    ) -> BoxFuture<'a, Result<Review, ReviewError>> {
        Box::pin(async move {
            if self.held.load(Ordering::SeqCst) {
                self.arrived.notify_one();
                self.go.notified().await;
            }
            let (host, detail) = (target.host.clone(), "played".to_owned());
            match self.status.load(Ordering::SeqCst) {
                0 => Ok(Review {
                    authenticated: true,
                    username: "system:serviceaccount:payments:app".to_owned(),
                    uid: "u-1".to_owned(),
                    groups: Vec::new(),
                    audiences: audiences.to_vec(),
                    error: None,
                }),
                401 => Err(ReviewError::Unauthorized { host, detail }),
                403 => Err(ReviewError::Refused { host, detail }),
                _ => Err(ReviewError::Unreachable { host, detail }),
            }
        })
    }
}

/// An authority with `auth/kubernetes` and the role `app` for `payments/app`.
pub(super) async fn app() -> (App, Arc<Played>) {
    let reviewer = Arc::new(Played::default());
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
            r#"POST auth/kubernetes/role/app {"bound_service_account_names": ["*"],
                "bound_service_account_namespaces": ["*"], "token_policies": ["app"]}"#,
            "204",
        ),
    ])
    .await;
    (app, reviewer)
}

/// A login with `role`, whose token has `times` beside what names the account.
pub(super) fn login(role: &str, times: &Value) -> String {
    let mut claims = json!({
        "iss": "https://kubernetes.default.svc", "aud": ["regent-authority"],
        "kubernetes.io": {"namespace": "payments", "serviceaccount": {"name": "app", "uid": "u-1"}},
    });
    claims.as_object_mut().unwrap().extend(times.as_object().unwrap().clone());
    let jwt = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()));
    format!("POST auth/kubernetes/login {}", json!({"role": role, "jwt": jwt}))
}

#[tokio::test]
async fn v19_an_expired_token_is_refused_whatever_the_review_says() {
    let (app, _) = app().await;
    let now = 1_800_000_000_i64;
    for (times, status) in [
        (json!({}), 200),
        (json!({"exp": now + 600, "iat": now - 10, "nbf": now - 10}), 200),
        (json!({"exp": now - 59}), 200),
        (json!({"exp": now - 61}), 403),
        (json!({"exp": 1.5}), 403),
        (json!({"nbf": now + 59}), 200),
        (json!({"nbf": now + 61}), 403),
        (json!({"iat": now + 61}), 403),
        (json!({"exp": "soon"}), 403),
    ] {
        let answer = app.ask(&login("app", &times)).await;
        assert_eq!(answer.status, status, "{times}: {}", answer.text);
    }
}

#[tokio::test]
async fn v19_a_reviewer_that_is_not_taken_refuses_and_one_that_is_away_decides_nothing() {
    let (app, reviewer) = app().await;
    for (answered, status) in [(401, 403), (403, 500), (1, 500), (0, 200)] {
        reviewer.status.store(answered, Ordering::SeqCst);
        let answer = app.ask(&login("app", &json!({}))).await;
        assert_eq!(answer.status, status, "TokenReview answered {answered}: {}", answer.text);
    }
}

#[tokio::test]
async fn v19_both_bounds_may_be_any_and_the_login_notes_who_it_was() {
    let (app, _) = app().await;
    let bounds = r#"200 {"data": {"bound_service_account_names": ["*"],
        "bound_service_account_namespaces": ["*"]}}"#;
    app.check("GET auth/kubernetes/role/app", bounds).await;
    let noted = r#"200 {"auth": {"metadata": {"role": "app", "service_account_name": "app",
        "service_account_namespace": "payments", "service_account_uid": "u-1",
        "service_account_secret_name": ""}}}"#;
    app.check(&login("app", &json!({})), noted).await;
}

#[tokio::test]
async fn v19_create_orphan_is_for_whom_policy_lets_and_root_tokens_have_their_path() {
    let mut app = App::ready().await;
    app.check("GET auth/token/lookup-self", r#"200 {"data": {"path": "auth/token/root"}}"#).await;
    let policy = r#"path \"auth/token/create-orphan\" { capabilities = [\"update\"] }"#;
    app.check(&format!(r#"PUT sys/policies/acl/maker {{"policy": "{policy}"}}"#), "204").await;
    let (maker, other) = (app.token_of(&["maker"]).await, app.token_of(&["other"]).await);
    app.with_token(&maker, async |app| {
        let orphan = r#"200 {"auth": {"orphan": true, "policies": ["maker"]}}"#;
        app.check("POST auth/token/create-orphan {}", orphan).await;
        let subset = r#"400 {"errors": ["~subset of parent"]}"#;
        app.check(r#"POST auth/token/create-orphan {"policies": ["root"]}"#, subset).await;
    })
    .await;
    app.with_token(&other, async |app| {
        app.check("POST auth/token/create-orphan {}", r#"403 {"errors": ["*"]}"#).await;
    })
    .await;
}
