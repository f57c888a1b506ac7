//! The end of a bootstrap Secret whose manifest is gone before anything took it over: the plaintext goes with it. One that
//! was handed over is a tombstone, and the orchestrator's.
//!
//! A manifest that goes with the definition of its kind was deleted by nobody: then everything stays. That is told apart
//! by reading the definition after the manifest was found missing: one that is not being deleted and is older than the
//! Secret has outlived the manifest, which therefore was deleted alone. Whatever cannot be proved is kept.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::PartialObjectMeta;
use kube::{Api, ResourceExt};
use regent_api::EncryptedManifest;
use regent_operator::write::delete_exactly;
use regent_types::labels;

use super::BootstrapError;
use super::ctx::Ctx;
use super::gone::Place;
use super::plan::Holder;

/// The definition of EncryptedManifests.
const DEFINITION: &str = "encryptedmanifests.regent.dev";

/// Whether a Secret goes whose manifest was not there a moment ago; `definition` was read after that.
fn goes(
    secret: &ObjectMeta,
    place: &Place,
    holder: Holder,
    definition: Option<&ObjectMeta>,
) -> bool {
    let map = |all: &Option<BTreeMap<String, String>>, key: &str| {
        all.as_ref().and_then(|all| all.get(key)).cloned().unwrap_or_default()
    };
    let ours = map(&secret.labels, labels::CLASS) == labels::CLASS_BOOTSTRAP
        && map(&secret.annotations, labels::MANIFEST) == format!("{}/{}", place.0, place.1);
    let consumed =
        !map(&secret.annotations, labels::HANDED_OVER).is_empty() || holder == Holder::Authority;
    let born = |meta: &ObjectMeta| meta.creation_timestamp.as_ref().map(|time| time.0);
    let alive = definition.filter(|d| d.deletion_timestamp.is_none()).and_then(born);
    let outlived = alive.zip(born(secret)).is_some_and(|(since, made)| since <= made);
    ours && !consumed && outlived
}

/// Ends Secrets until the signal to stop, one after the other.
pub(super) async fn run(ctx: Arc<Ctx>) {
    ctx.listed.wait().await;
    let mut swept = false;
    let mut later = FuturesUnordered::new();
    loop {
        swept = swept || sweep(&ctx);
        while let Some(place) = ctx.gone.next() {
            let name = format!("{}/{}", place.0, place.1);
            match ctx.retire(&place).await {
                Ok(()) => ctx.retiring.reset(&name),
                Err(error) => {
                    tracing::warn!(component = "bootstrap", object = name, %error, "the end of a Secret is tried again");
                    later.push(after(ctx.retiring.next(name), place));
                }
            }
        }
        tokio::select! {
            () = ctx.gone.changed() => {}
            Some(place) = later.next(), if !later.is_empty() => ctx.gone.again(place),
        }
    }
}

async fn after(pause: Duration, place: Place) -> Place {
    tokio::time::sleep(pause).await;
    place
}

/// Finds what was deleted while nobody watched, as far as RuntimeSecrets name it; whether manifests are known by now.
fn sweep(ctx: &Ctx) -> bool {
    let secrets = ctx.secrets.state();
    ctx.gone.sweep(secrets.iter().filter_map(|secret| {
        let from = secret.spec.introduce.handover.as_ref()?;
        Some((secret.namespace()?, from.bootstrap_secret.clone()))
    }))
}

impl Ctx {
    /// Looks at the Secret at `place` and at what it needs, fresh, and does what follows.
    pub(super) async fn retire(&self, place: &Place) -> Result<(), BootstrapError> {
        let (namespace, name) = place;
        let object = format!("{namespace}/{name}");
        let secrets: Api<Secret> = Api::namespaced(self.operator.api.clone(), namespace);
        let found = secrets.get_metadata_opt(name).await;
        let found = found.map_err(|e| BootstrapError::secret("read", &object, &e))?;
        let Some(secret) = found else { return Ok(()) };
        let manifests: Api<EncryptedManifest> =
            Api::namespaced(self.operator.api.clone(), namespace);
        let there = manifests.get_metadata_opt(name).await;
        let there = there
            .map_err(|e| BootstrapError::api("read", &format!("EncryptedManifest {object}"), &e))?;
        if there.is_some() {
            return Ok(());
        }
        let holder = self.holder_of_secret(namespace, name).await?;
        // After the manifest, never before: see above.
        let definitions: Api<CustomResourceDefinition> = Api::all(self.operator.api.clone());
        let definition = definitions.get_metadata_opt(DEFINITION).await;
        let definition = definition.map_err(|e| BootstrapError::api("read", DEFINITION, &e))?;
        let definition = definition.as_ref().map(|d: &PartialObjectMeta<_>| &d.metadata);
        if !goes(&secret.metadata, place, holder, definition) {
            tracing::info!(component = "bootstrap", object, "Secret kept, its manifest is gone");
            return Ok(());
        }
        match secrets.delete(name, &delete_exactly(secret.uid(), secret.resource_version())).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(()),
            Err(error) => return Err(BootstrapError::secret("delete", &object, &error)),
        }
        tracing::info!(component = "bootstrap", object, "Secret deleted: its manifest was deleted");
        Ok(())
    }
}

#[cfg(test)]
#[path = "tests_retire.rs"]
mod tests;
