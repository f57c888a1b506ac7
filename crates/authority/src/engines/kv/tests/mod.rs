//! Claims about KV v2, as requests to the whole authority.

mod limits;
mod policy;
mod values;

use crate::tests::App;

/// An authority with a KV v2 mount at `secret/` and the root token.
pub(super) async fn app() -> App {
    let app = App::ready().await;
    let mount = r#"POST sys/mounts/secret {"type": "kv", "options": {"version": "2"}}"#;
    app.check(mount, "204").await;
    app
}

/// The keys that a listing answers.
pub(super) async fn listed(app: &App, request: &str) -> Vec<String> {
    let answer = app.ask(request).await;
    assert!(answer.status == 200 || answer.status == 404, "{request}: {}", answer.body);
    let keys = answer.body["data"]["keys"].as_array().cloned().unwrap_or_default();
    keys.iter().map(|key| key.as_str().unwrap().to_owned()).collect()
}
