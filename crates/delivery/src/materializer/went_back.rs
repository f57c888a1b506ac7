//! Whether the authority serves an older state than a record tells of (PROTOCOLS.md §6, time travel). Pure.
//!
//! A lower number alone is no such sign: somebody may have deleted a path and made it again. The record of a path says
//! so, as its RuntimeSecret projects it; where there is none, what the authority says is followed.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use regent_types::{SecretPath, VersionPair};

use super::declared::ExpectedVersions;
use super::parts;
use crate::not_ready::NotReady;

/// Refuses where `read` is behind both what `name` rendered into `existing` and what the path's RuntimeSecret tells.
/// `None` for a path means that the authority knows nothing of it any more.
pub(crate) fn went_back(
    existing: Option<&Secret>,
    name: &str,
    read: &BTreeMap<SecretPath, Option<VersionPair>>,
    recorded: &ExpectedVersions,
) -> Result<(), NotReady> {
    let Some(secret) = existing else { return Ok(()) };
    let rendered = parts::recorded(secret, &parts::of(secret)?, name);
    for (path, now) in read {
        let (Some(before), Some(record)) = (rendered.get(path.as_str()), recorded.get(path)) else {
            continue;
        };
        if !is_behind(now.as_ref(), before) || !is_behind(now.as_ref(), record) {
            continue;
        }
        let now = now.as_ref().map_or_else(|| "nothing".to_owned(), VersionPair::to_string);
        let message = format!(
            "{path} went back: the Secret holds {before}, its RuntimeSecret tells of {record}, the authority holds {now}; \
             the Secret is kept. `regent secrets` shows what the RuntimeSecret waits for; restore the authority to its \
             newer state, or accept this one: regent authority accept-restore"
        );
        return Err(NotReady::until_retry("AuthorityWentBack", message));
    }
    Ok(())
}

/// Lower, or of the same number and another time: another life of the path.
fn is_behind(now: Option<&VersionPair>, known: &VersionPair) -> bool {
    now.is_none_or(|now| {
        now.number < known.number
            || (now.number == known.number && now.created_time != known.created_time)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use regent_types::labels;
    use serde_json::json;

    fn secret() -> Secret {
        serde_json::from_value(json!({ "metadata": { "name": "db",
            "labels": { labels::CLASS: labels::CLASS_MATERIALIZED },
            "annotations": { labels::OWNED_BY: "db", labels::VERSIONS: r#"{"runtime/a/db":"3@t3"}"# } } }))
        .expect("a Secret")
    }

    fn judged(now: Option<VersionPair>, record: Option<VersionPair>) -> Option<&'static str> {
        let path = SecretPath::parse("runtime/a/db").expect("a path");
        let read = BTreeMap::from([(path.clone(), now)]);
        let recorded = record.into_iter().map(|record| (path.clone(), record)).collect();
        went_back(Some(&secret()), "db", &read, &recorded).err().map(|n| n.reason)
    }

    /// PROTOCOLS.md §6: lower number, same number at another time, or nothing at all, against what a record says.
    #[test]
    fn m07_a_path_that_went_back_keeps_the_secret_where_a_record_says_so() {
        let at = |number, time: &str| Some(VersionPair::new(number, time));
        let held = Some("AuthorityWentBack");
        let table = [
            (at(4, "t4"), at(3, "t3"), None),
            (at(3, "t3"), at(3, "t3"), None),
            (at(3, "other"), at(3, "t3"), held),
            (at(2, "t2"), at(3, "t3"), held),
            (None, at(3, "t3"), held),
            // The record agrees with what the authority says now.
            (at(1, "t9"), at(1, "t9"), None),
            // Nobody keeps a record: a path that was deleted and made again is what it is.
            (at(1, "t9"), None, None),
            (at(2, "t2"), None, None),
            (None, None, None),
        ];
        for (now, record, expected) in table {
            assert_eq!(judged(now.clone(), record.clone()), expected, "{now:?} {record:?}");
        }
    }
}
