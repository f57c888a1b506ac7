//! What is acted on, and what refuses the whole ExternalSecret.

use serde_json::json;

use super::*;

fn parsed(patch: Value) -> Result<Request, NotReady> {
    let mut spec = json!({
        "secretStoreRef": { "name": "vault-backend", "kind": "ClusterSecretStore" },
        "data": [{ "secretKey": "password", "remoteRef": {
            "key": "runtime/payments/db", "property": "password" } }],
    });
    for (key, value) in patch.as_object().expect("an object") {
        spec[key] = value.clone();
    }
    let spec: ExternalSecretSpec = serde_json::from_value(spec).expect("a spec");
    Request::parse("db", &spec)
}

#[test]
fn defaults_are_those_of_eso() {
    let request = parsed(json!({})).expect("a request");
    assert_eq!(request.target, "db");
    assert_eq!(request.refresh, Refresh::Every(Duration::from_secs(3_600)));
    assert_eq!((request.creation, request.deletion), (Creation::Owner, Deletion::Retain));
}

#[test]
fn intervals_and_policies_say_when_it_is_refreshed() {
    let table = [
        (json!({ "refreshInterval": "1h0m0s" }), Refresh::Every(Duration::from_secs(3_600))),
        (json!({ "refreshInterval": "90s" }), Refresh::Every(Duration::from_secs(90))),
        (json!({ "refreshInterval": "10ms" }), Refresh::Every(Duration::from_secs(1))),
        (json!({ "refreshInterval": "0" }), Refresh::Once),
        (json!({ "refreshInterval": "0s" }), Refresh::Once),
        (json!({ "refreshPolicy": "CreatedOnce" }), Refresh::Once),
        (json!({ "refreshPolicy": "OnChange" }), Refresh::OnChange),
    ];
    for (patch, expected) in table {
        assert_eq!(parsed(patch.clone()).map(|r| r.refresh), Ok(expected), "{patch}");
    }
}

/// PROTOCOLS.md §6: by every field that can name a path or change what is written.
#[test]
fn what_is_not_acted_on_is_refused_by_name() {
    let entry = |extra: Value| {
        let mut reference = json!({ "key": "runtime/payments/db", "property": "password" });
        for (key, value) in extra.as_object().expect("an object") {
            reference[key] = value.clone();
        }
        json!({ "data": [{ "secretKey": "a", "remoteRef": reference }] })
    };
    let from = |entry: Value| json!({ "dataFrom": [entry] });
    let target = |target: Value| json!({ "target": target });
    let extract = json!({ "key": "runtime/payments/db" });
    let table = [
        (entry(json!({ "metadataPolicy": "Fetch" })), "metadataPolicy"),
        (entry(json!({ "conversionStrategy": "Unicode" })), "conversionStrategy"),
        (entry(json!({ "decodingStrategy": "Rot13" })), "decodingStrategy"),
        (entry(json!({ "version": "newest" })), "version"),
        (from(json!({ "find": { "name": { "regexp": ".*" } } })), "dataFrom[0].find"),
        (from(json!({ "extract": extract, "rewrite": [{}] })), "dataFrom[0].rewrite"),
        (from(json!({ "sourceRef": { "generatorRef": {} } })), "dataFrom[0].sourceRef"),
        (target(json!({ "manifest": { "kind": "ConfigMap" } })), "target.manifest"),
        (target(json!({ "template": { "data": { "a": "{{ .b }}" } } })), "target.template.data"),
        (
            target(json!({ "template": { "templateFrom": [{ "literal": "x" }] } })),
            "target.template.templateFrom",
        ),
        (
            target(json!({ "template": { "metadata": { "labels": { "a": "{{ .b }}" } } } })),
            "as a template",
        ),
        (
            target(json!({ "creationPolicy": "Merge", "deletionPolicy": "Delete" })),
            "deletionPolicy",
        ),
        (target(json!({ "template": { "type": "kubernetes.io/service-account-token" } })), "type"),
        (json!({ "syncWindows": { "kind": "allow" } }), "syncWindows"),
        (json!({ "data": [] }), "no entry"),
    ];
    for (patch, field) in table {
        let not_ready = parsed(patch.clone()).expect_err("a not_ready");
        assert_eq!(not_ready.reason, "Unsupported", "{patch}");
        assert!(not_ready.message.contains(field), "{patch}: {}", not_ready.message);
    }
}

#[test]
fn data_comes_after_data_from_so_that_it_wins() {
    let request = parsed(json!({ "dataFrom": [{ "extract": { "key": "runtime/payments/all" } }] }));
    let order: Vec<String> =
        request.expect("a request").entries.iter().map(|e| e.place().path.to_string()).collect();
    assert_eq!(order, ["runtime/payments/all", "runtime/payments/db"]);
}

/// One of the two would be lost.
#[test]
fn m13_a_key_that_two_entries_name_is_refused_by_name() {
    let entry =
        json!({ "secretKey": "a", "remoteRef": { "key": "runtime/payments/db", "property": "b" } });
    let twice = json!({ "data": [entry, entry] });
    let refused = parsed(twice.clone()).expect_err("refused");
    assert!(refused.message.contains("key \"a\""), "{}", refused.message);
    let mut either = twice;
    either["target"] = json!({ "deletionPolicy": "Merge" });
    assert!(parsed(either).is_ok(), "the second may stand in for a first that is gone");
}

/// Whoever could set them could say of any Secret that it is authoritative, handed over, or somebody's.
#[test]
fn m12_a_template_that_sets_a_mark_of_regents_is_refused() {
    for key in
        ["regent.dev/handed-over", "regent.dev/class", "reconcile.external-secrets.io/managed"]
    {
        for field in ["labels", "annotations"] {
            let template = json!({ "metadata": { field: { key: "become" } } });
            let refused = parsed(json!({ "target": { "template": template } })).expect_err(key);
            assert_eq!(refused.reason, "Reserved", "{key}");
            assert!(refused.message.contains(key), "{}", refused.message);
        }
    }
}

/// Each entry may name its store; nothing else is a source.
#[test]
fn m09_entries_name_stores_of_their_own() {
    let reference = json!({ "key": "runtime/payments/db" });
    let source = json!({ "storeRef": { "name": "vault-backend", "kind": "ClusterSecretStore" } });
    let spec = |source: &Value| {
        json!({ "dataFrom": [{ "extract": reference, "sourceRef": source }],
            "data": [{ "secretKey": "a", "remoteRef": reference, "sourceRef": source }] })
    };
    let parsed_spec: ExternalSecretSpec = serde_json::from_value(spec(&source)).expect("a spec");
    assert!(Request::parse("db", &parsed_spec).is_ok());
    let names: Vec<_> = stores(&parsed_spec).into_iter().map(|s| (s.kind(), s.name)).collect();
    assert_eq!(names, [("ClusterSecretStore", "vault-backend".to_owned())]);
    let both = json!({ "storeRef": { "name": "s" }, "generatorRef": {} });
    for other in [json!({ "generatorRef": { "name": "g" } }), both] {
        let parsed_spec = serde_json::from_value(spec(&other)).expect("a spec");
        assert_eq!(Request::parse("db", &parsed_spec).err().map(|n| n.reason), Some("Unsupported"));
    }
}
