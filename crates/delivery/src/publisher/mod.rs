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
mod explicit;
mod heads;
mod pass;
mod plan;
mod status;
mod store;
mod watch;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use futures::{Stream, StreamExt, stream};
use kube::runtime::controller::Config;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, reflector};
use kube::{Api, ResourceExt};
use regent_api::PushSecret;
use tokio_stream::wrappers::ReceiverStream;

use pass::Worker;
use regent_operator::cache_sync::CacheSync;
use regent_operator::error::ReconcileError;
use regent_operator::object_watch;
use regent_operator::{Context, watch_error};

/// How the publisher runs.
#[derive(Clone, Debug)]
pub struct Args {
    /// Passes at the same time.
    pub concurrency: u16,
}

impl Default for Args {
    /// 8 at a time: a pass waits for two servers most of its time.
    fn default() -> Self {
        Self { concurrency: 8 }
    }
}

/// Publishes until the shutdown signal. Failures of objects are their conditions, not errors here.
pub async fn run(cx: Context, args: Args) -> Result<(), ReconcileError> {
    let (sources, changed) = watch::Sources::new(cx.clone());
    let (namespaces, namespace_writer) = reflector::store();
    let (runtime, runtime_writer) = reflector::store();
    let (stores, store_writer) = reflector::store();
    let controller = object_watch::controller(Api::<PushSecret>::all(cx.api.clone()));
    let objects = controller.store();
    let worker = Arc::new(Worker {
        authorities: authority::Authorities::new(cx.clone()),
        sources,
        backoff: regent_operator::backoff::Backoff::default(),
        objects: objects.clone(),
        listings: [CacheSync::of(&namespaces), CacheSync::of(&runtime), CacheSync::of(&stores)],
        namespaces,
        runtime,
        stores,
        known: Mutex::default(),
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
    controller
        .with_config(Config::default().concurrency(args.concurrency))
        .reconcile_on(on_source)
        .reconcile_on(kept(&cx, namespace_writer, of_namespace))
        .reconcile_on(kept(&cx, runtime_writer, all()))
        .reconcile_on(kept(&cx, store_writer, all()))
        .graceful_shutdown_on(cx.shutdown.clone().wait())
        .run(pass::reconcile, pass::on_error, worker)
        .for_each(watch_error::tell("publisher"))
        .await;
    Ok(())
}

/// Keeps a small kind in a store; `concerns` says by name which PushSecrets a change concerns. What
/// decides about publication is in spec, labels and addresses: other changes concern none.
fn kept<K>(
    cx: &Context,
    writer: Writer<K>,
    concerns: impl Fn(&str) -> Vec<ObjectRef<PushSecret>> + Send + 'static,
) -> impl Stream<Item = ObjectRef<PushSecret>> + Send + 'static
where
    K: kube::Resource<DynamicType = ()> + Clone + serde::de::DeserializeOwned,
    K: std::fmt::Debug + Send + Sync + serde::Serialize + 'static,
{
    let api: Api<K> = Api::all(cx.api.clone());
    let mut told = HashMap::new();
    object_watch::watch(api).reflect(writer).flat_map(move |event| {
        let name = news(&mut told, event);
        stream::iter(name.map(|name| concerns(&name)).unwrap_or_default())
    })
}

/// The name of the object of an event that says something new: told for the first time, changed in
/// what decides, deleted.
fn news<K>(told: &mut HashMap<String, String>, event: watcher::Result<Event<K>>) -> Option<String>
where
    K: kube::Resource<DynamicType = ()> + serde::Serialize,
{
    match event {
        Ok(Event::Apply(object) | Event::InitApply(object)) => {
            let (name, said) = (object.name_any(), deciding(&object));
            (told.insert(name.clone(), said.clone()) != Some(said)).then_some(name)
        }
        Ok(Event::Delete(object)) => {
            told.remove(&object.name_any());
            Some(object.name_any())
        }
        Ok(Event::Init) => {
            told.clear();
            None
        }
        Ok(Event::InitDone) => None,
        Err(error) => {
            let error = ReconcileError::watch(&K::kind(&()), &error);
            tracing::warn!(component = "publisher", %error, "watch broke and is taken up again");
            None
        }
    }
}

/// The parts of an object that decide about publication.
fn deciding<K: kube::Resource + serde::Serialize>(object: &K) -> String {
    let value = serde_json::to_value(object).unwrap_or_default();
    let meta = object.meta();
    serde_json::json!([meta.uid, meta.generation, meta.labels, value["status"]["address"]])
        .to_string()
}
