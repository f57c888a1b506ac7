//! Which ExternalSecret put what into a Secret: one part each, kept in an annotation of the Secret itself, so that it
//! outlives this process and is changed only together with what it tells of. Names and versions; no value, no hash of one.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use regent_types::{SecretPath, VersionPair, labels};
use serde::{Deserialize, Serialize};

use crate::not_ready::NotReady;

/// What one ExternalSecret put into a Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Part {
    /// The whole Secret is its: `creationPolicy` Owner or Orphan.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) whole: bool,
    /// Keys of the data.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) data: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) labels: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) annotations: BTreeSet<String>,
    pub(crate) versions: BTreeMap<String, String>,
}

/// By the ExternalSecret's name.
pub(crate) type Parts = BTreeMap<String, Part>;

fn is_false(flag: &bool) -> bool {
    !flag
}

/// The parts of `secret`. Earlier versions of regent named at most one owner, who has all of it then.
///
/// # Errors
/// The annotation is not as regent writes it: what belongs to whom is not guessed.
pub(crate) fn of(secret: &Secret) -> Result<Parts, NotReady> {
    let Some(text) = secret.annotations().get(labels::PARTS) else { return Ok(earlier(secret)) };
    serde_json::from_str(text).map_err(|_| {
        let message = format!(
            "annotation {} of Secret {} is not as regent writes it, so nobody can tell which ExternalSecret put what \
             there; take the annotation away and it is written anew",
            labels::PARTS,
            secret.name_any()
        );
        NotReady::until_change("MarksUnreadable", message)
    })
}

fn earlier(secret: &Secret) -> Parts {
    let Some(owner) = super::owner::owner(secret).map(str::to_owned).or_else(|| referred(secret))
    else {
        return Parts::new();
    };
    let versions = text_of_versions(secret);
    let data = secret.data.iter().flatten().map(|(key, _)| key.clone()).collect();
    Parts::from([(owner, Part { whole: true, data, versions, ..Part::default() })])
}

/// The ExternalSecret that a materialized Secret names in a controller reference, as the first versions set it.
fn referred(secret: &Secret) -> Option<String> {
    let materialized =
        secret.labels().get(labels::CLASS).map(String::as_str) == Some(labels::CLASS_MATERIALIZED);
    let mut references = secret.owner_references().iter();
    let found = references
        .find(|r| r.kind == "ExternalSecret" && r.controller == Some(true) && materialized);
    found.map(|r| r.name.clone())
}

fn text_of_versions(secret: &Secret) -> BTreeMap<String, String> {
    let text = secret.annotations().get(labels::VERSIONS);
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// Names of the ExternalSecrets that put something into an object, as far as its metadata tells.
pub(crate) fn names(object: &impl ResourceExt) -> BTreeSet<String> {
    let text = object.annotations().get(labels::PARTS).map(String::as_str).unwrap_or_default();
    let parts: Parts = serde_json::from_str(text).unwrap_or_default();
    parts.into_keys().chain(super::owner::owner(object).map(str::to_owned)).collect()
}

/// The versions that `name` rendered into `secret`. Where an earlier version of regent did not note whose they are, all
/// that the Secret tells.
pub(crate) fn recorded(
    secret: &Secret,
    parts: &Parts,
    name: &str,
) -> BTreeMap<String, VersionPair> {
    let noted = secret.annotations().contains_key(labels::PARTS);
    let texts = match parts.get(name) {
        Some(part) => part.versions.clone(),
        None if noted => BTreeMap::new(),
        None => text_of_versions(secret),
    };
    texts.into_iter().filter_map(|(path, pair)| Some((path, VersionPair::parse(&pair)?))).collect()
}

/// The version of each path of which the whole Secret is rendered: the oldest, where two parts are of different ones.
pub(crate) fn oldest(parts: &Parts) -> BTreeMap<&str, &str> {
    let number = |text: &str| VersionPair::parse(text).map(|pair| pair.number);
    let mut all: BTreeMap<&str, &str> = BTreeMap::new();
    for (path, pair) in parts.values().flat_map(|part| &part.versions) {
        let kept = all.entry(path).or_insert(pair);
        if number(pair) < number(kept) {
            *kept = pair;
        }
    }
    all
}

/// Versions as a part notes them.
pub(crate) fn texts(versions: &BTreeMap<SecretPath, VersionPair>) -> BTreeMap<String, String> {
    versions.iter().map(|(path, pair)| (path.to_string(), pair.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(path: &str, pair: &str) -> Part {
        Part { versions: [(path.to_owned(), pair.to_owned())].into(), ..Part::default() }
    }

    #[test]
    fn a_secret_is_as_old_as_its_oldest_part() {
        let parts = Parts::from([
            ("a".to_owned(), part("runtime/n/p", "3@t3")),
            ("b".to_owned(), part("runtime/n/p", "2@t2")),
            ("c".to_owned(), part("runtime/n/q", "7@t7")),
        ]);
        assert_eq!(oldest(&parts), [("runtime/n/p", "2@t2"), ("runtime/n/q", "7@t7")].into());
    }

    #[test]
    fn marks_that_nobody_can_read_are_not_taken_for_none() {
        let mut secret = Secret::default();
        assert_eq!(of(&secret), Ok(Parts::new()));
        secret.annotations_mut().insert(labels::PARTS.into(), "{".into());
        assert_eq!(of(&secret).err().map(|n| n.reason), Some("MarksUnreadable"));
    }
}
