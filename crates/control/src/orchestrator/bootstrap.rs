//! The bootstrap Secret, read by name and changed only under its uid and resourceVersion.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use kube::api::Patch;
use kube::{Api, ResourceExt};
use regent_operator::wiped_secret::wipe;
use regent_operator::write::{FieldManager, delete_exactly};
use regent_protocol::handover::word;
use regent_protocol::observation::{Bootstrap, BootstrapSeen};
use regent_protocol::{Answer, HmacKey, secret_hmac};
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
    let marked = meta.annotations.as_ref().and_then(|a| a.get(labels::HANDED_OVER));
    let kind = secret.type_.as_deref().unwrap_or("Opaque");
    BootstrapSeen {
        uid: meta.uid.clone().unwrap_or_default(),
        rv: meta.resource_version.clone().unwrap_or_default(),
        hmac: secret_hmac(key, data),
        empty: data.values().all(|v| v.expose().is_empty()),
        from_manifest: from_manifest(secret),
        marked: marked.and_then(|m| serde_json::from_value(Value::String(m.clone())).ok()),
        inert_allowed: secret.immutable != Some(true) && !NOT_INERT.contains(&kind),
        kept_by: meta.deletion_timestamp.is_some().then(|| secret.finalizers().to_vec()),
    }
}

/// Whether bootstrap alone wrote the data, from a manifest. The API server tracks who wrote which
/// field; where it does not, the labels that only bootstrap may set are all there is.
fn from_manifest(secret: &Secret) -> bool {
    let meta = &secret.metadata;
    let labelled = meta.labels.as_ref().is_some_and(|l| l.contains_key(labels::MANIFEST_UID));
    let writes_data = |fields: &Value| fields.get("f:data").is_some();
    let strangers = meta.managed_fields.iter().flatten().any(|entry| {
        let data = entry.fields_v1.as_ref().is_some_and(|f| writes_data(&f.0));
        data && entry.manager.as_deref() != Some("regent-bootstrap")
    });
    labelled && !strangers
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

    #[test]
    fn only_data_that_bootstrap_alone_wrote_counts_as_from_git() {
        let by = |managers: &[&str]| {
            let entries: Vec<Value> = managers
                .iter()
                .map(|m| json!({ "manager": m, "operation": "Update", "fieldsV1": { "f:data": {} } }))
                .collect();
            secret(json!({ "metadata": {
                "labels": { labels::MANIFEST_UID: "u" }, "managedFields": entries } }))
        };
        assert!(from_manifest(&by(&["regent-bootstrap"])));
        assert!(from_manifest(&by(&[])));
        assert!(!from_manifest(&by(&["regent-bootstrap", "kubectl-edit"])));
        assert!(!from_manifest(&secret(json!({ "metadata": {} }))));
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
