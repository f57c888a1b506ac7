//! How publications end: what is mapped no more is taken away, and a PushSecret that is deleted goes after that.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::runtime::reflector::ObjectRef;
use regent_api::PushSecret;
use regent_operator::api_error::Category;
use regent_operator::error::ReconcileError;
use regent_operator::trusted_authority::{AuthorityEndpoint, TrustedAuthority};
use regent_types::labels;

use super::explicit::{self, Wanted};
use super::finalizer;
use super::pass::{Worker, endpoint};
use super::watch::Key;
use super::withdraw::{Properties, left_over};
use crate::not_ready::NotReady;

impl Worker {
    /// The PushSecret with the finalizer that its `deletionPolicy` asks for; `None` where it is so already.
    pub(super) async fn held(
        &self,
        object: &PushSecret,
        wanted: &Wanted,
    ) -> Result<Option<PushSecret>, ReconcileError> {
        if finalizer::is_as_wanted(object, wanted.withdraws) {
            return Ok(None);
        }
        let (api, manager) = (self.of(object), self.cx.manager());
        Ok(Some(finalizer::set(&api, &manager, object, wanted.withdraws).await?))
    }

    /// What a deleted PushSecret still waits for. `Ok(None)`: for nothing of the publisher's.
    pub(super) async fn end(
        &self,
        object: &PushSecret,
        key: &Key,
    ) -> Result<Result<Option<Duration>, NotReady>, ReconcileError> {
        if !finalizer::is_held(object) {
            return Ok(Ok(None));
        }
        if explicit::withdraws(&object.spec) {
            let mut status = object.status.clone().unwrap_or_default();
            // What was published and not told before it was deleted.
            if let Ok(wanted) = Wanted::parse(&object.spec) {
                for store in wanted.stores {
                    let told = format!("ClusterSecretStore/{store}");
                    status
                        .synced_push_secrets
                        .entry(told)
                        .or_default()
                        .extend(wanted.entries.clone());
                }
            }
            let left = left_over(&status, None);
            if let Err(not_ready) = self.withdraw(key, &left, self.cx.now()).await {
                let message = format!(
                    "it is deleted once what it published is taken away: {}. To leave that where it is, set \
                     deletionPolicy: None",
                    not_ready.message
                );
                return Ok(Err(NotReady { message, ..not_ready }));
            }
        }
        match finalizer::set(&self.of(object), &self.cx.manager(), object, false).await {
            Ok(_) => Ok(Ok(None)),
            Err(error) if error.category() == Category::NotFound => Ok(Ok(None)),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes `left`, by store, away from the authorities.
    pub(super) async fn withdraw(
        &self,
        key: &Key,
        left: &BTreeMap<String, Properties>,
        now: Timestamp,
    ) -> Result<(), NotReady> {
        if left.is_empty() {
            return Ok(());
        }
        let publisher = self.publisher(key)?;
        for (store, paths) in left {
            let Some(server) = self.server(store)? else {
                let object = format!("{}/{}", key.0, key.1);
                tracing::warn!(
                    component = "publisher", %object, store,
                    "the store is gone: what was published there stays"
                );
                continue;
            };
            for (path, properties) in paths {
                self.authorities.withdraw(&server, path, properties, &publisher, now).await?;
            }
        }
        Ok(())
    }

    /// How marks and the ledger name the PushSecret `key`: `installation/namespace/name`.
    pub(super) fn publisher(&self, key: &Key) -> Result<String, NotReady> {
        let runtime = self.runtime.get(&ObjectRef::new(labels::AUTHORITY_NAME));
        let runtime = runtime.ok_or_else(|| {
            let message = "there is no RuntimeAuthority that names the installation";
            NotReady::until_change("NoInstallation", message)
        })?;
        Ok(format!("{}/{}/{}", runtime.spec.installation, key.0, key.1))
    }

    /// The authority behind store `name`; `None` where there is no such store of regent's any more.
    fn server(&self, name: &str) -> Result<Option<AuthorityEndpoint>, NotReady> {
        let Some(store) = self.stores.get(&ObjectRef::new(name)) else { return Ok(None) };
        let home = TrustedAuthority::of(&self.cx, &self.runtime.state());
        endpoint(name, &store.spec, &home)
    }

    /// The API of `object`'s namespace.
    pub(super) fn of(&self, object: &PushSecret) -> Api<PushSecret> {
        let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
        Api::namespaced(self.cx.api.clone(), namespace)
    }
}
