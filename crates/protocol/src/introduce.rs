//! What handover, generation and observation have in common: whose path it is, whether it is safe
//! to write, and whether the world went back in time.

use jiff::Timestamp;

use crate::ledger::kinds;
use crate::observation::{Observation, PolicySeen};
use crate::reason::Reason;
use crate::record::{Origin, Record, State};
use crate::step::{Effect, Step, conflict, event, held, tell};

/// Versions that must be kept: current, previous and one that a rotation is about to write.
pub(crate) const MAX_VERSIONS_MIN: i64 = 3;

/// Stops where the record belongs to somebody else, or says another origin.
pub(crate) fn owned(record: &Record, seen: &Observation, origin: Origin) -> Option<Step> {
    let (theirs, ours) = (&record.owner, &seen.subject.owner);
    if theirs.installation != ours.installation {
        return Some(conflict(
            Reason::OtherInstallation,
            format!(
                "path {} belongs to installation {}, this is {}; declare another path",
                record.path, theirs.installation, ours.installation
            ),
        ));
    }
    if theirs != ours {
        return Some(conflict(
            Reason::PathClaimed,
            format!(
                "path {} belongs to RuntimeSecret {}/{}; declare another path, or where that RuntimeSecret is \
                 gone: regent release {}",
                record.path, theirs.namespace, theirs.name, record.path
            ),
        ));
    }
    let introducing = record.state == State::Intent;
    (introducing && record.origin != origin).then(|| {
        conflict(
            Reason::OriginChanged,
            format!(
                "path {} is being introduced by {:?}; declare it that way until it is done",
                record.path, record.origin
            ),
        )
    })
}

/// Stops before anything is written where the path is not granted, or its own settings or else its
/// mount's drop versions (§4.0).
pub(crate) fn safe(seen: &Observation) -> Option<Step> {
    if !seen.subject.granted {
        let message = format!(
            "path {} lies outside runtime/{}/ and RuntimeAuthority grants it to no such namespace; \
             add it to spec.grants or use the default path",
            seen.subject.path, seen.subject.owner.namespace
        );
        return Some(held(Reason::PathNotGranted, message));
    }
    let (mount, path) = (seen.mount, &seen.metadata);
    let kept = if path.max_versions > 0 { path.max_versions } else { mount.max_versions };
    let deletes = mount.deletes_versions || path.deletes_versions;
    (deletes || kept < MAX_VERSIONS_MIN).then(|| {
        let message = format!(
            "expected delete_version_after unset and max_versions of {MAX_VERSIONS_MIN} or more \
             for {}, found \
             delete_version_after {} and max_versions {}; change the mount's or the path's \
             settings",
            seen.subject.path,
            if deletes { "set" } else { "unset" },
            kept
        );
        held(Reason::UnsafeMount, message)
    })
}

/// Stops where the record knows less than the RuntimeSecret's status: an older snapshot was
/// restored (§4.5).
pub(crate) fn behind(record: Option<&Record>, seen: &Observation) -> Option<Step> {
    let status = seen.subject.status.as_ref()?;
    let known = record.and_then(|r| r.current.as_ref());
    Record::is_behind(record, status).then(|| {
        let found = known.map_or_else(|| "no version".to_owned(), |p| format!("version {p}"));
        held(
            Reason::RecordBehindStatus,
            format!(
                "status says version {status} of {}, the record in the authority knows {found}: \
                 an older state was restored; restore a newer one, or accept this one: regent authority \
                 accept-restore",
                seen.subject.path
            ),
        )
    })
}

/// Stops where the version in force is no longer in the authority. Nothing is generated or written
/// then (§4.5). What was not looked at is not judged.
pub(crate) fn present(record: &Record, seen: &Observation) -> Option<Step> {
    let pair = record.current.as_ref()?;
    if !seen.known.metadata || seen.metadata.has_live(pair) {
        return None;
    }
    let found = seen.metadata.pair(pair.number);
    let went_back = seen.metadata.current_version > 0
        && (seen.metadata.current_version < pair.number
            || found.as_ref().is_some_and(|f| f != pair));
    let found = match found {
        Some(other) if other != *pair => format!("version {other}"),
        Some(_) => format!("version {} deleted", pair.number),
        None => format!("newest version {}", seen.metadata.current_version),
    };
    let (reason, action) = if went_back {
        (
            Reason::AuthorityWentBack,
            "restore a newer state, or accept this one: regent authority accept-restore",
        )
    } else {
        (
            Reason::ValueMissing,
            "undelete that version, restore the authority's storage, or have the secret introduced anew: regent \
             authority accept-restore",
        )
    };
    let path = &record.path;
    Some(held(reason, format!("expected version {pair} at {path}, found {found}; {action}")))
}

/// Stops where the path has a version that no run wrote.
pub(crate) fn unknown(record: &Record, seen: &Observation) -> Option<Step> {
    let pair = record.current.as_ref().filter(|_| seen.known.metadata)?;
    (seen.metadata.current_version > pair.number).then(|| {
        held(
            Reason::UnknownVersion,
            format!(
                "expected version {pair} to be the newest at {}, found version {}; find out who \
                 wrote it, and if it is to stay: regent handover resolve {}/{} --keep authority",
                seen.subject.path,
                seen.metadata.current_version,
                seen.subject.owner.namespace,
                seen.subject.owner.name
            ),
        )
    })
}

/// The command by which a person decides which value stays.
pub(crate) fn resolve(seen: &Observation) -> String {
    let owner = &seen.subject.owner;
    let keep = match seen.subject.request.origin {
        Origin::Handover => "authority|bootstrap",
        Origin::Generate | Origin::Derived | Origin::Adopted => "authority",
    };
    format!("regent handover resolve {}/{} --keep {keep}", owner.namespace, owner.name)
}

/// Writes the policy beside the secret where there is none that parses (§4.3).
pub(crate) fn policy(record: &Record, seen: &Observation) -> Option<Step> {
    match seen.metadata.policy {
        _ if !seen.known.metadata => None,
        PolicySeen::Valid(_) => None,
        PolicySeen::Missing | PolicySeen::Invalid(_) => {
            Some(Step::Do(Effect::WritePolicy(record.policy.clone())))
        }
    }
}

/// Tells the ledger of the version that was introduced.
pub(crate) fn told(record: &Record, seen: &Observation, now: Timestamp) -> Option<Step> {
    let pair = record.acknowledged.as_ref()?;
    if record.ledgered.as_ref() == Some(pair) {
        return None;
    }
    let kind = match record.origin {
        Origin::Handover => kinds::HANDED_OVER,
        Origin::Generate => kinds::GENERATED,
        Origin::Derived => kinds::OBSERVED,
        Origin::Adopted => kinds::ADOPTED,
    };
    tell(seen, event(seen, now, kind, Some(pair), "", ""))
}

/// The record that says: version 1 is ours (§4.3).
pub(crate) fn acknowledge(record: &Record, pair: &regent_types::VersionPair, hmac: &str) -> Step {
    let mut next = record.to(State::Acknowledged);
    next.acknowledged = Some(pair.clone());
    next.current = Some(pair.clone());
    next.acknowledged_hmac = Some(hmac.to_owned());
    next.overwrites = None;
    next.roll_hmac(hmac);
    Step::Persist(Box::new(next))
}
