//! What `deletionPolicy: Delete` takes away again: what a PushSecret published and maps no more, and everything when it goes.
//! Pure.
//!
//! Only from a path that bears the PushSecret's own mark, and only under the version that was read: properties of others
//! stay, and where none is left that version is deleted, which an operator of the authority can undo. The mark stays, so
//! that the next publisher of the path may succeed this one.

use std::collections::{BTreeMap, BTreeSet};

use regent_api::PushSecretStatus;
use regent_api::eso::push_secret::PushData;
use regent_types::authority_names::SECRET_MOUNT;
use regent_types::sensitive::duplicate_data;
use regent_types::{SecretData, SecretPath, VersionPair};
use regent_vault::{KvSecret, VersionState};

use super::explicit::Wanted;
use super::plan::{MANAGED_BY, PUBLISHER, REGENT};

/// What leaves the authority: of each path the properties, never all of a path that others write too.
pub(crate) type Properties = BTreeMap<SecretPath, BTreeSet<String>>;

/// How the properties leave one path.
#[derive(Debug)]
pub(crate) enum Withdrawal {
    /// They are not there, or the path is somebody else's.
    Nothing,
    /// Write what is left under this condition.
    Write {
        data: SecretData,
        /// Properties that are JSON rather than text.
        json: BTreeSet<String>,
        /// Version it must be at.
        cas: i64,
    },
    /// Nothing is left: delete this version.
    Delete(VersionPair),
}

/// How `properties` leave a path that holds `current`, where `publisher` put them.
pub(crate) fn withdrawal(
    current: Option<&KvSecret>,
    publisher: &str,
    properties: &BTreeSet<String>,
) -> Withdrawal {
    let Some(current) = current else { return Withdrawal::Nothing };
    let mark = |key: &str| current.custom_metadata.get(key).map(String::as_str);
    let is_own = mark(MANAGED_BY) == Some(REGENT) && mark(PUBLISHER) == Some(publisher);
    let live = current.data.as_ref().filter(|_| current.state == VersionState::Live);
    let Some(live) = live.filter(|_| is_own) else { return Withdrawal::Nothing };
    if !properties.iter().any(|property| live.contains_key(property)) {
        return Withdrawal::Nothing;
    }
    let mut data = duplicate_data(live);
    data.retain(|property, _| !properties.contains(property));
    if data.is_empty() {
        return Withdrawal::Delete(current.version.clone());
    }
    let mut json = current.json.clone();
    json.retain(|property| data.contains_key(property));
    Withdrawal::Write { data, json, cas: current.version.number }
}

/// By store, what `status` says was published and `wanted` (`None`: the PushSecret goes) maps no more.
pub(crate) fn left_over(
    status: &PushSecretStatus,
    wanted: Option<&Wanted>,
) -> BTreeMap<String, Properties> {
    let mut all = BTreeMap::<String, Properties>::new();
    for (store, entries) in &status.synced_push_secrets {
        let Some(store) = store.strip_prefix("ClusterSecretStore/") else { continue };
        let still = wanted.filter(|wanted| wanted.stores.iter().any(|name| name == store));
        let gone = entries.values().filter_map(place).filter(|(path, property)| {
            still.and_then(|w| w.paths.get(path)).is_none_or(|all| !all.contains_key(property))
        });
        for (path, property) in gone {
            let of_store = all.entry(store.to_owned()).or_default();
            of_store.entry(path).or_default().insert(property);
        }
    }
    all
}

/// Where a mapping published to; `None` for what this publisher never wrote.
fn place(published: &PushData) -> Option<(SecretPath, String)> {
    let remote = &published.mapping.remote_ref;
    let path = SecretPath::from_remote_key(SECRET_MOUNT, &remote.remote_key).ok()?;
    Some((path, remote.property.clone().filter(|property| !property.is_empty())?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use regent_types::Sensitive;
    use serde_json::json;

    const ME: &str = "home/data/db-app";

    fn stored(owner: &str, properties: &[&str]) -> KvSecret {
        let value = |p: &&str| ((*p).to_owned(), Sensitive::new(b"v".to_vec()));
        let marks = super::super::plan::marks(owner);
        KvSecret {
            version: VersionPair::new(3, "t3"),
            state: VersionState::Live,
            data: Some(properties.iter().map(value).collect()),
            json: BTreeSet::from(["port".to_owned()]),
            custom_metadata: marks.into_iter().filter_map(|(k, v)| Some((k, v?))).collect(),
        }
    }

    fn shown(current: Option<&KvSecret>, properties: &[&str]) -> String {
        let properties = properties.iter().map(|p| (*p).to_owned()).collect();
        match withdrawal(current, ME, &properties) {
            Withdrawal::Nothing => "nothing".into(),
            Withdrawal::Delete(version) => format!("delete {version}"),
            Withdrawal::Write { data, json, cas } => {
                let data: Vec<&str> = data.keys().map(String::as_str).collect();
                format!("write {} json={} cas={cas}", data.join(","), json.len())
            }
        }
    }

    #[test]
    fn m11_only_own_properties_leave_and_only_from_an_own_path() {
        let mine = stored(ME, &["password", "port"]);
        assert_eq!(shown(Some(&mine), &["password"]), "write port json=1 cas=3");
        assert_eq!(shown(Some(&mine), &["port"]), "write password json=0 cas=3");
        assert_eq!(shown(Some(&mine), &["password", "port"]), "delete 3@t3");
        assert_eq!(shown(Some(&mine), &["host"]), "nothing");
        let theirs = stored("home/data/other", &["password"]);
        assert_eq!(shown(Some(&theirs), &["password"]), "nothing");
        let deleted = KvSecret { data: None, state: VersionState::Deleted, ..mine };
        assert_eq!(shown(Some(&deleted), &["password"]), "nothing");
        assert_eq!(shown(None, &["password"]), "nothing");
    }

    #[test]
    fn m11_what_is_left_over_is_what_was_published_and_is_mapped_no_more() {
        let mapping = |path: &str, property: &str| json!({ "match": { "secretKey": "k", "remoteRef": { "remoteKey": path, "property": property } } });
        let (a, b) = ("platform-data/postgres/a", "platform-data/postgres/b");
        let status: PushSecretStatus = serde_json::from_value(json!({ "syncedPushSecrets": {
            "ClusterSecretStore/one": { "1": mapping(a, "p"), "2": mapping(a, "q"), "3": mapping(b, "p") },
            "ClusterSecretStore/two": { "1": mapping(b, "p") },
            "SecretStore/theirs": { "1": mapping(a, "p") },
        } }))
        .expect("a status");
        let spec = json!({ "secretStoreRefs": [{ "name": "one", "kind": "ClusterSecretStore" }],
            "selector": { "secret": { "name": "s" } }, "data": [mapping(a, "p")] });
        let wanted =
            Wanted::parse(&serde_json::from_value(spec).expect("a spec")).expect("explicit");
        let shown = |wanted| {
            let all = left_over(&status, wanted).into_iter().flat_map(|(store, paths)| {
                paths.into_iter().flat_map(move |(path, properties)| {
                    let store = store.clone();
                    properties.into_iter().map(move |p| format!("{store} {path} {p}"))
                })
            });
            all.collect::<Vec<_>>()
        };
        assert_eq!(shown(Some(&wanted)).len(), 3);
        assert!(!shown(Some(&wanted)).contains(&format!("one {a} p")));
        assert_eq!(shown(None).len(), 4);
    }
}
