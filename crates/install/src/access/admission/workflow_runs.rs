//! Who a run says that caused it is who creates it. The ledger names that, so it is no free text: triggers and the
//! orchestrator say for whom they create one, everybody else says their own name.

use super::names::WORKFLOW_RUNS;
use super::policy::{AdmissionPolicy, BreakGlass, Rule, list};
use regent_types::identity::Identity;

pub(super) fn policy() -> AdmissionPolicy {
    let components = [Identity::Orchestrator, Identity::Triggers].map(Identity::user_name);
    AdmissionPolicy {
        name: WORKFLOW_RUNS,
        group: "regent.dev",
        version: "v1alpha1",
        resource: "workflowruns",
        operations: &["CREATE", "UPDATE"],
        label: None,
        conditions: vec![
            ("no-component", format!("!(request.userInfo.username in {})", list(&components))),
            ("declares-something-new", "oldObject == null || object.spec != oldObject.spec".into()),
        ],
        variables: Vec::new(),
        rules: vec![
            Rule {
                name: "person",
                expression: "oldObject != null || object.spec.cause.by == request.userInfo.username".into(),
                reason: "Forbidden",
                expected: "spec.cause.by to be the user name of whoever creates the run",
                action: "put your own user name there, as kubectl auth whoami tells it",
            },
            Rule {
                name: "own",
                expression: "oldObject != null || object.spec.cause.kind in ['manual', 'compromise'] && \
                             !has(object.spec.cause.slot)"
                    .into(),
                reason: "Forbidden",
                expected: "spec.cause.kind manual or compromise, and no slot, which only a trigger has",
                action: "say manual or compromise, and leave spec.cause.slot out",
            },
            Rule {
                name: "control",
                expression: "!has(object.spec.control) || object.spec.control.by == request.userInfo.username".into(),
                reason: "Forbidden",
                expected: "spec.control.by to be the user name of whoever writes it",
                action: "put your own user name there, as kubectl auth whoami tells it",
            },
        ],
        // Whoever holds every verb has a name as well.
        break_glass: BreakGlass::Never,
    }
}
