//! How much is asked and written: at a cold start, for a crowd, and at rest in every state that is not synced.

use std::time::Duration;

use serde_json::json;

use super::shared::{begin, entry, rig};
use crate::rig::Mood;

const SECOND: Duration = Duration::from_secs(1);

/// One read, one write of the Secret, one of the status, each.
#[tokio::test(start_paused = true)]
async fn m15_a_cold_start_costs_one_read_and_two_writes_each() {
    const MANY: usize = 60;
    let rig = rig().await;
    for n in 0..MANY {
        rig.authority.put(&format!("runtime/web/s{n}"), r#"{"v":"1"}"#);
        rig.external(
            &format!("s{n}"),
            json!({ "data": [entry("v", &format!("runtime/web/s{n}"), "v")] }),
        )
        .await;
    }
    rig.count_anew();
    begin(&rig).await;
    rig.pass_by(10 * SECOND, SECOND / 2).await;
    for n in 0..MANY {
        assert_eq!(rig.reason(&format!("s{n}")).await, "SecretSynced");
    }
    assert_eq!(rig.authority.reads(), MANY);
    assert_eq!(rig.asked("POST", "/namespaces/web/secrets"), MANY);
    assert_eq!(rig.asked("PUT", "/externalsecrets/"), MANY);
    assert_eq!(rig.asked("GET", "/namespaces/web/secrets/"), 0, "made without a look");
    assert_eq!(rig.asked("PUT", "/namespaces/web/secrets/"), 0);
}

/// What is made without a look takes nothing that is there: it is looked at then, and left to whom it belongs.
#[tokio::test(start_paused = true)]
async fn a_secret_that_is_there_refuses_to_be_made_and_is_left() {
    let rig = rig().await;
    rig.authority.put("runtime/web/s", r#"{"v":"1"}"#);
    rig.secret("taken", json!({ "v": "mine" })).await;
    let spec =
        |path: &str| json!({ "target": { "name": "taken" }, "data": [entry("v", path, "v")] });
    rig.external("takes", spec("runtime/web/s")).await;
    let mut gone = spec("runtime/web/gone");
    gone["target"]["deletionPolicy"] = "Delete".into();
    rig.external("ends", gone).await;
    begin(&rig).await;
    rig.pass_by(10 * SECOND, SECOND / 2).await;
    assert_eq!(rig.reason("takes").await, "SecretNotMine");
    assert_eq!(rig.reason("ends").await, "SecretNotMine");
    assert_eq!(rig.data("taken").await, "v=mine");
}

/// A store that hangs holds nobody up who asks another one.
#[tokio::test(start_paused = true)]
async fn c22_a_store_that_hangs_leaves_the_others_alone() {
    const MANY: usize = 100;
    let rig = rig().await;
    rig.other.mood(Mood::Hangs);
    let slow = json!({ "name": "other-backend", "kind": "ClusterSecretStore" });
    for n in 0..MANY {
        // Half of them ask for one path.
        let path = format!("runtime/web/s{}", n.min(MANY / 2));
        let spec = json!({ "secretStoreRef": slow, "data": [entry("v", &path, "v")] });
        rig.external(&format!("slow{n}"), spec).await;
    }
    begin(&rig).await;
    rig.pass_by(3 * SECOND, SECOND / 4).await;
    assert_eq!(rig.reason(&format!("slow{}", MANY - 1)).await, "AuthorityUnreachable");
    // Whenever one of the others comes, in the first minutes: it is there within half a second.
    for n in 0..20 {
        rig.authority.put(&format!("runtime/web/quick{n}"), r#"{"v":"1"}"#);
        let path = format!("runtime/web/quick{n}");
        rig.external(&format!("quick{n}"), json!({ "data": [entry("v", &path, "v")] })).await;
        rig.pass_by(SECOND / 2, SECOND / 4).await;
        assert_eq!(rig.data(&format!("quick{n}")).await, "v=1", "{n}");
        rig.pass_by(7 * SECOND, SECOND).await;
    }
    // Few wait for it at any time.
    rig.count_anew();
    rig.pass_by(60 * SECOND, SECOND).await;
    assert!(rig.other.asked() <= 4, "{}", rig.other.asked());
    rig.other.mood(Mood::Well);
    rig.other.put("runtime/web/s7", r#"{"v":"7"}"#);
    rig.pass_by(95 * SECOND, SECOND).await;
    assert_eq!(rig.data("slow7").await, "v=7");
}

/// However many consume a path, it is read once.
#[tokio::test(start_paused = true)]
async fn m16_one_path_is_read_once_for_a_hundred_consumers() {
    const MANY: usize = 100;
    let rig = rig().await;
    rig.authority.put("runtime/web/a", r#"{"v":"1"}"#);
    for n in 0..MANY {
        rig.external(&format!("s{n}"), json!({ "data": [entry("v", "runtime/web/a", "v")] })).await;
    }
    rig.count_anew();
    begin(&rig).await;
    assert_eq!((rig.data("s0").await, rig.authority.reads()), ("v=1".into(), 1));
    // And again once somebody has written it (M17), within seconds.
    rig.count_anew();
    rig.authority.put("runtime/web/a", r#"{"v":"2"}"#);
    rig.pass_by(10 * SECOND, SECOND / 4).await;
    for n in 0..MANY {
        assert_eq!(rig.data(&format!("s{n}")).await, "v=2", "{n}");
    }
    assert_eq!(rig.authority.reads(), 1, "{:?}", rig.told());
}

/// A value that anybody else writes, deletes and writes again is noticed within seconds.
#[tokio::test(start_paused = true)]
async fn m17_a_value_that_somebody_else_writes_is_there_within_seconds() {
    let rig = rig().await;
    rig.authority.put("runtime/web/a", r#"{"v":"1"}"#);
    rig.external(
        "app",
        json!({ "refreshInterval": "24h", "data": [entry("v", "runtime/web/a", "v")] }),
    )
    .await;
    rig.external(
        "once",
        json!({ "refreshPolicy": "CreatedOnce", "data": [entry("v", "runtime/web/a", "v")] }),
    )
    .await;
    begin(&rig).await;
    rig.authority.put("runtime/web/a", r#"{"v":"2"}"#);
    rig.pass_by(6 * SECOND, SECOND / 2).await;
    assert_eq!((rig.data("app").await, rig.data("once").await), ("v=2".into(), "v=1".into()));
    rig.authority.delete("runtime/web/a");
    rig.pass_by(6 * SECOND, SECOND / 2).await;
    assert_eq!(
        (rig.reason("app").await, rig.data("app").await),
        ("SecretSyncedError".into(), "v=2".into())
    );
}

/// A path that is not there is looked for ever more seldom, in the end once an interval.
#[tokio::test(start_paused = true)]
async fn m08_a_missing_path_costs_a_few_reads_a_day() {
    let rig = rig().await;
    let data = json!([entry("v", "runtime/web/none", "v")]);
    rig.external("app", json!({ "refreshInterval": "24h", "data": data })).await;
    begin(&rig).await;
    rig.pass_by(24 * 3_600 * SECOND, 60 * SECOND).await;
    assert!(rig.authority.reads() <= 24, "{}", rig.authority.reads());
    assert_eq!(rig.reason("app").await, "SecretSyncedError");
    // A nudge finds it at once.
    rig.authority.put("runtime/web/none", r#"{"v":"1"}"#);
    rig.patch(
        "ExternalSecret",
        "web/app",
        json!({ "metadata": { "annotations": { "force-sync": "1" } } }),
        "k",
    )
    .await;
    rig.pass_by(SECOND, SECOND).await;
    assert_eq!(rig.data("app").await, "v=1");
}

/// Every state that is refused, conflicting or missing: at most one request and one write in half a minute each.
#[tokio::test(start_paused = true)]
async fn at_rest_nothing_that_is_refused_asks_more_than_once_in_half_a_minute() {
    for mood in [Mood::Well, Mood::Sealed, Mood::Denies, Mood::Fails, Mood::Hangs] {
        let rig = rig().await;
        refused_stores(&rig).await;
        let states = crowd(&rig).await;
        rig.authority.mood(mood);
        begin(&rig).await;
        rig.pass_by(58 * SECOND, SECOND).await;
        rig.count_anew();
        const MINUTES: u32 = 5;
        rig.pass_by(MINUTES * 60 * SECOND, SECOND).await;
        let allowed = (2 * MINUTES + 1) as usize;
        for name in &states {
            let reason = rig.reason(name).await;
            assert!(
                !["SecretSynced", "nothing"].contains(&reason.as_str()),
                "{name} {mood:?}: {reason}"
            );
            let gets = rig.asked("GET", &format!("/secrets/{name}"));
            let writes = rig.asked("P", &format!("/{name}"));
            assert!(
                gets <= allowed && writes == 0,
                "{name} {mood:?}: {gets} {writes} {:#?}",
                rig.told()
            );
        }
        let stores = rig.asked("P", "stores/");
        assert_eq!(stores, 0, "{mood:?}");
        // One look a minute of the store, and one try each of those that ask the authority.
        let asked = rig.authority.asked();
        assert!(asked <= states.len() * allowed, "{mood:?}: {asked}");
    }
}

/// Stores that are not served, each for a reason of its own.
async fn refused_stores(rig: &crate::rig::Rig) {
    let ours = "https://other.example";
    for (name, vault) in [
        (
            "elsewhere",
            json!({ "server": "https://elsewhere.example", "version": "v2", "path": "secret" }),
        ),
        (
            "headers",
            json!({ "server": ours, "version": "v2", "path": "secret", "headers": { "a": "b" } }),
        ),
        ("version-1", json!({ "server": ours, "version": "v1", "path": "secret" })),
        ("mount", json!({ "server": ours, "version": "v2", "path": "regent" })),
    ] {
        rig.create(json!({
            "apiVersion": "external-secrets.io/v1", "kind": "ClusterSecretStore",
            "metadata": { "name": name },
            "spec": { "controller": "regent", "provider": { "vault": vault } },
        }))
        .await;
    }
}

/// ExternalSecrets that cannot be synced, each for a reason of its own.
async fn crowd(rig: &crate::rig::Rig) -> Vec<&'static str> {
    rig.authority.put("runtime/web/a", r#"{"v":"1"}"#);
    rig.secret("foreign", json!({ "k": "v" })).await;
    let data = json!([entry("v", "runtime/web/a", "v")]);
    let at = |path: &str, property: &str| json!({ "data": [entry("v", path, property)] });
    let mut all = vec![
        ("missing-path", at("runtime/web/none", "v")),
        ("missing-property", at("runtime/web/a", "none")),
        ("not-a-consumer", at("runtime/data/a", "v")),
        ("no-store", json!({ "secretStoreRef": { "name": "none" }, "data": data })),
        ("unsupported", json!({ "syncWindows": {}, "data": data })),
        ("no-target", json!({ "target": { "creationPolicy": "Merge" }, "data": data })),
        ("foreign-target", json!({ "target": { "name": "foreign" }, "data": data })),
        (
            "bad-label",
            json!({ "target": { "template": { "metadata": { "labels": { "l": "a b" } } } }, "data": data }),
        ),
        ("bad-name", json!({ "target": { "name": "A B" }, "data": data })),
        (
            "reserved",
            json!({ "target": { "template": { "metadata": { "labels": { "regent.dev/class": "x" } } } }, "data": data }),
        ),
        (
            "bad-base64",
            json!({ "data": [{ "secretKey": "v", "remoteRef": { "key": "runtime/web/a", "property": "v",
            "decodingStrategy": "Base64" } }] }),
        ),
    ];
    rig.authority.put("runtime/web/collide", r#"{"a/b":"1","a:b":"2"}"#);
    all.push((
        "collision",
        json!({ "dataFrom": [{ "extract": { "key": "runtime/web/collide" } }] }),
    ));
    for (name, spec) in &all {
        rig.external(name, spec.clone()).await;
    }
    all.into_iter().map(|(name, _)| name).collect()
}
