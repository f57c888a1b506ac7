//! Labels and annotations of the Secret: those that the declaration asks for, those that others put there, and regent's
//! own. Pure.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use regent_types::labels;

use super::owner::Owner;
use super::parts::{self, Part, Parts};
use super::request::{Creation, Request};
use crate::not_ready::NotReady;

type Texts = BTreeMap<String, String>;

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

/// Takes the marks of bootstrap away.
pub(super) fn leave_bootstrap(meta: &mut ObjectMeta) {
    for texts in [&mut meta.labels, &mut meta.annotations].into_iter().flatten() {
        texts.retain(|key, _| !BOOTSTRAP_MARKS.contains(&key.as_str()));
    }
    meta.owner_references = None;
}

/// Puts what `request` asks for in the place of what `mine` says that it put there before, and notes it in `part`.
pub(super) fn declare(
    meta: &mut ObjectMeta,
    request: &Request,
    owner: &Owner<'_>,
    mine: &Part,
    others: &Parts,
    part: &mut Part,
) -> Result<(), NotReady> {
    if request.template.is_none() && request.creation == Creation::Owner {
        forget_false_copies(meta, owner);
    }
    let (labels, annotations) = match &request.template {
        Some(template) => (template.labels.clone(), template.annotations.clone()),
        None => (copied(owner.meta.labels.as_ref()), copied(owner.meta.annotations.as_ref())),
    };
    let explicit = request.template.is_some();
    let holders = |of: fn(&Part) -> &BTreeSet<String>| -> BTreeMap<String, String> {
        let all = others.iter().flat_map(|(name, part)| of(part).iter().map(move |k| (k, name)));
        all.map(|(key, name)| (key.clone(), name.clone())).collect()
    };
    let settled = |texts: &mut Option<Texts>, wanted, mine, others, what: &str| {
        let before = texts.take().unwrap_or_default();
        let whole = request.is_whole();
        let (after, owned) = settle(before, wanted, mine, &others, explicit, whole)
            .map_err(|(key, holder)| held_by(what, &key, &request.target, &holder))?;
        *texts = Some(after);
        Ok::<_, NotReady>(owned)
    };
    let others_labels = holders(|part| &part.labels);
    let others_notes = holders(|part| &part.annotations);
    part.labels = settled(&mut meta.labels, labels, &mine.labels, others_labels, "label")?;
    part.annotations =
        settled(&mut meta.annotations, annotations, &mine.annotations, others_notes, "annotation")?;
    Ok(())
}

/// What another ExternalSecret put there stays its own.
pub(super) fn held_by(what: &str, key: &str, target: &str, holder: &str) -> NotReady {
    let message = format!(
        "{what} {key} of Secret {target} is ExternalSecret {holder}'s; nothing is written. Let one of the two declare \
         it, or name another target"
    );
    NotReady::until_change("OwnedByAnother", message)
}

/// `before` with what is `wanted` in the place of what was `mine`, and which keys are this part's then. An error names a
/// key that is another's with another value, and whose. What is only copied never takes the place of what others put
/// into a Secret that is shared.
fn settle(
    mut before: Texts,
    wanted: Texts,
    mine: &BTreeSet<String>,
    others: &BTreeMap<String, String>,
    explicit: bool,
    whole: bool,
) -> Result<(Texts, BTreeSet<String>), (String, String)> {
    before.retain(|key, _| {
        !mine.contains(key) || wanted.contains_key(key) || others.contains_key(key)
    });
    let mut owned = BTreeSet::new();
    for (key, value) in wanted {
        let now = before.get(&key);
        if let Some(holder) = others.get(&key) {
            if now == Some(&value) {
                owned.insert(key);
            } else if explicit {
                return Err((key, holder.clone()));
            }
            continue;
        }
        let foreign = now.is_some_and(|now| *now != value) && !mine.contains(&key);
        if foreign && !explicit && !whole {
            continue;
        }
        owned.insert(key.clone());
        before.insert(key, value);
    }
    Ok((before, owned))
}

/// Writes regent's own marks: of which class the Secret is, which versions it holds, whose which part is.
pub(super) fn stamp(meta: &mut ObjectMeta, all: &Parts) {
    let own_labels = meta.labels.get_or_insert_default();
    own_labels.insert(labels::CLASS.into(), labels::CLASS_MATERIALIZED.into());
    own_labels.insert(labels::ESO_MANAGED.into(), "true".into());
    let annotations = meta.annotations.get_or_insert_default();
    let versions = serde_json::json!(parts::oldest(all)).to_string();
    annotations.insert(labels::VERSIONS.into(), versions);
    annotations.insert(labels::PARTS.into(), serde_json::json!(all).to_string());
}

/// Takes them all away: nothing in the Secret is regent's any more.
pub(super) fn unstamp(meta: &mut ObjectMeta) {
    for key in [labels::CLASS, labels::ESO_MANAGED] {
        meta.labels.as_mut().and_then(|labels| labels.remove(key));
    }
    for key in [labels::VERSIONS, labels::PARTS, labels::OWNED_BY] {
        meta.annotations.as_mut().and_then(|annotations| annotations.remove(key));
    }
}

/// Says whether the ExternalSecret owns it, by its name alone: one that is declared again under another uid, in a
/// cluster whose definitions came back, finds its Secret as it is. A controller reference, as earlier versions and other
/// controllers set it, is taken away, for the garbage collector acts on it; those of others stay.
pub(super) fn own(meta: &mut ObjectMeta, request: &Request, owner: &Owner<'_>) {
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
pub(super) fn same_name(reference: &OwnerReference, owner: &Owner<'_>) -> bool {
    reference.kind == "ExternalSecret" && reference.name == owner.name
}

/// Earlier versions copied what is not copied any more.
fn forget_false_copies(meta: &mut ObjectMeta, owner: &Owner<'_>) {
    let copy = |key: &str, value: &String| {
        let of = |from: &Option<Texts>| from.as_ref().and_then(|from| from.get(key)) == Some(value);
        of(&owner.meta.labels) || of(&owner.meta.annotations)
    };
    for texts in [&mut meta.labels, &mut meta.annotations].into_iter().flatten() {
        texts.retain(|k, v| !(NOT_COPIED.contains(&k.as_str()) && copy(k, v)));
    }
}

fn copied(from: Option<&Texts>) -> Texts {
    let own = |key: &str| NOT_COPIED.contains(&key) || labels::is_reserved(key);
    let all = from.into_iter().flatten().filter(|(key, _)| !own(key));
    all.map(|(key, value)| (key.clone(), value.clone())).collect()
}
