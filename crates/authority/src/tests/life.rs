//! Init, unseal, seal, rotate, close: claims.

use super::{App, options};
use crate::{Audit, Authority, OpenError, Storage};
use regent_types::Explain as _;

#[tokio::test]
async fn an_authority_that_has_no_keys_yet_says_so_and_nothing_else() {
    let app = App::open(Storage::Memory);
    app.script(&[
        ("GET sys/init", r#"200 {"initialized": false}"#),
        ("GET sys/health", r#"501 {"initialized": false, "sealed": true}"#),
        ("GET sys/health?uninitcode=299", r#"299 {"initialized": false}"#),
        ("GET sys/seal-status", r#"200 {"initialized": false, "sealed": true, "t": 0, "n": 0}"#),
        ("PUT sys/unseal {\"key\": \"AAAA\"}", r#"400 {"errors": ["Vault is not initialized"]}"#),
        ("GET sys/regent/sealed-shares", r#"404 {"errors": []}"#),
        ("GET sys/generate-root/attempt", r#"400 {"errors": ["Vault is not initialized"]}"#),
        ("GET secret/data/a", r#"503 {"errors": ["Vault is sealed"]}"#),
        ("GET sys/leader", r#"503 {"errors": ["Vault is sealed"]}"#),
    ])
    .await;
}

#[tokio::test]
async fn initialization_happens_once_and_refuses_impossible_numbers() {
    let mut app = App::open(Storage::Memory);
    for numbers in [
        r#"{"secret_shares": 0, "secret_threshold": 0}"#,
        r#"{"secret_shares": 2, "secret_threshold": 3}"#,
        r#"{"secret_shares": 3, "secret_threshold": 1}"#,
        r#"{"secret_shares": 256, "secret_threshold": 2}"#,
        r#"{"secret_shares": 1, "secret_threshold": 1, "pgp_keys": ["x"]}"#,
        r#"{"secret_shares": -1, "secret_threshold": 1}"#,
    ] {
        app.check(&format!("PUT sys/init {numbers}"), "400 {\"errors\": [\"*\"]}").await;
    }
    app.check("GET sys/init", r#"200 {"initialized": false}"#).await;
    app.init().await;
    app.check("GET sys/init", r#"200 {"initialized": true}"#).await;
    app.check(
        r#"PUT sys/init {"secret_shares": 1, "secret_threshold": 1}"#,
        r#"400 {"errors": ["Vault is already initialized"]}"#,
    )
    .await;
}

#[tokio::test]
async fn two_of_three_shares_unseal_and_the_same_one_twice_does_not() {
    let mut app = App::open(Storage::Memory);
    app.init().await;
    let [a, b, _] = app.shares.as_slice() else { panic!() };
    let (a, b) = (
        format!(r#"PUT sys/unseal {{"key": "{a}"}}"#),
        format!(r#"PUT sys/unseal {{"key": "{b}"}}"#),
    );
    let progress = |n| format!(r#"200 {{"sealed": true, "progress": {n}, "t": 2, "n": 3}}"#);
    app.check(&a, &progress(1)).await;
    app.check(&a, &progress(1)).await;
    app.check(r#"PUT sys/unseal {"reset": true}"#, &progress(0)).await;
    app.check(&a, &progress(1)).await;
    app.check(&b, r#"200 {"sealed": false, "progress": 0, "cluster_id": "*"}"#).await;
    app.check(&b, r#"200 {"sealed": false}"#).await;
    app.check("GET sys/health", r#"200 {"sealed": false, "standby": false}"#).await;
}

#[tokio::test]
async fn wrong_shares_are_forgotten_as_a_whole() {
    let mut app = App::open(Storage::Memory);
    app.init().await;
    let mut other = App::open(Storage::Memory);
    other.init().await;
    let given = [app.shares[0].clone(), other.shares[1].clone(), other.shares[2].clone()];
    let mut refused = false;
    for share in &given {
        let answer = app.ask(&format!(r#"PUT sys/unseal {{"key": "{share}"}}"#)).await;
        refused |= answer.status == 400;
    }
    assert!(refused, "a foreign share may share its x with ours, but not with both of theirs");
    app.ask(r#"PUT sys/unseal {"reset": true}"#).await;
    for bad in ["", "AAAA", "!", "00"] {
        let request = format!(r#"PUT sys/unseal {{"key": "{bad}"}}"#);
        app.check(&request, r#"400 {"errors": ["*"]}"#).await;
    }
    app.check("GET sys/seal-status", r#"200 {"sealed": true, "progress": 0}"#).await;
    app.unseal().await;
}

#[tokio::test]
async fn what_was_written_is_there_after_sealing_and_only_then() {
    let app = App::ready().await;
    app.script(&[
        (r#"POST sys/mounts/secret {"type": "kv", "options": {"version": "2"}}"#, "204"),
        (r#"PUT secret/data/a {"data": {"k": "v"}}"#, r#"200 {"data": {"version": 1}}"#),
        ("PUT sys/seal", "204"),
        ("GET secret/data/a", r#"503 {"errors": ["Vault is sealed"]}"#),
        ("GET sys/mounts", r#"503 {"errors": ["Vault is sealed"]}"#),
        ("GET auth/token/lookup-self", r#"503 {"errors": ["Vault is sealed"]}"#),
        ("GET sys/health", r#"503 {"initialized": true, "sealed": true}"#),
        ("GET sys/health?sealedcode=299", r#"299 {"sealed": true}"#),
    ])
    .await;
    app.unseal().await;
    app.check("GET secret/data/a", r#"200 {"data": {"data": {"k": "v"}}}"#).await;
}

#[tokio::test]
async fn rotation_raises_the_term_and_old_values_stay_readable() {
    let app = App::ready().await;
    app.script(&[
        (r#"POST sys/mounts/secret {"type": "kv-v2"}"#, "204"),
        (r#"PUT secret/data/a {"data": {"k": "old"}}"#, r#"200 {"data": {"version": 1}}"#),
        ("GET sys/key-status", r#"200 {"term": 1, "data": {"term": 1, "install_time": "*"}}"#),
        ("PUT sys/rotate", "204"),
        ("GET sys/key-status", r#"200 {"term": 2}"#),
        (r#"PUT secret/data/b {"data": {"k": "new"}}"#, r#"200 {"data": {"version": 1}}"#),
        ("PUT sys/seal", "204"),
    ])
    .await;
    app.unseal().await;
    app.script(&[
        ("GET sys/key-status", r#"200 {"term": 2}"#),
        ("GET secret/data/a", r#"200 {"data": {"data": {"k": "old"}}}"#),
        ("GET secret/data/b", r#"200 {"data": {"data": {"k": "new"}}}"#),
    ])
    .await;
}

#[tokio::test]
async fn a_data_file_is_one_authoritys_until_it_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("authority.redb");
    let mut app = App::open(Storage::File(path.clone()));
    app.init().await;
    app.unseal().await;
    app.check(r#"POST sys/mounts/secret {"type": "kv-v2"}"#, "204").await;
    app.check(r#"PUT secret/data/a {"data": {"k": "v"}}"#, r#"200 {"data": {"version": 1}}"#).await;

    let second = Authority::open(options(Storage::File(path.clone()), Audit::Memory));
    let Err(error) = second else { panic!("opened twice") };
    assert!(matches!(&error, OpenError::Locked { path: locked } if *locked == path), "{error:?}");
    assert_eq!(error.reason(), "DataFileLocked");

    let App { authority, token, shares, now_s } = app;
    authority.close().await;
    let authority = Authority::open(options(Storage::File(path), Audit::Memory)).unwrap();
    let again = App { authority, token, shares, now_s };
    again.check("GET secret/data/a", r#"503 {"errors": ["Vault is sealed"]}"#).await;
    again.unseal().await;
    again.check("GET secret/data/a", r#"200 {"data": {"data": {"k": "v"}}}"#).await;
}

#[cfg(unix)]
#[tokio::test]
async fn data_file_and_audit_log_are_private() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let (data, log) = (folder.path().join("authority.redb"), folder.path().join("audit.log"));
    let opened = options(Storage::File(data.clone()), Audit::File(log.clone()));
    Authority::open(opened).unwrap().close().await;
    for path in [data, log] {
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_foreign_or_damaged_file_is_refused_with_advice() {
    let folder = tempfile::tempdir().unwrap();
    let foreign = folder.path().join("foreign");
    std::fs::write(&foreign, b"apiVersion: v1\nkind: List\n".repeat(100)).unwrap();
    let opened = Authority::open(options(Storage::File(foreign), Audit::Memory));
    let Err(error) = opened else { panic!("opened") };
    assert!(matches!(error, OpenError::NotADataFile { .. }), "{error:?}");
    assert!(!error.advice().action.is_empty());

    let missing = folder.path().join("no/such/folder/file");
    let opened = Authority::open(options(Storage::File(missing), Audit::Memory));
    assert!(matches!(opened, Err(OpenError::Io { .. })));
}
