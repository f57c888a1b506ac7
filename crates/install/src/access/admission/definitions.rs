//! Nobody deletes by the way what takes other things with it: a definition of regent's takes every object of its
//! kind, and regent's own namespace the authority's volume and its sealed shares. `kubectl delete` of what
//! `regent install` printed would do both. A person who means it says so on the object first. The break-glass verb
//! does not stand in for that: whoever may delete a definition holds it, most often by `*`.

use super::names::{DEFINITIONS, SYSTEM};
use super::policy::{AdmissionPolicy, BreakGlass, Rule};
use regent_types::labels::{CONFIRM_DELETION, PART_OF, REGENT, SYSTEM_NAMESPACE};

/// Regent's own definitions, and those of External Secrets kinds that it placed. A neighbour's bear no such label.
pub(super) fn definitions() -> AdmissionPolicy {
    AdmissionPolicy {
        name: DEFINITIONS,
        group: "apiextensions.k8s.io",
        version: "v1",
        resource: "customresourcedefinitions",
        operations: &["DELETE"],
        label: Some((PART_OF, REGENT)),
        conditions: Vec::new(),
        variables: Vec::new(),
        rules: vec![confirmed(
            "a definition of regent to stay, because every object of its kind goes with it",
            "kubectl annotate customresourcedefinition {name} regent.dev/confirm-deletion=true, then delete it again",
        )],
        break_glass: BreakGlass::Never,
    }
}

/// Found by its name: Helm makes the namespace of a release without labels.
pub(super) fn system() -> AdmissionPolicy {
    let ours = format!("oldObject != null && oldObject.metadata.name == '{SYSTEM_NAMESPACE}'");
    AdmissionPolicy {
        name: SYSTEM,
        group: "",
        version: "v1",
        resource: "namespaces",
        operations: &["DELETE"],
        label: None,
        conditions: vec![("of-regent", ours)],
        variables: Vec::new(),
        rules: vec![confirmed(
            "the namespace of regent to stay, because the volume and the sealed shares of the authority go with it",
            "kubectl annotate namespace {name} regent.dev/confirm-deletion=true, then delete it again",
        )],
        break_glass: BreakGlass::Never,
    }
}

fn confirmed(expected: &'static str, action: &'static str) -> Rule {
    let notes = "oldObject.metadata.annotations";
    Rule {
        name: "confirmed",
        expression: format!(
            "oldObject != null && has({notes}) && '{CONFIRM_DELETION}' in {notes} && {notes}['{CONFIRM_DELETION}'] == \
             'true'"
        ),
        reason: "Forbidden",
        expected,
        action,
    }
}
