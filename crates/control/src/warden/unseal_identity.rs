//! The unseal identity: Secret `regent-unseal-identity`, made once and never replaced.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use regent_manifest::keys::{Identities, NewIdentity, generate};
use regent_types::labels::{SYSTEM_NAMESPACE, UNSEAL_IDENTITY_SECRET};
use zeroize::Zeroizing;

use super::Error;
use super::labels::internal;
use regent_operator::Context;
use regent_operator::wiped_secret::wipe;
use regent_operator::write::FieldManager;

/// Key of the identity's Secret.
const IDENTITY_KEY: &str = "identity";

/// Access to it, as warden.
pub(super) struct UnsealIdentity {
    secrets: Api<Secret>,
    manager: FieldManager,
}

impl UnsealIdentity {
    pub(super) fn new(cx: &Context) -> Self {
        Self { secrets: Api::namespaced(cx.api.clone(), SYSTEM_NAMESPACE), manager: cx.manager() }
    }

    /// The unseal identity of this cluster, if it was made.
    pub(super) async fn read(&self) -> Result<Option<Identities>, Error> {
        let object = format!("Secret {UNSEAL_IDENTITY_SECRET}");
        let found = self.secrets.get_opt(UNSEAL_IDENTITY_SECRET).await;
        let Some(secret) = found.map_err(Error::api("read", &object))? else { return Ok(None) };
        let expected = "an age identity under the key identity";
        let bytes = secret.data.and_then(|mut data| data.remove(IDENTITY_KEY));
        let bytes = bytes.map(|b| Zeroizing::new(b.0));
        let text = bytes.as_ref().and_then(|b| std::str::from_utf8(b).ok());
        let text = text.ok_or(Error::Object { object, expected })?;
        let what = "the unseal identity";
        Identities::parse(text).map(Some).map_err(|source| Error::Seal { what, source })
    }

    /// Makes the unseal identity, for nothing else; an existing one is never replaced.
    pub(super) async fn create(&self) -> Result<(), Error> {
        let NewIdentity { identity, recipient } = generate();
        let bytes = ByteString(identity.expose().as_bytes().to_vec());
        let mut secret = Secret {
            metadata: ObjectMeta {
                name: Some(UNSEAL_IDENTITY_SECRET.to_owned()),
                namespace: Some(SYSTEM_NAMESPACE.to_owned()),
                labels: Some(internal()),
                ..ObjectMeta::default()
            },
            immutable: Some(true),
            data: Some(BTreeMap::from([(IDENTITY_KEY.to_owned(), bytes)])),
            ..Secret::default()
        };
        let created = self.secrets.create(&self.manager.post(), &secret).await;
        wipe(&mut secret);
        match created {
            Ok(mut made) => {
                wipe(&mut made);
                tracing::info!(%recipient, "unseal identity made");
            }
            Err(kube::Error::Api(status)) if status.is_already_exists() => {}
            Err(error) => {
                let object = format!("Secret {UNSEAL_IDENTITY_SECRET}");
                return Err(Error::api("create", &object)(error));
            }
        }
        Ok(())
    }
}
