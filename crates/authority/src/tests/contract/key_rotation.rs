//! `bao operator rotate`.

use crate::tests::App;

#[tokio::test]
async fn v10_the_keyring_is_rotated_by_its_new_name_too() {
    let mut app = App::ready().await;
    app.script(&[
        ("PUT sys/rotate/keyring", "204"),
        ("GET sys/key-status", r#"200 {"term": 2, "data": {"term": 2}}"#),
        ("POST sys/rotate", "204"),
        ("GET sys/key-status", r#"200 {"data": {"term": 3}}"#),
        ("GET sys/rotate/keyring", r#"405 {"errors": ["*"]}"#),
        ("GET sys/rotate/config", r#"200 {"data": {"enabled": true, "interval": 2592000}}"#),
        (r#"POST sys/rotate/config {"enabled": true, "interval": "720h"}"#, "204"),
        (r#"POST sys/rotate/config {"enabled": false}"#, r#"400 {"errors": ["~\"enabled\" is fixed"]}"#),
        (r#"POST sys/rotate/config {"interval": "24h"}"#, r#"400 {"errors": ["~\"interval\" is fixed"]}"#),
        ("PUT sys/rotate/root", r#"404 {"errors": ["~no handler"]}"#),
        (
            r#"PUT sys/policies/acl/p {"policy": "path \"sys/rotate/keyring\" { capabilities = [\"update\"] }"}"#,
            "204",
        ),
    ])
    .await;
    let token = app.token_of(&["p"]).await;
    app.with_token(&token, async |app| {
        app.check("PUT sys/rotate/keyring", r#"403 {"errors": ["*"]}"#).await;
    })
    .await;
}
