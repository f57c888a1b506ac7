//! Reads and writes of the two Secrets and the ConfigMap; every write carries the resourceVersion it
//! rests on, or creates.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use regent_api::RuntimeAuthority;
use regent_types::Sensitive;
use regent_types::labels::{
    AUTHORITY_CA_BUNDLE, AUTHORITY_CA_SECRET, AUTHORITY_NAME, AUTHORITY_TLS_SECRET, CA_KEY,
    PUBLISHED_AT, SYSTEM_NAMESPACE,
};

use super::certificate::Certificate;
use super::check::belongs;
use super::issue::{self, Made};
use super::plan::{Needed, Observed, Published, Step};
use crate::warden::Error;
use crate::warden::labels::{internal, part_of};
use regent_operator::Context;
use regent_operator::api_error::{ApiError, Category};
use regent_operator::wiped_secret::wipe;
use regent_operator::write::FieldManager;

/// Type of the serving Secret, as others expect it.
const TLS_TYPE: &str = "kubernetes.io/tls";

/// Access to them, as warden.
pub(super) struct CertificateStore {
    authorities: Api<RuntimeAuthority>,
    secrets: Api<Secret>,
    maps: Api<ConfigMap>,
    manager: FieldManager,
}

/// What was read, with what a conditional write needs.
pub(super) struct Observation {
    pub(super) observed: Observed,
    ca: StoredSecret,
    tls: StoredSecret,
    map: Option<ConfigMap>,
}

/// A Secret as read.
#[derive(Default)]
struct StoredSecret {
    /// Metadata and type of the object, if it is there.
    object: Option<(ObjectMeta, Option<String>)>,
    data: BTreeMap<String, Sensitive<Vec<u8>>>,
}

impl StoredSecret {
    fn text(&self, key: &str) -> String {
        let bytes = self.data.get(key).map(|b| b.expose().as_slice()).unwrap_or_default();
        String::from_utf8_lossy(bytes).into_owned()
    }

    /// The certificate under `name`.crt, if the key under `name`.key is its own.
    fn pair(&self, name: &str) -> Option<Certificate> {
        let first = Certificate::read(&self.text(&format!("{name}.crt"))).into_iter().next()?;
        let key = self.data.get(&format!("{name}.key"))?;
        belongs(&first, key).then_some(first)
    }

    fn key(&self, name: &str) -> Sensitive<Vec<u8>> {
        self.data.get(name).map(Sensitive::duplicate).unwrap_or_else(|| Sensitive::new(Vec::new()))
    }
}

impl CertificateStore {
    pub(super) fn new(cx: &Context) -> Self {
        Self {
            authorities: Api::all(cx.api.clone()),
            secrets: Api::namespaced(cx.api.clone(), SYSTEM_NAMESPACE),
            maps: Api::namespaced(cx.api.clone(), SYSTEM_NAMESPACE),
            manager: cx.manager(),
        }
    }

    /// Reads everything, fresh. Where the certificates are not warden's it looks no further.
    pub(super) async fn read(&self) -> Result<Observation, Error> {
        let authority = self.authorities.get_opt(AUTHORITY_NAME).await;
        let authority = authority.map_err(Error::api("read", "RuntimeAuthority regent"))?;
        let needed = match authority.map(|a| a.spec) {
            None => Needed::Nothing,
            Some(spec) if spec.external.is_some() => Needed::Nothing,
            Some(spec) => spec.tls.map_or(Needed::Ours, |own| Needed::Own(own.secret_name)),
        };
        let (mut ca, mut tls, mut map) = (StoredSecret::default(), StoredSecret::default(), None);
        if needed == Needed::Ours {
            ca = self.secret(AUTHORITY_CA_SECRET).await?;
            tls = self.secret(AUTHORITY_TLS_SECRET).await?;
            let found = self.maps.get_opt(AUTHORITY_CA_BUNDLE).await;
            map = found.map_err(Error::api("read", "ConfigMap regent-authority-ca"))?;
        }
        let observed = Observed {
            needed,
            ca: ca.pair("ca"),
            staged: ca.pair("next"),
            old: Certificate::read(&ca.text("old.crt")),
            leaf: tls.pair("tls"),
            carried: tls.text(CA_KEY),
            published: map.as_ref().map(published),
        };
        Ok(Observation { observed, ca, tls, map })
    }

    async fn secret(&self, name: &str) -> Result<StoredSecret, Error> {
        let found = self.secrets.get_opt(name).await;
        let found = found.map_err(Error::api("read", &format!("Secret {name}")))?;
        let Some(secret) = found else { return Ok(StoredSecret::default()) };
        let data = secret.data.unwrap_or_default().into_iter();
        Ok(StoredSecret {
            object: Some((secret.metadata, secret.type_)),
            data: data.map(|(key, bytes)| (key, Sensitive::new(bytes.0))).collect(),
        })
    }

    /// Does `step`, on condition that everything is still as `observation` has it. Who lost a race looks again.
    pub(super) async fn apply(
        &self,
        step: &Step,
        observation: Observation,
        now: Timestamp,
    ) -> Result<(), Error> {
        let plain = |text: &str| Sensitive::new(text.as_bytes().to_vec());
        let Observation { observed, mut ca, mut tls, map } = observation;
        match step {
            Step::MakeCa => {
                let Made { certificate, key } = issue::authority(now)?;
                ca.data.insert("ca.crt".to_owned(), plain(&certificate));
                ca.data.insert("ca.key".to_owned(), key);
                self.write(AUTHORITY_CA_SECRET, ca).await
            }
            Step::StageCa => {
                let Made { certificate, key } = issue::authority(now)?;
                ca.data.insert("next.crt".to_owned(), plain(&certificate));
                ca.data.insert("next.key".to_owned(), key);
                self.write(AUTHORITY_CA_SECRET, ca).await
            }
            Step::PromoteCa => {
                let retired = observed.old.iter().chain(&observed.ca).filter(|c| c.lives(now));
                let retired: String = retired.map(Certificate::pem).collect();
                for file in ["crt", "key"] {
                    if let Some(next) = ca.data.remove(&format!("next.{file}")) {
                        ca.data.insert(format!("ca.{file}"), next);
                    }
                }
                ca.data.insert("old.crt".to_owned(), plain(&retired));
                self.write(AUTHORITY_CA_SECRET, ca).await
            }
            Step::Publish(bundle) => self.publish(bundle, map, now).await,
            Step::Issue(bundle) => {
                let Made { certificate, key } = issue::serving(&ca.key("ca.key"), now)?;
                tls.data.insert("tls.crt".to_owned(), plain(&certificate));
                tls.data.insert("tls.key".to_owned(), key);
                tls.data.insert(CA_KEY.to_owned(), plain(bundle));
                self.write(AUTHORITY_TLS_SECRET, tls).await
            }
            Step::Carry(bundle) => {
                tls.data.insert(CA_KEY.to_owned(), plain(bundle));
                self.write(AUTHORITY_TLS_SECRET, tls).await
            }
            Step::Rest(_) => Ok(()),
        }
    }

    async fn write(&self, name: &str, stored: StoredSecret) -> Result<(), Error> {
        let new = stored.object.is_none();
        let usual = (name == AUTHORITY_TLS_SECRET).then(|| TLS_TYPE.to_owned());
        let (mut metadata, type_) = stored.object.unwrap_or_else(|| (ObjectMeta::default(), usual));
        metadata.name = Some(name.to_owned());
        metadata.namespace = Some(SYSTEM_NAMESPACE.to_owned());
        metadata.managed_fields = None;
        metadata.labels.get_or_insert_default().extend(internal());
        let data = stored.data.iter().map(|(k, v)| (k.clone(), ByteString(v.expose().clone())));
        let mut secret =
            Secret { metadata, type_, data: Some(data.collect()), ..Secret::default() };
        let written = match new {
            true => self.secrets.create(&self.manager.post(), &secret).await,
            false => self.secrets.replace(name, &self.manager.post(), &secret).await,
        };
        wipe(&mut secret);
        settled(written.map(drop), &format!("Secret {name}"))
    }

    async fn publish(
        &self,
        bundle: &str,
        before: Option<ConfigMap>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let new = before.is_none();
        let mut map = before.unwrap_or_default();
        map.metadata.name = Some(AUTHORITY_CA_BUNDLE.to_owned());
        map.metadata.namespace = Some(SYSTEM_NAMESPACE.to_owned());
        map.metadata.managed_fields = None;
        map.metadata.labels.get_or_insert_default().extend(part_of());
        let since = (PUBLISHED_AT.to_owned(), now.to_string());
        map.metadata.annotations.get_or_insert_default().extend([since]);
        map.data = Some(BTreeMap::from([(CA_KEY.to_owned(), bundle.to_owned())]));
        map.binary_data = None;
        let written = match new {
            true => self.maps.create(&self.manager.post(), &map).await,
            false => self.maps.replace(AUTHORITY_CA_BUNDLE, &self.manager.post(), &map).await,
        };
        settled(written.map(drop), "ConfigMap regent-authority-ca")
    }
}

fn published(map: &ConfigMap) -> Published {
    let bundle = map.data.as_ref().and_then(|d| d.get(CA_KEY)).cloned().unwrap_or_default();
    let since = map.metadata.annotations.as_ref().and_then(|a| a.get(PUBLISHED_AT));
    Published { bundle, since: since.and_then(|text| text.parse().ok()) }
}

/// A lost race is no failure: the next look sees who won. Their number is bounded by the caller.
fn settled(written: kube::Result<()>, object: &str) -> Result<(), Error> {
    let Err(error) = written else { return Ok(()) };
    let error = ApiError::new("write", object, &error);
    match error.category() {
        Category::Conflict | Category::NotFound => {
            tracing::debug!(object, "changed meanwhile; looks again");
            Ok(())
        }
        Category::Forbidden | Category::Invalid | Category::Transient => Err(error.into()),
    }
}
