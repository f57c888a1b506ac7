//! The orchestration engine: brings secrets into the authority, rotates them, and keeps the record
//! of both (PROTOCOLS.md §4, §5, §7, §8).
//!
//! ```text
//! authority   the gate: RuntimeAuthority says whether there is one      heads  ledger heads, published
//! secrets     RuntimeSecret → its run, its status         claims  who was first    status  projection
//! runs        WorkflowRun → its steps    workflow  which step is next    steps  what each `uses` does
//! drive       look, ask the protocol, do, look again      observe  fresh reads     effects  conditional writes
//! bootstrap   the bootstrap Secret       consumers  who must follow      watches  what concerns whom
//! ```
//!
//! Decisions are in `regent_protocol`; nothing here keeps a value longer than one read or write.

mod authority;
mod bootstrap;
mod claims;
mod consumers;
mod drive;
mod effects;
mod error;
mod heads;
mod names;
mod observe;
mod random;
mod runs;
mod secrets;
mod status;
mod steps;
mod watches;
mod workflow;

use std::sync::Arc;

use futures::{StreamExt, future};
use kube::core::PartialObjectMeta;
use kube::runtime::controller::{Action, Config};
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector::{self, reflector};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, ResourceExt};
use regent_api::{EncryptedManifest, ExternalSecret, PushSecret, RuntimeSecret, WorkflowRun};
use regent_types::Explain;
use tokio::sync::{oneshot, watch};
use tokio_stream::wrappers::WatchStream;

use authority::Gate;
use drive::World;
use regent_operator::backoff::Backoff;
use regent_operator::cache_sync::CacheSync;
use regent_operator::object_watch;
use regent_operator::watch_error;
use regent_operator::{Context, admission};

pub use error::Error;

/// How the orchestrator runs.
#[derive(Clone, Debug)]
pub struct Args {
    /// Runs, and RuntimeSecrets, looked at side by side.
    pub concurrency: u16,
    /// Address of the authority as it is written in Git, instead of what RuntimeAuthority says.
    pub authority: Option<String>,
}

impl Default for Args {
    fn default() -> Self {
        Self { concurrency: 16, authority: None }
    }
}

/// Runs until the context says stop. While the authority is absent, sealed or unreachable nothing
/// is asked of it and conditions say so. Fails only where the process cannot start.
///
/// Starts once admission keeps everybody else from marking and emptying bootstrap Secrets.
pub async fn run(cx: Context, args: Args) -> Result<(), Error> {
    if !admission::enforced(&cx).await {
        return Ok(());
    }
    let closed = Gate::Closed("RuntimeAuthority has not been looked at yet".into());
    let (sender, gate) = watch::channel(closed);
    let config = || Config::default().concurrency(args.concurrency.max(1));
    let any = watcher::Config::default;
    let secrets = object_watch::controller(Api::<RuntimeSecret>::all(cx.api.clone()));
    let runs = object_watch::controller(Api::<WorkflowRun>::all(cx.api.clone()));
    let (externals, written) = reflector::store();
    let reporter = Reporter { controller: cx.field_manager(), instance: None };
    let world = Arc::new(World {
        cx: cx.clone(),
        gate: gate.clone(),
        listed: CacheSync::of(&externals),
        externals,
        secrets: secrets.store(),
        runs: runs.store(),
        recorder: Recorder::new(cx.api.clone(), reporter),
        backoff: Backoff::default(),
    });
    let opened = || WatchStream::from_changes(gate.clone()).map(|_| ());

    let stop = || cx.shutdown.clone().wait();
    let externals_api = || Api::<ExternalSecret>::all(cx.api.clone());
    let externals_seen =
        reflector(written, object_watch::watch(externals_api(), watcher::Config::default()))
            .touched_objects();
    let all = secrets.store();
    let of_push = secrets.store();
    let secrets = secrets
        .with_config(config())
        .watches_stream(externals_seen, move |e| watches::external_to_secrets(&e, &all))
        .watches(Api::<PushSecret>::all(cx.api.clone()), any(), move |p| {
            watches::push_to_secrets(&p, &of_push)
        })
        .watches(Api::<WorkflowRun>::all(cx.api.clone()), any(), |r| watches::run_to_secret(&r))
        .reconcile_all_on(opened())
        .graceful_shutdown_on(stop())
        .run(secrets::reconcile, failed::<RuntimeSecret>, Arc::clone(&world))
        .for_each(watch_error::log_broken_watches("orchestrator"));

    let (of_external, of_manifest) = (world.secrets.clone(), world.secrets.clone());
    let (started, made, changed) = (runs.store(), runs.store(), runs.store());
    let manifests = Api::<PartialObjectMeta<EncryptedManifest>>::all(cx.api.clone());
    let runs = runs
        .with_config(config())
        .watches(externals_api(), any(), move |e| {
            watches::external_to_runs(&e, &of_external, &started)
        })
        .watches(manifests, any(), move |m| {
            let namespace = m.namespace().unwrap_or_default();
            watches::manifest_to_runs(&namespace, &m.name_any(), &of_manifest, &made)
        })
        .watches(Api::<RuntimeSecret>::all(cx.api.clone()), any(), move |s| {
            watches::secret_to_runs(&s, &changed)
        })
        .reconcile_all_on(opened())
        .graceful_shutdown_on(stop())
        .run(runs::reconcile, failed::<WorkflowRun>, Arc::clone(&world))
        .for_each(watch_error::log_broken_watches("orchestrator"));

    let (over, drained) = oneshot::channel();
    let controllers = async move {
        future::join(secrets, runs).await;
        // The receiver is gone where the gate closed for good.
        let _gone = over.send(());
    };
    let heads = heads::follow(cx.clone(), gate, drained);
    future::join3(controllers, heads, authority::follow(cx.clone(), args.authority, sender)).await;
    Ok(())
}

/// Growing pauses after errors, object by object; a lost race for a status is no error.
fn failed<K>(object: Arc<K>, error: &Error, w: Arc<World>) -> Action
where
    K: kube::Resource<DynamicType = ()>,
{
    let key = format!(
        "{}/{}/{}",
        K::kind(&()),
        object.namespace().unwrap_or_default(),
        object.name_any()
    );
    let pause = w.backoff.next(key.clone());
    if error.is_race() {
        w.backoff.reset(&key);
    } else {
        let reason = error.reason();
        tracing::warn!(component = "orchestrator", object = key, reason, %error, "will be tried again");
    }
    Action::requeue(pause)
}
