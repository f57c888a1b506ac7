//! Two RuntimeSecrets that name one path or one bootstrap Secret: the later one stops
//! (PROTOCOLS.md §4). Admission refuses it on a real API server; the record refuses it in any
//! case. Pure.

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use regent_api::RuntimeSecret;
use regent_protocol::Reason;

/// Order of claims: creation, then name, so that every orchestrator judges alike.
fn order(secret: &RuntimeSecret) -> (Option<Timestamp>, String, String) {
    let created = secret.metadata.creation_timestamp.as_ref().map(|t| t.0);
    (created, secret.namespace().unwrap_or_default(), secret.name_any())
}

fn bootstrap(secret: &RuntimeSecret) -> Option<&str> {
    secret.spec.introduce.handover.as_ref().map(|h| h.bootstrap_secret.as_str())
}

/// What an earlier RuntimeSecret among `all` claims that `secret` claims too.
pub(super) fn conflict<'a>(
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
        same_bootstrap || o.declares(path)
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
    fn the_later_of_two_claims_is_the_conflict() {
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
}
