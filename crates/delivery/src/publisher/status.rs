//! From the outcome of a pass to the status of the PushSecret. Pure.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use regent_api::PushSecretStatus;
use regent_api::condition;
use regent_api::condition::{READY, Verdict};
use regent_types::{SecretPath, VersionPair};

use super::explicit::Wanted;
use crate::fingerprint::{TextDigest, fingerprint};
use crate::not_ready::NotReady;

const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// The version that each path is at, by `(server, path)`.
pub(crate) type Versions = BTreeMap<(String, SecretPath), VersionPair>;

/// How a pass ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome<'a> {
    /// All paths hold what the source holds.
    Synced {
        wanted: &'a Wanted,
        /// The version that each path is at, by server.
        versions: &'a Versions,
    },
    Refused(&'a NotReady),
}

/// Names `versions`, so that the next pass knows whether they were told.
fn synced_message(versions: &Versions) -> String {
    let mut digest = TextDigest::default();
    for ((server, path), version) in versions {
        digest.add(&[server, path.as_str(), &version.to_string()]);
    }
    format!("PushSecret synced successfully (versions {})", digest.hex(8))
}

/// `old` after `outcome`. `refreshTime` moves only when a version is another or was not told:
/// consumers are told by it. It has whole seconds, and two writes may fall into one: it moves by one
/// at least.
pub(crate) fn after(
    old: &PushSecretStatus,
    meta: &ObjectMeta,
    outcome: &Outcome<'_>,
    now: Timestamp,
) -> PushSecretStatus {
    let mut new = old.clone();
    let verdict = match outcome {
        Outcome::Synced { wanted, versions } => {
            new.synced_push_secrets = wanted
                .stores
                .iter()
                .map(|store| (format!("ClusterSecretStore/{store}"), wanted.entries.clone()))
                .collect::<BTreeMap<_, _>>();
            new.synced_resource_version = Some(fingerprint(meta));
            let message = synced_message(versions);
            // After a failure consumers are told once more: a write may have gone before it.
            let ready = condition::get(&old.conditions, READY).filter(|c| c.status == "True");
            if old.refresh_time.is_none() || ready.is_none_or(|c| c.message != message) {
                let earliest = old.refresh_time.as_ref().map(|t| t.0 + SECOND);
                new.refresh_time = Some(Time(earliest.map_or(now, |earliest| earliest.max(now))));
            }
            Verdict::yes("Synced", message)
        }
        Outcome::Refused(not_ready) => Verdict::no(not_ready.reason, not_ready.message.clone()),
    };
    new.conditions = condition::set(&old.conditions, READY, &verdict, meta.generation, now);
    new
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    #[test]
    fn the_refresh_time_tells_of_writes_alone() {
        let spec = json!({
            "secretStoreRefs": [{ "name": "vault-backend", "kind": "ClusterSecretStore" }],
            "selector": { "secret": { "name": "s" } },
            "data": [{ "match": { "secretKey": "p", "remoteRef": {
                "remoteKey": "platform-data/postgres/web", "property": "password" } } }],
        });
        let wanted =
            Wanted::parse(&serde_json::from_value(spec).expect("a spec")).expect("explicit");
        let meta = ObjectMeta { generation: Some(1), ..ObjectMeta::default() };
        let synced = |old: &PushSecretStatus, number, now| {
            let path = SecretPath::parse("platform-data/postgres/web").expect("a path");
            let version = VersionPair::new(number, "2026-11-25T01:01:55Z");
            let versions = Versions::from([(("https://home".to_owned(), path), version)]);
            after(old, &meta, &Outcome::Synced { wanted: &wanted, versions: &versions }, at(now))
        };
        let first = synced(&PushSecretStatus::default(), 1, 10);
        assert_eq!(first.refresh_time, Some(Time(at(10))));
        assert!(
            first.synced_push_secrets["ClusterSecretStore/vault-backend"]
                .contains_key("platform-data/postgres/web/password")
        );
        assert_eq!(synced(&first, 1, 20), first);
        assert_eq!(synced(&first, 2, 30).refresh_time, Some(Time(at(30))));
        let same_second = synced(&first, 2, 10).refresh_time;
        assert_eq!(same_second, Some(Time(at(11))), "two writes within a second are told apart");
        let not_ready = NotReady::until_retry("NotMine", "somebody's");
        let refused = after(&first, &meta, &Outcome::Refused(&not_ready), at(40));
        assert_eq!(refused.refresh_time, first.refresh_time);
        assert_eq!(refused.conditions[0].reason, "NotMine");
        assert_eq!(synced(&refused, 1, 50).refresh_time, Some(Time(at(50))));
    }
}
