//! Who is asked, and what acts, while something is written on the API server.

use super::finding::Findings;
use super::seen::RuleSeen;
use super::snapshot::Snapshot;

/// Kinds of regent's that decide what happens to a secret.
const REGENT: &[&str] = &[
    "encryptedmanifests",
    "eventtriggers",
    "gitsources",
    "runtimeauthorities",
    "runtimesecrets",
    "workflowruns",
    "workflows",
];
/// The same of External Secrets Operator's.
const EXTERNAL: &[&str] =
    &["clustersecretstores", "externalsecrets", "pushsecrets", "secretstores"];

/// Nothing is asked, and nothing acts, while a Secret or an object of regent's is written, but regent's own policies.
pub(super) fn interceptors_known(s: &Snapshot, found: &mut Findings) {
    for seen in &s.interceptors {
        let sees = seen.rules.iter().any(|r| r.is_about(&[""], &["secrets"]));
        let objects = |r: &RuleSeen| {
            r.is_about(&["regent.dev"], REGENT) || r.is_about(&["external-secrets.io"], EXTERNAL)
        };
        let changes = seen.mutates && (sees || seen.rules.iter().any(objects));
        let says = match (changes, sees) {
            (true, true) => "sees every Secret that is written, and may change it",
            (true, false) => "may change what is declared to regent",
            (false, true) => "sees every Secret that is written, values included",
            (false, false) => continue,
        };
        found.add(
            &seen.object,
            says,
            [
                "none for Secrets, and none that changes regent's kinds",
                &seen.object,
                "leave these kinds out of its rules, or remove it",
            ],
        );
    }
}
