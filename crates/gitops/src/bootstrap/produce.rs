//! The bootstrap Secret itself: how it is made, read and written. The only file that holds values,
//! and the only one that writes Secrets.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::PostParams;
use regent_operator::wiped_secret::{WipedSecret, wipe};
use regent_operator::write::{FieldManager, delete_exactly};
use regent_types::labels;

use super::BootstrapError;
use super::hmac::HmacKey;
use super::open::Opened;
use super::plan::{Existing, Write};
use super::source::Source;
use super::{metadata, refusal};

/// uid and resourceVersion: which Secret, and as it was when.
pub(super) type Version = (Option<String>, Option<String>);

/// A Secret as it was read just now. Its values are wiped when it is dropped.
pub(super) struct Current(WipedSecret);

/// Reads `name`, if it is there.
pub(super) async fn read(
    secrets: &Api<Secret>,
    name: &str,
) -> Result<Option<Current>, BootstrapError> {
    let found = secrets.get_opt(name).await;
    Ok(found
        .map_err(|e| BootstrapError::secret("read", name, &e))?
        .map(|secret| Current(WipedSecret::new(secret))))
}

impl Current {
    /// What decides about it, beside what the manifest says.
    pub(super) fn facts(&self, key: &HmacKey, opened: Option<&Opened>) -> Existing {
        let metadata = &self.0.metadata;
        let label = |name: &str| found(metadata.labels.as_ref(), name);
        let annotation = |name: &str| found(metadata.annotations.as_ref(), name);
        let empty = BTreeMap::new();
        Existing {
            class: label(labels::CLASS),
            manifest: annotation(labels::MANIFEST),
            manifest_uid: label(labels::MANIFEST_UID),
            handed_over: !annotation(labels::HANDED_OVER).is_empty(),
            hmac: key.of_bytes(self.0.data.as_ref().unwrap_or(&empty)).unwrap_or_default(),
            source: Source {
                repository: annotation(labels::SOURCE_REPO),
                commit: annotation(labels::SOURCE_COMMIT),
                file: annotation(labels::SOURCE_FILE),
            },
            dressed: opened.is_none_or(|opened| metadata::is_dressed(metadata, &opened.secret)),
            fixed: opened.and_then(|opened| self.fixed(opened)),
            manager: metadata::last_manager(metadata),
        }
    }

    /// The field that differs from what `opened` says and can never be changed.
    fn fixed(&self, opened: &Opened) -> Option<&'static str> {
        let kind = |kind: Option<&String>| kind.map_or("Opaque", String::as_str).to_owned();
        if kind(self.0.type_.as_ref()) != kind(opened.secret.type_.as_ref()) {
            return Some("type");
        }
        (self.0.immutable == Some(true)).then_some("field immutable")
    }

    pub(super) fn version(&self) -> Version {
        version(&self.0.metadata)
    }
}

fn version(metadata: &ObjectMeta) -> Version {
    (metadata.uid.clone(), metadata.resource_version.clone())
}

fn found(map: Option<&BTreeMap<String, String>>, name: &str) -> String {
    map.and_then(|m| m.get(name)).cloned().unwrap_or_default()
}

/// What stands on a bootstrap Secret beside its data (S5.2-6).
#[derive(Debug)]
pub(super) struct Provenance<'a> {
    /// `namespace/name` of the manifest.
    pub(super) manifest: &'a str,
    pub(super) uid: &'a str,
    /// Where it came from.
    pub(super) source: &'a Source,
    pub(super) at: Timestamp,
}

/// The Secret to write: on top of `current` where there is one, under its uid and resourceVersion.
fn build(opened: &Opened, provenance: &Provenance<'_>, current: Option<&Current>) -> Secret {
    let plain = &opened.secret;
    let mut metadata = current.map_or_else(
        || ObjectMeta {
            name: Some(plain.name.clone()),
            namespace: plain.namespace.clone(),
            ..ObjectMeta::default()
        },
        |c| c.0.metadata.clone(),
    );
    metadata.managed_fields = None;
    metadata::dress(&mut metadata, plain);
    let marks = metadata.labels.get_or_insert_default();
    marks.insert(labels::CLASS.into(), labels::CLASS_BOOTSTRAP.into());
    marks.insert(labels::MANIFEST_UID.into(), provenance.uid.into());
    let notes = metadata.annotations.get_or_insert_default();
    notes.insert(labels::SOURCE_REPO.into(), provenance.source.repository.clone());
    notes.insert(labels::SOURCE_COMMIT.into(), provenance.source.commit.clone());
    notes.insert(labels::SOURCE_FILE.into(), provenance.source.file.clone());
    notes.insert(labels::MANIFEST.into(), provenance.manifest.into());
    notes.insert(labels::PRODUCED_AT.into(), provenance.at.to_string());
    let data = plain.data.iter().map(|(k, v)| (k.clone(), ByteString(v.expose().clone())));
    Secret { metadata, type_: plain.type_.clone(), data: Some(data.collect()), ..Secret::default() }
}

/// Whether the API server would take `secret` in place of the one of its name, which must not be deleted for nothing:
/// what is invalid or refused is so before it is found to be there already.
async fn accepted(
    secrets: &Api<Secret>,
    secret: &Secret,
    params: &PostParams,
) -> Result<(), kube::Error> {
    let mut dry = params.clone();
    dry.dry_run = true;
    match secrets.create(&dry, secret).await {
        Ok(mut answer) => {
            wipe(&mut answer);
            Ok(())
        }
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Creates, replaces or makes anew the Secret; which one it is then. A Secret that came or changed in between is a conflict and left
/// alone.
pub(super) async fn write(
    secrets: &Api<Secret>,
    opened: &Opened,
    provenance: &Provenance<'_>,
    current: Option<&Current>,
    write: Write,
    manager: &FieldManager,
) -> Result<Version, BootstrapError> {
    let (params, name) = (manager.post(), opened.secret.name.as_str());
    let fail = |verb, error: &kube::Error| {
        let words = refusal::words(error, &opened.secret.data);
        BootstrapError::refused(verb, provenance.manifest, error, words)
    };
    let over = current.filter(|_| write != Write::Recreate);
    let secret = WipedSecret::new(build(opened, provenance, over));
    if let (Write::Recreate, Some(old)) = (write, current) {
        accepted(secrets, &secret, &params).await.map_err(|e| fail("create", &e))?;
        let (uid, resource_version) = old.version();
        let exactly = delete_exactly(uid, resource_version);
        let deleted = secrets.delete(name, &exactly).await.map_err(|e| fail("delete", &e))?;
        // The object comes back where it lives on, for a finalizer.
        if let Some(mut old) = deleted.left() {
            wipe(&mut old);
        }
    }
    let (verb, answer) = match over {
        None => ("create", secrets.create(&params, &secret).await),
        Some(_) => ("update", secrets.replace(name, &params, &secret).await),
    };
    let mut written = answer.map_err(|e| fail(verb, &e))?;
    wipe(&mut written);
    Ok(version(&written.metadata))
}

#[cfg(test)]
mod tests {
    use super::*;
    use regent_types::Sensitive;

    fn opened(labels: &[(&str, &str)]) -> Opened {
        let own = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
        let data = [("password".to_owned(), Sensitive::new(b"planted".to_vec()))].into();
        Opened::sample("payments", "db", labels.iter().map(own).collect(), data)
    }

    fn provenance(source: &Source) -> Provenance<'_> {
        Provenance { manifest: "payments/db", uid: "u-1", source, at: Timestamp::UNIX_EPOCH }
    }

    /// S5.2-6: class, source repository, commit, file, manifest object and time.
    #[test]
    fn a_bootstrap_secret_says_where_it_came_from() {
        let source =
            Source { repository: "r".into(), commit: "c".into(), file: "a/db.yaml".into() };
        let secret = build(&opened(&[("app", "db")]), &provenance(&source), None);
        let mut key = vec![7; super::super::hmac::KEY_LEN];
        key[0] = 1;
        let key = HmacKey::new(Sensitive::new(key)).unwrap();
        let facts = Current(WipedSecret::new(secret.clone())).facts(&key, None);
        assert_eq!(facts.class, "bootstrap");
        assert_eq!((facts.manifest.as_str(), facts.manifest_uid.as_str()), ("payments/db", "u-1"));
        assert_eq!(facts.source, source);
        let notes = secret.metadata.annotations.unwrap();
        assert_eq!(notes[labels::PRODUCED_AT], "1970-01-01T00:00:00Z");
        assert_eq!(secret.metadata.labels.unwrap()["app"], "db");
    }

    #[test]
    fn a_manifest_cannot_speak_for_regent() {
        let forged = [(labels::CLASS, "materialized"), (labels::MANIFEST_UID, "other")];
        let secret = build(&opened(&forged), &provenance(&Source::unknown()), None);
        let marks = secret.metadata.labels.unwrap();
        assert_eq!(marks[labels::CLASS], "bootstrap");
        assert_eq!(marks[labels::MANIFEST_UID], "u-1");
    }

    #[test]
    fn an_update_is_bound_to_what_was_read() {
        let mut before = build(&opened(&[]), &provenance(&Source::unknown()), None);
        before.metadata.uid = Some("uid".into());
        before.metadata.resource_version = Some("41".into());
        before.metadata.annotations.get_or_insert_default().insert("kept".into(), "1".into());
        let current = Current(WipedSecret::new(before));
        let after = build(&opened(&[]), &provenance(&Source::unknown()), Some(&current));
        assert_eq!(after.metadata.uid.as_deref(), Some("uid"));
        assert_eq!(after.metadata.resource_version.as_deref(), Some("41"));
        assert_eq!(after.metadata.annotations.unwrap()["kept"], "1");
    }
}
