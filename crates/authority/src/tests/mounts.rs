//! Mounts, policies, capabilities: claims.

use super::App;

#[tokio::test]
async fn mounts_come_and_go_with_their_values() {
    let app = App::ready().await;
    app.script(&[
        ("GET sys/mounts", r#"200 {"sys/": {"type": "system"}, "data": {"sys/": "*"}}"#),
        (
            r#"POST sys/mounts/secret {"type": "kv", "options": {"version": "2"}, "description": "d"}"#,
            "204",
        ),
        (
            "GET sys/mounts",
            r#"200 {"data": {"secret/": {"type": "kv", "options": {"version": "2"}, "description": "d", "accessor": "*"}}}"#,
        ),
        ("GET sys/mounts/secret", r#"200 {"data": {"type": "kv"}}"#),
        (r#"POST sys/mounts/secret {"type": "kv-v2"}"#, r#"400 {"errors": ["~already in use"]}"#),
        (r#"POST sys/mounts/secret/sub {"type": "kv-v2"}"#, r#"400 {"errors": ["~already in use"]}"#),
        (r#"POST sys/mounts/secret/tune {"default_lease_ttl": "1h", "max_lease_ttl": 7200}"#, "204"),
        ("GET sys/mounts/secret/tune", r#"200 {"data": {"default_lease_ttl": 3600, "max_lease_ttl": 7200}}"#),
        (r#"POST sys/mounts/secret/tune {"default_lease_ttl": "3h"}"#, r#"400 {"errors": ["*"]}"#),
        (r#"PUT secret/data/a {"data": {"k": "v"}}"#, r#"200 {"data": "*"}"#),
        ("DELETE sys/mounts/secret", "204"),
        ("DELETE sys/mounts/secret", "204"),
        ("GET secret/data/a", r#"404 {"errors": ["~no handler"]}"#),
        (r#"POST sys/mounts/secret {"type": "kv-v2"}"#, "204"),
        ("GET secret/data/a", r#"404 {"errors": []}"#),
    ])
    .await;
}

#[tokio::test]
async fn what_cannot_be_mounted_is_refused() {
    let app = App::ready().await;
    for request in [
        r#"POST sys/mounts/sys {"type": "kv-v2"}"#,
        r#"POST sys/mounts/sys/x {"type": "kv-v2"}"#,
        r#"POST sys/mounts/auth {"type": "kv-v2"}"#,
        r#"POST sys/mounts/auth/x {"type": "kv-v2"}"#,
        r#"POST sys/mounts/cubbyhole {"type": "kv-v2"}"#,
        r#"POST sys/mounts/a+b {"type": "kv-v2"}"#,
        r#"POST sys/mounts/kv1 {"type": "kv"}"#,
        r#"POST sys/mounts/kv1 {"type": "kv", "options": {"version": "1"}}"#,
        r#"POST sys/mounts/pki {"type": "pki"}"#,
        r#"POST sys/auth/x {"type": "kv-v2"}"#,
        r#"POST sys/auth/token {"type": "kubernetes"}"#,
        "DELETE sys/auth/token",
        "DELETE sys/mounts/sys",
        "DELETE sys/mounts/auth/token",
    ] {
        app.check(request, r#"400 {"errors": ["*"]}"#).await;
    }
    app.script(&[
        (r#"POST sys/auth/kubernetes {"type": "kubernetes"}"#, "204"),
        ("GET sys/auth", r#"200 {"kubernetes/": {"type": "kubernetes"}, "token/": "*"}"#),
        ("DELETE sys/auth/kubernetes", "204"),
    ])
    .await;
}

#[tokio::test]
async fn policies_are_stored_by_lower_case_names_and_root_is_not_one_of_them() {
    let app = App::ready().await;
    app.script(&[
        (
            r#"PUT sys/policies/acl/Team {"policy": "path \"secret/*\" { capabilities = [\"read\"] }"}"#,
            r#"200 {"warnings": ["*"]}"#,
        ),
        ("GET sys/policies/acl/team", r#"200 {"data": {"name": "team", "policy": "~secret/"}}"#),
        ("GET sys/policy/TEAM", r#"200 {"name": "team", "rules": "~secret/", "data": "*"}"#),
        ("LIST sys/policies/acl", r#"200 {"data": {"keys": ["default", "root", "team"]}}"#),
        (r#"PUT sys/policies/acl/b {"policy": "cGF0aCAiYSIgeyBwb2xpY3kgPSAicmVhZCIgfQ=="}"#, "204"),
        ("GET sys/policies/acl/b", r#"200 {"data": {"policy": "path \"a\" { policy = \"read\" }"}}"#),
        (r#"PUT sys/policies/acl/c {"policy": "path \"a\" { capabilities = [\"fly\"] }"}"#, r#"400 {"errors": ["*"]}"#),
        (r#"PUT sys/policies/acl/c {}"#, r#"400 {"errors": ["*"]}"#),
        (r#"PUT sys/policies/acl/root {"policy": "path \"a\" {policy=\"read\"}"}"#, r#"400 {"errors": ["*"]}"#),
        (r#"PUT sys/policies/acl/%20ROOT%20 {"policy": "path \"a\" {policy=\"read\"}"}"#, r#"400 {"errors": ["*"]}"#),
        ("DELETE sys/policies/acl/root", r#"400 {"errors": ["*"]}"#),
        ("DELETE sys/policies/acl/default", r#"400 {"errors": ["*"]}"#),
        ("DELETE sys/policies/acl/team", "204"),
        ("GET sys/policies/acl/team", r#"404 {"errors": []}"#),
    ])
    .await;
}

#[tokio::test]
async fn a_policy_decides_and_a_changed_one_decides_at_once() {
    let mut app = App::ready().await;
    app.script(&[
        (r#"POST sys/mounts/secret {"type": "kv-v2"}"#, "204"),
        (r#"PUT secret/data/a {"data": {"k": "v"}}"#, r#"200 {"data": "*"}"#),
        (
            r#"PUT sys/policies/acl/p {"policy": "path \"secret/data/a\" { capabilities = [\"read\"] }\npath \"sys/seal\" { capabilities = [\"update\"] }"}"#,
            "204",
        ),
    ])
    .await;
    let token = app.token_of(&["p"]).await;
    app.with_token(&token, async |app| {
        app.script(&[
            ("GET secret/data/a", r#"200 {"data": {"data": {"k": "v"}}}"#),
            ("GET secret/data/b", r#"403 {"errors": ["~permission denied"]}"#),
            (r#"PUT secret/data/a {"data": {}}"#, r#"403 {"errors": ["~permission denied"]}"#),
            ("GET sys/mounts", r#"403 {"errors": ["~permission denied"]}"#),
            ("PUT sys/seal", r#"403 {"errors": ["~permission denied"]}"#),
            (
                "GET sys/internal/ui/mounts/secret/data/a",
                r#"200 {"data": {"path": "secret/", "type": "kv", "options": {"version": "2"}}}"#,
            ),
            ("GET sys/internal/ui/mounts/auth/token", r#"403 {"errors": ["~permission denied"]}"#),
            ("GET sys/internal/ui/mounts/nowhere", r#"403 {"errors": ["~permission denied"]}"#),
            (
                "GET sys/internal/ui/mounts",
                r#"200 {"data": {"secret": {"secret/": "*"}, "auth": {}}}"#,
            ),
        ])
        .await;
    })
    .await;
    app.check(
        r#"PUT sys/policies/acl/p {"policy": "path \"secret/data/b\" { capabilities = [\"create\"] }\npath \"sys/capabilities-self\" { capabilities = [\"update\"] }"}"#,
        "204",
    )
    .await;
    app.with_token(&token, async |app| {
        app.script(&[
            ("GET secret/data/a", r#"403 {"errors": ["~permission denied"]}"#),
            (
                r#"POST sys/capabilities-self {"paths": ["secret/data/a", "secret/data/b"]}"#,
                r#"200 {"secret/data/a": ["deny"], "secret/data/b": ["create"]}"#,
            ),
            (
                r#"POST sys/capabilities-self {"path": "secret/data/b"}"#,
                r#"200 {"capabilities": ["create"]}"#,
            ),
            (r#"PUT secret/data/b {"data": {"n": "1"}}"#, r#"200 {"data": "*"}"#),
            (
                r#"PUT secret/data/b {"data": {"n": "2"}}"#,
                r#"403 {"errors": ["~permission denied"]}"#,
            ),
        ])
        .await;
    })
    .await;
    app.check("POST sys/capabilities-self {\"path\": \"x\"}", r#"200 {"capabilities": ["root"]}"#)
        .await;
}
