//! Scalars are taken as Vault's weak decoding takes them, at every endpoint.

use crate::tests::App;

#[tokio::test]
async fn v09_scalars_stand_for_each_other_at_every_endpoint() {
    let app = App::ready().await;
    app.script(&[
        // hvac sends the version as a number.
        (r#"POST sys/mounts/secret {"type": "kv", "options": {"version": 2}, "description": 7}"#, "204"),
        ("GET sys/mounts/secret", r#"200 {"data": {"description": "7", "options": {"version": "2"}}}"#),
        (r#"POST sys/mounts/secret/tune {"max_lease_ttl": "3600", "default_lease_ttl": 60}"#, "204"),
        (r#"POST sys/mounts/secret/tune {"max_lease_ttl": "1.5h", "options": "version=2"}"#, "204"),
        ("GET sys/mounts/secret/tune", r#"200 {"data": {"max_lease_ttl": 5400, "default_lease_ttl": 60}}"#),
        (r#"POST secret/config {"max_versions": "7", "cas_required": "true", "delete_version_after": 90}"#, "204"),
        (
            "GET secret/config",
            r#"200 {"data": {"max_versions": 7, "cas_required": true, "delete_version_after": "1m30s"}}"#,
        ),
        (r#"POST secret/config {"cas_required": 0, "max_versions": "0x0a", "delete_version_after": ""}"#, "204"),
        ("GET secret/config", r#"200 {"data": {"max_versions": 10, "cas_required": false}}"#),
        (r#"PUT secret/data/a {"data": {"k": "v"}, "options": {"cas": "0"}}"#, "200 {}"),
        (r#"PUT secret/data/a {"data": {"k": "v"}, "options": {"cas": true}}"#, r#"200 {"data": {"version": 2}}"#),
        (
            r#"POST secret/metadata/a {"custom_metadata": {"n": 7, "t": true, "x": 1.10}, "max_versions": "3"}"#,
            "204",
        ),
        (
            "GET secret/metadata/a",
            r#"200 {"data": {"custom_metadata": {"n": "7", "t": "true", "x": "1.10"}, "max_versions": 3}}"#,
        ),
        (r#"PATCH secret/metadata/a {"custom_metadata": {"n": 8, "t": null}}"#, "204"),
        ("GET secret/metadata/a", r#"200 {"data": {"custom_metadata": {"n": "8", "x": "1.10"}}}"#),
        (r#"PUT secret/delete/a {"versions": 1}"#, "204"),
        (r#"PUT secret/undelete/a {"versions": "1,2"}"#, "204"),
        (r#"PUT secret/destroy/a {"versions": ["1"]}"#, "204"),
    ])
    .await;
}

#[tokio::test]
async fn v09_tokens_roles_and_the_seal_take_them_too() {
    let app = App::ready().await;
    app.script(&[
        (
            r#"POST auth/token/create {"policies": "a,b", "ttl": 60, "num_uses": "3", "renewable": "false",
                "meta": {"n": 7}, "no_parent": "1", "display_name": 7}"#,
            r#"200 {"auth": {"policies": ["a", "b", "default"], "lease_duration": 60, "num_uses": 3,
                "renewable": false, "metadata": {"n": "7"}, "orphan": true}}"#,
        ),
        (r#"POST auth/token/create {"ttl": "1m", "period": "90"}"#, r#"200 {"auth": {"lease_duration": 90}}"#),
        (
            r#"POST auth/token/roles/r {"allowed_policies": 7, "orphan": "true", "token_period": "1h"}"#,
            "204",
        ),
        (
            "GET auth/token/roles/r",
            r#"200 {"data": {"allowed_policies": ["7"], "orphan": true, "token_period": 3600}}"#,
        ),
        (r#"POST sys/auth/kubernetes {"type": "kubernetes", "config": {"default_lease_ttl": 60}}"#, "204"),
        (
            r#"POST auth/kubernetes/config {"kubernetes_host": "h", "disable_iss_validation": "false",
                "disable_local_ca_jwt": 0}"#,
            "204",
        ),
        ("GET auth/kubernetes/config", r#"200 {"data": {"disable_iss_validation": false}}"#),
        (
            r#"POST auth/kubernetes/role/r {"bound_service_account_names": "a, b",
                "bound_service_account_namespaces": ["c", 7], "token_ttl": "10m", "token_max_ttl": "3600",
                "token_num_uses": "2", "token_no_default_policy": 1, "token_policies": 7}"#,
            "204",
        ),
        (
            "GET auth/kubernetes/role/r",
            r#"200 {"data": {"bound_service_account_names": ["a", "b"], "token_policies": ["7"],
                "bound_service_account_namespaces": ["c", "7"], "token_ttl": 600, "token_max_ttl": 3600,
                "token_num_uses": 2, "token_no_default_policy": true}}"#,
        ),
        (r#"POST sys/capabilities-self {"paths": "a,b"}"#, r#"200 {"data": {"a": ["root"], "b": ["root"]}}"#),
        (r#"PUT sys/unseal {"reset": "true"}"#, r#"200 {"sealed": false}"#),
        // What is no scalar, or not one of this kind, is refused by its name.
        (r#"POST auth/token/create {"ttl": [1]}"#, r#"400 {"errors": ["~\"ttl\""]}"#),
        (r#"POST auth/token/create {"num_uses": "two"}"#, r#"400 {"errors": ["~\"num_uses\""]}"#),
        (r#"POST auth/token/create {"renewable": "yes"}"#, r#"400 {"errors": ["~\"renewable\""]}"#),
    ])
    .await;
    let fresh = App::open(crate::Storage::Memory);
    fresh.check(r#"PUT sys/init {"secret_shares": "1", "secret_threshold": "1"}"#, "200 {}").await;
}
