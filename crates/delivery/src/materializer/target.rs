//! What to do to the target Secret, from a fresh look at it. Pure.
//!
//! Never: a value into a bootstrap Secret that was not handed over, an `Owner` over a Secret that
//! is not this ExternalSecret's, an older version over a newer one, a hash of the data anywhere.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use regent_types::{SecretData, SecretPath, VersionPair, labels};

use super::request::{Creation, Request};
use crate::not_ready::NotReady;
use crate::secret_values::{differing, same_values};
use regent_operator::wiped_secret::WipedSecret;

/// Labels and annotations that a bootstrap Secret has and a materialized one has not.
const BOOTSTRAP_MARKS: [&str; 10] = [
    labels::SOURCE,
    labels::SOURCE_REPO,
    labels::SOURCE_COMMIT,
    labels::SOURCE_FILE,
    labels::MANIFEST,
    labels::MANIFEST_UID,
    labels::PRODUCED_AT,
    labels::DECLARED,
    labels::HANDED_OVER,
    labels::HANDED_OVER_TO,
];
/// Not copied from the ExternalSecret to the Secret: they would say something false there. By the last three Argo CD
/// knows what it made, and prunes what is not in Git; a Secret has no owner reference that would tell it otherwise.
const NOT_COPIED: [&str; 4] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    "app.kubernetes.io/instance",
    "argocd.argoproj.io/instance",
    "argocd.argoproj.io/tracking-id",
];

/// The ExternalSecret that the Secret belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Owner<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) uid: &'a str,
    /// Its labels and annotations, copied where there is no template.
    pub(crate) meta: &'a ObjectMeta,
}

/// The write to make.
pub(crate) enum Write {
    /// It is as it should be.
    Nothing,
    /// It is not there.
    Create(Box<WipedSecret>),
    /// Replace under uid and resourceVersion.
    Replace(Box<WipedSecret>),
}

/// What was read, path by path.
pub(crate) type Versions = BTreeMap<SecretPath, VersionPair>;

/// Refuses where `read` goes back behind what `existing` records (PROTOCOLS.md §6, time travel).
/// `None` for a path means that the authority knows nothing of it any more.
pub(crate) fn went_back(
    existing: Option<&Secret>,
    read: &BTreeMap<SecretPath, Option<VersionPair>>,
) -> Result<(), NotReady> {
    let recorded = existing.map(recorded).unwrap_or_default();
    for (path, now) in read {
        let Some(before) = recorded.get(path.as_str()) else { continue };
        let back = match now {
            None => true,
            Some(now) => {
                now.number < before.number
                    || (now.number == before.number && now.created_time != before.created_time)
            }
        };
        if back {
            let now = now.as_ref().map_or_else(|| "nothing".to_owned(), VersionPair::to_string);
            let message = format!(
                "{path} went back: the Secret holds {before}, the authority {now}; the Secret is kept \
                 until a person accepts the restore"
            );
            return Err(NotReady::until_retry("AuthorityWentBack", message));
        }
    }
    Ok(())
}

/// The versions that a materialized Secret records.
fn recorded(secret: &Secret) -> BTreeMap<String, VersionPair> {
    let annotations = secret.metadata.annotations.as_ref();
    let text = annotations.and_then(|a| a.get(labels::VERSIONS)).map(String::as_str);
    let all: BTreeMap<String, String> =
        text.and_then(|t| serde_json::from_str(t).ok()).unwrap_or_default();
    all.into_iter().filter_map(|(path, pair)| Some((path, VersionPair::parse(&pair)?))).collect()
}

/// Whether the target may be written at all; asked before anything is read from the authority.
pub(crate) fn may_write(
    request: &Request,
    owner: &Owner<'_>,
    existing: Option<&Secret>,
) -> Result<(), NotReady> {
    let Some(secret) = existing else {
        if request.creation == Creation::Merge {
            let message = format!("Secret {} to merge into is not there", request.target);
            return Err(NotReady::until_retry("SecretMissing", message));
        }
        return Ok(());
    };
    if is_bootstrap(secret) {
        if annotation(secret, labels::HANDED_OVER) == Some("become") {
            return Ok(());
        }
        let message = format!(
            "Secret {} is a bootstrap Secret and stays authoritative until its handover is done",
            request.target
        );
        return Err(NotReady::until_change("AwaitingHandover", message));
    }
    let controller =
        secret.metadata.owner_references.iter().flatten().find(|r| r.controller == Some(true));
    let foreign = match (controller, owned_by(secret)) {
        (Some(reference), _) => !(reference.uid == owner.uid || same_name(reference, owner)),
        (None, Some(name)) => name != owner.name,
        // Without an owner: one of ours that lost it is taken back, any other is not ours.
        (None, None) => {
            request.creation == Creation::Owner && class(secret) != Some(labels::CLASS_MATERIALIZED)
        }
    };
    let guarded = matches!(request.creation, Creation::Owner | Creation::Orphan);
    if foreign && guarded {
        let message = format!(
            "Secret {} exists and is not this ExternalSecret's; delete it, choose another target name, or \
             merge with creationPolicy Merge",
            request.target
        );
        return Err(NotReady::until_retry("SecretNotMine", message));
    }
    Ok(())
}

/// The write that makes `existing` what `data` and `versions` say. [`may_write`] has been asked.
pub(crate) fn plan(
    request: &Request,
    owner: &Owner<'_>,
    existing: Option<&Secret>,
    data: &SecretData,
    versions: &Versions,
) -> Result<Write, NotReady> {
    if request.creation == Creation::Nothing {
        return Ok(Write::Nothing);
    }
    let Some(secret) = existing else {
        let new = desired(request, owner, None, data, versions);
        return Ok(Write::Create(Box::new(WipedSecret::new(new))));
    };
    if is_bootstrap(secret) {
        become_keeps_everything(secret, data)?;
    }
    let new = WipedSecret::new(desired(request, owner, Some(secret), data, versions));
    let same_data = same_values(new.data.as_ref(), secret.data.as_ref());
    if same_data && same_but_data(&new, secret) {
        return Ok(Write::Nothing);
    }
    if secret.immutable == Some(true) && !same_data {
        let message = format!("Secret {} is immutable and its data would change", request.target);
        return Err(NotReady::until_change("SecretSyncedError", message));
    }
    Ok(Write::Replace(Box::new(new)))
}

/// Whether all is the same but what the data hold.
fn same_but_data(a: &Secret, b: &Secret) -> bool {
    let Secret { data: _, immutable, metadata, string_data, type_ } = a;
    *immutable == b.immutable
        && *metadata == b.metadata
        && same_values(string_data.as_ref(), b.string_data.as_ref())
        && *type_ == b.type_
}

/// PROTOCOLS.md §4.4 `become`: refused while the rendered data would drop or change a key of *B*.
fn become_keeps_everything(secret: &Secret, data: &SecretData) -> Result<(), NotReady> {
    let none = BTreeMap::new();
    let differing = differing(secret.data.as_ref().unwrap_or(&none), data);
    let Some(key) = differing.first() else { return Ok(()) };
    let message = format!(
        "taking over bootstrap Secret would drop or change its key {key:?}; let the \
         ExternalSecret render every key with the value that was handed over"
    );
    Err(NotReady::until_retry("BecomeWouldDrop", message))
}

fn desired(
    request: &Request,
    owner: &Owner<'_>,
    existing: Option<&Secret>,
    data: &SecretData,
    versions: &Versions,
) -> Secret {
    let mut secret = existing.cloned().unwrap_or_else(|| Secret {
        metadata: ObjectMeta {
            name: Some(request.target.clone()),
            namespace: Some(owner.namespace.to_owned()),
            ..ObjectMeta::default()
        },
        type_: Some(kind(request)),
        ..Secret::default()
    });
    let taken_over = is_bootstrap(&secret);
    mark(&mut secret.metadata, request, owner, versions, taken_over);
    let merges = matches!(request.creation, Creation::Merge | Creation::CreateOrMerge);
    let mut all = if merges { secret.data.take().unwrap_or_default() } else { BTreeMap::new() };
    all.extend(data.iter().map(|(k, v)| (k.clone(), ByteString(v.expose().clone()))));
    secret.data = Some(all);
    if request.immutable {
        secret.immutable = Some(true);
    }
    secret
}

fn mark(
    meta: &mut ObjectMeta,
    request: &Request,
    owner: &Owner<'_>,
    versions: &Versions,
    taken_over: bool,
) {
    let mut own_labels = meta.labels.take().unwrap_or_default();
    let mut annotations = meta.annotations.take().unwrap_or_default();
    if taken_over {
        for key in BOOTSTRAP_MARKS {
            own_labels.remove(key);
            annotations.remove(key);
        }
        meta.owner_references = None;
    }
    match &request.template {
        Some(template) => {
            own_labels.extend(template.labels.clone());
            annotations.extend(template.annotations.clone());
        }
        None => {
            if request.creation == Creation::Owner {
                // Earlier versions copied them.
                let copy = |key: &&str, value: &String| {
                    let of = |from: &Option<BTreeMap<String, String>>| {
                        from.as_ref().and_then(|from| from.get(*key)) == Some(value)
                    };
                    of(&owner.meta.labels) || of(&owner.meta.annotations)
                };
                let stale =
                    |k: &String, v: &String| NOT_COPIED.iter().any(|n| n == k && copy(n, v));
                own_labels.retain(|k, v| !stale(k, v));
                annotations.retain(|k, v| !stale(k, v));
            }
            own_labels.extend(copied(owner.meta.labels.as_ref()));
            annotations.extend(copied(owner.meta.annotations.as_ref()));
        }
    }
    own_labels.insert(labels::CLASS.into(), labels::CLASS_MATERIALIZED.into());
    own_labels.insert(labels::ESO_MANAGED.into(), "true".into());
    let pairs: BTreeMap<&str, String> =
        versions.iter().map(|(path, pair)| (path.as_str(), pair.to_string())).collect();
    annotations.insert(labels::VERSIONS.into(), serde_json::json!(pairs).to_string());
    meta.labels = Some(own_labels);
    meta.annotations = Some(annotations);
    own(meta, request, owner);
}

/// Says whether the ExternalSecret owns it, by its name alone: one that is declared again under another uid, in a
/// cluster whose definitions came back, finds its Secret as it is. A controller reference, as earlier versions and other
/// controllers set it, is taken away, for the garbage collector acts on it; those of others stay.
fn own(meta: &mut ObjectMeta, request: &Request, owner: &Owner<'_>) {
    let annotations = meta.annotations.get_or_insert_default();
    if request.creation == Creation::Owner {
        annotations.insert(labels::OWNED_BY.into(), owner.name.to_owned());
    } else if annotations.get(labels::OWNED_BY).is_some_and(|name| name == owner.name) {
        annotations.remove(labels::OWNED_BY);
    }
    let mut references = meta.owner_references.take().unwrap_or_default();
    references.retain(|r| !(r.uid == owner.uid || same_name(r, owner)));
    meta.owner_references = (!references.is_empty()).then_some(references);
}

/// An ExternalSecret of the same name under another uid was deleted and declared again.
fn same_name(reference: &OwnerReference, owner: &Owner<'_>) -> bool {
    reference.kind == "ExternalSecret" && reference.name == owner.name
}

fn copied(from: Option<&BTreeMap<String, String>>) -> BTreeMap<String, String> {
    let own = |key: &str| NOT_COPIED.contains(&key) || key.split('/').next() == Some("regent.dev");
    from.into_iter()
        .flatten()
        .filter(|(k, _)| !own(k))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect()
}

fn kind(request: &Request) -> String {
    let kind = request.template.as_ref().and_then(|t| t.kind.clone());
    kind.unwrap_or_else(|| "Opaque".into())
}

fn class(secret: &Secret) -> Option<&str> {
    secret.metadata.labels.as_ref()?.get(labels::CLASS).map(String::as_str)
}

fn annotation<'a>(secret: &'a Secret, key: &str) -> Option<&'a str> {
    secret.metadata.annotations.as_ref()?.get(key).map(String::as_str)
}

/// Whether it is a bootstrap Secret.
pub(crate) fn is_bootstrap(secret: &Secret) -> bool {
    class(secret) == Some(labels::CLASS_BOOTSTRAP)
}

/// The ExternalSecret that owns `secret`, by its annotation.
fn owned_by(secret: &Secret) -> Option<&str> {
    annotation(secret, labels::OWNED_BY)
}

/// Whether this ExternalSecret owns `secret`, and so may delete it.
pub(crate) fn is_owned(secret: &Secret, owner: &Owner<'_>) -> bool {
    let references = secret.metadata.owner_references.iter().flatten();
    !is_bootstrap(secret)
        && (owned_by(secret) == Some(owner.name)
            || references.into_iter().any(|r| r.uid == owner.uid && r.controller == Some(true)))
}

#[cfg(test)]
#[path = "tests/target.rs"]
mod tests;
