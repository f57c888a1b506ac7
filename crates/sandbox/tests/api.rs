//! The API's semantics, through a real client over the router. What must hold on a real API server as well, and what
//! a person types, is in `tests/conformance` of the workspace.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's assertions")]

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, ServiceAccount};
use kube::api::{
    Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams,
    PropagationPolicy, WatchEvent, WatchParams,
};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::{WatchStreamExt, watcher};
use regent_api::{RuntimeAuthority, RuntimeSecret, WorkflowRun};
use regent_install::access::rbac;
use regent_sandbox::{Options, Sandbox};
use regent_types::identity::Identity;
use serde_json::{Value, json};

async fn sandbox() -> Sandbox {
    let sandbox = Sandbox::start(Options::default()).unwrap();
    let admin = sandbox.admin();
    for namespace in ["regent-system", "app"] {
        let object =
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
        let api: Api<Namespace> = Api::all(admin.clone());
        api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    }
    sandbox
}

async fn install(sandbox: &Sandbox) {
    let admin = sandbox.admin();
    for crd in regent_api::all_crds() {
        apply(&admin, &serde_json::to_value(crd).unwrap()).await;
    }
    for object in rbac::objects(&["app".to_owned()]) {
        apply(&admin, &object).await;
    }
}

async fn apply(client: &kube::Client, object: &Value) {
    let api_version = object["apiVersion"].as_str().unwrap();
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let kind = GroupVersionKind::gvk(group, version, object["kind"].as_str().unwrap());
    let resource = ApiResource::from_gvk(&kind);
    let api: Api<DynamicObject> = match object["metadata"]["namespace"].as_str() {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let name = object["metadata"]["name"].as_str().unwrap();
    api.patch(name, &PatchParams::apply("test").force(), &Patch::Apply(object)).await.unwrap();
}

fn config(name: &str, data: Value) -> ConfigMap {
    serde_json::from_value(json!({ "metadata": { "name": name }, "data": data })).unwrap()
}

fn code<T: std::fmt::Debug>(result: Result<T, kube::Error>) -> (u16, String) {
    match result.unwrap_err() {
        kube::Error::Api(status) => (status.code, status.reason.clone()),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_watch_resumes_from_its_version_and_follows_selectors() {
    let sandbox = sandbox().await;
    let api: Api<ConfigMap> = Api::namespaced(sandbox.admin(), "app");
    let list = api.list(&ListParams::default()).await.unwrap();
    let from = list.metadata.resource_version.unwrap();
    api.create(&PostParams::default(), &config("a", json!({}))).await.unwrap();
    let label = |value: Value| Patch::Merge(json!({ "metadata": { "labels": { "x": value } } }));
    api.patch("a", &PatchParams::default(), &label(json!("1"))).await.unwrap();
    api.patch("a", &PatchParams::default(), &label(Value::Null)).await.unwrap();
    let all = api.watch(&WatchParams::default().timeout(1), &from).await.unwrap();
    let kinds: Vec<&str> = all.try_collect::<Vec<_>>().await.unwrap().iter().map(kind).collect();
    assert_eq!(kinds, ["ADDED", "MODIFIED", "MODIFIED"]);
    let labelled = WatchParams::default().labels("x=1").timeout(1);
    let some = api.watch(&labelled, &from).await.unwrap();
    let kinds: Vec<&str> = some.try_collect::<Vec<_>>().await.unwrap().iter().map(kind).collect();
    assert_eq!(kinds, ["ADDED", "DELETED"]);
}

fn kind<K>(event: &WatchEvent<K>) -> &'static str {
    match event {
        WatchEvent::Added(_) => "ADDED",
        WatchEvent::Modified(_) => "MODIFIED",
        WatchEvent::Deleted(_) => "DELETED",
        WatchEvent::Bookmark(_) => "BOOKMARK",
        WatchEvent::Error(_) => "ERROR",
    }
}

#[tokio::test]
async fn a_watcher_lists_in_pages_and_streams_initial_events() {
    let api: Api<ConfigMap> = Api::namespaced(sandbox().await.admin(), "app");
    for number in 0..25 {
        api.create(&PostParams::default(), &config(&format!("c{number:02}"), json!({})))
            .await
            .unwrap();
    }
    for settings in
        [watcher::Config::default().page_size(10), watcher::Config::default().streaming_lists()]
    {
        let stream = watcher(api.clone(), settings).applied_objects();
        let names: Vec<String> =
            stream.take(25).map(|o| o.unwrap().metadata.name.unwrap()).collect().await;
        assert_eq!(names.len(), 25);
        assert_eq!(names[24], "c24");
    }
}

#[tokio::test]
async fn a_version_that_history_has_left_behind_is_expired() {
    let api: Api<ConfigMap> = Api::namespaced(sandbox().await.admin(), "app");
    let made = api.create(&PostParams::default(), &config("a", json!({}))).await.unwrap();
    let first = made.metadata.resource_version.unwrap();
    for number in 0..8_300 {
        let patch = json!({ "data": { "n": number.to_string() } });
        api.patch("a", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }
    let mut old = api.watch(&WatchParams::default(), &first).await.unwrap().boxed();
    let Some(Ok(WatchEvent::Error(status))) = old.next().await else { panic!("no error") };
    assert_eq!(status.code, 410);
}

#[tokio::test]
async fn a_finalizer_holds_an_object_and_owners_take_what_they_own() {
    let sandbox = sandbox().await;
    let api: Api<ConfigMap> = Api::namespaced(sandbox.admin(), "app");
    let mut owner = config("owner", json!({}));
    owner.metadata.finalizers = Some(vec!["regent.dev/held".into()]);
    let owner = api.create(&PostParams::default(), &owner).await.unwrap();
    let mut owned = config("owned", json!({}));
    owned.metadata.owner_references = serde_json::from_value(json!([{
        "apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner.metadata.uid,
    }]))
    .unwrap();
    api.create(&PostParams::default(), &owned).await.unwrap();
    api.delete("owner", &DeleteParams::default()).await.unwrap();
    assert!(api.get("owner").await.unwrap().metadata.deletion_timestamp.is_some());
    let release = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    api.patch("owner", &PatchParams::default(), &release).await.unwrap();
    assert!(api.get_opt("owner").await.unwrap().is_none());
    assert!(api.get_opt("owned").await.unwrap().is_none());

    api.create(&PostParams::default(), &config("inside", json!({}))).await.unwrap();
    let namespaces: Api<Namespace> = Api::all(sandbox.admin());
    let params = DeleteParams {
        propagation_policy: Some(PropagationPolicy::Background),
        ..Default::default()
    };
    namespaces.delete("app", &params).await.unwrap();
    assert!(api.get_opt("inside").await.unwrap().is_none());
    assert_eq!(code(api.create(&PostParams::default(), &config("late", json!({}))).await).0, 404);
}

#[tokio::test]
async fn secrets_keep_their_type_and_string_data_becomes_data() {
    let api: Api<Secret> = Api::namespaced(sandbox().await.admin(), "app");
    let make = |value: Value| serde_json::from_value::<Secret>(value).unwrap();
    let secret = make(json!({ "metadata": { "name": "s" }, "stringData": { "k": "v" } }));
    let made = api.create(&PostParams::default(), &secret).await.unwrap();
    assert_eq!(made.data.unwrap()["k"].0, b"v");
    assert_eq!(made.type_.as_deref(), Some("Opaque"));
    let other = Patch::Merge(json!({ "type": "kubernetes.io/basic-auth" }));
    assert_eq!(code(api.patch("s", &PatchParams::default(), &other).await).0, 422);
    let tls = make(json!({ "metadata": { "name": "t" }, "type": "kubernetes.io/tls", "data": {} }));
    assert_eq!(code(api.create(&PostParams::default(), &tls).await).0, 422);
}

#[tokio::test]
async fn resources_are_pruned_defaulted_validated_and_their_rules_fire() {
    let sandbox = sandbox().await;
    install(&sandbox).await;
    let admin = sandbox.admin();
    let secrets: Api<RuntimeSecret> = Api::namespaced(admin.clone(), "app");
    let make = |introduce: Value| {
        serde_json::from_value::<DynamicObject>(json!({
            "apiVersion": "regent.dev/v1alpha1", "kind": "RuntimeSecret", "metadata": { "name": "s" },
            "spec": { "owner": "o", "purpose": "p", "odd": 1, "introduce": introduce },
        }))
        .unwrap()
    };
    let kind = GroupVersionKind::gvk("regent.dev", "v1alpha1", "RuntimeSecret");
    let dynamic: Api<DynamicObject> =
        Api::namespaced_with(admin.clone(), "app", &ApiResource::from_gvk(&kind));
    let params = PostParams::default();
    let both = json!({ "handover": { "bootstrapSecret": "b" }, "derived": { "pushSecret": "p" } });
    let refused = dynamic.create(&params, &make(both)).await.unwrap_err().to_string();
    assert!(refused.contains("exactly one of handover, generate, derived"), "{refused}");
    let fine =
        dynamic.create(&params, &make(json!({ "handover": { "bootstrapSecret": "b" } }))).await;
    let fine = fine.unwrap();
    assert_eq!(fine.data["spec"]["odd"], Value::Null);
    assert_eq!(fine.data["spec"]["deletionPolicy"], "Retain");
    assert_eq!(fine.metadata.generation, Some(1));

    // Status is a resource of its own, and writing it is no new generation.
    let status =
        Patch::Merge(json!({ "status": { "stage": "Runtime" }, "spec": { "owner": "other" } }));
    let after = secrets.patch_status("s", &PatchParams::default(), &status).await.unwrap();
    assert_eq!((after.spec.owner.as_str(), after.metadata.generation), ("o", Some(1)));
    let spec = Patch::Merge(json!({ "status": { "stage": "Held" }, "spec": { "owner": "other" } }));
    let after = secrets.patch("s", &PatchParams::default(), &spec).await.unwrap();
    assert_eq!(after.metadata.generation, Some(2));
    assert_eq!(format!("{:?}", after.status.unwrap().stage.unwrap()), "Runtime");

    let authority = |name: &str| {
        serde_json::from_value::<RuntimeAuthority>(json!({
            "apiVersion": "regent.dev/v1alpha1", "kind": "RuntimeAuthority", "metadata": { "name": name },
            "spec": { "installation": "i", "seal": { "threshold": 1, "holders": [
                { "name": "a", "recipient": "age1qqqq" } ] } },
        }))
        .unwrap()
    };
    let authorities: Api<RuntimeAuthority> = Api::all(admin.clone());
    assert_eq!(code(authorities.create(&params, &authority("second")).await).0, 422);
    authorities.create(&params, &authority("regent")).await.unwrap();

    let runs: Api<WorkflowRun> = Api::namespaced(admin, "app");
    let run = serde_json::from_value(json!({
        "apiVersion": "regent.dev/v1alpha1", "kind": "WorkflowRun", "metadata": { "name": "r" },
        "spec": { "runtimeSecret": "s", "uses": "rotate", "cause": { "kind": "manual", "by": "me" } },
    }));
    runs.create(&params, &run.unwrap()).await.unwrap();
    let change = Patch::Merge(json!({ "spec": { "runtimeSecret": "t" } }));
    assert_eq!(code(runs.patch("r", &PatchParams::default(), &change).await).0, 422);
}

/// C7-1: a token is for its audience and its cluster, and RBAC holds it to its Role.
#[tokio::test]
async fn tokens_are_authenticated_and_roles_enforced() {
    let sandbox = sandbox().await;
    install(&sandbox).await;
    let accounts: Api<ServiceAccount> = Api::namespaced(sandbox.admin(), "regent-system");
    let token = async |identity: Identity, audience: &[&str]| {
        let request = serde_json::from_value(json!({ "spec": { "audiences": audience } })).unwrap();
        let name = identity.account();
        let answer = accounts.create_token_request(&name, &PostParams::default(), &request).await;
        answer.unwrap().status.unwrap().token
    };
    let as_ = |token: String| sandbox.client(Arc::new(move || token.clone()), "app");

    let bootstrap = as_(token(Identity::Bootstrap, &[]).await);
    let secrets: Api<Secret> = Api::namespaced(bootstrap.clone(), "app");
    assert!(secrets.get_opt("none").await.unwrap().is_none());
    assert_eq!(code(secrets.list(&ListParams::default()).await).0, 403);
    assert_eq!(code(secrets.delete("none", &DeleteParams::default()).await).0, 404);
    let all = secrets.delete_collection(&DeleteParams::default(), &ListParams::default()).await;
    assert_eq!(code(all).0, 403);
    let system: Api<Secret> = Api::namespaced(bootstrap, "regent-system");
    assert_eq!(code(system.get("regent-unseal-identity").await).0, 403);
    assert!(system.get_opt("regent-manifest-identity").await.unwrap().is_none());
    assert!(sandbox.refusals().iter().any(|r| r.contains("regent-bootstrap list secrets.")));

    let intent = as_(token(Identity::Intent, &[]).await);
    let forged: Api<Secret> = Api::namespaced(intent, "app");
    let secret = serde_json::from_value(json!({ "metadata": { "name": "forged" } })).unwrap();
    assert_eq!(code(forged.create(&PostParams::default(), &secret).await).0, 403);

    let elsewhere = as_(token(Identity::Reader, &["regent-authority"]).await);
    let namespaces: Api<Namespace> = Api::all(elsewhere);
    assert_eq!(code(namespaces.list(&ListParams::default()).await).0, 401);
    let nobody: Api<Namespace> = Api::all(as_("nobody".into()));
    assert_eq!(code(nobody.list(&ListParams::default()).await).0, 401);

    // A token dies with its account, also when the account comes back under its name.
    let reader = token(Identity::Reader, &[]).await;
    let namespaces: Api<Namespace> = Api::all(as_(reader));
    namespaces.list(&ListParams::default()).await.unwrap();
    let name = Identity::Reader.account();
    let account = accounts.get(&name).await.unwrap();
    accounts.delete(&name, &DeleteParams::default()).await.unwrap();
    let again = serde_json::from_value(json!({ "metadata": { "name": account.metadata.name } }));
    accounts.create(&PostParams::default(), &again.unwrap()).await.unwrap();
    assert_eq!(code(namespaces.list(&ListParams::default()).await).0, 401);
}
