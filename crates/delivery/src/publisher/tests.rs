//! The publisher itself, over hours.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Args, publish};
use crate::rig::{Mood, Rig};
use regent_types::identity::Identity;

const SECOND: Duration = Duration::from_secs(1);
const PATH: &str = "platform-data/postgres/web";

async fn begin() -> Rig {
    let rig = Rig::start(Identity::Publisher).await;
    rig.create(json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "db", "namespace": "data" },
        "stringData": { "password": "p" } }))
        .await;
    rig.run(|cx| async move { publish(cx, Args::default()).await });
    rig
}

fn mapping(path: &str, property: &str) -> Value {
    json!({ "match": { "secretKey": "password", "remoteRef": { "remoteKey": path, "property": property } } })
}

async fn push(rig: &Rig, name: &str, spec: Value) {
    let mut all = json!({ "secretStoreRefs": [{ "name": "vault-backend", "kind": "ClusterSecretStore" }],
        "selector": { "secret": { "name": "db" } }, "data": [mapping(PATH, "password")] });
    for (key, value) in spec.as_object().expect("an object") {
        all[key] = value.clone();
    }
    rig.create(json!({ "apiVersion": "external-secrets.io/v1alpha1", "kind": "PushSecret",
        "metadata": { "name": name, "namespace": "data" }, "spec": all }))
        .await;
}

async fn reason(rig: &Rig, name: &str) -> String {
    rig.ready("PushSecret", &format!("data/{name}")).await.0
}

/// The mark goes with its PushSecret, or with the mapping.
#[tokio::test(start_paused = true)]
async fn m11_a_path_is_released_with_its_publisher() {
    let rig = begin().await;
    push(&rig, "one", json!({})).await;
    rig.pass_by(3 * SECOND, SECOND / 2).await;
    assert_eq!(reason(&rig, "one").await, "Synced");
    push(&rig, "two", json!({})).await;
    rig.pass_by(3 * SECOND, SECOND / 2).await;
    assert_eq!(reason(&rig, "two").await, "NotMine");
    assert_eq!(rig.events("two").await, ["NotMine"]);
    rig.delete("PushSecret", "data/one").await;
    rig.pass_by(35 * SECOND, SECOND).await;
    assert_eq!(reason(&rig, "two").await, "Synced");
    assert_eq!(rig.authority.custom(PATH)["publisher"], "home/data/two");
    let elsewhere =
        json!({ "spec": { "data": [mapping("platform-data/postgres/other", "password")] } });
    rig.patch("PushSecret", "data/two", elsewhere, "k").await;
    push(&rig, "three", json!({})).await;
    rig.pass_by(35 * SECOND, SECOND).await;
    assert_eq!(
        (reason(&rig, "two").await, reason(&rig, "three").await),
        ("Synced".into(), "Synced".into())
    );
    assert_eq!(rig.authority.custom(PATH)["publisher"], "home/data/three");
}

/// With `deletionPolicy: Delete` a removed mapping takes its property along, and a deleted PushSecret everything.
#[tokio::test(start_paused = true)]
async fn m11_what_is_mapped_no_more_is_taken_away_by_policy() {
    let rig = begin().await;
    let both = json!([mapping(PATH, "password"), mapping(PATH, "token")]);
    push(&rig, "one", json!({ "deletionPolicy": "Delete", "data": both })).await;
    rig.pass_by(3 * SECOND, SECOND / 2).await;
    assert_eq!(rig.authority.newest(PATH).expect("a version").0, r#"{"password":"p","token":"p"}"#);
    let fewer = json!({ "spec": { "data": [mapping(PATH, "password")] } });
    rig.patch("PushSecret", "data/one", fewer, "k").await;
    rig.pass_by(3 * SECOND, SECOND / 2).await;
    assert_eq!(rig.authority.newest(PATH), Some((r#"{"password":"p"}"#.to_owned(), 2)));
    assert_eq!(reason(&rig, "one").await, "Synced");

    // While the authority does not answer it stays, and says why.
    rig.authority.mood(Mood::Sealed);
    rig.delete("PushSecret", "data/one").await;
    rig.pass_by(35 * SECOND, SECOND).await;
    assert_eq!(reason(&rig, "one").await, "AuthoritySealed");
    rig.authority.mood(Mood::Well);
    rig.pass_by(35 * SECOND, SECOND).await;
    assert_eq!(rig.authority.newest(PATH), None);
    assert!(rig.get("PushSecret", "data/one").await.is_none(), "it is gone");

    // The path is free for another.
    push(&rig, "two", json!({})).await;
    rig.pass_by(3 * SECOND, SECOND / 2).await;
    assert_eq!(reason(&rig, "two").await, "Synced");
    assert_eq!(rig.authority.newest(PATH), Some((r#"{"password":"p"}"#.to_owned(), 3)));
    // Without the policy everything stays.
    rig.delete("PushSecret", "data/two").await;
    rig.pass_by(3 * SECOND, SECOND / 2).await;
    assert_eq!(rig.authority.newest(PATH), Some((r#"{"password":"p"}"#.to_owned(), 3)));
}

/// Numbers and objects that are there stay what they are.
#[tokio::test(start_paused = true)]
async fn m05_a_publication_beside_other_properties_keeps_their_json() {
    let rig = begin().await;
    push(&rig, "one", json!({})).await;
    rig.pass_by(3 * SECOND, SECOND / 2).await;
    rig.authority.put(PATH, r#"{"password":"old","port":12345678901234567890123,"opts":{"a":[1,2.50]},"nil":null,"t":true}"#);
    rig.patch("Secret", "data/db", json!({ "stringData": { "password": "new" } }), "k").await;
    rig.pass_by(3 * SECOND, SECOND / 2).await;
    let (data, version) = rig.authority.newest(PATH).expect("a version");
    let expected = r#"{"nil":null,"opts":{"a":[1,2.50]},"password":"new","port":12345678901234567890123,"t":true}"#;
    assert_eq!((data.as_str(), version), (expected, 3));
}

/// Every state that is refused or missing: at most one request and one write in half a minute each.
#[tokio::test(start_paused = true)]
async fn at_rest_nothing_that_is_refused_asks_more_than_once_in_half_a_minute() {
    for mood in [Mood::Well, Mood::Sealed, Mood::Denies, Mood::Fails, Mood::Hangs] {
        let rig = begin().await;
        rig.authority.put("platform-data/postgres/taken", r#"{"password":"x"}"#);
        let states = [
            ("no-source", json!({ "selector": { "secret": { "name": "none" } } })),
            (
                "no-store",
                json!({ "secretStoreRefs": [{ "name": "none", "kind": "ClusterSecretStore" }] }),
            ),
            ("not-mine", json!({ "data": [mapping("platform-data/postgres/taken", "password")] })),
            ("not-owner", json!({ "data": [mapping("platform-data/mysql/web", "password")] })),
            ("wrong-path", json!({ "data": [mapping("runtime/web/a", "password")] })),
            ("unsupported", json!({ "template": {} })),
            (
                "no-key",
                json!({ "data": [{ "match": { "secretKey": "none", "remoteRef": {
                "remoteKey": "platform-data/postgres/b", "property": "password" } } }] }),
            ),
        ];
        for (name, spec) in &states {
            push(&rig, name, spec.clone()).await;
        }
        rig.authority.mood(mood);
        rig.pass_by(60 * SECOND, SECOND).await;
        rig.count_anew();
        const MINUTES: u32 = 5;
        rig.pass_by(MINUTES * 60 * SECOND, SECOND).await;
        let allowed = (2 * MINUTES + 1) as usize;
        for (name, _) in &states {
            let reason = reason(&rig, name).await;
            assert!(!["Synced", "nothing"].contains(&reason.as_str()), "{name} {mood:?}: {reason}");
            assert_eq!(rig.asked("P", &format!("/{name}")), 0, "{name} {mood:?}");
        }
        // Who has a source looks at it once a try.
        assert!(rig.asked("GET", "/secrets/none") <= allowed, "{mood:?}");
        assert!(rig.asked("GET", "/secrets/db") <= 2 * allowed, "{mood:?}: {:#?}", rig.told());
        // A login and a read each.
        assert!(rig.authority.asked() <= 2 * allowed, "{mood:?}: {:#?}", rig.authority.told());
    }
}
