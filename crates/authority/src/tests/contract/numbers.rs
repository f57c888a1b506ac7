//! Numbers stay the tokens that they were written as.

use crate::tests::App;

const VALUES: &str =
    r#"{"big":12345678901234567890123,"cents":1.10,"deep":{"l":[1e400,-0,0.10,{"x":1E5}]},"n":7}"#;

async fn app() -> App {
    let app = App::ready().await;
    app.check(r#"POST sys/mounts/secret {"type": "kv-v2"}"#, "204").await;
    app
}

#[tokio::test]
async fn v03_values_come_back_byte_for_byte() {
    let app = app().await;
    let written = format!("PUT secret/data/a {{\"data\": {VALUES}, \"options\": {{\"cas\": 0}}}}");
    app.check(&written, r#"200 {"data": {"version": 1}}"#).await;
    let read = app.ask("GET secret/data/a").await.text;
    assert!(read.contains(&format!("\"data\":{VALUES}")), "{read}");
    // A patch keeps what it does not name, and takes its own numbers as they are.
    app.check(r#"PATCH secret/data/a {"data": {"n": 2.50}}"#, r#"200 {"data": {"version": 2}}"#)
        .await;
    let patched = VALUES.replace("\"n\":7", "\"n\":2.50");
    let read = app.ask("GET secret/data/a").await.text;
    assert!(read.contains(&format!("\"data\":{patched}")), "{read}");
    app.reopen().await;
    let read = app.ask("GET secret/data/a?version=1").await.text;
    assert!(read.contains(&format!("\"data\":{VALUES}")), "after a restart: {read}");
}

#[tokio::test]
async fn v03_a_condition_is_a_whole_number_however_large() {
    let app = app().await;
    let parsing = r#"400 {"errors": ["~parsing check-and-set"]}"#;
    let mismatch = r#"400 {"errors": ["~did not match"]}"#;
    for (cas, expected) in [
        ("1.0", parsing),
        ("1e0", parsing),
        ("18446744073709551616", parsing),
        ("9007199254740993", mismatch),
        ("-1", mismatch),
        ("0", r#"200 {"data": {"version": 1}}"#),
    ] {
        let request =
            format!("PUT secret/data/a {{\"data\": {{}}, \"options\": {{\"cas\": {cas}}}}}");
        app.check(&request, expected).await;
    }
}

#[tokio::test]
async fn v03_the_audit_log_has_the_hmac_of_the_number_as_it_is_written() {
    let app = app().await;
    let mut hashed = Vec::new();
    for token in ["1.10", "1.1", "\"1.10\"", "12345678901234567890123", "12345678901234567890124"] {
        app.ask(&format!("PUT secret/data/a {{\"data\": {{\"v\": {token}}}}}")).await;
        let line = app.audit_lines().into_iter().rev().find(|line| line["type"] == "request");
        let value = line.unwrap()["request"]["data"]["data"]["v"].clone();
        assert!(value.as_str().unwrap().starts_with("hmac-sha256:"), "{value}");
        hashed.push(value);
    }
    assert_eq!(hashed[0], hashed[2], "a number is hashed as its text");
    assert!(hashed[0] != hashed[1] && hashed[3] != hashed[4], "and no two texts are one number");
}
