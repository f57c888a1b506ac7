//! The sealed shares in Kubernetes: ConfigMap `regent-sealed-shares`. A copy of the embedded
//! authority's own, and the only ones that a cluster has of an external authority, so that they are
//! never replaced by a guess.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use regent_operator::write::FieldManager;
use regent_types::labels::{RECOVERED_BY, SEALED_SHARES, SYSTEM_NAMESPACE};
use regent_types::seal::SealedShares;

use super::Error;
use super::labels::part_of;

/// Key of the shares.
const SHARES_KEY: &str = "sealed-shares.json";

/// Access to them, as warden or as a person.
pub(super) struct SharesStore {
    api: Api<ConfigMap>,
    manager: FieldManager,
}

/// The ConfigMap as read, with what a conditional update needs.
#[derive(Clone, Default)]
pub(super) struct StoredShares {
    pub(super) shares: Option<SealedShares>,
    object: Option<ConfigMap>,
}

impl StoredShares {
    fn of(object: Option<ConfigMap>) -> Self {
        let text = object.as_ref().and_then(|map| map.data.as_ref()?.get(SHARES_KEY));
        let shares = text.and_then(|text| serde_json::from_str(text).ok());
        Self { shares, object }
    }

    /// There is something that no shares can be read from.
    pub(super) fn unreadable(&self) -> bool {
        self.object.is_some() && self.shares.is_none()
    }

    /// Names of the holders who recovered the seal, while that is not in the ledger.
    pub(super) fn recovered_by(&self) -> Option<&str> {
        let annotations = self.object.as_ref()?.metadata.annotations.as_ref()?;
        annotations.get(RECOVERED_BY).map(String::as_str)
    }
}

impl SharesStore {
    pub(super) fn new(client: kube::Client, manager: FieldManager) -> Self {
        Self { api: Api::namespaced(client, SYSTEM_NAMESPACE), manager }
    }

    pub(super) async fn read(&self) -> Result<StoredShares, Error> {
        let found = self.api.get_opt(SEALED_SHARES).await;
        found.map(StoredShares::of).map_err(Error::api("read", &name()))
    }

    /// Stores shares that exist nowhere else: only where none are, and read back before they count
    /// as stored. May be repeated.
    pub(super) async fn store(&self, shares: &SealedShares) -> Result<(), Error> {
        let map = filled(ConfigMap::default(), shares, None)?;
        match self.api.create(&self.manager.post(), &map).await {
            Ok(_) => {}
            // Perhaps by an earlier try whose answer was lost: the reading tells.
            Err(kube::Error::Api(status)) if status.is_already_exists() => {}
            Err(error) => return Err(Error::api("create", &name())(error)),
        }
        match self.read().await?.shares {
            Some(read) if read == *shares => Ok(()),
            _ => Err(Error::SharesCopy("does not hold the shares that were just written")),
        }
    }

    /// Makes the ConfigMap hold `shares`, on condition that it is still what `before` read.
    pub(super) async fn replace(
        &self,
        before: StoredShares,
        shares: &SealedShares,
        recovered_by: Option<&str>,
    ) -> Result<(), Error> {
        let exists = before.object.is_some();
        let map = filled(before.object.unwrap_or_default(), shares, recovered_by)?;
        let written = match exists {
            false => self.api.create(&self.manager.post(), &map).await,
            true => self.api.replace(SEALED_SHARES, &self.manager.post(), &map).await,
        };
        written.map(drop).map_err(Error::api("write", &name()))
    }

    /// Takes the note of a recovery away; the shares stay.
    pub(super) async fn acknowledge(&self, before: StoredShares) -> Result<(), Error> {
        match before.shares.clone() {
            Some(shares) => self.replace(before, &shares, None).await,
            None => Ok(()),
        }
    }
}

fn filled(
    mut map: ConfigMap,
    shares: &SealedShares,
    recovered_by: Option<&str>,
) -> Result<ConfigMap, Error> {
    let text = serde_json::to_string(shares)
        .map_err(|_| Error::SharesCopy("cannot hold these shares as JSON"))?;
    map.metadata.name = Some(SEALED_SHARES.to_owned());
    map.metadata.namespace = Some(SYSTEM_NAMESPACE.to_owned());
    map.metadata.managed_fields = None;
    map.metadata.labels.get_or_insert_default().extend(part_of());
    let annotations = map.metadata.annotations.get_or_insert_default();
    match recovered_by {
        Some(holders) => drop(annotations.insert(RECOVERED_BY.to_owned(), holders.to_owned())),
        None => drop(annotations.remove(RECOVERED_BY)),
    }
    map.data = Some(BTreeMap::from([(SHARES_KEY.to_owned(), text)]));
    Ok(map)
}

fn name() -> String {
    format!("ConfigMap {SEALED_SHARES}")
}
