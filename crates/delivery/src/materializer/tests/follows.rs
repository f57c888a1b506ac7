//! What becomes of a Secret when its declaration, the API server or the authority says something else.

use std::time::Duration;

use serde_json::json;

use super::shared::{begin, entry, rig};
use crate::rig::Mood;
use regent_types::labels::AUTHORITY_SERVICE_URL;

const SECOND: Duration = Duration::from_secs(1);

/// A key, a label and an annotation leave the declaration; the target gets another name, then another type.
#[tokio::test(start_paused = true)]
async fn m06_what_leaves_the_declaration_leaves_the_secret() {
    let rig = rig().await;
    rig.authority.put("runtime/web/a", r#"{"v":"1","w":"2"}"#);
    let template =
        json!({ "metadata": { "labels": { "l": "1", "m": "2" }, "annotations": { "n": "3" } } });
    rig.external(
        "app",
        json!({ "target": { "template": template },
        "data": [entry("v", "runtime/web/a", "v"), entry("w", "runtime/web/a", "w")] }),
    )
    .await;
    begin(&rig).await;
    rig.patch("Secret", "web/app", json!({ "metadata": { "labels": { "theirs": "x" } } }), "k")
        .await;
    let fewer = json!({ "metadata": { "labels": { "l": "1" } } });
    let spec =
        json!({ "target": { "template": null }, "data": [entry("v", "runtime/web/a", "v")] });
    rig.patch("ExternalSecret", "web/app", json!({ "spec": spec }), "k").await;
    rig.patch(
        "ExternalSecret",
        "web/app",
        json!({ "spec": { "target": { "template": fewer } } }),
        "k",
    )
    .await;
    rig.pass_by(5 * SECOND, SECOND).await;
    assert_eq!(rig.data("app").await, "v=1");
    let meta = rig.get("Secret", "web/app").await.expect("a Secret")["metadata"].clone();
    assert_eq!((&meta["labels"]["l"], &meta["labels"]["theirs"]), (&json!("1"), &json!("x")));
    assert!(meta["labels"].get("m").is_none() && meta["annotations"].get("n").is_none(), "{meta}");

    // The old target goes once the new one is there.
    rig.patch(
        "ExternalSecret",
        "web/app",
        json!({ "spec": { "target": { "name": "other" } } }),
        "k",
    )
    .await;
    rig.pass_by(5 * SECOND, SECOND).await;
    assert_eq!((rig.data("app").await, rig.data("other").await), ("absent".into(), "v=1".into()));

    let typed = json!({ "spec": { "target": { "template": { "type": "example.org/t" } } } });
    rig.patch("ExternalSecret", "web/app", typed, "k").await;
    rig.pass_by(5 * SECOND, SECOND).await;
    let (reason, message, generation) = rig.ready("ExternalSecret", "web/app").await;
    assert_eq!(reason, "TypeIsFixed", "{message}");
    assert!(message.contains("Opaque") && message.contains("example.org/t"), "{message}");
    let now = rig.get("ExternalSecret", "web/app").await.expect("an object");
    assert_eq!(json!(generation), now["metadata"]["generation"]);
    assert_eq!(rig.data("other").await, "v=1");
}

/// Of a Secret that it shares, only its own part goes.
#[tokio::test(start_paused = true)]
async fn m06_a_merge_that_names_another_target_takes_its_part_with_it() {
    let rig = rig().await;
    rig.authority.put("runtime/web/a", r#"{"v":"1"}"#);
    rig.secret("old", json!({ "own": "x" })).await;
    rig.secret("new", json!({ "own": "y" })).await;
    let spec = json!({ "target": { "name": "old", "creationPolicy": "Merge" }, "data": [entry("v", "runtime/web/a", "v")] });
    rig.external("one", spec).await;
    begin(&rig).await;
    assert_eq!(rig.data("old").await, "own=x v=1");
    rig.patch("ExternalSecret", "web/one", json!({ "spec": { "target": { "name": "new" } } }), "k")
        .await;
    rig.pass_by(5 * SECOND, SECOND).await;
    assert_eq!(
        (rig.data("old").await, rig.data("new").await),
        ("own=x".into(), "own=y v=1".into())
    );
    let left = rig.get("Secret", "web/old").await.expect("a Secret")["metadata"].to_string();
    assert!(!left.contains("regent.dev/"), "{left}");
}

/// The condition says what the API server says, of the generation that it refuses, and the old Secret stays.
#[tokio::test(start_paused = true)]
async fn m03_what_the_api_server_refuses_is_said_in_its_words() {
    let rig = rig().await;
    rig.authority.put("runtime/web/a", r#"{"v":"1"}"#);
    rig.external("app", json!({ "data": [entry("v", "runtime/web/a", "v")] })).await;
    begin(&rig).await;
    assert_eq!(rig.reason("app").await, "SecretSynced");
    let bad = json!({ "metadata": { "labels": { "l": "not a label value!" } } });
    rig.patch(
        "ExternalSecret",
        "web/app",
        json!({ "spec": { "target": { "template": bad } } }),
        "k",
    )
    .await;
    rig.pass_by(3 * SECOND, SECOND / 2).await;
    let (reason, message, generation) = rig.ready("ExternalSecret", "web/app").await;
    assert_eq!(reason, "SecretSyncedError", "{message}");
    assert!(
        message.contains("not a label value!") && message.contains("the Secret is kept"),
        "{message}"
    );
    let now = rig.get("ExternalSecret", "web/app").await.expect("an object");
    assert_eq!(json!(generation), now["metadata"]["generation"]);
    assert_eq!(rig.events("app").await, ["SecretSyncedError"]);
    assert_eq!(rig.data("app").await, "v=1");
    let refusals = [
        (
            "big",
            422,
            "Secret \"big\" is invalid: data: Too long: may not be more than 1048576 bytes",
        ),
        ("tls", 422, "Secret \"tls\" is invalid: data[tls.key]: Required value"),
        ("quota", 403, "secrets \"quota\" is forbidden: exceeded quota: q, requested: secrets=1"),
        ("hook", 500, "Internal error occurred: failed calling webhook \"w\""),
    ];
    for (name, code, message) in refusals {
        rig.refuse(name, code, message);
        rig.external(name, json!({ "data": [entry("v", "runtime/web/a", "v")] })).await;
    }
    rig.external(
        "name",
        json!({ "target": { "name": "Not A Name" }, "data": [entry("v", "runtime/web/a", "v")] }),
    )
    .await;
    rig.pass_by(3 * SECOND, SECOND / 2).await;
    let (reason, message, _) = rig.ready("ExternalSecret", "web/name").await;
    assert_eq!(reason, "SecretSyncedError");
    assert!(message.starts_with("target.name:") && message.contains("Not A Name"), "{message}");
    for (name, _, said) in refusals {
        let (reason, message, _) = rig.ready("ExternalSecret", &format!("web/{name}")).await;
        assert_eq!(reason, "SecretSyncedError", "{name}: {message}");
        assert!(message.contains(said) && message.contains("is not there"), "{message}");
        assert_eq!((rig.data(name).await, rig.events(name).await), ("absent".into(), vec![reason]));
    }
}

/// A deletion that is confirmed is followed, as the policy says; a path that was made again is what it is.
#[tokio::test(start_paused = true)]
async fn m07_a_confirmed_deletion_follows_the_policy() {
    for forgotten in [false, true] {
        let rig = rig().await;
        for path in ["delete", "merge", "retain", "again"] {
            rig.authority.put(&format!("runtime/web/{path}"), r#"{"v":"1"}"#);
            rig.authority.put(&format!("runtime/web/{path}"), r#"{"v":"2"}"#);
        }
        rig.authority.put("runtime/web/other", r#"{"v":"3"}"#);
        let spec = |path: &str, policy: &str| {
            json!({ "refreshInterval": "10s", "target": { "deletionPolicy": policy },
            "data": [entry("v", &format!("runtime/web/{path}"), "v"), entry("w", "runtime/web/other", "v")] })
        };
        rig.external(
            "delete",
            json!({ "refreshInterval": "10s", "target": { "deletionPolicy": "Delete" },
            "data": [entry("v", "runtime/web/delete", "v")] }),
        )
        .await;
        rig.external("merge", spec("merge", "Merge")).await;
        rig.external("retain", spec("retain", "Retain")).await;
        rig.external("again", spec("again", "Retain")).await;
        begin(&rig).await;
        assert_eq!(rig.data("delete").await, "v=2");
        for path in ["delete", "merge", "retain", "again"] {
            let path = format!("runtime/web/{path}");
            if forgotten { rig.authority.forget(&path) } else { rig.authority.delete(&path) }
        }
        if forgotten {
            rig.authority.put("runtime/web/again", r#"{"v":"new"}"#);
        }
        // Unreadable is never absent.
        for (mood, reason) in
            [(Mood::Denies, "AuthorityDenied"), (Mood::Fails, "AuthorityUnreachable")]
        {
            rig.authority.mood(mood);
            for name in ["delete", "merge", "retain", "again"] {
                let nudge = json!({ "metadata": { "annotations": { "external-secrets.io/force-sync": reason } } });
                rig.patch("ExternalSecret", &format!("web/{name}"), nudge, "k").await;
            }
            rig.pass_by(30 * SECOND, SECOND).await;
            assert_eq!(rig.reason("delete").await, reason);
        }
        assert_eq!(
            (rig.data("delete").await, rig.data("merge").await),
            ("v=2".into(), "v=2 w=3".into())
        );
        rig.authority.mood(Mood::Well);
        rig.pass_by(40 * SECOND, SECOND).await;
        let said = rig.ready("ExternalSecret", "web/delete").await;
        assert_eq!(
            (rig.data("delete").await, rig.data("merge").await),
            ("absent".into(), "w=3".into()),
            "{said:?}"
        );
        assert_eq!(
            (rig.data("retain").await, rig.reason("retain").await),
            ("v=2 w=3".into(), "SecretSyncedError".into())
        );
        if forgotten {
            assert_eq!(
                rig.data("again").await,
                "v=new w=3",
                "version 1 of a path that was made again"
            );
        }
    }
}

/// Before its store exists it says so, and takes that back where the store turns out to be another's.
#[tokio::test(start_paused = true)]
async fn m09_no_status_stays_on_anothers_object_and_valid_forms_are_served() {
    let rig = rig().await;
    rig.authority.put("runtime/web/a", r#"{"v":"1"}"#);
    let of = |store: &str| {
        json!({ "secretStoreRef": { "name": store, "kind": "ClusterSecretStore" },
        "data": [entry("v", "runtime/web/a", "v")] })
    };
    rig.external("aws", of("aws")).await;
    rig.external("late", of("late")).await;
    let mut sourced = entry("v", "runtime/web/a", "v");
    sourced["sourceRef"] =
        json!({ "storeRef": { "name": "vault-backend", "kind": "ClusterSecretStore" } });
    rig.create(json!({ "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
        "metadata": { "name": "sourced", "namespace": "web" }, "spec": { "data": [sourced] } }))
        .await;
    begin(&rig).await;
    assert_eq!(
        (rig.reason("aws").await, rig.reason("late").await),
        ("StoreNotReady".into(), "StoreNotReady".into())
    );
    assert_eq!(
        (rig.reason("sourced").await, rig.data("sourced").await),
        ("SecretSynced".into(), "v=1".into())
    );
    rig.create(json!({ "apiVersion": "external-secrets.io/v1", "kind": "ClusterSecretStore",
        "metadata": { "name": "aws" }, "spec": { "provider": { "aws": { "region": "eu" } } } }))
        .await;
    rig.create(json!({ "apiVersion": "external-secrets.io/v1", "kind": "ClusterSecretStore",
        "metadata": { "name": "late" }, "spec": { "provider": { "vault": { "server": AUTHORITY_SERVICE_URL } } } })).await;
    rig.pass_by(3 * SECOND, SECOND / 2).await;
    assert_eq!((rig.reason("aws").await, rig.data("late").await), ("nothing".into(), "v=1".into()));
}

/// A store says Ready only while the authority answers.
#[tokio::test(start_paused = true)]
async fn m14_a_store_follows_the_authority_within_a_minute() {
    let rig = rig().await;
    rig.authority.mood(Mood::Sealed);
    begin(&rig).await;
    let reason = async || rig.ready("ClusterSecretStore", "/vault-backend").await.0;
    assert_eq!(reason().await, "AuthoritySealed");
    rig.authority.mood(Mood::Well);
    rig.pass_by(31 * SECOND, SECOND).await;
    assert_eq!(reason().await, "Valid");
    rig.authority.mood(Mood::Sealed);
    rig.pass_by(61 * SECOND, SECOND).await;
    assert_eq!(reason().await, "AuthoritySealed");
}

/// Field case C41: who may write in a namespace borrows regent's own login by no store.
#[tokio::test(start_paused = true)]
async fn c41_a_store_of_a_namespace_never_falls_back_to_regents_own_login() {
    let rig = rig().await;
    rig.authority.put("runtime/web/a", r#"{"v":"1"}"#);
    let shared =
        json!({ "kubernetes": { "mountPath": "kubernetes", "role": "regent-materializer" } });
    for (name, auth) in [("shared", shared), ("bare", serde_json::Value::Null)] {
        rig.create(json!({ "apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
            "metadata": { "name": name, "namespace": "web" },
            "spec": { "controller": "regent", "provider": { "vault": { "server": AUTHORITY_SERVICE_URL, "auth": auth } } } })).await;
        rig.external(name, json!({ "secretStoreRef": { "name": name }, "data": [entry("v", "runtime/web/a", "v")] })).await;
    }
    begin(&rig).await;
    for name in ["shared", "bare"] {
        assert_eq!(
            (rig.reason(name).await, rig.data(name).await),
            ("NoLoginOfItsOwn".into(), "absent".into())
        );
        let (reason, message, _) = rig.ready("SecretStore", &format!("web/{name}")).await;
        assert_eq!(reason, "InvalidProviderConfig", "{message}");
    }
    assert_eq!(rig.authority.reads(), 0);
}

/// Field case C42: Kubernetes fills such a Secret with a token, and acts on it.
#[tokio::test(start_paused = true)]
async fn c42_a_token_of_a_service_account_is_refused_in_each_form() {
    let rig = rig().await;
    rig.authority.put("runtime/web/a", r#"{"v":"1"}"#);
    rig.create(json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "admin", "namespace": "web" } })).await;
    rig.create(json!({ "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
        "metadata": { "name": "token", "namespace": "web", "annotations": { "kubernetes.io/service-account.name": "admin" } } })).await;
    let data = json!([entry("v", "runtime/web/a", "v")]);
    let annotations = json!({ "kubernetes.io/service-account.name": "admin" });
    for policy in ["Owner", "Orphan", "Merge", "CreateOrMerge"] {
        let name = format!("into-{}", policy.to_lowercase());
        rig.external(
            &name,
            json!({ "target": { "name": "token", "creationPolicy": policy }, "data": data }),
        )
        .await;
        let name = format!("noted-{}", policy.to_lowercase());
        let template = json!({ "metadata": { "annotations": annotations } });
        rig.external(
            &name,
            json!({ "target": { "creationPolicy": policy, "template": template }, "data": data }),
        )
        .await;
    }
    let template = json!({ "type": "kubernetes.io/service-account-token", "metadata": { "annotations": annotations } });
    rig.external("typed", json!({ "target": { "template": template }, "data": data })).await;
    rig.create(json!({ "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
        "metadata": { "name": "copied", "namespace": "web", "annotations": annotations },
        "spec": { "secretStoreRef": { "name": "vault-backend", "kind": "ClusterSecretStore" }, "data": data } })).await;
    let before = rig.data("token").await;
    begin(&rig).await;
    for policy in ["owner", "orphan", "merge", "createormerge"] {
        assert_eq!(rig.reason(&format!("into-{policy}")).await, "TokenSecret", "{policy}");
        assert_eq!(rig.reason(&format!("noted-{policy}")).await, "Unsupported", "{policy}");
    }
    for name in ["typed", "copied"] {
        assert_eq!(
            (rig.reason(name).await, rig.data(name).await),
            ("Unsupported".into(), "absent".into())
        );
    }
    assert_eq!(rig.data("token").await, before);
}
