//! Publication: Kubernetes Secret → authority, the one write path that starts in Kubernetes
//! (S5.5-3, S5.5-4).
//!
//! ```text
//!   watches ─► PushSecret ─► explicit ─► store, ownership ─► source (fresh) ─► plan ─► authority (cas, mark)
//!                                                                                  └─► ledger ─► status
//! ```
//!
//! Explicit mappings to `platform-data/*` and `platform-config/*` alone, from namespaces that own
//! the datasource, to paths that are this PushSecret's; equal values are not written again.

mod authority;
mod ending;
mod explicit;
mod finalizer;
mod pass;
mod plan;
mod released;
mod status;
mod watch;
mod withdraw;

use std::sync::{Arc, Mutex};

use futures::{Stream, StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Namespace;
use kube::runtime::controller::Config;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, reflector};
use kube::{Api, ResourceExt};
use regent_api::PushSecret;
use tokio_stream::wrappers::ReceiverStream;

use crate::served_namespaces::ServedNamespaces;
use pass::Worker;
use regent_operator::cache_sync::CacheSync;
use regent_operator::changed_only::changed_only;
use regent_operator::error::ReconcileError;
use regent_operator::guarded::guarded;
use regent_operator::object_watch;
use regent_operator::{Context, watch_error};

/// How the publisher runs.
#[derive(Clone, Debug)]
pub struct Args {
    /// Passes at the same time.
    pub concurrency: u16,
}

impl Default for Args {
    /// 16 at a time: a pass waits for two servers most of its time.
    fn default() -> Self {
        Self { concurrency: 16 }
    }
}

/// Publishes until the shutdown signal. Failures of objects are their conditions, not errors here.
pub async fn run(cx: Context, args: Args) -> Result<(), ReconcileError> {
    publish(cx, args).await;
    Ok(())
}

async fn publish(cx: Context, args: Args) {
    let (sources, changed) = watch::Sources::new(cx.clone());
    let (namespaces, namespace_writer) = reflector::store();
    let (runtime, runtime_writer) = reflector::store();
    let (stores, store_writer) = reflector::store();
    let controller = object_watch::controller(Api::<PushSecret>::all(cx.api.clone()));
    let objects = controller.store();
    let worker = Arc::new(Worker {
        authorities: authority::Authorities::new(cx.clone(), args.concurrency),
        sources,
        served: ServedNamespaces::new(cx.clone(), "get"),
        backoff: regent_operator::backoff::Backoff::default(),
        objects: objects.clone(),
        listings: [CacheSync::of(&namespaces), CacheSync::of(&runtime), CacheSync::of(&stores)],
        namespaces,
        runtime,
        stores,
        last_publishes: Mutex::default(),
        events: cx.event_recorder(),
        cx: cx.clone(),
    });
    let on_source = {
        let worker = Arc::clone(&worker);
        ReceiverStream::new(changed).flat_map(move |place| {
            let names = worker.sources.users(&place);
            stream::iter(names.into_iter().map(move |n| ObjectRef::new(&n).within(&place.0)))
        })
    };
    let all = || {
        let objects = objects.clone();
        move |_: &str| objects.state().iter().map(|o| ObjectRef::from_obj(&**o)).collect()
    };
    let of_namespace = {
        let objects = objects.clone();
        move |name: &str| {
            let of = objects.state_filter(|o| o.metadata.namespace.as_deref() == Some(name));
            of.iter().map(|o| ObjectRef::from_obj(&**o)).collect()
        }
    };
    let on_namespace = {
        let worker = Arc::clone(&worker);
        move |event: &Event<Namespace>| worker.on_namespace(event)
    };
    controller
        .with_config(Config::default().concurrency(args.concurrency))
        .reconcile_on(on_source)
        .reconcile_on(kept(&cx, namespace_writer, on_namespace, of_namespace))
        .reconcile_on(kept(&cx, runtime_writer, |_| (), all()))
        .reconcile_on(kept(&cx, store_writer, |_| (), all()))
        .graceful_shutdown_on(cx.shutdown.clone().wait())
        .run(guarded("publisher", pass::reconcile), pass::on_error, worker)
        .for_each(watch_error::log_broken_watches("publisher"))
        .await;
}

/// Keeps a small kind in a store; `tell` is told each event, deletions too, and `concerns` says by name which PushSecrets
/// a change concerns. What decides about publication is in spec, labels and addresses: other changes concern none.
fn kept<K>(
    cx: &Context,
    writer: Writer<K>,
    tell: impl Fn(&Event<K>) + Send + 'static,
    concerns: impl Fn(&str) -> Vec<ObjectRef<PushSecret>> + Send + 'static,
) -> impl Stream<Item = ObjectRef<PushSecret>> + Send + 'static
where
    K: kube::Resource<DynamicType = ()> + Clone + serde::de::DeserializeOwned,
    K: std::fmt::Debug + Send + Sync + serde::Serialize + 'static,
{
    let api: Api<K> = Api::all(cx.api.clone());
    let watched = object_watch::watch(api, watcher::Config::default()).reflect(writer);
    let watched = watched.inspect_ok(tell);
    changed_only("publisher", watched, deciding)
        .flat_map(move |object| stream::iter(concerns(&object.name_any())))
}

/// The parts of an object that decide about publication.
fn deciding<K: kube::Resource + serde::Serialize>(object: &K) -> String {
    let value = serde_json::to_value(object).unwrap_or_default();
    let meta = object.meta();
    serde_json::json!([meta.uid, meta.generation, meta.labels, value["status"]["address"]])
        .to_string()
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
