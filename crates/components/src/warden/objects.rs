//! The two objects that warden keeps in Kubernetes: the unseal identity and the copy of the sealed
//! shares.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::PostParams;
use regent_manifest::keys::{Identities, NewIdentity, generate};
use regent_types::labels::{SEALED_SHARES, SYSTEM_NAMESPACE, UNSEAL_IDENTITY_SECRET};
use regent_vault::SealedShares;
use zeroize::Zeroizing;

use super::Error;
use crate::Context;

/// Key of the identity's Secret.
const IDENTITY_KEY: &str = "identity";
/// Key of the copy.
const SHARES_KEY: &str = "sealed-shares.json";
/// Value of `regent.dev/class` on Secrets that regent keeps for itself.
const CLASS_INTERNAL: &str = "internal";

/// Access to both, as warden.
pub(super) struct Objects {
    secrets: Api<Secret>,
    config_maps: Api<ConfigMap>,
    post: PostParams,
}

/// The copy as read, with what a conditional update needs.
pub(super) struct Copy {
    pub(super) shares: Option<SealedShares>,
    object: Option<ConfigMap>,
}

impl Objects {
    pub(super) fn new(cx: &Context) -> Self {
        Self {
            secrets: Api::namespaced(cx.api.clone(), SYSTEM_NAMESPACE),
            config_maps: Api::namespaced(cx.api.clone(), SYSTEM_NAMESPACE),
            post: PostParams { field_manager: Some(cx.field_manager()), ..PostParams::default() },
        }
    }

    /// The unseal identity of this cluster, if it was made.
    pub(super) async fn identity(&self) -> Result<Option<Identities>, Error> {
        let object = format!("Secret {UNSEAL_IDENTITY_SECRET}");
        let found = self.secrets.get_opt(UNSEAL_IDENTITY_SECRET).await;
        let Some(secret) = found.map_err(Error::api("reading", &object))? else { return Ok(None) };
        let expected = "an age identity under the key identity";
        let bytes = secret.data.and_then(|mut data| data.remove(IDENTITY_KEY));
        let bytes = bytes.map(|b| Zeroizing::new(b.0));
        let text = bytes.as_ref().and_then(|b| std::str::from_utf8(b).ok());
        let text = text.ok_or(Error::Object { object, expected })?;
        let what = "the unseal identity";
        Identities::parse(text).map(Some).map_err(|source| Error::Seal { what, source })
    }

    /// Makes the unseal identity, for nothing else; an existing one is never replaced.
    pub(super) async fn make_identity(&self) -> Result<(), Error> {
        let NewIdentity { identity, recipient } = generate();
        let mut labels = part_of();
        labels.insert(regent_types::labels::CLASS.to_owned(), CLASS_INTERNAL.to_owned());
        let bytes = ByteString(identity.expose().as_bytes().to_vec());
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(UNSEAL_IDENTITY_SECRET.to_owned()),
                namespace: Some(SYSTEM_NAMESPACE.to_owned()),
                labels: Some(labels),
                ..ObjectMeta::default()
            },
            immutable: Some(true),
            data: Some(BTreeMap::from([(IDENTITY_KEY.to_owned(), bytes)])),
            ..Secret::default()
        };
        let created = self.secrets.create(&self.post, &secret).await;
        if let Some(mut data) = secret.data
            && let Some(bytes) = data.get_mut(IDENTITY_KEY)
        {
            zeroize::Zeroize::zeroize(&mut bytes.0);
        }
        match created {
            Ok(_) => tracing::info!(%recipient, "unseal identity made"),
            Err(kube::Error::Api(status)) if status.is_already_exists() => {}
            Err(error) => {
                let object = format!("Secret {UNSEAL_IDENTITY_SECRET}");
                return Err(Error::api("creating", &object)(error));
            }
        }
        Ok(())
    }

    /// The copy of the sealed shares. One that cannot be read counts as absent and is written anew.
    pub(super) async fn copy(&self) -> Result<Copy, Error> {
        let found = self.config_maps.get_opt(SEALED_SHARES).await;
        let object = found.map_err(Error::api("reading", &copy_name()))?;
        let text = object.as_ref().and_then(|map| map.data.as_ref()?.get(SHARES_KEY));
        let shares = text.and_then(|text| serde_json::from_str(text).ok());
        Ok(Copy { shares, object })
    }

    /// Makes the copy equal to `shares`, on condition that it is still what `before` read.
    pub(super) async fn write_copy(
        &self,
        before: Copy,
        shares: &SealedShares,
    ) -> Result<(), Error> {
        let expected = "sealed shares that JSON can hold";
        let text = serde_json::to_string(shares)
            .map_err(|_| Error::Object { object: copy_name(), expected })?;
        let mut map = before.object.clone().unwrap_or_default();
        map.metadata.name = Some(SEALED_SHARES.to_owned());
        map.metadata.namespace = Some(SYSTEM_NAMESPACE.to_owned());
        map.metadata.managed_fields = None;
        map.metadata.labels.get_or_insert_default().extend(part_of());
        map.data = Some(BTreeMap::from([(SHARES_KEY.to_owned(), text)]));
        let written = match before.object {
            None => self.config_maps.create(&self.post, &map).await,
            Some(_) => self.config_maps.replace(SEALED_SHARES, &self.post, &map).await,
        };
        written.map(drop).map_err(Error::api("writing", &copy_name()))
    }
}

fn copy_name() -> String {
    format!("ConfigMap {SEALED_SHARES}")
}

fn part_of() -> BTreeMap<String, String> {
    BTreeMap::from([("app.kubernetes.io/part-of".to_owned(), "regent".to_owned())])
}
