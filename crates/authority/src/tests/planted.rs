//! A planted value is in no line of the audit log and in no byte of the data file.

use serde_json::Value;

use super::App;
use crate::{Audit, Authority, Storage};

const PLANTED: &str = "planted-7f3a9c";

fn entries(lines: &[String]) -> Vec<Value> {
    lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn every_request_is_two_lines_and_no_line_has_a_value() {
    let app = App::ready().await;
    app.script(&[
        (r#"POST sys/mounts/secret {"type": "kv-v2"}"#, "204"),
        (
            r#"PUT secret/data/a {"data": {"password": "planted-7f3a9c", "n": {"pin": 7319482}}}"#,
            r#"200 {"data": {"version": 1}}"#,
        ),
        ("GET secret/data/a", r#"200 {"data": {"data": {"password": "planted-7f3a9c"}}}"#),
        (r#"PATCH secret/data/a {"data": {"other": "planted-7f3a9c"}}"#, r#"200 {"data": "*"}"#),
        ("GET secret/data/none?version=planted-7f3a9c", r#"400 {"errors": ["*"]}"#),
        (r#"PUT sys/policies/acl/p {"policy": "planted-7f3a9c"}"#, r#"400 {"errors": "*"}"#),
    ])
    .await;
    let created = app.token_of(&["default"]).await;

    let lines = app.authority.audit_lines();
    let all = lines.join("\n");
    for hidden in [PLANTED, "7319482", &app.token, &created, &app.shares[0], &app.shares[1]] {
        assert!(!all.contains(hidden), "{hidden} is in the audit log");
    }
    let entries = entries(&lines);
    let paths = |kind: &str| {
        let of = |entry: &&Value| entry["type"] == kind;
        entries.iter().filter(of).map(|entry| entry["request"]["path"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(paths("request"), paths("response"));

    let write = entries
        .iter()
        .find(|entry| entry["request"]["path"] == "secret/data/a" && entry["type"] == "request")
        .unwrap();
    assert_eq!(write["request"]["operation"], "create");
    assert_eq!(write["request"]["mount_point"], "secret/");
    assert_eq!(write["auth"]["policies"], serde_json::json!(["root"]));
    let hashed = write["request"]["data"]["data"]["password"].as_str().unwrap();
    assert!(hashed.starts_with("hmac-sha256:") && hashed.len() == 12 + 64, "{hashed}");
    let read = entries
        .iter()
        .find(|entry| entry["type"] == "response" && entry["request"]["operation"] == "read")
        .unwrap();
    assert_eq!(read["response"]["data"]["data"]["password"], hashed, "equal values match");
}

#[tokio::test]
async fn refused_requests_are_in_the_log_with_their_error() {
    let mut app = App::ready().await;
    app.with_token("hvs.notatoken", async |app| app.ask("GET secret/data/a").await.status).await;
    let entries = entries(&app.authority.audit_lines());
    let denied = entries.iter().filter(|entry| entry["request"]["path"] == "secret/data/a");
    let errors: Vec<_> = denied.map(|entry| entry["error"].clone()).collect();
    assert_eq!(errors, ["permission denied", "permission denied"]);
    assert!(!app.authority.audit_lines().join("").contains("hvs.notatoken"));
}

#[tokio::test]
async fn the_data_file_holds_no_value_no_token_and_no_share() {
    let folder = tempfile::tempdir().unwrap();
    let (data, log) = (folder.path().join("authority.redb"), folder.path().join("audit.log"));
    let mut app = App::with(|mut options| {
        options.storage = Storage::File(data.clone());
        options.audit = Audit::File(log.clone());
        Authority::open(options).unwrap()
    });
    app.init().await;
    app.unseal().await;
    app.script(&[
        (r#"POST sys/mounts/secret {"type": "kv-v2"}"#, "204"),
        (r#"PUT secret/data/a {"data": {"k": "planted-7f3a9c"}}"#, r#"200 {"data": "*"}"#),
        (
            r#"PUT sys/policies/acl/p {"policy": "path \"planted-7f3a9c\" { capabilities = [\"read\"] }"}"#,
            "204",
        ),
    ])
    .await;
    let (token, shares) = (app.token.clone(), app.shares.clone());
    app.authority.close().await;
    for path in [data, log] {
        let bytes = std::fs::read(&path).unwrap();
        for hidden in [PLANTED, &token, &token[4..], &shares[0], &shares[1]] {
            let found = bytes.windows(hidden.len()).any(|window| window == hidden.as_bytes());
            assert!(!found, "{hidden} is in {}", path.display());
        }
    }
}

/// With no device that takes the entry nothing is done.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_request_that_cannot_be_audited_is_refused_before_its_effect() {
    let mut app = App::with(|mut options| {
        options.audit = Audit::File("/dev/full".into());
        Authority::open(options).unwrap()
    });
    app.check(
        r#"PUT sys/init {"secret_shares": 1, "secret_threshold": 1}"#,
        r#"500 {"errors": ["~the audit log takes no entry"]}"#,
    )
    .await;
    app.token = "x".to_owned();
    app.check("GET sys/init", r#"200 {"initialized": false}"#).await;
}
