//! Status of ClusterSecretStores and SecretStores that are regent's: Ready while the authority answers, which is asked
//! again once a minute.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::{Api, Resource, ResourceExt};
use regent_api::condition;
use regent_api::condition::{READY, Verdict};
use regent_api::eso::secret_store::StoreStatus;
use regent_api::{ClusterSecretStore, SecretStore};
use regent_operator::write::{StatusWrite, write_status};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::index::{Key, key_of};
use super::worker::Worker;
use crate::not_ready::NotReady;
use crate::store::{self, Purpose, Resolution};
use regent_operator::backoff::Backoff;
use regent_operator::error::ReconcileError;

/// How old the authority's last answer may be while a store is Ready.
const ANSWERED_WITHIN: Duration = Duration::from_secs(60);

/// What the two store controllers share.
pub(crate) struct Keeper {
    pub(crate) worker: Arc<Worker>,
    pub(crate) backoff: Backoff<Key>,
}

/// The status that follows, or `None` where the store is not regent's or says so already. `answer` is the authority's.
fn next(
    old: Option<&StoreStatus>,
    resolution: &Resolution,
    answer: &Result<(), NotReady>,
    generation: Option<i64>,
    now: Timestamp,
) -> Option<StoreStatus> {
    let (verdict, capabilities) = verdict(resolution, answer)?;
    let before = old.cloned().unwrap_or_default();
    let new = StoreStatus {
        capabilities: Some(capabilities.to_owned()),
        conditions: condition::set(&before.conditions, READY, &verdict, generation, now),
    };
    (old != Some(&new)).then_some(new)
}

/// What a store's status says (ESO reasons `Valid`, `InvalidProviderConfig`), and its capabilities.
fn verdict(
    resolution: &Resolution,
    answer: &Result<(), NotReady>,
) -> Option<(Verdict, &'static str)> {
    match resolution {
        Resolution::NotOurs => None,
        Resolution::Ours(served) => {
            let capabilities = if served.read_only { "ReadOnly" } else { "ReadWrite" };
            let verdict = match answer {
                Ok(()) => Verdict::yes("Valid", "store validated"),
                Err(not_ready) => Verdict::no(not_ready.reason, not_ready.message.clone()),
            };
            Some((verdict, capabilities))
        }
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
    keeper.worker.runtime_listed.wait().await;
    let (spec, home) = (&object.spec, keeper.worker.home());
    let resolution = store::resolve(&spec.controller, &spec.provider, Purpose::Read, &home);
    let api = Api::all(keeper.worker.cx.api.clone());
    let with =
        |status: StoreStatus| ClusterSecretStore { status: Some(status), ..(*object).clone() };
    keep(&keeper, &api, &*object, object.status.as_ref(), &resolution, with).await
}

pub(crate) async fn namespaced(
    object: Arc<SecretStore>,
    keeper: Arc<Keeper>,
) -> Result<Action, ReconcileError> {
    keeper.worker.runtime_listed.wait().await;
    let (spec, home) = (&object.spec, keeper.worker.home());
    let resolution = store::resolve_namespaced(&spec.controller, &spec.provider, &home);
    let namespace = object.namespace().unwrap_or_default();
    let api = Api::namespaced(keeper.worker.cx.api.clone(), &namespace);
    let with = |status: StoreStatus| SecretStore { status: Some(status), ..(*object).clone() };
    keep(&keeper, &api, &*object, object.status.as_ref(), &resolution, with).await
}

/// Asks the authority, where the store leads to it, and says what follows.
async fn keep<K>(
    keeper: &Keeper,
    api: &Api<K>,
    object: &K,
    old: Option<&StoreStatus>,
    resolution: &Resolution,
    with: impl FnOnce(StoreStatus) -> K,
) -> Result<Action, ReconcileError>
where
    K: Resource<DynamicType = ()> + Serialize + DeserializeOwned + Clone + Debug,
{
    let worker = &keeper.worker;
    let answer = match resolution {
        Resolution::Ours(served) => worker.authorities.answers(served).await,
        Resolution::NotOurs | Resolution::Refused(_) => Ok(()),
    };
    let generation = object.meta().generation;
    let status = next(old, resolution, &answer, generation, worker.cx.now());
    if let Some(status) = status
        && let written = write_status(api, &worker.cx.manager(), &with(status)).await?
        && matches!(written, StatusWrite::Changed)
    {
        // The event of that change wakes this again.
        return Ok(Action::await_change());
    }
    let key = key_of(object);
    if answer.is_err() {
        return Ok(Action::requeue(keeper.backoff.next(key)));
    }
    keeper.backoff.reset(&key);
    Ok(match resolution {
        Resolution::Ours(_) => Action::requeue(ANSWERED_WITHIN),
        Resolution::NotOurs | Resolution::Refused(_) => Action::await_change(),
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Served;
    use regent_operator::trusted_authority::AuthorityEndpoint;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    #[test]
    fn m14_a_store_is_ready_while_the_authority_answers() {
        let endpoint = AuthorityEndpoint { address: "https://home".into(), mount: "east".into() };
        let ours = Served { endpoint, mount: "secret".into(), read_only: true };
        let ours = Resolution::Ours(ours);
        let said = |old: Option<&StoreStatus>, answer: Result<(), NotReady>, second| {
            next(old, &ours, &answer, Some(1), at(second))
        };
        let down = || Err(NotReady::until_retry("AuthorityUnreachable", "nobody answers"));
        let first = said(None, down(), 1).expect("a status");
        assert_eq!(first.conditions[0].reason, "AuthorityUnreachable");
        assert_eq!(said(Some(&first), down(), 2), None, "it is said once");
        let valid = said(Some(&first), Ok(()), 3).expect("a status");
        assert_eq!(
            (valid.conditions[0].reason.as_str(), said(Some(&valid), Ok(()), 60)),
            ("Valid", None)
        );
        let again = said(Some(&valid), down(), 61).expect("a status");
        assert_eq!(again.conditions[0].status, "False");
        assert_eq!(next(None, &Resolution::NotOurs, &down(), Some(1), at(1)), None);
    }
}
