//! What an ExternalSecret put into Secrets that it does not name any more: an owned Secret goes, and of one that it shares
//! only its own part does.

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt};
use regent_operator::error::ReconcileError;
use regent_operator::wiped_secret::WipedSecret;

use super::index::Key;
use super::owner::Owner;
use super::parts;
use super::target;
use super::worker::Worker;
use super::write::{self, At};
use crate::not_ready::NotReady;

/// Takes away what `key` put into Secrets other than `target`, which it has written.
pub(crate) async fn take_away(
    worker: &Worker,
    key: &Key,
    target: &str,
    owner: &Owner<'_>,
) -> Result<Result<(), NotReady>, ReconcileError> {
    for name in worker.owned.held(key).into_iter().filter(|name| name != target) {
        if let Err(not_ready) = leave(worker, key, &name, owner).await? {
            return Ok(Err(not_ready));
        }
    }
    Ok(Ok(()))
}

async fn leave(
    worker: &Worker,
    key: &Key,
    name: &str,
    owner: &Owner<'_>,
) -> Result<Result<(), NotReady>, ReconcileError> {
    let api: Api<Secret> = Api::namespaced(worker.cx.api.clone(), &key.0);
    let object = format!("Secret {}/{name}", key.0);
    let found = api.get_opt(name).await.map_err(|e| ReconcileError::api("get", &object, &e))?;
    let Some(secret) = found.map(WipedSecret::new) else { return Ok(Ok(())) };
    let at = At { api: &api, name, object: &object };
    let alone = match parts::of(&secret) {
        Ok(parts) => parts.keys().all(|holder| *holder == key.1),
        Err(not_ready) => return Ok(Err(not_ready)),
    };
    if alone && target::is_owned(&secret, owner) {
        return Ok(write::delete(&at, owner, Some(&secret)).await?.map(|_| ()));
    }
    let left = match target::without_part(&secret, &key.1) {
        Ok(Some(left)) => left,
        Ok(None) => return Ok(Ok(())),
        Err(not_ready) => return Ok(Err(not_ready)),
    };
    tracing::info!(
        component = "materializer", object = %object, external_secret = %key.1,
        left = left.data.as_ref().map(std::collections::BTreeMap::len),
        "what an ExternalSecret put into a Secret that it names no more is taken away"
    );
    debug_assert_eq!(left.uid(), secret.uid());
    let write = target::Write::Replace(Box::new(left));
    Ok(write::write(worker, &at, Some(&secret), write).await?.map(|_| ()))
}
