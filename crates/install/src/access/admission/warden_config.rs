//! What warden alone keeps in ConfigMaps of regent's own namespace: the sealed shares, without which an external
//! authority stays sealed for good, and the CA that clients trust it by. RBAC cannot except single names from what
//! intent may write everywhere, so that without this Git could replace either.

use super::materialized::not_kubernetes;
use super::names::WARDEN_CONFIG;
use super::policy::{AdmissionPolicy, BreakGlass, Rule, list};
use super::settings::Settings;
use regent_types::identity::Identity;
use regent_types::labels::{AUTHORITY_CA_BUNDLE, RECOVERED_BY, SEALED_SHARES, SYSTEM_NAMESPACE};

pub(super) fn policy(settings: &Settings) -> AdmissionPolicy {
    let names = list(&[AUTHORITY_CA_BUNDLE.to_owned(), SEALED_SHARES.to_owned()]);
    // By the object, not the request: one that is deleted among a collection has no name in its request.
    let named = |object: &str| format!("({object} != null && {object}.metadata.name in {names})");
    let ours = format!(
        "request.namespace == '{SYSTEM_NAMESPACE}' && ({} || {})",
        named("object"),
        named("oldObject")
    );
    let same = |of: &dyn Fn(&str) -> String| format!("{} == {}", of("object"), of("oldObject"));
    let data = same(&|o| format!("(has({o}.data) ? {o}.data : {{}})"));
    let binary = same(&|o| format!("(has({o}.binaryData) ? {o}.binaryData : {{}})"));
    let immutable = same(&|o| format!("(has({o}.immutable) && {o}.immutable)"));
    // Warden writes it to the ledger.
    let note = same(&|o| {
        let notes = format!("{o}.metadata.annotations");
        format!("(has({notes}) && '{RECOVERED_BY}' in {notes} ? {notes}['{RECOVERED_BY}'] : '')")
    });
    let unchanged = format!(
        "object != null && oldObject != null && {data} && {binary} && {immutable} && {note}"
    );
    AdmissionPolicy {
        name: WARDEN_CONFIG,
        group: "",
        version: "v1",
        resource: "configmaps",
        operations: &["CREATE", "UPDATE", "DELETE"],
        label: None,
        conditions: vec![not_kubernetes(settings), ("kept-by-warden", ours)],
        variables: vec![("unchanged", unchanged)],
        rules: vec![Rule {
            name: "writer",
            expression: format!(
                "variables.unchanged || request.userInfo.username == '{}'",
                Identity::Warden.user_name()
            ),
            reason: "Forbidden",
            expected: "regent-warden to keep the sealed shares and the CA of the authority",
            action: "take it out of Git; to recover an authority run regent authority recover as somebody who holds \
                     the break-glass verb",
        }],
        break_glass: BreakGlass::Allowed,
    }
}
