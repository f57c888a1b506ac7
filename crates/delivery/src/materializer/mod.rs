//! Materialization: authority → Kubernetes Secret (S5.5-2, PROTOCOLS.md §6).
//!
//! ```text
//!   watches ─► worker (tables by path)  ─► ExternalSecrets that are concerned
//!                                              │
//!   declared ─► request ─► allow ─► sync_decision ─► target(may?) ─► authority(read) ─► render ─► target(plan) ─► write ─► status
//! ```
//!
//! Several ExternalSecrets may share a Secret: `parts` says whose what is, `contest` limits repairs of what somebody else
//! undoes, `leftovers` takes away what is not declared any more, `version_checks` notices writes of others.
//! A Secret whose ExternalSecret is gone ends in `retire`, by what `owned` kept of both.
//!
//! Reads only what `allow` let through; an unreachable, sealed or erring authority never deletes or
//! blanks a Secret; an older version never replaces a newer one; nothing is read while nothing
//! changed.
//!
//! **Architecture invariant `materializer-reads-only`:** nothing here writes to the authority.

mod allow;
mod authority;
mod contest;
mod declared;
mod ended;
mod index;
mod job;
mod leftovers;
mod marks;
mod owned;
mod owner;
mod parts;
mod pass;
mod render;
mod request;
mod retire;
mod status;
mod stores;
mod sync_decision;
mod target;
mod version_checks;
mod wake;
mod watch;
mod went_back;
mod worker;
mod write;

use std::sync::{Arc, Mutex};

use futures::{Stream, StreamExt, stream};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::runtime::controller::Config;
use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{Controller, WatchStreamExt, reflector};
use regent_api::{ClusterSecretStore, ExternalSecret, RuntimeAuthority, SecretStore};
use tokio_stream::wrappers::ReceiverStream;

use crate::served_namespaces::ServedNamespaces;
use index::key_of;
use regent_operator::cache_sync::CacheSync;
use regent_operator::error::ReconcileError;
use regent_operator::guarded::guarded;
use regent_operator::object_watch;
use regent_operator::watch_error;
use regent_operator::{Context, admission};
use worker::{Ref, Worker};

/// How the materializer runs.
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

/// Materializes until the shutdown signal, once admission guards what it writes. Failures of objects
/// are their conditions, not errors here.
pub async fn run(cx: Context, args: Args) -> Result<(), ReconcileError> {
    if !admission::enforced(&cx).await {
        return Ok(());
    }
    materialize(cx, args).await;
    Ok(())
}

async fn materialize(cx: Context, args: Args) {
    let wakes = Arc::<wake::WakeSet>::default();
    let owned = Arc::<owned::Owned>::default();
    let served = Arc::new(ServedNamespaces::new(cx.clone(), "list"));
    let (secrets, changed) =
        watch::Secrets::new(cx.clone(), Arc::clone(&owned), Arc::clone(&served));
    let (namespaces, namespace_writer) = reflector::store();
    let (runtime, runtime_writer) = reflector::store();
    let (cluster_stores, cluster_writer) = reflector::store();
    let (stores, store_writer) = reflector::store();
    let external = externals(&cx, Arc::clone(&owned), Arc::clone(&wakes));
    let runtime_listed = CacheSync::of(&runtime);
    let worker = Arc::new(Worker {
        authorities: authority::Authorities::new(cx.clone(), args.concurrency),
        secrets,
        owned,
        served,
        backoff: regent_operator::backoff::Backoff::default(),
        contests: contest::Contests::default(),
        wakes,
        events: cx.event_recorder(),
        objects: external.store(),
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
        tables: Mutex::default(),
        filled: tokio::sync::watch::Sender::new(()),
        cx: cx.clone(),
    });
    let on_secret = {
        let worker = Arc::clone(&worker);
        ReceiverStream::new(changed).flat_map(move |place| stream::iter(worker.on_secret(&place)))
    };
    let on_wake = {
        let worker = Arc::clone(&worker);
        worker.wakes.stream().flat_map(move |key| stream::iter(worker.on_wake(&key)))
    };
    let concurrency = Config::default().concurrency(args.concurrency);
    let external = external
        .with_config(concurrency.clone())
        .reconcile_on(events(&worker, Worker::on_runtime_secret))
        .reconcile_on(events(&worker, Worker::on_push_secret))
        .reconcile_on(on_secret)
        .reconcile_on(on_wake)
        .reconcile_on(kept_namespaces(&worker, namespace_writer))
        .reconcile_on(kept(&worker, runtime_writer, Worker::on_runtime_authority))
        .reconcile_on(kept(&worker, cluster_writer, |worker, store: &ClusterSecretStore| {
            worker.on_store("ClusterSecretStore", &key_of(store), store.metadata.generation)
        }))
        .reconcile_on(kept(&worker, store_writer, |worker, store: &SecretStore| {
            worker.on_store("SecretStore", &key_of(store), store.metadata.generation)
        }))
        .graceful_shutdown_on(cx.shutdown.clone().wait())
        .run(guarded("materializer", pass::reconcile), pass::on_error, Arc::clone(&worker))
        .for_each(watch_error::log_broken_watches("materializer"));
    futures::join!(
        external,
        store_status(&cx, &worker, concurrency),
        retire::run(&worker),
        version_checks::until_stopped(&worker)
    );
}

/// The controller of ExternalSecrets; `owned` and `wakes` are told of each event before a pass is.
fn externals(
    cx: &Context,
    owned: Arc<owned::Owned>,
    wakes: Arc<wake::WakeSet>,
) -> Controller<ExternalSecret> {
    let api = Api::<ExternalSecret>::all(cx.api.clone());
    object_watch::controller_telling(api, move |event| {
        owned.on_external(event);
        match event {
            Event::Apply(es) | Event::InitApply(es) => {
                wakes.tell([key_of(es)], authority::instant());
            }
            Event::Delete(es) => wakes.add([key_of(es)]),
            Event::Init | Event::InitDone => {}
        }
    })
}

/// Keeps the status of both kinds of stores.
async fn store_status(cx: &Context, worker: &Arc<Worker>, concurrency: Config) {
    let keeper = || {
        Arc::new(stores::Keeper {
            worker: Arc::clone(worker),
            backoff: regent_operator::backoff::Backoff::default(),
        })
    };
    let cluster = store_controller::<ClusterSecretStore>(cx, &concurrency)
        .run(guarded("materializer", stores::cluster), stores::on_error, keeper())
        .for_each(watch_error::log_broken_watches("materializer"));
    let namespaced = store_controller::<SecretStore>(cx, &concurrency)
        .run(guarded("materializer", stores::namespaced), stores::on_error, keeper())
        .for_each(watch_error::log_broken_watches("materializer"));
    futures::join!(cluster, namespaced);
}

/// A controller of stores; the authority's address decides which of them are served.
fn store_controller<K>(cx: &Context, concurrency: &Config) -> Controller<K>
where
    K: kube::Resource<DynamicType = ()> + Clone + serde::de::DeserializeOwned,
    K: std::fmt::Debug + Send + Sync + 'static,
{
    let controller = object_watch::controller(Api::<K>::all(cx.api.clone()));
    let all = controller.store();
    controller
        .with_config(concurrency.clone())
        .watches(Api::<RuntimeAuthority>::all(cx.api.clone()), config(), move |_| {
            let stores = all.state();
            stores.iter().map(|s| reflector::ObjectRef::from_obj(&**s)).collect::<Vec<_>>()
        })
        .graceful_shutdown_on(cx.shutdown.clone().wait())
}

fn config() -> watcher::Config {
    watcher::Config::default()
}

/// A watch of all objects of a kind, with its fields' history left out.
fn objects<K>(worker: &Worker) -> impl Stream<Item = watcher::Result<Event<K>>> + Send + use<K>
where
    K: kube::Resource<DynamicType = ()> + Clone + serde::de::DeserializeOwned,
    K: std::fmt::Debug + Send + Sync + 'static,
{
    let api: Api<K> = Api::all(worker.cx.api.clone());
    object_watch::watch(api, watcher::Config::default())
}

/// ExternalSecrets that events of a kind concern.
fn events<K>(
    worker: &Arc<Worker>,
    concerns: impl Fn(&Worker, &Event<K>) -> Vec<Ref> + Send + 'static,
) -> impl Stream<Item = Ref> + Send + 'static
where
    K: kube::Resource<DynamicType = ()> + Clone + serde::de::DeserializeOwned,
    K: std::fmt::Debug + Send + Sync + 'static,
{
    let worker = Arc::clone(worker);
    objects::<K>(&worker).flat_map(move |event| {
        let refs = match event {
            Ok(event) => concerns(&worker, &event),
            Err(error) => broke::<K>(&error),
        };
        stream::iter(refs)
    })
}

/// The same for a small kind that is kept in a store.
fn kept<K>(
    worker: &Arc<Worker>,
    writer: Writer<K>,
    concerns: impl Fn(&Worker, &K) -> Vec<Ref> + Send + 'static,
) -> impl Stream<Item = Ref> + Send + 'static
where
    K: kube::Resource<DynamicType = ()> + Clone + serde::de::DeserializeOwned,
    K: std::fmt::Debug + Send + Sync + 'static,
{
    let worker = Arc::clone(worker);
    objects::<K>(&worker).reflect(writer).touched_objects().flat_map(move |object| {
        let refs = match object {
            Ok(object) => concerns(&worker, &object),
            Err(error) => broke::<K>(&error),
        };
        stream::iter(refs)
    })
}

/// The same for namespaces, of which it matters too that one is gone.
fn kept_namespaces(
    worker: &Arc<Worker>,
    writer: Writer<Namespace>,
) -> impl Stream<Item = Ref> + Send + 'static {
    let worker = Arc::clone(worker);
    objects::<Namespace>(&worker).reflect(writer).flat_map(move |event| {
        let refs = match event {
            Ok(event) => worker.on_namespace(&event),
            Err(error) => broke::<Namespace>(&error),
        };
        stream::iter(refs)
    })
}

fn broke<K: kube::Resource<DynamicType = ()>>(error: &watcher::Error) -> Vec<Ref> {
    let kind = K::kind(&());
    let error = ReconcileError::watch(&kind, error);
    tracing::warn!(component = "materializer", %kind, %error, "watch broke and is taken up again");
    Vec::new()
}

#[cfg(test)]
mod tests {
    mod counts;
    mod follows;
    mod shared;
}
