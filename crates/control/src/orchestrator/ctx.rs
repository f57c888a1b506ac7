//! What both controllers of this component work with.

use std::sync::Arc;

use kube::runtime::reflector::{ObjectRef, Store};
use regent_api::{ExternalSecret, PushSecret, RuntimeSecret, WorkflowRun};
use tokio::sync::{mpsc, watch};

use super::authority::{Authority, Gate};
use super::board::Board;
use super::known::Memory;
use regent_operator::Context;
use regent_operator::backoff::Backoff;
use regent_operator::cache_sync::CacheSync;
use regent_operator::events::EventRecorder;
use regent_operator::store_index::StoreIndex;

/// Shared by all reconciles.
pub(super) struct Ctx {
    /// Identity, API server, clock.
    pub(super) cx: Context,
    /// Whether there is an authority.
    pub(super) gate: watch::Receiver<Gate>,
    /// ExternalSecrets of all namespaces: who consumes what.
    pub(super) externals: Arc<StoreIndex<ExternalSecret>>,
    /// Whether they have been listed.
    pub(super) listed: CacheSync,
    /// PushSecrets of all namespaces: who publishes what.
    pub(super) pushes: Store<PushSecret>,
    /// Whether they have been listed.
    pub(super) pushes_listed: CacheSync,
    /// RuntimeSecrets of all namespaces: who claims what.
    pub(super) secrets: Arc<StoreIndex<RuntimeSecret>>,
    /// Runs of all namespaces.
    pub(super) runs: Arc<StoreIndex<WorkflowRun>>,
    /// Steps that runs have due, and what came of them.
    pub(super) board: Board,
    /// What is known of each RuntimeSecret between two looks.
    pub(super) memory: Memory,
    /// Has a RuntimeSecret looked at.
    pub(super) wake_secret: mpsc::Sender<ObjectRef<RuntimeSecret>>,
    /// Has a run looked at.
    pub(super) wake_run: mpsc::Sender<ObjectRef<WorkflowRun>>,
    pub(super) events: EventRecorder,
    /// Pauses of objects that fail.
    pub(super) backoff: Backoff<String>,
}

impl Ctx {
    /// Waits until it is known who consumes and publishes what; `false` where it is time to stop
    /// instead.
    pub(super) async fn ready(&self) -> bool {
        let listed = async {
            self.listed.wait().await;
            self.pushes_listed.wait().await;
        };
        tokio::select! {
            () = listed => true,
            () = self.cx.shutdown.clone().wait() => false,
        }
    }

    /// The authority, or why there is none.
    pub(super) fn authority(&self) -> Result<Arc<Authority>, String> {
        match &*self.gate.borrow() {
            Gate::Open(authority) => Ok(Arc::clone(authority)),
            Gate::Closed(why) => Err(why.clone()),
        }
    }

    /// Which opening of the gate this is; 0 while it is closed.
    pub(super) fn epoch(&self) -> u64 {
        match &*self.gate.borrow() {
            Gate::Open(authority) => authority.epoch,
            Gate::Closed(_) => 0,
        }
    }
}
