//! Several ExternalSecrets on one Secret, and others who write it: the component itself, over hours.

use std::time::Duration;

use serde_json::{Value, json};

use crate::materializer::{Args, materialize};
use crate::rig::Rig;
use regent_types::identity::Identity;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

pub(crate) async fn rig() -> Rig {
    Rig::start(Identity::Materializer).await
}

/// Starts the materializer and lets it do what is due.
pub(crate) async fn begin(rig: &Rig) {
    rig.run(|cx| async move { materialize(cx, Args::default()).await });
    rig.pass_by(2 * SECOND, SECOND / 4).await;
}

/// One key of the target from one property of a path.
pub(crate) fn entry(key: &str, path: &str, property: &str) -> Value {
    json!({ "secretKey": key, "remoteRef": { "key": path, "property": property } })
}

fn merging(key: &str, path: &str) -> Value {
    json!({ "target": { "name": "app", "creationPolicy": "Merge" }, "data": [entry(key, path, "v")] })
}

/// Ordinary use: two ExternalSecrets put one key each into the Secret of a chart.
#[tokio::test(start_paused = true)]
async fn m01_two_merges_of_disjoint_keys_write_nothing_once_synced() {
    let rig = rig().await;
    rig.authority.put("runtime/web/a", r#"{"v":"1"}"#);
    rig.authority.put("runtime/web/b", r#"{"v":"2"}"#);
    rig.secret("app", json!({ "own": "chart" })).await;
    rig.external("one", merging("a", "runtime/web/a")).await;
    rig.external("two", merging("b", "runtime/web/b")).await;
    begin(&rig).await;
    assert_eq!(rig.data("app").await, "a=1 b=2 own=chart");
    assert_eq!(
        (rig.reason("one").await, rig.reason("two").await),
        ("SecretSynced".into(), "SecretSynced".into())
    );
    rig.count_anew();
    rig.pass_by(60 * SECOND, SECOND).await;
    assert_eq!(rig.asked("PUT", ""), 0, "{:?}", rig.told());
    assert_eq!(rig.authority.reads(), 0, "{:?}", rig.told());

    // What leaves one of the two leaves the Secret, and nothing else does.
    rig.authority.put("runtime/web/a", r#"{"v":"3"}"#);
    rig.patch(
        "ExternalSecret",
        "web/two",
        json!({ "spec": { "data": [entry("c", "runtime/web/b", "v")] } }),
        "k",
    )
    .await;
    rig.pass_by(20 * SECOND, SECOND).await;
    assert_eq!(rig.data("app").await, "a=3 c=2 own=chart");
}

/// The second is told who was first; nobody chases anybody.
#[tokio::test(start_paused = true)]
async fn m02_two_owners_of_one_key_are_found_and_named() {
    let policies = [
        ("Merge", "Merge"),
        ("Owner", "Merge"),
        ("Merge", "Owner"),
        ("Orphan", "Orphan"),
        ("CreateOrMerge", "Merge"),
    ];
    for (first, second) in policies {
        let rig = rig().await;
        rig.authority.put("runtime/web/a", r#"{"v":"1"}"#);
        rig.authority.put("runtime/web/b", r#"{"v":"2"}"#);
        if first == "Merge" {
            rig.secret("app", json!({})).await;
        }
        let spec = |policy: &str, path: &str| {
            json!({
            "target": { "name": "app", "creationPolicy": policy }, "data": [entry("k", path, "v")] })
        };
        rig.external("one", spec(first, "runtime/web/a")).await;
        begin(&rig).await;
        rig.external("two", spec(second, "runtime/web/b")).await;
        rig.pass_by(5 * SECOND, SECOND / 2).await;
        assert_eq!(rig.data("app").await, "k=1", "{first} {second}");
        assert_eq!(rig.reason("one").await, "SecretSynced", "{first} {second}");
        let (reason, message, _) = rig.ready("ExternalSecret", "web/two").await;
        assert_eq!(reason, "OwnedByAnother", "{first} {second}: {message}");
        assert!(message.contains("ExternalSecret one's"), "{message}");
        assert_eq!(rig.events("two").await, ["OwnedByAnother"]);
        rig.count_anew();
        rig.pass_by(60 * SECOND, SECOND).await;
        assert_eq!(
            rig.asked("PUT", "") + rig.authority.reads(),
            0,
            "{first} {second}: {:?}",
            rig.told()
        );

        // Once the first is gone the second takes over by itself, as in ESO.
        rig.delete("ExternalSecret", "web/one").await;
        rig.pass_by(40 * SECOND, SECOND).await;
        let after = if (first, second) == ("Owner", "Merge") { "absent" } else { "k=2" };
        let refused = (first, second) == ("Merge", "Owner");
        let after = if refused { "k=1" } else { after };
        assert_eq!(rig.data("app").await, after, "{first} {second}");
    }
}

/// Somebody puts another value there as soon as it was repaired.
#[tokio::test(start_paused = true)]
async fn m02_a_value_that_is_changed_back_again_and_again_is_repaired_ever_more_seldom() {
    let rig = rig().await;
    rig.authority.put("runtime/web/a", r#"{"v":"1"}"#);
    rig.secret("app", json!({ "a": "theirs" })).await;
    rig.external("one", merging("a", "runtime/web/a")).await;
    begin(&rig).await;
    rig.count_anew();
    let theirs = json!({ "stringData": { "a": "theirs" } });
    let mut undone = 0;
    for _ in 0..600 {
        if rig.data("app").await == "a=1" {
            rig.patch("Secret", "web/app", theirs.clone(), "helm").await;
            undone += 1;
        }
        rig.pass_by(SECOND, SECOND).await;
    }
    assert!((4..16).contains(&undone), "{undone}");
    assert!(rig.asked("PUT", "/secrets/app") <= 16, "{:?}", rig.told());
    assert!(rig.authority.reads() <= 20, "{:?}", rig.told());
    let (reason, message, _) = rig.ready("ExternalSecret", "web/one").await;
    assert_eq!(reason, "ChangedBack", "{message}");
    assert!(message.contains("field manager helm"), "{message}");
    // They stop: it is repaired, and says so.
    rig.pass_by(HOUR / 4, 5 * SECOND).await;
    assert_eq!(
        (rig.data("app").await, rig.reason("one").await),
        ("a=1".into(), "SecretSynced".into())
    );
}

/// Field case C30: whoever deletes a Secret a thousand times has it back within a second each time.
#[tokio::test(start_paused = true)]
async fn c30_a_deleted_secret_is_back_within_a_second_and_named_while_the_authority_is_sealed() {
    let rig = rig().await;
    rig.authority.put("runtime/web/a", r#"{"v":"1"}"#);
    rig.external("app", json!({ "data": [entry("a", "runtime/web/a", "v")] })).await;
    begin(&rig).await;
    for round in 0..1_000 {
        rig.delete("Secret", "web/app").await;
        rig.pass_by(SECOND, SECOND / 2).await;
        assert_eq!(rig.data("app").await, "a=1", "round {round}");
    }
    rig.authority.mood(crate::rig::Mood::Sealed);
    rig.external(
        "kept",
        json!({ "target": { "name": "kept" }, "data": [entry("a", "runtime/web/a", "v")] }),
    )
    .await;
    // What was read a moment ago may still be used.
    rig.pass_by(5 * SECOND, SECOND / 2).await;
    rig.delete("Secret", "web/app").await;
    rig.pass_by(5 * SECOND, SECOND / 2).await;
    let (reason, message, _) = rig.ready("ExternalSecret", "web/app").await;
    assert_eq!(reason, "AuthoritySealed");
    assert!(message.contains("Secret web/app is not there"), "{message}");
    rig.authority.mood(crate::rig::Mood::Well);
    rig.pass_by(35 * SECOND, SECOND).await;
    assert_eq!((rig.data("app").await, rig.data("kept").await), ("a=1".into(), "a=1".into()));
}
