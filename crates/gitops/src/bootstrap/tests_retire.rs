//! Which Secrets go with their manifests, as a table.

use kube::core::ObjectMeta;
use serde_json::json;

use super::*;

fn metadata(value: serde_json::Value) -> ObjectMeta {
    serde_json::from_value(value).unwrap()
}

fn secret(class: &str, manifest: &str, mark: Option<&str>) -> ObjectMeta {
    let mut notes = json!({ labels::MANIFEST: manifest });
    if let Some(mark) = mark {
        notes[labels::HANDED_OVER] = json!(mark);
    }
    metadata(json!({ "labels": { labels::CLASS: class }, "annotations": notes,
        "creationTimestamp": "2026-01-02T00:00:00Z" }))
}

fn definition(created: &str, deleted: bool) -> ObjectMeta {
    let deleted = deleted.then_some("2026-01-03T00:00:00Z");
    metadata(json!({ "creationTimestamp": created, "deletionTimestamp": deleted }))
}

#[test]
fn g03_a_secret_that_nothing_consumed_goes_with_its_manifest_and_a_tombstone_stays() {
    let place = ("apps".to_owned(), "db".to_owned());
    let mine = || secret("bootstrap", "apps/db", None);
    let alive = definition("2026-01-01T00:00:00Z", false);
    let dying = definition("2026-01-01T00:00:00Z", true);
    let newer = definition("2026-01-03T00:00:00Z", false);
    let cases = [
        ("nobody named it", mine(), Holder::Unnamed, Some(&alive), true),
        ("named, not handed over", mine(), Holder::Git, Some(&alive), true),
        ("nothing decided", mine(), Holder::Undecided, Some(&alive), true),
        ("the authority has it", mine(), Holder::Authority, Some(&alive), false),
        (
            "tombstone",
            secret("bootstrap", "apps/db", Some("ignore")),
            Holder::Git,
            Some(&alive),
            false,
        ),
        (
            "of another manifest",
            secret("bootstrap", "apps/x", None),
            Holder::Unnamed,
            Some(&alive),
            false,
        ),
        (
            "materialized",
            secret("materialized", "apps/db", None),
            Holder::Unnamed,
            Some(&alive),
            false,
        ),
        ("a person's", secret("", "apps/db", None), Holder::Unnamed, Some(&alive), false),
        ("the definition goes", mine(), Holder::Unnamed, Some(&dying), false),
        ("the definition went", mine(), Holder::Unnamed, None, false),
        ("the definition is new", mine(), Holder::Unnamed, Some(&newer), false),
    ];
    for (name, secret, holder, definition, expected) in cases {
        assert_eq!(goes(&secret, &place, holder, definition), expected, "{name}");
    }
}
