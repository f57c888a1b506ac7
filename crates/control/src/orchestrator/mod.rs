//! The orchestration engine: brings secrets into the authority, rotates them, and keeps the record
//! of both (PROTOCOLS.md §4, §5, §7, §8).
//!
//! ```text
//! authority   the gate: RuntimeAuthority says whether there is one      heads  ledger heads, published
//! secrets     RuntimeSecret: alone talks to the authority    follow  one look    claims  who was first
//! secret_status  writes what `status`, a projection, says
//! runs        WorkflowRun: which step is due, what came of it           workflow, run_status  the same, pure
//! board       where the two meet    known  when to look again           introduction  runs that it starts itself
//! steps       what each `uses` does    declared  whose record           names  of runs
//! session     look, ask the protocol, do    look  reads     effects, random  conditional writes    values  in between
//! bootstrap   the bootstrap Secret       consumers  who must follow     keys  by what objects are found     watches  what concerns whom     ctx  shared
//! ```
//!
//! Decisions are in `regent_protocol`; a value is held from the look that read it until the write that it is for.

mod accept_restore;
mod authority;
mod board;
mod bootstrap;
mod claims;
mod consumers;
mod control;
mod ctx;
mod declared;
mod effects;
mod error;
mod follow;
mod heads;
mod introduction;
mod keys;
mod known;
mod look;
mod names;
mod random;
mod retry;
mod run_status;
mod runs;
mod secret_status;
mod secrets;
mod session;
mod status;
mod steps;
mod values;
mod watches;
mod workflow;

use std::fmt::Debug;
use std::sync::Arc;

use futures::stream::BoxStream;
use futures::{Stream, StreamExt, future};
use kube::core::PartialObjectMeta;
use kube::runtime::controller::{Action, Config};
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{self, ObjectRef, reflector};
use kube::runtime::{Controller, WatchStreamExt, watcher};
use kube::{Api, ResourceExt};
use regent_api::{EncryptedManifest, ExternalSecret, PushSecret, RuntimeSecret, WorkflowRun};
use regent_types::Explain;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_stream::wrappers::{ReceiverStream, WatchStream};

use authority::Gate;
use board::Board;
use ctx::Ctx;
use known::{Memory, Wake};
use regent_operator::backoff::Backoff;
use regent_operator::cache_sync::CacheSync;
use regent_operator::guarded::guarded;
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

/// Objects that one controller has the other look at, until it takes them.
const WAKES_MAX: usize = 1_024;

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
    let (secrets, secrets_index) =
        object_watch::controller_indexed(Api::all(cx.api.clone()), keys::claims);
    let (runs, runs_index) =
        object_watch::controller_indexed(Api::all(cx.api.clone()), keys::subject);
    let (externals, externals_index) =
        object_watch::watch_indexed(Api::all(cx.api.clone()), keys::paths);
    let (pushes, pushes_writer) = reflector::store();
    let (wake_secret, woken_secrets) = mpsc::channel(WAKES_MAX);
    let (wake_run, woken_runs) = mpsc::channel(WAKES_MAX);
    let ctx = Arc::new(Ctx {
        cx: cx.clone(),
        gate: gate.clone(),
        listed: CacheSync::of(externals_index.store()),
        externals: externals_index,
        pushes_listed: CacheSync::of(&pushes),
        pushes,
        secrets: secrets_index,
        runs: runs_index,
        board: Board::default(),
        memory: Memory::default(),
        wake_secret,
        wake_run,
        events: cx.event_recorder(),
        backoff: Backoff::default(),
    });
    let watched = Watched {
        externals: externals.boxed(),
        pushes: pushes_writer,
        woken: woken_secrets,
        gate: gate.clone(),
    };
    let secrets = follow_secrets(&ctx, secrets, watched, args.concurrency);
    let runs = runs
        .with_config(config(args.concurrency))
        .reconcile_on(ReceiverStream::new(woken_runs))
        .graceful_shutdown_on(cx.shutdown.clone().wait())
        .run(guarded("orchestrator", runs::reconcile), failed::<WorkflowRun>, Arc::clone(&ctx))
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

fn config(concurrency: u16) -> Config {
    Config::default().concurrency(concurrency.max(1))
}

/// What has RuntimeSecrets looked at, beside themselves.
struct Watched {
    externals: BoxStream<'static, watcher::Result<watcher::Event<ExternalSecret>>>,
    pushes: Writer<PushSecret>,
    woken: mpsc::Receiver<ObjectRef<RuntimeSecret>>,
    gate: watch::Receiver<Gate>,
}

fn watched_all<K>(api: Api<K>) -> impl Stream<Item = watcher::Result<watcher::Event<K>>> + Send
where
    K: kube::Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    object_watch::watch(api, watcher::Config::default())
}

/// The RuntimeSecret controller, with everything that has it look.
fn follow_secrets(
    ctx: &Arc<Ctx>,
    secrets: Controller<RuntimeSecret>,
    watched: Watched,
    concurrency: u16,
) -> impl Future<Output = ()> + use<> {
    let api = ctx.cx.api.clone();
    let everything = Wake { all: true, ..Wake::default() };
    let source = Wake { source: true, ..Wake::default() };
    let consumers = Wake { consumers: true, ..Wake::default() };
    let (of_external, of_push, of_manifest) = (Arc::clone(ctx), Arc::clone(ctx), Arc::clone(ctx));
    let pushes = watched_all(Api::<PushSecret>::all(api.clone()));
    let manifests = watched_all(Api::<PartialObjectMeta<EncryptedManifest>>::all(api.clone()));
    let runs = watched_all(Api::<WorkflowRun>::all(api));
    secrets
        .with_config(config(concurrency))
        .watches_stream(watched.externals.touched_objects(), move |e| {
            let all = watches::external_to_secrets(&e, &of_external.secrets);
            watches::woken(&of_external.memory, all, consumers)
        })
        .watches_stream(reflector(watched.pushes, pushes).touched_objects(), move |p| {
            let all = watches::push_to_secrets(&p, &of_push.secrets);
            watches::woken(&of_push.memory, all, everything)
        })
        .watches_stream(manifests.touched_objects(), move |m| {
            let namespace = m.namespace().unwrap_or_default();
            let all = watches::manifest_to_secrets(&namespace, &m.name_any(), &of_manifest.secrets);
            watches::woken(&of_manifest.memory, all, source)
        })
        .watches_stream(runs.touched_objects(), |r| watches::run_to_secret(&r))
        .reconcile_on(ReceiverStream::new(watched.woken))
        .reconcile_all_on(WatchStream::from_changes(watched.gate).map(|_| ()))
        .graceful_shutdown_on(ctx.cx.shutdown.clone().wait())
        .run(guarded("orchestrator", secrets::reconcile), failed::<RuntimeSecret>, Arc::clone(ctx))
        .for_each(watch_error::log_broken_watches("orchestrator"))
}

/// Growing pauses after errors, object by object; a lost race for a status is no error.
fn failed<K>(object: Arc<K>, error: &Error, ctx: Arc<Ctx>) -> Action
where
    K: kube::Resource<DynamicType = ()>,
{
    let key = format!(
        "{}/{}/{}",
        K::kind(&()),
        object.namespace().unwrap_or_default(),
        object.name_any()
    );
    let pause = ctx.backoff.next(key.clone());
    if error.is_race() {
        ctx.backoff.reset(&key);
    } else {
        let reason = error.reason();
        tracing::warn!(component = "orchestrator", object = key, reason, %error, "will be tried again");
    }
    Action::requeue(pause)
}
