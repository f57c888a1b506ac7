//! Writes of a status while others write.

use std::cell::Cell;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::Status;
use regent_api::{PushSecret, PushSecretStatus};
use regent_sandbox::{Options, Sandbox};
use serde_json::json;

use super::*;

async fn push_secrets() -> Api<PushSecret> {
    let sandbox = Sandbox::start(Options::default()).expect("a sandbox");
    let crds: Api<CustomResourceDefinition> = Api::all(sandbox.admin());
    for crd in regent_api::all_crds() {
        crds.create(&PostParams::default(), &crd).await.expect("a definition");
    }
    Api::namespaced(sandbox.admin(), "default")
}

fn says(object: &PushSecret, text: &str) -> Option<PushSecret> {
    let status = object.status.clone().unwrap_or_default();
    let status = PushSecretStatus { synced_resource_version: Some(text.into()), ..status };
    Some(PushSecret { status: Some(status), ..object.clone() })
}

#[tokio::test]
async fn a_status_is_decided_anew_from_what_the_object_is_by_then() {
    let (api, manager) = (push_secrets().await, FieldManager::new("regent-test"));
    let object = json!({
        "apiVersion": "external-secrets.io/v1alpha1", "kind": "PushSecret",
        "metadata": { "name": "db" },
        "spec": {
            "secretStoreRefs": [{ "name": "s", "kind": "ClusterSecretStore" }],
            "selector": { "secret": { "name": "s" } },
            "data": [],
        },
    });
    let object = serde_json::from_value(object).expect("a PushSecret");
    let stale = api.create(&PostParams::default(), &object).await.expect("created");
    let other = says(&stale, "somebody else's").expect("a status");
    api.replace_status("db", &PostParams::default(), &other).await.expect("written");

    let asked = Cell::new(0);
    let next = |object: &PushSecret| {
        asked.set(asked.get() + 1);
        says(object, "ours")
    };
    write_status_anew(&api, &manager, &stale, next).await.expect("written");
    let status = api.get("db").await.expect("an object").status.unwrap_or_default();
    assert_eq!((status.synced_resource_version.as_deref(), asked.get()), (Some("ours"), 2));

    // From a version that is never the newest.
    let outdated = |_: &PushSecret| says(&stale, "ours");
    let error = write_status_anew(&api, &manager, &stale, outdated).await.expect_err("changed");
    assert!(matches!(error, ReconcileError::Changed { .. }), "{error}");
    write_status_anew(&api, &manager, &stale, |_| None).await.expect("there is nothing to say");
    api.delete("db", &DeleteParams::default()).await.expect("deleted");
    write_status_anew(&api, &manager, &stale, |o| says(o, "ours"))
        .await
        .expect("nobody to say it to");
}

#[test]
fn an_object_that_is_gone_or_has_changed_is_no_failure() {
    let answer = |code: u16| {
        let mut status = Status::failure("no", "Reason");
        status.code = code;
        outcome::<Secret>(Err(kube::Error::Api(Box::new(status))), || "Kind a/b".into())
    };
    let mut written = Secret::default();
    written.metadata.resource_version = Some("7".into());
    let expected = Ok(StatusWrite::Written(Box::new(written.clone())));
    assert_eq!(outcome(Ok(written), || "Kind a/b".into()), expected);
    assert_eq!(answer(404), Ok(StatusWrite::Gone));
    assert_eq!(answer(409), Ok(StatusWrite::Changed));
    for code in [403, 422, 503] {
        let error = answer(code).unwrap_err().to_string();
        assert_eq!(error, format!("update status of Kind a/b: {code} Reason"));
    }
}
