//! Event triggers: time- and signal-based starters of runs, exactly once per slot (C6-2,
//! PROTOCOLS.md §7).
//!
//! ```text
//!   clock, RuntimeSecrets ─► evaluate ─► watermark in EventTrigger status (resourceVersion) ─► create_runs
//!        slots, name ───────────┘                                                        (deterministic name)
//! ```
//!
//! Sleeps until the next slot; touches neither the authority nor a Secret.

mod create_runs;
mod ctx;
mod decision;
mod evaluate;
mod name;
mod observed;
mod reconcile;
mod slots;
mod status;
mod watermark;

use std::sync::{Arc, Mutex};

use futures::{Stream, StreamExt, stream};
use kube::runtime::controller::Config;
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher;
use kube::runtime::{WatchStreamExt, reflector};
use kube::{Api, ResourceExt};
use regent_api::{EventTrigger, RuntimeSecret, Workflow, WorkflowRun};

use regent_operator::cache_sync::CacheSync;
use regent_operator::changed_only::changed_only;
use regent_operator::error::ReconcileError;
use regent_operator::guarded::guarded;
use regent_operator::object_watch;
use regent_operator::watch_error;

use ctx::{Ctx, Memory};
use regent_operator::Context;

pub use name::annotation as annotation_slot;

/// What triggers are told beside their identity.
#[derive(Clone, Debug)]
pub struct Args {
    /// Passes at the same time.
    pub concurrency: u16,
}

impl Default for Args {
    /// 8 at a time; a pass of one trigger never overlaps with itself.
    fn default() -> Self {
        Self { concurrency: 8 }
    }
}

/// Fires until the shutdown signal. Failures of triggers are their conditions, not errors here.
pub async fn run(cx: Context, args: Args) -> Result<(), ReconcileError> {
    let (secrets, secret_writer) = reflector::store();
    let (workflows, workflow_writer) = reflector::store();
    let (runs, run_writer) = reflector::store();
    let controller = object_watch::controller(Api::<EventTrigger>::all(cx.api.clone()));
    let triggers = controller.store();
    let ctx = Arc::new(Ctx {
        operator: cx.clone(),
        backoff: regent_operator::backoff::Backoff::default(),
        listings: [CacheSync::of(&secrets), CacheSync::of(&workflows), CacheSync::of(&runs)],
        secrets,
        workflows,
        runs,
        memory: Mutex::new(Memory::default()),
    });
    // What a trigger does depends on these alone: other changes of the objects concern none.
    let of_secret = |secret: &RuntimeSecret| {
        let status = secret.status.as_ref();
        let next = status.and_then(|s| s.next_rotation.clone());
        let stage = status.and_then(|s| s.stage);
        format!("{:?}", (secret.labels(), secret.annotations(), stage, next))
    };
    let of_run = |run: &WorkflowRun| format!("{:?}", run.status.as_ref().and_then(|s| s.phase));
    let of_workflow = |_: &Workflow| String::new();
    let everyone = |_: &EventTrigger, _: &Workflow| true;
    controller
        .with_config(Config::default().concurrency(args.concurrency))
        .reconcile_on(reflect_and_map(
            &cx,
            &triggers,
            secret_writer,
            of_secret,
            |_, _: &RuntimeSecret| true,
        ))
        .reconcile_on(reflect_and_map(
            &cx,
            &triggers,
            run_writer,
            of_run,
            |trigger, run: &WorkflowRun| {
                run.spec.cause.slot.is_some() && trigger.name_any() == run.spec.cause.by
            },
        ))
        .reconcile_on(reflect_and_map(&cx, &triggers, workflow_writer, of_workflow, everyone))
        .graceful_shutdown_on(cx.shutdown.clone().wait())
        .run(guarded("triggers", reconcile::reconcile), reconcile::error_policy, ctx)
        .for_each(watch_error::log_broken_watches("triggers"))
        .await;
    Ok(())
}

/// Keeps a kind in a store; a change of what `deciding` says of it concerns the triggers of its namespace
/// that `concerns` names.
fn reflect_and_map<K>(
    cx: &Context,
    triggers: &Store<EventTrigger>,
    writer: Writer<K>,
    deciding: impl Fn(&K) -> String + Send + 'static,
    concerns: impl Fn(&EventTrigger, &K) -> bool + Send + 'static,
) -> impl Stream<Item = ObjectRef<EventTrigger>> + Send + 'static
where
    K: kube::Resource<DynamicType = ()> + Clone + serde::de::DeserializeOwned,
    K: std::fmt::Debug + Send + Sync + 'static,
{
    let api: Api<K> = Api::all(cx.api.clone());
    let triggers = triggers.clone();
    let watched = object_watch::watch(api, watcher::Config::default()).reflect(writer);
    changed_only("triggers", watched, deciding).flat_map(move |object| {
        let near = triggers.state_filter(|trigger| {
            trigger.metadata.namespace == object.meta().namespace && concerns(trigger, &object)
        });
        stream::iter(near.iter().map(|t| ObjectRef::from_obj(&**t)).collect::<Vec<_>>())
    })
}
