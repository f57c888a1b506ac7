//! The life of a bootstrap Secret: made by bootstrap with its whole trace, marked by the orchestrator once the
//! authority acknowledged, and then, only as marked, deleted, emptied or turned into the materialized one.
//!
//! ```text
//! bootstrap: create, change, delete
//!    │
//!    └─► orchestrator: mark ─┬► delete  orchestrator deletes it
//!                            ├► inert   orchestrator empties it, keys kept
//!                            ├► become  materializer takes it over, once
//!                            └► ignore  it stays
//! ```

use super::marks::{self, UNCHANGED, data, entry};
use super::materialized::not_kubernetes;
use super::names::BOOTSTRAP;
use super::policy::{AdmissionPolicy, BreakGlass, Rule};
use super::settings::Settings;
use regent_types::identity::Identity;
use regent_types::labels::{
    CLASS, CLASS_BOOTSTRAP, CLASS_MATERIALIZED, HANDED_OVER, HANDED_OVER_TO, MANIFEST,
    MANIFEST_UID, PRODUCED_AT, SOURCE_COMMIT, SOURCE_FILE, SOURCE_REPO,
};

/// Dispositions as the mark spells them.
const MARKS: &str = "['delete', 'inert', 'ignore', 'become']";

pub(super) fn policy(settings: &Settings) -> AdmissionPolicy {
    let mut variables = marks::variables();
    variables.extend([
        ("oldBootstrap", format!("variables.oldClass == '{CLASS_BOOTSTRAP}'")),
        ("newBootstrap", format!("variables.newClass == '{CLASS_BOOTSTRAP}'")),
        ("oldMark", entry("oldNotes", HANDED_OVER)),
        ("newMark", entry("newNotes", HANDED_OVER)),
        ("newTo", entry("newNotes", HANDED_OVER_TO)),
        ("unchanged", UNCHANGED.to_owned()),
        ("byBootstrap", by_bootstrap()),
        ("byOrchestrator", by_orchestrator()),
        ("byMaterializer", by_materializer()),
    ]);
    AdmissionPolicy {
        name: BOOTSTRAP,
        group: "",
        version: "v1",
        resource: "secrets",
        operations: &["CREATE", "UPDATE", "DELETE"],
        label: Some((CLASS, CLASS_BOOTSTRAP)),
        conditions: vec![not_kubernetes(settings)],
        variables,
        rules: vec![
            Rule {
                name: "writer",
                expression:
                    "variables.unchanged || variables.byBootstrap || variables.byOrchestrator || \
                             variables.byMaterializer"
                        .into(),
                reason: "Forbidden",
                expected: "regent-bootstrap to make or end a bootstrap Secret, regent-orchestrator to mark it and then \
                           retire it as marked, regent-materializer to take over one marked become",
                action: "change the EncryptedManifest in Git, or after handover the value in the authority",
            },
            Rule {
                name: "traced",
                expression: format!(
                    "!variables.byBootstrap || variables.unchanged || request.operation == 'DELETE' || ({})",
                    traced()
                ),
                reason: "Invalid",
                expected: "a bootstrap Secret to carry manifest uid, repository, commit, file, time, and the \
                           manifest of its own namespace and name",
                action: "let regent-bootstrap produce it from an EncryptedManifest",
            },
        ],
        break_glass: BreakGlass::Allowed,
    }
}

fn by(identity: Identity) -> String {
    format!("request.userInfo.username == '{}'", identity.user_name())
}

/// Makes, changes or deletes one that nobody marked; a Secret of another class is never taken.
fn by_bootstrap() -> String {
    let deletes = "(request.operation == 'DELETE' && variables.oldBootstrap)";
    format!(
        "{} && ({deletes} || (variables.newBootstrap && (oldObject == null || variables.oldBootstrap))) && \
         variables.oldMark == '' && variables.newMark == '' && variables.newTo == ''",
        by(Identity::Bootstrap)
    )
}

/// S5.2-6, and S5.2-4: the manifest is that of the Secret's own namespace and name.
fn traced() -> String {
    let notes = [SOURCE_REPO, SOURCE_COMMIT, SOURCE_FILE, PRODUCED_AT];
    let mut all: Vec<String> =
        notes.iter().map(|key| format!("({}) != ''", entry("newNotes", key))).collect();
    all.push(format!("({}) != ''", entry("newLabels", MANIFEST_UID)));
    let manifest = entry("newNotes", MANIFEST);
    all.push(format!("({manifest}) == request.namespace + '/' + request.name"));
    all.join(" && ")
}

fn by_orchestrator() -> String {
    let stays = "request.operation == 'UPDATE' && variables.oldBootstrap && variables.newBootstrap && \
                 variables.sameOwners && variables.sameMarks";
    let marks = format!(
        "({stays} && variables.sameContent && variables.newMark in {MARKS} && \
         variables.newTo.startsWith(request.namespace + '/'))"
    );
    let (old, new) = (data("oldObject"), data("object"));
    let empties = format!(
        "({stays} && variables.oldMark == 'inert' && variables.sameHandover && {old}.all(k, k in {new}) && \
         {new}.all(k, k in {old} && ({new}[k] == null || {new}[k] == '')))"
    );
    let deletes = "(request.operation == 'DELETE' && variables.oldBootstrap && variables.oldMark == 'delete')";
    format!("{} && ({marks} || {empties} || {deletes})", by(Identity::Orchestrator))
}

/// `become`; what it must carry then, the policy on materialized Secrets says.
fn by_materializer() -> String {
    format!(
        "{} && request.operation == 'UPDATE' && variables.oldBootstrap && variables.newClass == \
         '{CLASS_MATERIALIZED}' && variables.oldMark == 'become' && variables.newMark == '' && variables.newTo == ''",
        by(Identity::Materializer)
    )
}
