//! Status of ClusterSecretStores and SecretStores that are regent's.

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::{Api, ResourceExt};
use regent_api::condition;
use regent_api::condition::{READY, Verdict};
use regent_api::eso::secret_store::StoreStatus;
use regent_api::{ClusterSecretStore, SecretStore};

use super::index::{Key, key_of};
use super::worker::Worker;
use crate::store::{self, Purpose, Resolution};
use regent_operator::backoff::Backoff;
use regent_operator::error::ReconcileError;

/// What the two store controllers share.
pub(crate) struct Keeper {
    pub(crate) worker: Arc<Worker>,
    pub(crate) backoff: Backoff<Key>,
}

/// The status that follows, or `None` where the store is not regent's or says so already.
fn next(
    old: Option<&StoreStatus>,
    resolution: &Resolution,
    generation: Option<i64>,
    now: Timestamp,
) -> Option<StoreStatus> {
    let (verdict, capabilities) = verdict(resolution)?;
    let before = old.cloned().unwrap_or_default();
    let new = StoreStatus {
        capabilities: Some(capabilities.to_owned()),
        conditions: condition::set(&before.conditions, READY, &verdict, generation, now),
    };
    (old != Some(&new)).then_some(new)
}

/// What a store's status says (ESO reasons `Valid`, `InvalidProviderConfig`), and its capabilities.
fn verdict(resolution: &Resolution) -> Option<(Verdict, &'static str)> {
    match resolution {
        Resolution::NotOurs => None,
        Resolution::Ours(served) if served.read_only => {
            Some((Verdict::yes("Valid", "store validated"), "ReadOnly"))
        }
        Resolution::Ours(_) => Some((Verdict::yes("Valid", "store validated"), "ReadWrite")),
        Resolution::Refused(not_ready) => {
            let reason = match not_ready.reason {
                "Unsupported" => "Unsupported",
                _ => "InvalidProviderConfig",
            };
            Some((Verdict::no(reason, not_ready.message.clone()), "ReadOnly"))
        }
    }
}

pub(crate) async fn cluster(
    object: Arc<ClusterSecretStore>,
    keeper: Arc<Keeper>,
) -> Result<Action, ReconcileError> {
    let worker = &keeper.worker;
    worker.runtime_listed.wait().await;
    let resolution = store::resolve(
        &object.spec.controller,
        &object.spec.provider,
        Purpose::Read,
        &worker.home(),
    );
    let generation = object.metadata.generation;
    let status = next(object.status.as_ref(), &resolution, generation, worker.cx.now());
    if let Some(status) = status {
        let mut new = (*object).clone();
        new.status = Some(status);
        let api: Api<ClusterSecretStore> = Api::all(worker.cx.api.clone());
        let written =
            api.replace_status(&object.name_any(), &worker.cx.manager().post(), &new).await;
        done(&written.map(|_| ()), "ClusterSecretStore", &object.name_any())?;
    }
    keeper.backoff.reset(&key_of(&*object));
    Ok(Action::await_change())
}

pub(crate) async fn namespaced(
    object: Arc<SecretStore>,
    keeper: Arc<Keeper>,
) -> Result<Action, ReconcileError> {
    let worker = &keeper.worker;
    worker.runtime_listed.wait().await;
    let resolution = store::resolve(
        &object.spec.controller,
        &object.spec.provider,
        Purpose::Read,
        &worker.home(),
    );
    let generation = object.metadata.generation;
    let status = next(object.status.as_ref(), &resolution, generation, worker.cx.now());
    if let Some(status) = status {
        let mut new = (*object).clone();
        new.status = Some(status);
        let namespace = object.namespace().unwrap_or_default();
        let api: Api<SecretStore> = Api::namespaced(worker.cx.api.clone(), &namespace);
        let written =
            api.replace_status(&object.name_any(), &worker.cx.manager().post(), &new).await;
        done(&written.map(|_| ()), "SecretStore", &object.name_any())?;
    }
    keeper.backoff.reset(&key_of(&*object));
    Ok(Action::await_change())
}

fn done(written: &kube::Result<()>, kind: &str, name: &str) -> Result<(), ReconcileError> {
    match written {
        Ok(()) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => {
            Err(ReconcileError::api("update status of", &format!("{kind} {name}"), error))
        }
    }
}

/// The error policy of both.
pub(crate) fn on_error<K: ResourceExt>(
    object: Arc<K>,
    error: &ReconcileError,
    keeper: Arc<Keeper>,
) -> Action {
    tracing::warn!(component = "materializer", object = %object.name_any(), %error, "store status failed");
    Action::requeue(keeper.backoff.next(key_of(&*object)))
}
