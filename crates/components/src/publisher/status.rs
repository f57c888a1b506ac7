//! From the outcome of a pass to the status of the PushSecret. Pure.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use regent_types::condition::{self, READY, Verdict};
use regent_types::resources::PushSecretStatus;
use sha2::{Digest, Sha256};

use super::explicit::{Refusal, Wanted};

/// How a pass ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome<'a> {
    /// All paths hold what the source holds.
    Synced {
        /// What was published.
        wanted: &'a Wanted,
        /// Whether this pass wrote anything.
        wrote: bool,
    },
    /// Not this time.
    Refused(&'a Refusal),
}

/// `generation-hash` of labels and annotations, as ESO forms it with another hash.
pub(crate) fn fingerprint(meta: &ObjectMeta) -> String {
    let mut hash = Sha256::new();
    for (kind, all) in [("a", &meta.annotations), ("l", &meta.labels)] {
        for (key, value) in all.iter().flatten() {
            for part in [kind, key, value] {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part.as_bytes());
            }
        }
    }
    let digest: String = hash.finalize().iter().take(14).map(|b| format!("{b:02x}")).collect();
    format!("{}-{digest}", meta.generation.unwrap_or_default())
}

/// `old` after `outcome`. `refreshTime` moves only when something was written: consumers are told
/// by it.
pub(crate) fn after(
    old: &PushSecretStatus,
    meta: &ObjectMeta,
    outcome: &Outcome<'_>,
    now: Timestamp,
) -> PushSecretStatus {
    let mut new = old.clone();
    let verdict = match outcome {
        Outcome::Synced { wanted, wrote } => {
            new.synced_push_secrets = wanted
                .stores
                .iter()
                .map(|store| (format!("ClusterSecretStore/{store}"), wanted.entries.clone()))
                .collect::<BTreeMap<_, _>>();
            new.synced_resource_version = Some(fingerprint(meta));
            // After a failure consumers are told once more: a write may have gone before it.
            if *wrote || old.refresh_time.is_none() || !condition::is_true(&old.conditions, READY) {
                new.refresh_time = Some(Time(now));
            }
            Verdict::yes("Synced", "PushSecret synced successfully")
        }
        Outcome::Refused(refusal) => Verdict::no(refusal.reason, refusal.message.clone()),
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
        let synced = |old: &PushSecretStatus, wrote, now| {
            after(old, &meta, &Outcome::Synced { wanted: &wanted, wrote }, at(now))
        };
        let first = synced(&PushSecretStatus::default(), true, 10);
        assert_eq!(first.refresh_time, Some(Time(at(10))));
        assert!(
            first.synced_push_secrets["ClusterSecretStore/vault-backend"]
                .contains_key("platform-data/postgres/web/password")
        );
        assert_eq!(synced(&first, false, 20), first);
        assert_eq!(synced(&first, true, 30).refresh_time, Some(Time(at(30))));
        let refusal = Refusal::retry("NotMine", "somebody's");
        let refused = after(&first, &meta, &Outcome::Refused(&refusal), at(40));
        assert_eq!(refused.refresh_time, first.refresh_time);
        assert_eq!(refused.conditions[0].reason, "NotMine");
        assert_eq!(synced(&refused, false, 50).refresh_time, Some(Time(at(50))));
    }
}
