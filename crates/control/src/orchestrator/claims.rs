//! Two RuntimeSecrets that name one path or one bootstrap Secret: the later one stops
//! (PROTOCOLS.md §4). Who has a record keeps it; whoever has none makes one only while no older one
//! is there. Two in one Git revision are refused before (`regent_manifest::claims`). Pure.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use regent_api::RuntimeSecret;
use regent_operator::store_index::StoreIndex;
use regent_protocol::Reason;

use super::keys;

/// A time of creation is a whole second: this long after it began, and a moment more for the watch,
/// every RuntimeSecret of the same age is known.
const SAME_AGE: Duration = Duration::from_millis(1_250);
/// While the watch has not told of the RuntimeSecret itself.
const BEHIND: Duration = Duration::from_millis(250);

/// Whether a RuntimeSecret that has no record may make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It may: nobody claims the same before it.
    First,
    /// That cannot be told yet; ask again after this pause.
    Unknown(Duration),
    /// It may not: reason and message.
    Later(Reason, String),
}

/// The standing of `secret` among `all` that are watched.
///
/// One watch tells in the order of writes, so that whoever holds `secret` holds every RuntimeSecret that was there
/// before it; and those that are made later within its own second once that second is over. A clock that
/// is off by more than the pause shortens it and decides nothing else.
pub(super) fn standing(
    secret: &RuntimeSecret,
    path: &str,
    all: &StoreIndex<RuntimeSecret>,
    now: Timestamp,
) -> Standing {
    let known = all.store().get(&ObjectRef::from_obj(secret));
    if known.is_none_or(|known| known.uid() != secret.uid()) {
        return Standing::Unknown(BEHIND);
    }
    let rivals = keys::claims(secret).into_iter().flat_map(|key| all.of(&key));
    let rivals: Vec<Arc<RuntimeSecret>> = rivals.collect();
    if let Some((reason, message)) = conflict(secret, path, rivals.iter().map(AsRef::as_ref)) {
        return Standing::Later(reason, message);
    }
    match same_age(secret, now) {
        Some(pause) => Standing::Unknown(pause),
        None => Standing::First,
    }
}

/// How long others of the same age may still be made.
fn same_age(secret: &RuntimeSecret, now: Timestamp) -> Option<Duration> {
    let created = secret.metadata.creation_timestamp.as_ref()?.0;
    let until = created.checked_add(SAME_AGE).ok()?;
    let left = Duration::try_from(until.duration_since(now)).ok()?;
    (!left.is_zero() && left <= SAME_AGE).then_some(left)
}

/// Order of claims: creation, then name, so that every orchestrator judges alike.
fn order(secret: &RuntimeSecret) -> (Option<Timestamp>, String, String) {
    let created = secret.metadata.creation_timestamp.as_ref().map(|t| t.0);
    (created, secret.namespace().unwrap_or_default(), secret.name_any())
}

fn bootstrap(secret: &RuntimeSecret) -> Option<&str> {
    secret.spec.introduce.handover.as_ref().map(|h| h.bootstrap_secret.as_str())
}

/// What an earlier RuntimeSecret among `all` claims that `secret` claims too. One that is being deleted claims nothing.
fn conflict<'a>(
    secret: &RuntimeSecret,
    path: &str,
    all: impl Iterator<Item = &'a RuntimeSecret>,
) -> Option<(Reason, String)> {
    let mine = order(secret);
    let namespace = secret.metadata.namespace.as_deref();
    // Few claim the same: those are told first, without an allocation each, and only they are ordered.
    let rivals = |o: &&RuntimeSecret| {
        let same_bootstrap = o.metadata.namespace.as_deref() == namespace
            && bootstrap(o).is_some()
            && bootstrap(o) == bootstrap(secret);
        let alive = o.metadata.deletion_timestamp.is_none();
        alive && (same_bootstrap || o.declares(path))
    };
    let mut earlier: Vec<&RuntimeSecret> = all.filter(rivals).filter(|o| order(o) < mine).collect();
    earlier.sort_by_key(|o| order(o));
    earlier.into_iter().find_map(|other| {
        let theirs = format!("{}/{}", other.namespace().unwrap_or_default(), other.name_any());
        if other.secret_path().is_ok_and(|p| p.as_str() == path) {
            let message = format!(
                "path {path} is declared by RuntimeSecret {theirs}; declare another path or \
                 remove one of the two"
            );
            return Some((Reason::PathClaimed, message));
        }
        let same = other.namespace() == secret.namespace() && bootstrap(other) == bootstrap(secret);
        (same && bootstrap(secret).is_some()).then(|| {
            let message = format!(
                "bootstrap Secret {} is handed over by RuntimeSecret {theirs}; remove one of the \
                 two",
                bootstrap(secret).unwrap_or_default()
            );
            (Reason::BootstrapClaimed, message)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn secret(
        namespace: &str,
        name: &str,
        created: &str,
        spec: serde_json::Value,
    ) -> RuntimeSecret {
        let mut all = json!({ "owner": "o", "purpose": "p" });
        for (key, value) in spec.as_object().into_iter().flatten() {
            all[key] = value.clone();
        }
        serde_json::from_value(json!({
            "apiVersion": "regent.dev/v1alpha1", "kind": "RuntimeSecret",
            "metadata": { "namespace": namespace, "name": name, "creationTimestamp": created },
            "spec": all,
        }))
        .unwrap()
    }

    #[test]
    fn h10_the_later_of_two_claims_is_the_conflict() {
        let from = |b: &str| json!({ "introduce": { "handover": { "bootstrapSecret": b } } });
        let mut at_path = from("x");
        at_path["path"] = "runtime/a/one".into();
        let one = secret("a", "one", "2026-11-24T00:00:00Z", from("b"));
        let same_secret = secret("a", "two", "2026-11-24T00:00:01Z", from("b"));
        let same_path = secret("a", "three", "2026-11-24T00:00:01Z", at_path);
        let elsewhere = secret("c", "one", "2026-11-24T00:00:01Z", from("b"));
        let same_time = secret("a", "zero", "2026-11-24T00:00:00Z", from("b"));
        let all = [
            one.clone(),
            same_secret.clone(),
            same_path.clone(),
            elsewhere.clone(),
            same_time.clone(),
        ];
        let judge = |s: &RuntimeSecret| {
            let path = s.secret_path().unwrap();
            conflict(s, path.as_str(), all.iter()).map(|(reason, _)| reason)
        };
        assert_eq!(judge(&one), None);
        assert_eq!(judge(&same_secret), Some(Reason::BootstrapClaimed));
        assert_eq!(judge(&same_path), Some(Reason::PathClaimed));
        assert_eq!(judge(&elsewhere), None);
        assert_eq!(judge(&same_time), Some(Reason::BootstrapClaimed));
    }

    fn store(all: &[&RuntimeSecret]) -> StoreIndex<RuntimeSecret> {
        let (reader, mut writer) = kube::runtime::reflector::store();
        let index = StoreIndex::new(reader, keys::claims);
        for secret in all {
            let event = kube::runtime::watcher::Event::Apply(RuntimeSecret::clone(secret));
            writer.apply_watcher_event(&event);
            index.on_event(&event);
        }
        index
    }

    /// C2-4: who owns a path is decided by age and then by name, whichever is looked at first.
    #[test]
    fn h31_who_has_no_record_waits_until_it_is_known_who_is_older() {
        let path = || json!({ "path": "runtime/a/p", "introduce": { "generate": { "keys": {} } } });
        let on_path = |name: &str, at: &str| secret("a", name, at, path());
        let (begin, next) = ("2026-11-24T00:00:00Z", "2026-11-24T00:00:01Z");
        let (older, younger) = (on_path("z", begin), on_path("a", next));
        let (one, two) = (on_path("b", begin), on_path("c", begin));
        let mut ends = on_path("y", begin);
        ends.metadata.deletion_timestamp = ends.metadata.creation_timestamp.clone();
        let mut again = younger.clone();
        again.metadata.uid = Some("another".into());
        let later = Standing::Later(Reason::PathClaimed, String::new());
        let wait = |ms| Standing::Unknown(Duration::from_millis(ms));
        let cases: [(&str, &RuntimeSecret, &[&RuntimeSecret], &str, Standing); 12] = [
            ("alone, when its second is over", &older, &[&older], "00:00:02Z", Standing::First),
            ("the older of two", &older, &[&younger, &older], "00:00:02Z", Standing::First),
            ("the younger of two", &younger, &[&younger, &older], "00:00:09Z", later.clone()),
            (
                "the younger, within its second",
                &younger,
                &[&older, &younger],
                "00:00:01Z",
                later.clone(),
            ),
            ("before anything was listed", &younger, &[], "00:00:09Z", wait(250)),
            ("before it was told of itself", &younger, &[&older], "00:00:09Z", wait(250)),
            (
                "before it was told that it was made again",
                &again,
                &[&younger],
                "00:00:09Z",
                wait(250),
            ),
            (
                "within its second: others may have its age",
                &two,
                &[&two],
                "00:00:00.500Z",
                wait(750),
            ),
            ("a moment later", &two, &[&two], "00:00:01.200Z", wait(50)),
            ("of one age, the first by name", &one, &[&two, &one], "00:00:02Z", Standing::First),
            ("of one age, the second by name", &two, &[&two, &one], "00:00:02Z", later),
            (
                "after one that is being deleted",
                &younger,
                &[&ends, &younger],
                "00:00:09Z",
                Standing::First,
            ),
        ];
        for (name, of, all, now, expected) in cases {
            let now = format!("2026-11-24T{now}").parse().unwrap();
            let mut found = standing(of, "runtime/a/p", &store(all), now);
            if let Standing::Later(_, message) = &mut found {
                assert!(message.contains("runtime/a/p"), "{message}");
                message.clear();
            }
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn a_clock_that_is_off_keeps_nobody_waiting() {
        let path = json!({ "path": "runtime/a/p", "introduce": { "generate": { "keys": {} } } });
        let one = secret("a", "b", "2026-11-24T00:05:00Z", path);
        for now in ["2026-11-24T00:00:00Z", "2026-11-24T00:10:00Z"] {
            let found = standing(&one, "runtime/a/p", &store(&[&one]), now.parse().unwrap());
            assert_eq!(found, Standing::First, "{now}");
        }
    }
}
