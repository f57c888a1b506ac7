//! What one try comes to before the authority is asked anything.

use kube::runtime::reflector::{self, Store};
use kube::runtime::watcher::Event;
use regent_api::ClusterSecretStore;
use regent_operator::cache_sync::CacheSync;
use regent_sandbox::{Options, Sandbox};
use regent_types::labels::AUTHORITY_SERVICE_URL;
use serde_json::json;

use super::super::{authority, watch};
use super::*;
use crate::served_namespaces::ServedNamespaces;
use crate::served_namespaces::tests::{materializer, serve};

fn store<K>(objects: Vec<K>) -> Store<K>
where
    K: kube::Resource<DynamicType = ()> + Clone + 'static,
{
    let (store, mut writer) = reflector::store();
    for object in objects {
        writer.apply_watcher_event(&Event::Apply(object));
    }
    store
}

/// A materializer that knows the shared store, and a RuntimeSecret `orders/db` that is not Runtime.
async fn worker(sandbox: &Sandbox) -> Worker {
    let cx = materializer(sandbox).await;
    let shared: ClusterSecretStore = serde_json::from_value(json!({
        "apiVersion": "external-secrets.io/v1", "kind": "ClusterSecretStore",
        "metadata": { "name": "vault-backend" },
        "spec": { "provider": { "vault": { "server": AUTHORITY_SERVICE_URL } } },
    }))
    .expect("a store");
    let owned = Arc::default();
    let served = Arc::new(ServedNamespaces::new(cx.clone(), "list"));
    let (secrets, _changed) =
        watch::Secrets::new(cx.clone(), Arc::clone(&owned), Arc::clone(&served));
    let (namespaces, runtime, stores) = (store(vec![]), store(vec![]), store(vec![]));
    let cluster_stores = store(vec![shared]);
    let runtime_listed = CacheSync::of(&runtime);
    let worker = Worker {
        authorities: authority::Authorities::new(cx.clone(), 16),
        secrets,
        owned,
        served,
        backoff: regent_operator::backoff::Backoff::default(),
        contests: super::super::contest::Contests::default(),
        wakes: Arc::default(),
        events: cx.event_recorder(),
        objects: store(vec![]),
        listings: [
            runtime_listed.clone(),
            CacheSync::of(&namespaces),
            CacheSync::of(&cluster_stores),
            CacheSync::of(&stores),
        ],
        runtime_listed,
        namespaces,
        runtime,
        cluster_stores,
        stores,
        tables: std::sync::Mutex::default(),
        filled: tokio::sync::watch::Sender::new(()),
        cx,
    };
    let waiting = serde_json::from_value(json!({
        "apiVersion": "regent.dev/v1alpha1", "kind": "RuntimeSecret",
        "metadata": { "name": "db", "namespace": "orders" },
        "spec": { "owner": "o", "purpose": "p",
            "introduce": { "handover": { "bootstrapSecret": "db" } } },
    }));
    worker.on_runtime_secret(&Event::Apply(waiting.expect("a RuntimeSecret")));
    worker
}

async fn reason(worker: &Worker) -> &'static str {
    let es: ExternalSecret = serde_json::from_value(json!({
        "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
        "metadata": { "name": "db", "namespace": "orders" },
        "spec": {
            "secretStoreRef": { "name": "vault-backend", "kind": "ClusterSecretStore" },
            "dataFrom": [{ "extract": { "key": "runtime/orders/db" } }],
        },
    }))
    .expect("an ExternalSecret");
    match attempt(worker, &es, &worker::key(&es)).await {
        Ok(Some(Ended::NotReady(not_ready))) => not_ready.reason,
        Ok(Some(Ended::Well(_))) => "well",
        Ok(None) => "not regent's",
        Err(error) => panic!("{error}"),
    }
}

/// That it is not Runtime yet is true as well, and tells nobody what to do.
#[tokio::test]
async fn a_namespace_that_is_not_served_is_what_is_said_first() {
    let sandbox = Sandbox::start(Options::default()).expect("a sandbox");
    let unserved = worker(&sandbox).await;
    assert_eq!(reason(&unserved).await, "NamespaceNotServed");
    assert_eq!(sandbox.refusals(), Vec::<String>::new(), "asked, not tried");

    let sandbox = Sandbox::start(Options::default()).expect("a sandbox");
    let served = worker(&sandbox).await;
    serve(&sandbox, "orders").await;
    assert_eq!(reason(&served).await, "NotRuntime");
    served.secrets.leave("orders");
}
