//! What ends up in a Secret.

use regent_types::SecretPath;
use serde_json::{Value, json};

use super::*;
use crate::not_ready::Until;

fn request(spec: Value) -> Request {
    let mut all = json!({ "secretStoreRef": { "name": "vault-backend" } });
    for (key, value) in spec.as_object().expect("an object") {
        all[key] = value.clone();
    }
    let spec = serde_json::from_value(all).expect("a spec");
    Request::parse("db", &spec).expect("a request")
}

fn secret(pairs: &[(&str, &str)]) -> SecretData {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), Sensitive::new(v.as_bytes().to_vec()))).collect()
}

fn place(path: &str) -> Place {
    Place { path: SecretPath::parse(path).expect("a path"), version: None }
}

fn text_only(data: &SecretData) -> Live<'_> {
    static NONE: BTreeSet<String> = BTreeSet::new();
    Live { data, json: &NONE }
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
    let reads = Reads::from([(&at, Some(text_only(&stored)))]);
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
}

/// A property that is no key yet is missing, whatever its name, and is found once it is there.
#[test]
fn m10_a_property_with_a_dot_that_is_not_there_is_looked_for_again() {
    let at = place("runtime/a/db");
    let spec = request(json!({ "data": [key("d", json!({ "property": "tls.key" }))] }));
    let without = secret(&[("tls", "x")]);
    let found = render(&spec, &Reads::from([(&at, Some(text_only(&without)))]));
    let not_ready = found.expect_err("missing");
    assert_eq!((not_ready.reason, not_ready.until), ("SecretSyncedError", Until::Retry));
    let with = secret(&[("tls.key", "k")]);
    assert_eq!(text(render(&spec, &Reads::from([(&at, Some(text_only(&with)))]))), "d=k");
}

/// One of the two would be lost.
#[test]
fn m13_properties_that_become_one_key_are_refused_by_name() {
    let stored = secret(&[("a/b", "1"), ("a:b", "2")]);
    let at = place("runtime/a/db");
    let reads = Reads::from([(&at, Some(text_only(&stored)))]);
    let found = text(render(
        &request(json!({ "dataFrom": [{ "extract": { "key": "runtime/a/db" } }] })),
        &reads,
    ));
    let expected = "SecretSyncedError: properties \"a/b\" and \"a:b\" of runtime/a/db would both become key \"a_b\"";
    assert!(found.starts_with(expected), "{found}");
    // Entries that follow still take the place of those before, as in ESO.
    let over = json!({ "dataFrom": [{ "extract": { "key": "runtime/a/c" } }, { "extract": { "key": "runtime/a/db" } }] });
    let (first, second) = (secret(&[("k", "1")]), secret(&[("k", "2")]));
    let (c, db) = (place("runtime/a/c"), place("runtime/a/db"));
    let reads = Reads::from([(&c, Some(text_only(&first))), (&db, Some(text_only(&second)))]);
    assert_eq!(text(render(&request(over), &reads)), "k=2");
}

/// Types are kept within the JSON of a whole secret, and each value alone is its text.
#[test]
fn m05_json_types_are_kept_in_the_whole_secret() {
    let mut stored =
        secret(&[("nil", ""), ("opts", r#"{"a":[1,2]}"#), ("port", "5432"), ("tls", "true")]);
    stored.extend(secret(&[("text", "7"), ("big", "12345678901234567890123")]));
    let json = ["nil", "opts", "port", "tls", "big"].map(str::to_owned).into();
    let at = place("runtime/a/db");
    let reads = Reads::from([(&at, Some(Live { data: &stored, json: &json }))]);
    let found = text(render(&request(json!({ "data": [key("all", json!({}))] })), &reads));
    assert_eq!(
        found,
        r#"all={"big":12345678901234567890123,"nil":null,"opts":{"a":[1,2]},"port":5432,"text":"7","tls":true}"#
    );
    let each = text(render(
        &request(json!({ "dataFrom": [{ "extract": { "key": "runtime/a/db" } }] })),
        &reads,
    ));
    assert_eq!(
        each,
        r#"big=12345678901234567890123 nil= opts={"a":[1,2]} port=5432 text=7 tls=true"#
    );
}

#[test]
fn a_secret_without_property_is_compact_json_with_go_escapes() {
    let stored = secret(&[("b", "<&>\u{1}"), ("a", "q\"\\\n")]);
    let at = place("runtime/a/db");
    let reads = Reads::from([(&at, Some(text_only(&stored)))]);
    let found = text(render(&request(json!({ "data": [key("all", json!({}))] })), &reads));
    assert_eq!(found, r#"all={"a":"q\"\\\n","b":"\u003c\u0026\u003e\u0001"}"#);
}

/// PROTOCOLS.md §6: a missing source deletes nothing unless the policy says so.
#[test]
fn what_a_missing_source_does_depends_on_the_deletion_policy() {
    let stored = secret(&[("k", "v")]);
    let (gone, there) = (place("runtime/a/gone"), place("runtime/a/db"));
    let reads = Reads::from([(&gone, None), (&there, Some(text_only(&stored)))]);
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
