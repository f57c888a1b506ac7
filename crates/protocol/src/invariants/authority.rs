//! Single authority: one record, one owner, one value, and no bootstrap Secret or manifest that
//! still rules.

use regent_types::labels;
use regent_types::lifecycle::Disposition;

use super::finding::Findings;
use super::snapshot::{DeclaredSecret, Snapshot};
use crate::record::{Origin, Record, State};

/// One RuntimeSecret, one record, one path; and the status says what the record says.
pub(super) fn one_authority(s: &Snapshot, found: &mut Findings) {
    for name in s.authorities.iter().filter(|n| *n != labels::AUTHORITY_NAME) {
        found.add(
            name,
            "a second RuntimeAuthority exists",
            ["one RuntimeAuthority named regent", name, "delete the second one"],
        );
    }
    for (path, record) in &s.records {
        if record.path != *path {
            found.add(
                path,
                "the record speaks of another path",
                [path, &record.path, "restore the record"],
            );
        }
        let theirs = &record.owner.installation;
        if *theirs != s.installation && !s.is_neighbour(theirs) {
            found.add(
                path,
                "the path belongs to an installation that logs in nowhere",
                [
                    &s.installation,
                    theirs,
                    "let that installation in with `regent authority join`, or remove what it left",
                ],
            );
        }
        let declared: Vec<String> = s.declaring(path).map(DeclaredSecret::full_name).collect();
        let owner = format!("{}/{}", record.owner.namespace, record.owner.name);
        for other in declared.iter().filter(|d| **d != owner) {
            found.add(
                path,
                format!("RuntimeSecret {other} declares a path that belongs to {owner}"),
                [&owner, other, "declare another path in one of the two"],
            );
        }
    }
    for secret in &s.secrets {
        let name = secret.full_name();
        let record = s.record_of(secret);
        let says = secret.is_runtime;
        let is = record.is_some_and(Record::is_runtime);
        if says != is {
            let word = |b| if b { "runtime" } else { "git" };
            found.add(
                &name,
                "status and record disagree about who is authoritative",
                [word(is), word(says), "see whether an older state of the authority was restored"],
            );
        } else if is && secret.version != record.and_then(|r| r.current.clone()) {
            let text = |v: Option<&regent_types::VersionPair>| {
                v.map_or("none".to_owned(), ToString::to_string)
            };
            let (expected, is) =
                (text(record.and_then(|r| r.current.as_ref())), text(secret.version.as_ref()));
            found.add(
                &name,
                "status and record disagree about the version in force",
                [&expected, &is, "wait for the orchestrator, or see why it does not run"],
            );
        }
    }
}

/// What the record says is in force is in the authority.
pub(super) fn value_survives(s: &Snapshot, found: &mut Findings) {
    for (path, record) in &s.records {
        let Some(pair) = &record.current else { continue };
        let there =
            s.kv.get(path)
                .and_then(|k| k.versions.get(&pair.number))
                .is_some_and(|(time, live)| *live && *time == pair.created_time);
        if !there {
            found.add(
                path,
                "the version in force is not in the authority",
                [&pair.to_string(), "no such live version", "undelete it or restore a snapshot"],
            );
        }
    }
}

/// The first version that is still listed is the one that was acknowledged.
pub(super) fn one_first_version(s: &Snapshot, found: &mut Findings) {
    for (path, record) in &s.records {
        let (Some(pair), Some(kv)) = (&record.acknowledged, s.kv.get(path)) else { continue };
        let Some((time, _)) = kv.versions.get(&pair.number) else { continue };
        let introduced = matches!(record.origin, Origin::Handover | Origin::Generate);
        if *time != pair.created_time || (introduced && pair.number != 1) {
            found.add(
                path,
                "the version that introduced the secret is another one",
                [&pair.to_string(), &format!("1@{time}"), "restore a newer state of the authority"],
            );
        }
    }
}

/// No version is newer than the record knows, unless its rotation is under way.
pub(super) fn no_blind_overwrite(s: &Snapshot, found: &mut Findings) {
    for (path, record) in &s.records {
        let (Some(pair), Some(kv)) = (&record.current, s.kv.get(path)) else { continue };
        let own = i64::from(record.state == State::Rotating);
        if record.origin != Origin::Derived && kv.current_version > pair.number + own {
            found.add(
                path,
                "a version was written that no run knows",
                [
                    &format!("version {} as the newest", pair.number),
                    &format!("version {}", kv.current_version),
                    "find its writer in the authority's audit log",
                ],
            );
        }
    }
}

/// Conflicts and holds wait for somebody; they are named until somebody came. What a neighbour's records wait for is
/// named in its own cluster.
pub(super) fn always_a_way_out(s: &Snapshot, found: &mut Findings) {
    let beside = |r: &Record| {
        let theirs = &r.owner.installation;
        *theirs != s.installation && s.is_neighbour(theirs)
    };
    for (path, record) in s.records.iter().filter(|(_, r)| !beside(r)) {
        for stop in record.stop.iter().chain(&record.rotation_stop) {
            found.add(
                path,
                format!("stopped since {}: {}", stop.since, stop.reason),
                ["a record that goes on", stop.reason.as_str(), &stop.message],
            );
        }
    }
}

/// A bootstrap Secret whose secret is Runtime is gone, empty or marked as ignored (S5.2-7).
pub(super) fn bootstrap_retired(s: &Snapshot, found: &mut Findings) {
    for b in s.kube_secrets.iter().filter(|b| b.class.as_deref() == Some(labels::CLASS_BOOTSTRAP)) {
        let object = format!("Secret {}/{}", b.namespace, b.name);
        let owner = s.handing_over(&b.namespace, &b.name);
        let used = s.bootstrap_uses.contains(&(b.namespace.clone(), b.name.clone()));
        match owner {
            None if used => {}
            None => found.add(
                object,
                "a bootstrap Secret that no RuntimeSecret hands over",
                [
                    "a RuntimeSecret with introduce.handover",
                    "none",
                    "declare one, or remove its manifest",
                ],
            ),
            Some(owner) => {
                let record = s.record_of(owner).filter(|r| r.state == State::Done);
                let Some(record) =
                    record.or_else(|| s.record_of(owner).filter(|r| r.state == State::Rotating))
                else {
                    continue;
                };
                let kept =
                    matches!(record.disposition, Some(Disposition::Ignore | Disposition::Inert))
                        && b.handed_over.is_some();
                if !kept {
                    found.add(
                        object,
                        format!("still there after the handover of {}", owner.full_name()),
                        [
                            "no bootstrap Secret",
                            "one",
                            "delete it, or its run to have it disposed of",
                        ],
                    );
                }
            }
        }
    }
}

/// A manifest whose secret is Runtime produces nothing any more.
pub(super) fn manifest_silent(s: &Snapshot, found: &mut Findings) {
    for manifest in &s.manifests {
        let owner = s.handing_over(&manifest.namespace, &manifest.name);
        let Some(record) = owner.and_then(|o| s.record_of(o)) else { continue };
        if record.is_runtime() && record.state == State::Done && manifest.reason == "Produced" {
            let object = format!("EncryptedManifest {}/{}", manifest.namespace, manifest.name);
            found.add(
                object,
                "it still says that it produces its Secret",
                ["HandedOver or IgnoredGitValue", "Produced", "see whether bootstrap runs"],
            );
        }
    }
}
