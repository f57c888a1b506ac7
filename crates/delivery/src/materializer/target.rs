//! What to do to the target Secret, from a fresh look at it. Pure.
//!
//! Never: a value into a bootstrap Secret that was not handed over, an `Owner` over a Secret that
//! is not this ExternalSecret's, a key that is another ExternalSecret's, an older version over a newer one, a hash of the
//! data anywhere, a Secret that Kubernetes acts on as a token.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use regent_types::{SecretData, SecretPath, VersionPair, labels};

use super::marks;
use super::owner::Owner;
use super::parts::{self, Part, Parts};
use super::request::{Creation, Request, TOKEN_TYPES};
use crate::not_ready::NotReady;
use crate::secret_values::{differing, same_values};
use regent_operator::wiped_secret::WipedSecret;

/// Annotations by which Kubernetes makes a Secret the token of a ServiceAccount.
const TOKEN_ANNOTATIONS: [&str; 2] =
    ["kubernetes.io/service-account.name", "kubernetes.io/service-account.uid"];

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

/// Whether the target may be written at all; asked before anything is read from the authority.
pub(crate) fn may_write(
    request: &Request,
    owner: &Owner<'_>,
    existing: Option<&Secret>,
) -> Result<(), NotReady> {
    no_token(request, owner, existing)?;
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
    shared_fairly(request, owner, secret)?;
    let controller =
        secret.metadata.owner_references.iter().flatten().find(|r| r.controller == Some(true));
    let foreign = match (controller, owned_by(secret)) {
        (Some(reference), _) => !(reference.uid == owner.uid || marks::same_name(reference, owner)),
        (None, Some(name)) => name != owner.name,
        // Without an owner: one of ours that lost it is taken back, any other is not ours, and neither is one into
        // which something was merged.
        (None, None) => request.creation == Creation::Owner && !was_wholly_ours(secret)?,
    };
    if foreign && request.is_whole() {
        let message = format!(
            "Secret {} exists and is not this ExternalSecret's; delete it, choose another target name, or \
             merge with creationPolicy Merge",
            request.target
        );
        return Err(NotReady::until_retry("SecretNotMine", message));
    }
    Ok(())
}

/// Whether all of `secret` was some ExternalSecret's.
fn was_wholly_ours(secret: &Secret) -> Result<bool, NotReady> {
    let parts = parts::of(secret)?;
    let merged = !parts.is_empty() && parts.values().all(|part| !part.whole);
    Ok(class(secret) == Some(labels::CLASS_MATERIALIZED) && !merged)
}

/// A Secret that is wholly one ExternalSecret's has no part of another's.
fn shared_fairly(request: &Request, owner: &Owner<'_>, secret: &Secret) -> Result<(), NotReady> {
    let parts = parts::of(secret)?;
    let mut others = parts.iter().filter(|(name, _)| *name != owner.name && (owner.lives)(name));
    let Some((holder, part)) = others.find(|(_, part)| part.whole || request.is_whole()) else {
        return Ok(());
    };
    let how = if part.whole { "wholly" } else { "in part" };
    let message = format!(
        "Secret {} is {how} ExternalSecret {holder}'s; nothing is written. Let both merge into it with creationPolicy \
         Merge or CreateOrMerge, or name another target",
        request.target
    );
    Err(NotReady::until_change("OwnedByAnother", message))
}

/// Kubernetes fills, and acts on, Secrets that are tokens: none is made, and nothing is put into one.
fn no_token(
    request: &Request,
    owner: &Owner<'_>,
    existing: Option<&Secret>,
) -> Result<(), NotReady> {
    let wanted = match &request.template {
        Some(template) => Some(&template.annotations),
        None => owner.meta.annotations.as_ref(),
    };
    let named = TOKEN_ANNOTATIONS.iter().find(|key| wanted.is_some_and(|w| w.contains_key(**key)));
    if let Some(key) = named {
        return Err(NotReady::unsupported(&format!("annotation {key} for the Secret")));
    }
    let kind = existing.and_then(|secret| secret.type_.as_deref()).unwrap_or_default();
    if TOKEN_TYPES.contains(&kind) && request.creation != Creation::Nothing {
        let message = format!(
            "Secret {} is of type {kind}, a token that Kubernetes acts on; nothing is written into it. Name another target",
            request.target
        );
        return Err(NotReady::until_retry("TokenSecret", message));
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
        let new = desired(request, owner, None, data, versions)?;
        return Ok(Write::Create(Box::new(WipedSecret::new(new))));
    };
    if is_bootstrap(secret) {
        become_keeps_everything(secret, data)?;
    }
    same_type(request, secret)?;
    let new = WipedSecret::new(desired(request, owner, Some(secret), data, versions)?);
    let same_data = same_values(new.data.as_ref(), secret.data.as_ref());
    if same_data && same_but_data(&new, secret) {
        return Ok(Write::Nothing);
    }
    if secret.immutable == Some(true) && !same_data {
        let message = format!(
            "Secret {} is immutable and its data would change; name another target, or delete the Secret and it is made \
             again",
            request.target
        );
        return Err(NotReady::until_change("SecretSyncedError", message));
    }
    Ok(Write::Replace(Box::new(new)))
}

/// The API server lets nobody change a Secret's type.
fn same_type(request: &Request, secret: &Secret) -> Result<(), NotReady> {
    let wanted = request.template.as_ref().and_then(|template| template.kind.as_deref());
    let found = secret.type_.as_deref().unwrap_or("Opaque");
    let Some(wanted) = wanted.filter(|wanted| *wanted != found) else { return Ok(()) };
    let message = format!(
        "Secret {} is of type {found}, and no Secret's type can change to {wanted}; it is kept as it is. Name another \
         target, or delete the Secret and it is made again",
        request.target
    );
    Err(NotReady::until_change("TypeIsFixed", message))
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
) -> Result<Secret, NotReady> {
    let mut before = existing.map(parts::of).transpose()?.unwrap_or_default();
    let mut mine = before.remove(owner.name).unwrap_or_default();
    let (others, gone): (Parts, Parts) =
        before.into_iter().partition(|(name, _)| (owner.lives)(name));
    if request.is_whole() {
        for part in gone.into_values() {
            mine.labels.extend(part.labels);
            mine.annotations.extend(part.annotations);
        }
    }
    let keys = data.keys().cloned().collect();
    let mut part = Part { whole: request.is_whole(), data: keys, ..Part::default() };
    part.versions = parts::texts(versions);
    for (holder, other) in &others {
        if let Some(key) = part.data.intersection(&other.data).next() {
            return Err(marks::held_by("key", key, &request.target, holder));
        }
    }
    let mut secret = existing.cloned().unwrap_or_else(|| Secret {
        metadata: ObjectMeta {
            name: Some(request.target.clone()),
            namespace: Some(owner.namespace.to_owned()),
            ..ObjectMeta::default()
        },
        type_: Some(kind(request)),
        ..Secret::default()
    });
    if is_bootstrap(&secret) {
        marks::leave_bootstrap(&mut secret.metadata);
    }
    marks::declare(&mut secret.metadata, request, owner, &mine, &others, &mut part)?;
    marks::own(&mut secret.metadata, request, owner);
    let mut all = if request.is_whole() {
        BTreeMap::new()
    } else {
        let mut all = secret.data.take().unwrap_or_default();
        all.retain(|key, _| !mine.data.contains(key));
        all
    };
    all.extend(data.iter().map(|(k, v)| (k.clone(), ByteString(v.expose().clone()))));
    secret.data = Some(all);
    if request.immutable {
        secret.immutable = Some(true);
    }
    let mut parts = others;
    parts.insert(owner.name.to_owned(), part);
    marks::stamp(&mut secret.metadata, &parts);
    Ok(secret)
}

/// `secret` without what `name` put there; `None` where it put nothing there.
pub(crate) fn without_part(secret: &Secret, name: &str) -> Result<Option<WipedSecret>, NotReady> {
    let mut parts = parts::of(secret)?;
    let Some(mine) = parts.remove(name) else { return Ok(None) };
    let mut left = WipedSecret::new(secret.clone());
    let kept = |of: fn(&Part) -> &std::collections::BTreeSet<String>, key: &String| {
        !of(&mine).contains(key) || parts.values().any(|part| of(part).contains(key))
    };
    if let Some(data) = &mut left.data {
        data.retain(|key, _| kept(|part| &part.data, key));
    }
    left.metadata.labels.get_or_insert_default().retain(|key, _| kept(|part| &part.labels, key));
    let annotations = left.metadata.annotations.get_or_insert_default();
    annotations.retain(|key, _| kept(|part| &part.annotations, key));
    if parts.is_empty() {
        marks::unstamp(&mut left.metadata);
    } else {
        marks::stamp(&mut left.metadata, &parts);
    }
    Ok(Some(left))
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
