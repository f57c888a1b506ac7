//! Token roles.

use crate::tests::App;

#[tokio::test]
async fn a_role_says_what_its_tokens_may_be() {
    let mut app = App::ready().await;
    app.script(&[
        ("LIST auth/token/roles", r#"404 {"errors": []}"#),
        (
            r#"POST auth/token/roles/ci {"allowed_policies": ["Deploy", "default"], "allowed_policies_glob": "team-*",
                "disallowed_policies": "team-admin", "orphan": true, "path_suffix": "x", "token_period": "1h",
                "token_explicit_max_ttl": "30m", "token_num_uses": 5, "renewable": false}"#,
            "204",
        ),
        ("LIST auth/token/roles", r#"200 {"data": {"keys": ["ci"]}}"#),
        (
            "GET auth/token/roles/ci",
            r#"200 {"data": {"name": "ci", "allowed_policies": ["deploy", "default"], "orphan": true,
                "renewable": false, "token_period": 3600, "explicit_max_ttl": 1800, "token_num_uses": 5}}"#,
        ),
        (
            r#"POST auth/token/create/ci {"num_uses": 9, "explicit_max_ttl": "2h"}"#,
            r#"200 {"auth": {"policies": ["default", "deploy"], "orphan": true, "renewable": false,
                "num_uses": 5, "lease_duration": 1800}}"#,
        ),
        (
            r#"POST auth/token/create/ci {"policies": ["team-a"], "no_default_policy": true}"#,
            r#"200 {"auth": {"policies": ["team-a"]}}"#,
        ),
        (r#"POST auth/token/create/ci {"policies": ["team-admin"]}"#, r#"400 {"errors": ["~not allowed by the role"]}"#),
        (r#"POST auth/token/create/ci {"policies": ["root"]}"#, r#"400 {"errors": ["~not allowed by the role"]}"#),
        (r#"POST auth/token/create/none {}"#, r#"400 {"errors": ["~unknown role"]}"#),
        (r#"POST auth/token/roles/a/b {}"#, r#"400 {"errors": ["~role name"]}"#),
        ("PATCH auth/token/roles/ci {}", r#"405 {"errors": ["*"]}"#),
    ])
    .await;
    // A role lends policies to a caller who has them not, but no root.
    app.check(r#"POST auth/token/roles/root {"allowed_policies": "root"}"#, "204").await;
    let policy = r#"path \"auth/token/create/*\" { capabilities = [\"update\"] }"#;
    app.check(&format!(r#"PUT sys/policies/acl/user {{"policy": "{policy}"}}"#), "204").await;
    let user = app.token_of(&["user"]).await;
    app.with_token(&user, async |app| {
        let lent = r#"200 {"auth": {"policies": ["default", "deploy"]}}"#;
        app.check("POST auth/token/create/ci {}", lent).await;
        let root = r#"400 {"errors": ["~without parent token being root"]}"#;
        app.check("POST auth/token/create/root {}", root).await;
        app.check("POST auth/token/create {}", r#"403 {"errors": ["*"]}"#).await;
    })
    .await;
}

#[tokio::test]
async fn v02_tokens_end_with_the_token_role_that_made_them() {
    let app = App::ready().await;
    app.check(r#"POST auth/token/roles/below {}"#, "204").await;
    let warned = r#"200 {"auth": {"orphan": false}, "warnings": ["~no_parent"]}"#;
    app.check(r#"POST auth/token/create/below {"no_parent": true}"#, warned).await;
    app.check(r#"POST auth/token/roles/ci {"orphan": true, "path_suffix": "x"}"#, "204").await;
    let made = app.check(r#"POST auth/token/create/ci {"policies": "p"}"#, "200 {}").await;
    let accessor = made.body["auth"]["accessor"].as_str().unwrap();
    let lookup = format!(r#"POST auth/token/lookup-accessor {{"accessor": "{accessor}"}}"#);
    app.check(&lookup, r#"200 {"data": {"role": "ci", "path": "auth/token/create/ci/x"}}"#).await;
    app.check("DELETE auth/token/roles/ci", "204").await;
    app.check(&lookup, r#"400 {"errors": ["invalid accessor"]}"#).await;
    app.check("DELETE auth/token/roles/ci", "204").await;
}
