//! What to write to one path, from what is there. Pure.
//!
//! `custom_metadata` says whose path it is: `managed-by=regent`,
//! `publisher=installation/namespace/name`. A path of another publisher, or of nobody, is left
//! alone.

use std::collections::{BTreeMap, BTreeSet};

use regent_types::sensitive::duplicate_data;
use regent_types::{SecretData, SecretPath, VersionPair};
use regent_vault::{KvSecret, VersionState};

use crate::not_ready::NotReady;
use crate::secret_values::{differing, same_values};

/// `custom_metadata` key: who keeps the path.
pub(crate) const MANAGED_BY: &str = "managed-by";
/// Its value on regent's paths.
pub(crate) const REGENT: &str = "regent";
/// `custom_metadata` key: which PushSecret of which installation.
pub(crate) const PUBLISHER: &str = "publisher";

#[derive(Debug)]
pub(crate) enum Plan {
    /// It is there as wanted, at this version.
    Nothing(VersionPair),
    /// It was written before a crash, and only its mark is missing.
    Claim(VersionPair),
    /// Write under this condition; `claim`: and mark it.
    Write {
        /// All properties, those of others kept.
        data: SecretData,
        /// Those that are JSON rather than text.
        json: BTreeSet<String>,
        /// Version it must be at; 0: there must be none.
        cas: i64,
        /// Whether the mark is to be set.
        claim: bool,
    },
}

/// The mark of a publisher, as a PATCH of `custom_metadata`.
pub(crate) fn marks(publisher: &str) -> BTreeMap<String, Option<String>> {
    BTreeMap::from([
        (MANAGED_BY.to_owned(), Some(REGENT.to_owned())),
        (PUBLISHER.to_owned(), Some(publisher.to_owned())),
    ])
}

/// The publisher other than `publisher` whose path it is by its mark.
pub(crate) fn other_publisher<'a>(
    current: Option<&'a KvSecret>,
    publisher: &str,
) -> Option<&'a str> {
    let marks = &current?.custom_metadata;
    let owner = marks.get(PUBLISHER).filter(|owner| *owner != publisher)?;
    (marks.get(MANAGED_BY).map(String::as_str) == Some(REGENT)).then_some(owner.as_str())
}

/// What `publisher` has to do so that `path` holds `wanted`. The mark of a `former` publisher, which is gone or publishes
/// there no more, is as good as none.
pub(crate) fn plan(
    path: &SecretPath,
    current: Option<&KvSecret>,
    publisher: &str,
    former: Option<&str>,
    wanted: &SecretData,
    only_new: bool,
) -> Result<Plan, NotReady> {
    let Some(current) = current else {
        let (data, json) = (duplicate_data(wanted), BTreeSet::new());
        return Ok(Plan::Write { data, json, cas: 0, claim: true });
    };
    let live = current.data.as_ref().filter(|_| current.state == VersionState::Live);
    let mark = |key: &str| current.custom_metadata.get(key).map(String::as_str);
    match (mark(MANAGED_BY), mark(PUBLISHER)) {
        (Some(REGENT), Some(owner)) if owner == publisher || Some(owner) == former => {}
        // Written with cas=0, then the process died before the mark: nobody else writes exactly
        // this there.
        (None, None)
            if current.version.number == 1
                && live.is_some_and(|live| same_values(Some(live), Some(wanted))) =>
        {
            return Ok(Plan::Claim(current.version.clone()));
        }
        (manager, owner) => {
            let owner = owner.or(manager).unwrap_or("nobody that regent knows");
            let message = format!(
                "{path} is kept by {owner}, not by {publisher}; it is left as it is. Choose another path, \
                 or remove the other publisher and the path"
            );
            return Err(NotReady::until_retry("NotMine", message));
        }
    }
    let claim = mark(PUBLISHER) != Some(publisher);
    let mut data = live.map(duplicate_data).unwrap_or_default();
    let mut json = if live.is_some() { current.json.clone() } else { BTreeSet::new() };
    let other = differing(wanted, &data);
    if live.is_some() && (other.is_empty() || only_new) {
        let version = current.version.clone();
        return Ok(if claim { Plan::Claim(version) } else { Plan::Nothing(version) });
    }
    for key in other {
        json.remove(key);
    }
    data.extend(duplicate_data(wanted));
    Ok(Plan::Write { data, json, cas: current.version.number, claim })
}

#[cfg(test)]
mod tests {
    use super::*;
    use regent_types::Sensitive;

    const ME: &str = "home/data/db-app";

    fn data(pairs: &[(&str, &str)]) -> SecretData {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), Sensitive::new(v.as_bytes().to_vec())))
            .collect()
    }

    fn stored(number: i64, owner: Option<&str>, pairs: Option<&[(&str, &str)]>) -> KvSecret {
        let marks = owner.map(marks).unwrap_or_default();
        KvSecret {
            version: VersionPair::new(number, format!("t{number}")),
            state: if pairs.is_some() { VersionState::Live } else { VersionState::Deleted },
            data: pairs.map(data),
            json: BTreeSet::new(),
            custom_metadata: marks.into_iter().filter_map(|(k, v)| Some((k, v?))).collect(),
        }
    }

    fn planned(current: Option<KvSecret>, only_new: bool) -> String {
        planned_after(current, None, only_new)
    }

    fn planned_after(current: Option<KvSecret>, former: Option<&str>, only_new: bool) -> String {
        let path = SecretPath::parse("platform-data/postgres/web").expect("a path");
        let wanted = data(&[("password", "new")]);
        match plan(&path, current.as_ref(), ME, former, &wanted, only_new) {
            Ok(Plan::Nothing(at)) => format!("nothing at {at}"),
            Ok(Plan::Claim(at)) => format!("claim {at}"),
            Ok(Plan::Write { data, json: _, cas, claim }) => {
                let keys: Vec<String> = data
                    .iter()
                    .map(|(k, v)| format!("{k}={}", String::from_utf8_lossy(v.expose())))
                    .collect();
                format!("write {} cas={cas} claim={claim}", keys.join(","))
            }
            Err(not_ready) => not_ready.reason.to_owned(),
        }
    }

    #[test]
    fn a_path_is_written_only_when_it_differs_and_only_by_its_publisher() {
        let same: &[(&str, &str)] = &[("password", "new")];
        let more: &[(&str, &str)] = &[("host", "h"), ("password", "new")];
        let old: &[(&str, &str)] = &[("host", "h"), ("password", "old")];
        let table = [
            (None, "write password=new cas=0 claim=true"),
            (Some(stored(3, Some(ME), Some(same))), "nothing at 3@t3"),
            (Some(stored(3, Some(ME), Some(more))), "nothing at 3@t3"),
            (Some(stored(3, Some(ME), Some(old))), "write host=h,password=new cas=3 claim=false"),
            (Some(stored(3, Some(ME), None)), "write password=new cas=3 claim=false"),
            (Some(stored(3, Some("home/other/db"), Some(old))), "NotMine"),
            (Some(stored(3, Some("elsewhere/data/db-app"), Some(same))), "NotMine"),
            (Some(stored(1, None, Some(old))), "NotMine"),
            (Some(stored(2, None, Some(same))), "NotMine"),
            (Some(stored(1, None, None)), "NotMine"),
            // The crash between writing and marking.
            (Some(stored(1, None, Some(same))), "claim 1@t1"),
        ];
        for (current, expected) in table {
            let shown = format!("{current:?}");
            assert_eq!(planned(current, false), expected, "{shown}");
        }
    }

    /// Its mark is released with it.
    #[test]
    fn m11_a_publisher_that_is_gone_is_succeeded() {
        const GONE: &str = "home/data/gone";
        let same: &[(&str, &str)] = &[("password", "new")];
        let old: &[(&str, &str)] = &[("host", "h"), ("password", "old")];
        let after = |owner, former, pairs| {
            planned_after(Some(stored(3, Some(owner), Some(pairs))), former, false)
        };
        assert_eq!(after(GONE, None, same), "NotMine");
        assert_eq!(after(GONE, Some(GONE), same), "claim 3@t3");
        assert_eq!(after(GONE, Some(GONE), old), "write host=h,password=new cas=3 claim=true");
        assert_eq!(after("home/data/other", Some(GONE), same), "NotMine");
        let seen = stored(3, Some(GONE), Some(same));
        assert_eq!(other_publisher(Some(&seen), ME), Some(GONE));
        assert_eq!(other_publisher(Some(&stored(3, Some(ME), Some(same))), ME), None);
        assert_eq!(other_publisher(Some(&stored(3, None, Some(same))), ME), None);
    }

    /// A property that another wrote as a number stays one.
    #[test]
    fn m05_a_merge_keeps_the_types_of_what_is_there() {
        let mut current = stored(3, Some(ME), Some(&[("port", "5432"), ("password", "7")]));
        current.json = ["port".to_owned(), "password".to_owned()].into();
        let path = SecretPath::parse("platform-data/postgres/web").expect("a path");
        let wanted = data(&[("password", "new")]);
        match plan(&path, Some(&current), ME, None, &wanted, false) {
            Ok(Plan::Write { data, json, .. }) => {
                assert_eq!(data.len(), 2);
                assert_eq!(json, ["port".to_owned()].into());
            }
            other => panic!("expected a write, found {other:?}"),
        }
    }

    #[test]
    fn if_not_exists_leaves_alone_what_is_there() {
        let old: &[(&str, &str)] = &[("password", "old")];
        assert_eq!(planned(Some(stored(3, Some(ME), Some(old))), true), "nothing at 3@t3");
        assert_eq!(planned(None, true), "write password=new cas=0 claim=true");
    }

    #[test]
    fn a_path_of_eso_is_not_taken_over() {
        let mut current = stored(1, None, Some(&[("password", "new")]));
        current.custom_metadata.insert(MANAGED_BY.into(), "external-secrets".into());
        assert_eq!(planned(Some(current), false), "NotMine");
    }
}
