//! What ends up in a Secret.

use regent_types::SecretPath;
use serde_json::{Value, json};

use super::*;

fn request(spec: Value) -> Request {
    let mut all = json!({ "secretStoreRef": { "name": "vault-backend" } });
    for (key, value) in spec.as_object().expect("an object") {
        all[key] = value.clone();
    }
    let spec = serde_json::from_value(all).expect("a spec");
    Request::parse("db", &spec, "secret").expect("a request")
}

fn secret(pairs: &[(&str, &str)]) -> SecretData {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), Sensitive::new(v.as_bytes().to_vec()))).collect()
}

fn place(path: &str) -> Place {
    Place { path: SecretPath::parse(path).expect("a path"), version: None }
}

fn text(rendered: Result<Rendered, NotReady>) -> String {
    match rendered {
        Ok(Rendered::Gone) => "gone".into(),
        Ok(Rendered::Data(data)) => data
            .iter()
            .map(|(k, v)| format!("{k}={}", String::from_utf8_lossy(v.expose())))
            .collect::<Vec<_>>()
            .join(" "),
        Err(not_ready) => format!("{}: {}", not_ready.reason, not_ready.message),
    }
}

fn key(secret_key: &str, reference: Value) -> Value {
    let mut all = json!({ "key": "runtime/a/db" });
    for (key, value) in reference.as_object().expect("an object") {
        all[key] = value.clone();
    }
    json!({ "secretKey": secret_key, "remoteRef": all })
}

#[test]
fn properties_become_keys_as_they_do_in_eso() {
    let stored = secret(&[
        ("user", "app"),
        ("a.b", "dotted"),
        ("b64", "aGk="),
        ("url", "-_8="),
        ("odd key", "x"),
        ("html", "<a&\"b\">\n"),
    ]);
    let at = place("runtime/a/db");
    let reads = Reads::from([(&at, Some(&stored))]);
    let table = [
        (json!({ "data": [key("u", json!({ "property": "user" }))] }), "u=app"),
        (json!({ "data": [key("d", json!({ "property": "a.b" }))] }), "d=dotted"),
        (
            json!({ "data": [key("d", json!({ "property": "b64", "decodingStrategy": "Base64" }))] }),
            "d=hi",
        ),
        (
            json!({ "data": [key("d", json!({ "property": "user", "decodingStrategy": "Auto" }))] }),
            "d=app",
        ),
        (
            json!({ "data": [key("d", json!({ "property": "odd key", "decodingStrategy": "Base64" }))] }),
            "SecretSyncedError: the value for key \"d\" is not base64 as decodingStrategy says",
        ),
        (
            json!({ "data": [key("d", json!({ "property": "none" }))] }),
            "SecretSyncedError: runtime/a/db has no property \"none\"; the Secret is kept",
        ),
        (
            json!({ "dataFrom": [{ "extract": { "key": "runtime/a/db" } }],
                    "data": [key("user", json!({ "property": "a.b" }))] }),
            "a.b=dotted b64=aGk= html=<a&\"b\">\n odd_key=x url=-_8= user=dotted",
        ),
    ];
    for (spec, expected) in table {
        assert_eq!(text(render(&request(spec.clone()), &reads)), expected, "{spec}");
    }
    let expression = json!({ "data": [key("d", json!({ "property": "x.y" }))] });
    let found = text(render(&request(expression), &reads));
    assert!(found.starts_with("Unsupported"), "{found}");
}

#[test]
fn a_secret_without_property_is_compact_json_with_go_escapes() {
    let stored = secret(&[("b", "<&>\u{1}"), ("a", "q\"\\\n")]);
    let at = place("runtime/a/db");
    let reads = Reads::from([(&at, Some(&stored))]);
    let found = text(render(&request(json!({ "data": [key("all", json!({}))] })), &reads));
    assert_eq!(found, r#"all={"a":"q\"\\\n","b":"\u003c\u0026\u003e\u0001"}"#);
}

/// PROTOCOLS.md §6: a missing source deletes nothing unless the policy says so.
#[test]
fn what_a_missing_source_does_depends_on_the_deletion_policy() {
    let stored = secret(&[("k", "v")]);
    let (gone, there) = (place("runtime/a/gone"), place("runtime/a/db"));
    let reads = Reads::from([(&gone, None), (&there, Some(&stored))]);
    let spec = |policy: &str, keys: &[&str]| {
        let from: Vec<Value> = keys.iter().map(|k| json!({ "extract": { "key": k } })).collect();
        request(json!({ "dataFrom": from, "target": { "deletionPolicy": policy } }))
    };
    let both = ["runtime/a/gone", "runtime/a/db"];
    let kept = text(render(&spec("Retain", &both), &reads));
    assert!(
        kept.starts_with("SecretSyncedError: the authority holds no value at runtime/a/gone"),
        "{kept}"
    );
    assert_eq!(text(render(&spec("Delete", &both), &reads)), "k=v");
    assert_eq!(text(render(&spec("Delete", &["runtime/a/gone"]), &reads)), "gone");
    assert_eq!(text(render(&spec("Merge", &["runtime/a/gone"]), &reads)), "");
}
