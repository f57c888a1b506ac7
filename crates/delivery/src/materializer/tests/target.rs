//! What happens to Secrets of every origin.

use regent_types::Sensitive;
use serde_json::{Value, json};

use super::*;

fn request(target: Value) -> Request {
    let spec = json!({
        "secretStoreRef": { "name": "vault-backend" },
        "target": target,
        "dataFrom": [{ "extract": { "key": "runtime/a/db" } }],
    });
    let spec = serde_json::from_value(spec).expect("a spec");
    Request::parse("db", &spec).expect("a request")
}

fn data(pairs: &[(&str, &str)]) -> SecretData {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), Sensitive::new(v.as_bytes().to_vec()))).collect()
}

fn versions(number: i64) -> Versions {
    let path = SecretPath::parse("runtime/a/db").expect("a path");
    BTreeMap::from([(path, VersionPair::new(number, format!("t{number}")))])
}

fn secret(value: Value) -> Secret {
    serde_json::from_value(value).expect("a Secret")
}

fn bootstrap(annotations: Value) -> Secret {
    secret(json!({
        "metadata": { "name": "db", "namespace": "a", "uid": "b", "resourceVersion": "5",
            "labels": { "regent.dev/class": "bootstrap", "regent.dev/source": "s" },
            "annotations": annotations,
            "ownerReferences": [{ "apiVersion": "regent.dev/v1alpha1", "kind": "EncryptedManifest",
                "name": "db", "uid": "m" }] },
        "type": "Opaque", "data": { "password": "b2xk" },
    }))
}

fn with<T>(run: impl FnOnce(&Owner<'_>) -> T) -> T {
    let meta = ObjectMeta {
        labels: Some(BTreeMap::from([
            ("team".into(), "a".into()),
            (labels::SOURCE.into(), "x".into()),
            ("app.kubernetes.io/instance".into(), "platform".into()),
        ])),
        annotations: Some(BTreeMap::from([
            ("kubectl.kubernetes.io/last-applied-configuration".into(), "{}".into()),
            ("argocd.argoproj.io/tracking-id".into(), "platform:x".into()),
        ])),
        ..ObjectMeta::default()
    };
    run(&Owner { namespace: "a", name: "db", uid: "es", meta: &meta, lives: &|_| false })
}

fn written(
    target: Value,
    existing: Option<&Secret>,
    pairs: &[(&str, &str)],
    number: i64,
) -> Result<Write, NotReady> {
    with(|owner| {
        let request = request(target);
        may_write(&request, owner, existing)?;
        plan(&request, owner, existing, &data(pairs), &versions(number))
    })
}

fn after(write: Result<Write, NotReady>) -> Secret {
    match write {
        Ok(Write::Create(secret) | Write::Replace(secret)) => (**secret).clone(),
        Ok(Write::Nothing) => panic!("expected a write, found none"),
        Err(not_ready) => panic!("expected a write, found {not_ready:?}"),
    }
}

fn reason(write: Result<Write, NotReady>) -> &'static str {
    write.map(|_| "written").unwrap_or_else(|not_ready| not_ready.reason)
}

#[test]
fn a_new_secret_is_marked_and_owned_and_holds_no_hash() {
    let made = after(written(json!({}), None, &[("password", "new")], 3));
    let text = json!(made.metadata).to_string();
    assert_eq!(
        made.metadata.labels.as_ref().map(|l| l[labels::CLASS].as_str()),
        Some("materialized")
    );
    assert!(
        text.contains(r#""team":"a""#) && text.contains("reconcile.external-secrets.io/managed")
    );
    assert!(
        !text.contains("hash") && !text.contains("last-applied") && !text.contains(labels::SOURCE)
    );
    // Argo CD prunes what bears its mark and is not in Git.
    assert!(!text.contains("instance") && !text.contains("argocd"), "{text}");
    assert_eq!(annotation(&made, labels::VERSIONS), Some(r#"{"runtime/a/db":"3@t3"}"#));
    assert_eq!((owned_by(&made), &made.metadata.owner_references), (Some("db"), &None));
    assert_eq!(made.type_.as_deref(), Some("Opaque"));
}

#[test]
fn an_unchanged_secret_is_not_written_again() {
    let made = after(written(json!({}), None, &[("password", "new")], 3));
    assert!(matches!(
        written(json!({}), Some(&made), &[("password", "new")], 3),
        Ok(Write::Nothing)
    ));
    let newer = written(json!({}), Some(&made), &[("password", "newer")], 4);
    assert_eq!(after(newer).data.map(|d| d["password"].0.clone()), Some(b"newer".to_vec()));
}

#[test]
fn drift_is_put_right() {
    let made = after(written(json!({}), None, &[("password", "new")], 3));
    let mut edited = made.clone();
    edited.data = Some(BTreeMap::from([("password".into(), ByteString(b"edited".to_vec()))]));
    edited.metadata.annotations.get_or_insert_default().remove(labels::OWNED_BY);
    assert_eq!(after(written(json!({}), Some(&edited), &[("password", "new")], 3)), made);
}

/// Foreign Secrets, by creation policy.
#[test]
fn a_secret_of_somebody_else_is_not_overwritten() {
    let plain = secret(json!({ "metadata": { "name": "db" }, "data": { "other": "eA==" } }));
    let controlled = secret(json!({ "metadata": { "name": "db", "ownerReferences": [{
        "apiVersion": "v1", "kind": "Thing", "name": "t", "uid": "t", "controller": true }] } }));
    let table = [
        ("Owner", Some(&plain), "SecretNotMine"),
        ("Owner", Some(&controlled), "SecretNotMine"),
        ("Orphan", Some(&controlled), "SecretNotMine"),
        ("Orphan", Some(&plain), "written"),
        ("Merge", Some(&plain), "written"),
        ("Merge", None, "SecretMissing"),
        ("CreateOrMerge", None, "written"),
    ];
    for (policy, existing, expected) in table {
        let write = written(json!({ "creationPolicy": policy }), existing, &[("k", "v")], 1);
        assert_eq!(reason(write), expected, "{policy}");
    }
    let merged =
        after(written(json!({ "creationPolicy": "Merge" }), Some(&plain), &[("k", "v")], 1));
    let keys: Vec<String> = merged.data.unwrap_or_default().into_keys().collect();
    assert_eq!(keys, ["k", "other"]);
}

/// PROTOCOLS.md §4.4: `become` only when the orchestrator marked it, in one update, dropping
/// nothing.
#[test]
fn a_bootstrap_secret_becomes_the_materialized_one_only_when_marked() {
    let waiting = bootstrap(json!({ "regent.dev/source-repo": "r" }));
    for policy in ["Owner", "Orphan", "Merge", "CreateOrMerge"] {
        let write =
            written(json!({ "creationPolicy": policy }), Some(&waiting), &[("password", "old")], 1);
        assert_eq!(reason(write), "AwaitingHandover", "{policy}");
    }
    let deleting = bootstrap(json!({ "regent.dev/handed-over": "delete" }));
    assert_eq!(
        reason(written(json!({}), Some(&deleting), &[("password", "old")], 1)),
        "AwaitingHandover"
    );

    let marked = bootstrap(json!({
        "regent.dev/source-repo": "r", "regent.dev/handed-over": "become",
        "regent.dev/handed-over-to": "a/db", "keep": "me",
    }));
    for pairs in [&[("password", "new")][..], &[("user", "x")][..]] {
        assert_eq!(reason(written(json!({}), Some(&marked), pairs, 1)), "BecomeWouldDrop");
    }
    let pairs = [("password", "old"), ("user", "x")];
    let new = after(written(json!({}), Some(&marked), &pairs, 1));
    assert_eq!(class(&new), Some("materialized"));
    assert_eq!(
        (new.metadata.uid.as_deref(), new.metadata.resource_version.as_deref()),
        (Some("b"), Some("5"))
    );
    let keys: Vec<&String> = new.metadata.annotations.iter().flatten().map(|(k, _)| k).collect();
    assert_eq!(keys, ["keep", labels::OWNED_BY, labels::PARTS, labels::VERSIONS]);
    assert_eq!(new.metadata.owner_references, None);
}

/// Issue 14: an ExternalSecret that is declared again, under another uid, writes nothing.
#[test]
fn one_of_the_same_name_finds_its_secret_as_it_is() {
    let made = after(written(json!({}), None, &[("password", "new")], 3));
    let request = request(json!({}));
    let again = |name: &str| {
        with(|owner| {
            let owner = Owner { name, uid: "another", ..owner.clone() };
            may_write(&request, &owner, Some(&made))?;
            plan(&request, &owner, Some(&made), &data(&[("password", "new")]), &versions(3))
        })
    };
    assert!(matches!(again("db"), Ok(Write::Nothing)));
    assert_eq!(reason(again("other")), "SecretNotMine");
}

/// What earlier versions wrote loses its owner reference at the next look, and only its own.
#[test]
fn an_owner_reference_of_an_earlier_version_is_taken_away() {
    let reference = |kind: &str, uid: &str, controller: bool| {
        json!({ "apiVersion": "external-secrets.io/v1", "kind": kind, "name": "db", "uid": uid,
            "controller": controller })
    };
    let mut old = after(written(json!({}), None, &[("password", "new")], 3));
    old.metadata.annotations.get_or_insert_default().remove(labels::OWNED_BY);
    old.metadata
        .labels
        .get_or_insert_default()
        .extend([("app.kubernetes.io/instance".into(), "platform".into())]);
    let both = json!([reference("ExternalSecret", "es", true), reference("Thing", "t", false)]);
    old.metadata.owner_references = serde_json::from_value(both).expect("references");
    let new = after(written(json!({}), Some(&old), &[("password", "new")], 3));
    let left: Vec<String> =
        new.metadata.owner_references.iter().flatten().map(|r| r.kind.clone()).collect();
    assert_eq!((owned_by(&new), left), (Some("db"), vec!["Thing".to_owned()]));
    assert!(!new.metadata.labels.iter().flatten().any(|(k, _)| k.ends_with("instance")));
    with(|owner| assert!(is_owned(&old, owner) && is_owned(&new, owner)));
}

/// A Secret merged into keeps what its owner put there.
#[test]
fn a_merge_target_keeps_its_marks() {
    let theirs = secret(json!({ "metadata": { "name": "db",
        "labels": { "app.kubernetes.io/instance": "platform" },
        "annotations": { labels::OWNED_BY: "other" } } }));
    let merge = json!({ "creationPolicy": "Merge" });
    let merged = after(written(merge, Some(&theirs), &[("k", "v")], 1));
    assert_eq!(owned_by(&merged), Some("other"));
    assert!(merged.metadata.labels.iter().flatten().any(|(k, _)| k.ends_with("instance")));
}

#[test]
fn an_immutable_secret_may_change_its_marks_but_not_its_data() {
    let made = after(written(json!({ "immutable": true }), None, &[("k", "v")], 1));
    let same = written(json!({ "immutable": true }), Some(&made), &[("k", "v")], 2);
    assert!(matches!(same, Ok(Write::Replace(_))));
    let other = written(json!({ "immutable": true }), Some(&made), &[("k", "w")], 2);
    assert_eq!(reason(other), "SecretSyncedError");
}

/// What an earlier release wrote is adopted: marks are added, no byte of the data changes, and the next look writes nothing.
#[test]
fn m01_what_an_earlier_release_wrote_is_adopted_with_its_data_as_it_is() {
    for policy in ["Owner", "Merge"] {
        let target = || json!({ "creationPolicy": policy });
        let mut old = after(written(json!({}), None, &[("password", "new")], 3));
        old.metadata.annotations.get_or_insert_default().remove(labels::PARTS);
        if policy == "Merge" {
            old.metadata.annotations.get_or_insert_default().remove(labels::OWNED_BY);
        }
        let adopted = after(written(target(), Some(&old), &[("password", "new")], 3));
        assert_eq!(adopted.data, old.data, "{policy}");
        let again = written(target(), Some(&adopted), &[("password", "new")], 3);
        assert!(matches!(again, Ok(Write::Nothing)), "{policy}");
    }
}

/// A part is changed by its own ExternalSecret alone; a version is as old as the oldest part that renders it.
#[test]
fn m01_each_part_has_its_own_keys_and_versions() {
    let theirs = secret(
        json!({ "metadata": { "name": "db", "labels": { "team": "chart" } }, "data": { "own": "eA==" } }),
    );
    let target = || json!({ "creationPolicy": "Merge" });
    let one = after(written(target(), Some(&theirs), &[("a", "1")], 3));
    let request = request(target());
    let meta = ObjectMeta::default();
    let lives = |name: &str| name == "db";
    let two = Owner { namespace: "a", name: "two", uid: "2", meta: &meta, lives: &lives };
    let both = after(plan(&request, &two, Some(&one), &data(&[("b", "2")]), &versions(2)));
    let keys: Vec<&String> = both.data.iter().flatten().map(|(key, _)| key).collect();
    assert_eq!(keys, ["a", "b", "own"]);
    assert_eq!(annotation(&both, labels::VERSIONS), Some(r#"{"runtime/a/db":"2@t2"}"#));
    assert_eq!(
        both.metadata.labels.as_ref().map(|l| l["team"].as_str()),
        Some("chart"),
        "only copied"
    );
    let clash = plan(&request, &two, Some(&one), &data(&[("a", "2")]), &versions(2));
    assert_eq!(reason(clash), "OwnedByAnother");
    let left = without_part(&both, "two").expect("readable").expect("a part");
    let keys: Vec<&String> = left.data.iter().flatten().map(|(key, _)| key).collect();
    assert_eq!(
        (keys.len(), annotation(&left, labels::VERSIONS)),
        (2, Some(r#"{"runtime/a/db":"3@t3"}"#))
    );
    let foreign = without_part(&left, "db").expect("readable").expect("a part");
    assert!(!json!(foreign.metadata).to_string().contains("regent.dev/"));
}
