//! Who holds the secret of a manifest, by the RuntimeSecret that names its bootstrap Secret.

use kube::ResourceExt;
use kube::api::{Api, ListParams};
use kube::runtime::reflector::ObjectRef;
use regent_api::{EncryptedManifest, RuntimeSecret};
use regent_types::lifecycle::Authoritative;

use super::BootstrapError;
use super::ctx::Ctx;
use super::plan::Holder;

/// What the watch knows: the RuntimeSecret, if one names the bootstrap Secret, and who holds it.
pub(super) type Watched = (Option<ObjectRef<RuntimeSecret>>, Holder);

impl Ctx {
    /// Who holds it as far as the watch has told.
    pub(super) fn watched_holder(&self, manifest: &EncryptedManifest) -> Watched {
        let (namespace, name) = (&manifest.metadata.namespace, manifest.name_any());
        let mut found = (None, Holder::Unnamed);
        for secret in self.secrets.state() {
            if secret.metadata.namespace != *namespace || !names(&secret, &name) {
                continue;
            }
            if found.1 != Holder::Authority {
                found = (Some(ObjectRef::from_obj(secret.as_ref())), holder_of(&secret));
            }
        }
        found
    }

    /// The same, asked just now: before an effect the watch does not count (PROTOCOLS.md §1.3), and least of all where
    /// it knows of none, as after a time in which it was broken.
    pub(super) async fn read_holder(
        &self,
        manifest: &EncryptedManifest,
        watched: Watched,
    ) -> Result<Holder, BootstrapError> {
        let name = manifest.name_any();
        let namespace = manifest.namespace().unwrap_or_default();
        // By default it has the name of its bootstrap Secret.
        let likely = watched.0.map_or_else(|| name.clone(), |reference| reference.name);
        self.asked_holder(&namespace, &name, &likely).await
    }

    /// Who holds the bootstrap Secret `name`, asked just now.
    pub(super) async fn holder_of_secret(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Holder, BootstrapError> {
        self.asked_holder(namespace, name, name).await
    }

    /// `likely` is the RuntimeSecret that is asked first.
    async fn asked_holder(
        &self,
        namespace: &str,
        name: &str,
        likely: &str,
    ) -> Result<Holder, BootstrapError> {
        let api: Api<RuntimeSecret> = Api::namespaced(self.operator.api.clone(), namespace);
        let object = format!("RuntimeSecrets of {namespace}");
        let failed = |e: kube::Error| BootstrapError::api("read", &object, &e);
        let secret = api.get_opt(likely).await.map_err(failed)?;
        if let Some(secret) = secret.filter(|s| names(s, name)) {
            return Ok(holder_of(&secret));
        }
        let all = api.list(&ListParams::default()).await.map_err(failed)?;
        let mut naming = all.items.iter().filter(|s| names(s, name)).map(holder_of);
        let first = naming.next().unwrap_or(Holder::Unnamed);
        Ok(naming.fold(first, |holder, next| match next {
            Holder::Authority => next,
            _ => holder,
        }))
    }
}

fn names(secret: &RuntimeSecret, bootstrap_secret: &str) -> bool {
    let from = secret.spec.introduce.handover.as_ref();
    from.is_some_and(|from| from.bootstrap_secret == bootstrap_secret)
}

fn holder_of(secret: &RuntimeSecret) -> Holder {
    match secret.status.as_ref().and_then(|s| s.authority) {
        Some(Authoritative::Runtime) => Holder::Authority,
        Some(Authoritative::Git) => Holder::Git,
        None => Holder::Undecided,
    }
}
