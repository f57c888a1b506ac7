//! Settings of mounts, as `bao auth tune` and Terraform's provider ask for them.

use crate::tests::App;

/// Terraform: enable, read the list, tune, read the tuning, read it all again, remove.
#[tokio::test]
async fn v10_an_auth_method_is_tuned_below_sys_mounts() {
    let app = App::ready().await;
    app.script(&[
        (r#"POST sys/auth/k8s/ {"type": "kubernetes", "description": "d", "config": {}, "local": false}"#, "204"),
        ("GET sys/auth", r#"200 {"data": {"k8s/": {"type": "kubernetes", "accessor": "*"}}}"#),
        (
            r#"POST sys/mounts/auth/k8s/tune {"default_lease_ttl": "5m", "max_lease_ttl": "1h",
                "token_type": "default-service", "listing_visibility": "unauth", "description": "tuned"}"#,
            "204",
        ),
        (
            "GET sys/mounts/auth/k8s/tune",
            r#"200 {"data": {"default_lease_ttl": 300, "max_lease_ttl": 3600, "description": "tuned",
                "token_type": "default-service", "listing_visibility": "unauth"}}"#,
        ),
        // `bao auth tune -description=d` sends the bounds too, empty.
        (
            r#"POST sys/mounts/auth/k8s/tune {"description": "d", "default_lease_ttl": "", "max_lease_ttl": "",
                "force_no_cache": false}"#,
            "204",
        ),
        ("GET sys/auth/k8s/tune", r#"200 {"data": {"default_lease_ttl": 300, "max_lease_ttl": 3600}}"#),
        (r#"POST sys/auth/k8s/tune {"listing_visibility": "hidden", "max_lease_ttl": "system"}"#, "204"),
        ("GET sys/auth/k8s", r#"200 {"data": {"config": {"listing_visibility": "hidden", "max_lease_ttl": 0}}}"#),
        // Enabling and removing are for `sys/auth`, which asks for `sudo`.
        (r#"POST sys/mounts/auth/other {"type": "kubernetes"}"#, r#"400 {"errors": ["~sys/auth"]}"#),
        ("DELETE sys/mounts/auth/k8s", r#"400 {"errors": ["~sys/auth"]}"#),
        (r#"POST sys/mounts/auth/none/tune {"description": "x"}"#, r#"400 {"errors": ["~no mount"]}"#),
        ("DELETE sys/auth/k8s", "204"),
    ])
    .await;
}

#[tokio::test]
async fn v10_tuning_below_sys_mounts_needs_no_sudo_as_in_vault() {
    let mut app = App::ready().await;
    let policy = r#"path \"sys/mounts/auth/k8s/tune\" { capabilities = [\"update\", \"read\"] }"#;
    app.check(&format!(r#"PUT sys/policies/acl/tuner {{"policy": "{policy}"}}"#), "204").await;
    app.check(r#"POST sys/auth/k8s {"type": "kubernetes"}"#, "204").await;
    let token = app.token_of(&["tuner"]).await;
    app.with_token(&token, async |app| {
        app.check(r#"POST sys/mounts/auth/k8s/tune {"description": "x"}"#, "204").await;
        app.check(r#"POST sys/auth/k8s/tune {"description": "x"}"#, r#"403 {"errors": ["*"]}"#)
            .await;
    })
    .await;
}

#[tokio::test]
async fn v11_a_mount_that_is_listed_for_all_is_listed_without_a_token() {
    let mut app = App::ready().await;
    app.script(&[
        (
            r#"POST sys/mounts/open {"type": "kv-v2", "config": {"listing_visibility": "unauth"}}"#,
            "204",
        ),
        (r#"POST sys/mounts/closed {"type": "kv-v2"}"#, "204"),
    ])
    .await;
    let nobody = app.token_of(&["nobody"]).await;
    for token in ["", nobody.as_str()] {
        app.with_token(token, async |app| {
            let answer = app.check("GET sys/internal/ui/mounts", "200 {}").await;
            let secret = answer.body["data"]["secret"].as_object().unwrap();
            assert_eq!(secret.keys().collect::<Vec<_>>(), ["open/"]);
        })
        .await;
    }
    app.with_token("hvs.wrong", async |app| {
        app.check("GET sys/internal/ui/mounts", r#"403 {"errors": ["*"]}"#).await;
    })
    .await;
}
