//! The bootstrap Secret, read by name and changed only under its uid and resourceVersion.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use kube::api::Patch;
use kube::{Api, ResourceExt};
use regent_api::{EncryptedManifest, EncryptedManifestStatus};
use regent_operator::wiped_secret::wipe;
use regent_operator::write::{FieldManager, delete_exactly};
use regent_protocol::handover::word;
use regent_protocol::observation::{Bootstrap, BootstrapSeen};
use regent_protocol::{Answer, HmacKey, Record, secret_hmac};
use regent_types::lifecycle::Disposition;
use regent_types::{SecretData, Sensitive, labels};
use serde_json::{Value, json};

use super::error::Error;

/// Types whose values the API server checks, or fills in by itself: they cannot be emptied.
const NOT_INERT: [&str; 5] = [
    "kubernetes.io/dockercfg",
    "kubernetes.io/dockerconfigjson",
    "kubernetes.io/ssh-auth",
    "kubernetes.io/service-account-token",
    "bootstrap.kubernetes.io/token",
];

/// One bootstrap Secret, by name.
pub(super) struct BootstrapSecretRef<'a> {
    pub(super) api: &'a kube::Client,
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    /// Key in the Secret → key in the authority.
    pub(super) rename: &'a BTreeMap<String, String>,
    pub(super) manager: FieldManager,
}

/// What was read: how it looks to the protocol, and its data with keys renamed.
pub(super) struct Found {
    pub(super) seen: Bootstrap,
    /// Its data; empty unless it is a bootstrap Secret.
    pub(super) data: SecretData,
}

impl BootstrapSecretRef<'_> {
    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.api.clone(), self.namespace)
    }

    fn object(&self) -> String {
        format!("Secret {}/{}", self.namespace, self.name)
    }

    /// Asks bootstrap's word on what was found, where it holds a value that `record` does not know.
    pub(super) async fn confirm(
        &self,
        found: &mut Found,
        record: Option<&Record>,
    ) -> Result<(), Error> {
        let Bootstrap::Live(b) = &mut found.seen else { return Ok(()) };
        if !record.is_some_and(|r| r.is_runtime() && !b.empty && !r.may_go(&b.hmac)) {
            return Ok(());
        }
        let manifests: Api<EncryptedManifest> = Api::namespaced(self.api.clone(), self.namespace);
        let manifest = manifests.get_opt(self.name).await;
        let object = || format!("EncryptedManifest {}/{}", self.namespace, self.name);
        let manifest = manifest.map_err(|e| Error::api("get", object(), &e))?;
        let status = manifest.and_then(|m| m.status);
        b.from_manifest = is_as_made(status.as_ref(), b);
        Ok(())
    }

    pub(super) async fn read(&self, key: &HmacKey) -> Result<Found, Error> {
        let found = self.secrets().get_opt(self.name).await;
        let found = found.map_err(|e| Error::api("get", self.object(), &e))?;
        let Some(mut secret) = found else {
            return Ok(Found { seen: Bootstrap::Absent, data: SecretData::new() });
        };
        let class = secret.metadata.labels.as_ref().and_then(|l| l.get(labels::CLASS));
        Ok(match class.map(String::as_str) {
            Some(labels::CLASS_BOOTSTRAP) => {
                let data = take(&mut secret, self.rename);
                let seen = Bootstrap::Live(facts(&secret, &data, key));
                Found { seen, data }
            }
            Some(labels::CLASS_MATERIALIZED) => {
                wipe(&mut secret);
                Found { seen: Bootstrap::Materialized, data: SecretData::new() }
            }
            _ => {
                wipe(&mut secret);
                Found { seen: Bootstrap::Foreign, data: SecretData::new() }
            }
        })
    }

    /// Marks it as handed over to `owner`.
    pub(super) async fn mark(
        &self,
        uid: &str,
        rv: &str,
        disposition: Disposition,
        owner: &str,
    ) -> Result<Answer, Error> {
        let annotations = json!({
            labels::HANDED_OVER: word(disposition), labels::HANDED_OVER_TO: owner,
        });
        self.patch(uid, rv, json!({ "metadata": { "annotations": annotations } })).await
    }

    pub(super) async fn blank(&self, uid: &str, rv: &str) -> Result<Answer, Error> {
        let found = self.secrets().get_opt(self.name).await;
        let found = found.map_err(|e| Error::api("get", self.object(), &e))?;
        let Some(mut secret) = found else { return Ok(Answer::Lost) };
        let keys: Vec<String> = secret.data.iter().flatten().map(|(k, _)| k.clone()).collect();
        wipe(&mut secret);
        let data: BTreeMap<String, &str> = keys.into_iter().map(|k| (k, "")).collect();
        self.patch(uid, rv, json!({ "data": data })).await
    }

    async fn patch(&self, uid: &str, rv: &str, mut patch: Value) -> Result<Answer, Error> {
        patch["metadata"]["uid"] = uid.into();
        patch["metadata"]["resourceVersion"] = rv.into();
        let params = self.manager.patch();
        let answer = self.secrets().patch(self.name, &params, &Patch::Merge(patch)).await;
        match answer {
            Ok(mut secret) => {
                wipe(&mut secret);
                Ok(Answer::Changed(secret.metadata.resource_version.unwrap_or_default()))
            }
            Err(error) if gone_or_changed(&error) => Ok(Answer::Lost),
            Err(error) => Err(Error::api("patch", self.object(), &error)),
        }
    }

    pub(super) async fn delete(&self, uid: &str, rv: &str) -> Result<Answer, Error> {
        let params = delete_exactly(Some(uid.to_owned()), Some(rv.to_owned()));
        match self.secrets().delete(self.name, &params).await {
            // The object comes back where it lives on, for a finalizer.
            Ok(answer) => Ok(match answer.left() {
                Some(mut secret) => {
                    wipe(&mut secret);
                    let waits = !secret.finalizers().is_empty();
                    if waits { Answer::Done } else { Answer::Gone }
                }
                None => Answer::Gone,
            }),
            Err(error) if gone_or_changed(&error) => Ok(Answer::Lost),
            Err(error) => Err(Error::api("delete", self.object(), &error)),
        }
    }
}

/// Gone or changed since it was looked at: the next look says what to do.
fn gone_or_changed(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_not_found() || status.is_conflict())
}

/// Takes the data out, keys renamed.
fn take(secret: &mut Secret, rename: &BTreeMap<String, String>) -> SecretData {
    let all = secret.data.take().unwrap_or_default();
    let named = |key: String| rename.get(&key).cloned().unwrap_or(key);
    all.into_iter().map(|(key, value)| (named(key), Sensitive::new(value.0))).collect()
}

fn facts(secret: &Secret, data: &SecretData, key: &HmacKey) -> BootstrapSeen {
    let meta = &secret.metadata;
    let note = |key: &str| meta.annotations.as_ref().and_then(|a| a.get(key));
    let marked = note(labels::HANDED_OVER);
    let kind = secret.type_.as_deref().unwrap_or("Opaque");
    BootstrapSeen {
        uid: meta.uid.clone().unwrap_or_default(),
        rv: meta.resource_version.clone().unwrap_or_default(),
        hmac: secret_hmac(key, data),
        empty: data.values().all(|v| v.expose().is_empty()),
        from_manifest: false,
        produced_at: note(labels::PRODUCED_AT).and_then(|at| at.parse().ok()),
        marked: marked.and_then(|m| serde_json::from_value(Value::String(m.clone())).ok()),
        inert_allowed: secret.immutable != Some(true) && !NOT_INERT.contains(&kind),
        kept_by: meta.deletion_timestamp.is_some().then(|| secret.finalizers().to_vec()),
    }
}

/// Whether `status` of the manifest says that bootstrap left the Secret as it is now. Its field manager's name proves
/// nothing: anybody may give it as his own.
fn is_as_made(status: Option<&EncryptedManifestStatus>, b: &BootstrapSeen) -> bool {
    status.is_some_and(|status| {
        status.secret_uid.as_ref() == Some(&b.uid)
            && status.secret_resource_version.as_ref() == Some(&b.rv)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(value: Value) -> Secret {
        serde_json::from_value(value).unwrap()
    }

    fn key() -> HmacKey {
        HmacKey { id: "k".into(), key: Sensitive::new(vec![1; 32]) }
    }

    /// H22: neither a label nor the name of a field manager says who wrote a value.
    #[test]
    fn h22_bootstraps_own_word_on_this_very_secret_says_that_it_is_from_its_manifest() {
        let one = secret(json!({
            "metadata": { "uid": "u", "resourceVersion": "9", "labels": { labels::MANIFEST_UID: "m" },
                "annotations": { labels::PRODUCED_AT: "2026-11-30T00:00:00Z" },
                "managedFields": [{ "manager": "regent-bootstrap", "operation": "Update",
                    "fieldsV1": { "f:data": {} } }] },
        }));
        let seen = facts(&one, &SecretData::new(), &key());
        assert!(!seen.from_manifest && seen.produced_at.is_some());
        let said = |uid: &str, rv: &str| EncryptedManifestStatus {
            secret_uid: Some(uid.into()),
            secret_resource_version: Some(rv.into()),
            ..EncryptedManifestStatus::default()
        };
        assert!(is_as_made(Some(&said("u", "9")), &seen));
        for other in [said("u", "8"), said("v", "9"), EncryptedManifestStatus::default()] {
            assert!(!is_as_made(Some(&other), &seen), "{other:?}");
        }
        assert!(!is_as_made(None, &seen));
    }

    #[test]
    fn keys_are_renamed_and_facts_are_read() {
        let mut one = secret(json!({
            "metadata": { "uid": "u", "resourceVersion": "9",
                "annotations": { labels::HANDED_OVER: "inert" } },
            "type": "kubernetes.io/ssh-auth", "data": { "user": "YQ==" },
        }));
        let rename = BTreeMap::from([("user".to_owned(), "username".to_owned())]);
        let data = take(&mut one, &rename);
        assert_eq!(data.keys().collect::<Vec<_>>(), ["username"]);
        let seen = facts(&one, &data, &key());
        assert_eq!((seen.marked, seen.inert_allowed), (Some(Disposition::Inert), false));
        assert!(!seen.empty && seen.hmac.starts_with("k:"));
    }
}
