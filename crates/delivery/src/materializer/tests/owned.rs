//! Which Secrets are looked at, and with what knowledge.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::core::{ObjectMeta, PartialObjectMetaExt};
use serde_json::json;

use regent_types::labels;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time")
}

fn secret(name: &str, owner: &str) -> PartialObjectMeta<Secret> {
    ObjectMeta {
        namespace: Some("a".into()),
        name: Some(name.into()),
        labels: Some([(labels::CLASS.into(), labels::CLASS_MATERIALIZED.into())].into()),
        annotations: Some([(labels::OWNED_BY.into(), owner.into())].into()),
        ..ObjectMeta::default()
    }
    .into_response_partial()
}

fn external(name: &str, born: i64) -> ExternalSecret {
    let mut es: ExternalSecret = serde_json::from_value(json!({
        "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
        "metadata": { "name": name, "namespace": "a" }, "spec": {},
    }))
    .expect("an ExternalSecret");
    es.metadata.creation_timestamp = Some(Time(at(born)));
    es
}

fn listed(all: &[ExternalSecret]) -> Owned {
    let owned = Owned::default();
    owned.on_external(&Event::Init);
    for es in all {
        owned.on_external(&Event::InitApply(es.clone()));
    }
    owned.on_external(&Event::InitDone);
    owned
}

fn pending(owned: &Owned) -> Vec<(String, Former)> {
    std::iter::from_fn(|| owned.next()).map(|((_, name), former)| (name, former)).collect()
}

fn former(born: i64) -> Former {
    Former { born: Some(at(born)), orphaned: false }
}

#[test]
fn a_deleted_external_secret_has_its_secrets_looked_at() {
    let owned = listed(&[external("db", 7)]);
    owned.on_secret("a", &Event::Apply(secret("one", "db")));
    owned.on_secret("a", &Event::Apply(secret("two", "db")));
    assert_eq!(pending(&owned), []);
    owned.on_external(&Event::Delete(external("db", 7)));
    let both = [("one".to_owned(), former(7)), ("two".to_owned(), former(7))];
    assert_eq!(pending(&owned), both);
    // Tried again with what was known.
    owned.again(("a".into(), "one".into()), former(7));
    assert_eq!(pending(&owned), [("one".to_owned(), former(7))]);
}

#[test]
fn what_is_missing_in_a_new_listing_is_looked_at_too() {
    let owned = listed(&[external("db", 7), external("web", 8)]);
    owned.on_secret("a", &Event::Apply(secret("one", "db")));
    owned.on_secret("a", &Event::Apply(secret("two", "web")));
    owned.on_external(&Event::Init);
    owned.on_external(&Event::InitApply(external("web", 8)));
    owned.on_external(&Event::InitDone);
    assert_eq!(pending(&owned), [("one".to_owned(), former(7))]);
}

/// A process that starts has not seen the ExternalSecret, and looks only once all are listed.
#[test]
fn a_secret_without_its_external_secret_is_looked_at_after_the_listing() {
    let owned = Owned::default();
    owned.on_secret("a", &Event::InitApply(secret("one", "db")));
    assert_eq!(pending(&owned), []);
    owned.on_external(&Event::Init);
    owned.on_external(&Event::InitDone);
    assert_eq!(pending(&owned), [("one".to_owned(), Former::default())]);
    owned.on_secret("a", &Event::Apply(secret("late", "gone")));
    assert_eq!(pending(&owned), [("late".to_owned(), Former::default())]);
}

#[test]
fn the_wish_that_dependents_stay_is_kept_until_the_end() {
    let owned = listed(&[external("db", 7)]);
    owned.on_secret("a", &Event::Apply(secret("one", "db")));
    let mut ending = external("db", 7);
    ending.metadata.deletion_timestamp = Some(Time(at(9)));
    ending.metadata.finalizers = Some(vec![ORPHAN.into()]);
    owned.on_external(&Event::Apply(ending.clone()));
    ending.metadata.finalizers = None;
    owned.on_external(&Event::Delete(ending));
    assert_eq!(pending(&owned), [("one".to_owned(), Former { orphaned: true, ..former(7) })]);
}

#[test]
fn a_secret_of_another_class_or_without_an_owner_is_none_of_ours() {
    let owned = listed(&[]);
    let mut plain = secret("one", "db");
    plain.metadata.labels = None;
    let mut free = secret("two", "db");
    free.metadata.annotations = None;
    for secret in [plain, free] {
        owned.on_secret("a", &Event::Apply(secret));
    }
    assert_eq!(pending(&owned), []);
}
