//! No sprawl: every value has a reason to be where it is.

use std::collections::BTreeSet;

use regent_types::labels;

use super::finding::Findings;
use super::snapshot::{MaterializedSeen, Snapshot};
use crate::record::{Record, State};

/// Types whose Secrets Kubernetes itself makes.
const KUBERNETES_TYPES: [&str; 2] =
    ["kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"];

/// Each Secret and each path has a RuntimeSecret, a publication, or a known exemption.
pub(super) fn every_value_accounted(s: &Snapshot, found: &mut Findings) {
    for (path, kv) in &s.kv {
        let empty = kv.versions.values().all(|(_, live)| !live);
        let known = s.records.contains_key(path)
            || s.declaring(path).next().is_some()
            || s.publishing(path).next().is_some()
            || s.published_beside(path);
        if !known && !empty {
            found.add(
                format!("secret/{path}"),
                "a path that nothing declares",
                ["a RuntimeSecret or PushSecret for it", "none", "declare it, or remove it"],
            );
        }
    }
    let sources: BTreeSet<(String, String)> =
        s.pushes.iter().filter_map(|p| Some((p.namespace.clone(), p.source.clone()?))).collect();
    for secret in &s.kube_secrets {
        let (namespace, name) = (&secret.namespace, &secret.name);
        let wanted = |m: &&MaterializedSeen| m.namespace == *namespace && m.name == *name;
        let known = match secret.class.as_deref() {
            // `bootstrap-retired` judges these.
            Some(labels::CLASS_BOOTSTRAP) => true,
            Some(labels::CLASS_MATERIALIZED) => {
                s.materialized.iter().find(wanted).is_some_and(|m| m.wanted)
            }
            _ => {
                sources.contains(&(namespace.clone(), name.clone()))
                    || KUBERNETES_TYPES.contains(&secret.kind.as_str())
                    || s.exempt.contains(&format!("{namespace}/{name}"))
                    || s.exempt.contains(&format!("{namespace}/*"))
            }
        };
        if !known {
            found.add(
                format!("Secret {namespace}/{name}"),
                "a Secret that nothing accounts for",
                [
                    "a materialized Secret with an ExternalSecret, a published source, or an \
                     exemption",
                    secret.class.as_deref().unwrap_or("no class"),
                    "declare where it comes from, or delete it",
                ],
            );
        }
    }
}

/// While a secret is not Runtime, nothing is materialized from its path.
pub(super) fn nothing_materialized_early(s: &Snapshot, found: &mut Findings) {
    for m in &s.materialized {
        for path in m.versions.keys() {
            let mut declared = s.declaring(path).peekable();
            let early =
                declared.peek().is_some() && !s.records.get(path).is_some_and(Record::is_runtime);
            if early {
                found.add(
                    format!("Secret {}/{}", m.namespace, m.name),
                    format!("rendered from {path}, which is not Runtime"),
                    [
                        "nothing before the authority acknowledged",
                        "a Secret",
                        "see the handover's run",
                    ],
                );
            }
        }
    }
}

/// No Secret is rendered from a version that was revoked.
pub(super) fn revoked_unused(s: &Snapshot, found: &mut Findings) {
    for m in &s.materialized {
        for (path, pair) in &m.versions {
            let Some(kv) = s.kv.get(path) else { continue };
            let settled = s.records.get(path).is_none_or(|r| r.state == State::Done);
            let revoked = kv
                .versions
                .get(&pair.number)
                .is_some_and(|(time, live)| *time == pair.created_time && !live);
            if settled && revoked {
                found.add(
                    format!("Secret {}/{}", m.namespace, m.name),
                    format!("rendered from the revoked version {pair} of {path}"),
                    [
                        "the version in force",
                        &pair.to_string(),
                        "see why the materializer does not follow",
                    ],
                );
            }
        }
    }
}
