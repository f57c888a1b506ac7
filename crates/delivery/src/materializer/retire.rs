//! The end of a Secret whose ExternalSecret is gone: deleted, where somebody deleted the ExternalSecret; kept, where it
//! went with the definition of its kind, because then nobody asked for the Secret to go.
//!
//! **Why the proof holds.** A definition that is being deleted never comes back to life; a new one has a new time of
//! creation. So an ExternalSecret that is not there, and after that a definition that is not being deleted and is no
//! younger than that ExternalSecret or its Secret: the definition outlived it, and somebody deleted it alone. Whatever
//! cannot be proved is kept, and the next ExternalSecret of that name takes it over as it is.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use kube::core::PartialObjectMeta;
use kube::{Api, ResourceExt};
use regent_api::ExternalSecret;
use regent_operator::wiped_secret::WipedSecret;
use regent_operator::write::delete_exactly;
use regent_types::labels;

use super::index::Key;
use super::owned::Former;
use super::owner::owner;
use super::worker::Worker;
use regent_operator::backoff::Backoff;
use regent_operator::error::ReconcileError;

/// The definition of ExternalSecrets.
const DEFINITION: &str = "externalsecrets.external-secrets.io";

/// What happens to a Secret that says that an ExternalSecret owns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Nothing: the ExternalSecret went with its definition, or may have.
    Keep,
    /// It is nobody's from now on, as was asked for.
    Release,
    Delete,
}

/// Decides about a Secret that was created at `made` and whose ExternalSecret was not there a moment ago; `definition`
/// was read after that.
fn end(
    made: Option<Timestamp>,
    former: &Former,
    definition: Option<&PartialObjectMeta<CustomResourceDefinition>>,
) -> End {
    let alive = definition.filter(|d| d.metadata.deletion_timestamp.is_none());
    let Some(since) = alive.and_then(|d| created(&d.metadata)) else { return End::Keep };
    let outlived = |time: Option<Timestamp>| time.is_some_and(|time| since <= time);
    match (outlived(former.born) || outlived(made), former.orphaned) {
        (false, _) => End::Keep,
        (true, true) => End::Release,
        (true, false) => End::Delete,
    }
}

fn created(meta: &ObjectMeta) -> Option<Timestamp> {
    meta.creation_timestamp.as_ref().map(|time| time.0)
}

/// Ends Secrets until the signal to stop, one after the other.
pub(crate) async fn run(worker: &Worker) {
    let stop = worker.cx.shutdown.clone().wait();
    tokio::select! {
        () = stop => {}
        () = watch_served(worker) => {}
    }
    let backoff = Backoff::default();
    let mut later = FuturesUnordered::new();
    let mut stop = std::pin::pin!(worker.cx.shutdown.clone().wait());
    loop {
        tokio::select! {
            () = &mut stop => return,
            () = worker.owned.changed() => {}
            Some((place, former)) = later.next(), if !later.is_empty() => {
                worker.owned.again(place, former);
            }
        }
        while let Some((place, former)) = worker.owned.next() {
            match retire(worker, &place, &former).await {
                Ok(()) => backoff.reset(&place),
                // Nothing is left of it, and no right to look.
                Err(_) if !worker.exists(&place.0) => backoff.reset(&place),
                Err(error) => {
                    let object = format!("{}/{}", place.0, place.1);
                    tracing::warn!(component = "materializer", object, %error, "the end of a Secret is tried again");
                    later.push(after(backoff.next(place.clone()), (place, former)));
                }
            }
        }
    }
}

async fn after<T>(pause: Duration, what: T) -> T {
    tokio::time::sleep(pause).await;
    what
}

/// Follows the Secrets of every namespace that the installation names, so that one whose last ExternalSecret was
/// deleted while nobody looked is found.
async fn watch_served(worker: &Worker) {
    for listed in &worker.listings {
        listed.wait().await;
    }
    for namespace in worker.namespaces.state() {
        let name = namespace.name_any();
        match worker.served.is_served(&name, worker.cx.now()).await {
            Ok(true) => worker.secrets.watch(&name),
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(component = "materializer", namespace = name, %error, "Secrets are followed once an ExternalSecret is there");
            }
        }
    }
}

/// Looks at Secret `place` and at what it needs, fresh, and does what follows.
async fn retire(worker: &Worker, place: &Key, former: &Former) -> Result<(), ReconcileError> {
    let (namespace, name) = place;
    let object = format!("Secret {namespace}/{name}");
    let api = worker.cx.api.clone();
    let secrets: Api<Secret> = Api::namespaced(api.clone(), namespace);
    let found = secrets.get_metadata_opt(name).await;
    let Some(secret) = found.map_err(|e| ReconcileError::api("get", &object, &e))? else {
        return Ok(());
    };
    let Some(es) = owner(&secret) else { return Ok(()) };
    let externals: Api<ExternalSecret> = Api::namespaced(api.clone(), namespace);
    let there = externals.get_metadata_opt(es).await;
    let there = there
        .map_err(|e| ReconcileError::api("get", &format!("ExternalSecret {namespace}/{es}"), &e))?;
    if there.is_some() {
        return Ok(());
    }
    // After the ExternalSecret, never before: see above.
    let definitions: Api<CustomResourceDefinition> = Api::all(api);
    let definition = definitions.get_metadata_opt(DEFINITION).await;
    let definition = definition.map_err(|e| {
        ReconcileError::api("get", &format!("CustomResourceDefinition {DEFINITION}"), &e)
    })?;
    match end(created(&secret.metadata), former, definition.as_ref()) {
        End::Keep => {
            tracing::info!(
                component = "materializer",
                object,
                "Secret kept: its ExternalSecret {es} went with its definition, or may have"
            );
            Ok(())
        }
        End::Release => release(worker, &secrets, &secret, &object).await,
        End::Delete => delete(&secrets, &secret, &object).await,
    }
}

async fn delete(
    secrets: &Api<Secret>,
    secret: &PartialObjectMeta<Secret>,
    object: &str,
) -> Result<(), ReconcileError> {
    let params = delete_exactly(secret.uid(), secret.resource_version());
    match secrets.delete(&secret.name_any(), &params).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(()),
        Err(error) => return Err(ReconcileError::api("delete", object, &error)),
    }
    tracing::info!(
        component = "materializer",
        object,
        "Secret deleted: its ExternalSecret was deleted"
    );
    Ok(())
}

/// Takes the owner away under the version that was looked at.
async fn release(
    worker: &Worker,
    secrets: &Api<Secret>,
    seen: &PartialObjectMeta<Secret>,
    object: &str,
) -> Result<(), ReconcileError> {
    let name = seen.name_any();
    let found = secrets.get_opt(&name).await.map_err(|e| ReconcileError::api("get", object, &e))?;
    let Some(secret) = found else { return Ok(()) };
    let mut secret = WipedSecret::new(secret);
    secret.metadata.resource_version = seen.resource_version();
    secret.annotations_mut().remove(labels::OWNED_BY);
    let params = worker.cx.manager().post();
    let written = secrets.replace(&name, &params, &secret).await;
    let _wiped = WipedSecret::new(written.map_err(|e| ReconcileError::api("update", object, &e))?);
    tracing::info!(
        component = "materializer",
        object,
        "Secret released: its ExternalSecret was deleted with its dependents to stay"
    );
    Ok(())
}

#[cfg(test)]
#[path = "tests/retire.rs"]
mod tests;
