//! Only the materializer makes a Secret materialized, and only it changes one that an ExternalSecret owns.
//! `Merge` and `Orphan` targets belong to somebody else: they are labelled, and not guarded.

use super::marks::{self, UNCHANGED};
use super::names::MATERIALIZED;
use super::policy::{AdmissionPolicy, BreakGlass, Rule, list};
use super::settings::Settings;
use regent_types::identity::Identity;
use regent_types::labels::{CLASS, CLASS_MATERIALIZED, VERSIONS};

pub(super) fn policy(settings: &Settings) -> AdmissionPolicy {
    let user = Identity::Materializer.user_name();
    let by = format!("request.userInfo.username == '{user}'");
    let is = |class: &str| format!("variables.{class} == '{CLASS_MATERIALIZED}'");
    let mut variables = marks::variables();
    variables.extend([
        ("oldOwned", marks::owned_materialized("oldObject", "oldClass", "oldNotes")),
        ("newOwned", marks::owned_materialized("object", "newClass", "newNotes")),
        (
            "made",
            format!(
                "({} && !({})) || (variables.newOwned && !variables.oldOwned)",
                is("newClass"),
                is("oldClass")
            ),
        ),
        ("touched", format!("variables.made || (variables.oldOwned && !({UNCHANGED}))")),
    ]);
    AdmissionPolicy {
        name: MATERIALIZED,
        group: "",
        version: "v1",
        resource: "secrets",
        operations: &["CREATE", "UPDATE", "DELETE"],
        label: Some((CLASS, CLASS_MATERIALIZED)),
        conditions: vec![not_kubernetes(settings)],
        variables,
        rules: vec![
            Rule {
                name: "writer",
                expression: format!("!variables.touched || {by}"),
                reason: "Forbidden",
                expected: "regent-materializer to write a materialized Secret",
                action: "change the value in the authority, the ExternalSecret, or rotate the secret",
            },
            Rule {
                name: "versioned",
                // Also what the materializer itself is refused by when it tries whether this policy is in force.
                expression: format!(
                    "!({by}) || !({}) || '{VERSIONS}' in variables.newNotes",
                    is("newClass")
                ),
                reason: "Invalid",
                expected: "a materialized Secret to say which versions it holds",
                action: "set annotation regent.dev/versions",
            },
        ],
        break_glass: BreakGlass::Allowed,
    }
}

/// Kubernetes' own controllers finish what somebody else, who was judged, began.
pub(super) fn not_kubernetes(settings: &Settings) -> (&'static str, String) {
    let expression = format!("!(request.userInfo.username in {})", list(&settings.kubernetes));
    ("not-kubernetes-itself", expression)
}
