//! What a RuntimeSecret claims does not change afterwards: its bootstrap Secret, its way in, its path. And its path
//! never lies in another namespace's tree, nor where only the publisher writes.

use super::materialized::not_kubernetes;
use super::names::RUNTIME_SECRETS;
use super::policy::{AdmissionPolicy, BreakGlass, Rule};
use super::settings::Settings;

pub(super) fn policy(settings: &Settings) -> AdmissionPolicy {
    AdmissionPolicy {
        name: RUNTIME_SECRETS,
        group: "regent.dev",
        version: "v1alpha1",
        resource: "runtimesecrets",
        operations: &["CREATE", "UPDATE"],
        label: None,
        conditions: vec![
            not_kubernetes(settings),
            ("declares-something-new", "oldObject == null || object.spec != oldObject.spec".into()),
        ],
        variables: vec![
            ("path", "has(object.spec.path) ? object.spec.path : ''".into()),
            ("handover", source("object")),
            ("before", format!("oldObject == null ? '' : ({})", source("oldObject"))),
        ],
        rules: vec![
            Rule {
                name: "lasting",
                expression: "oldObject == null || (variables.handover == variables.before && variables.path == \
                             (has(oldObject.spec.path) ? oldObject.spec.path : ''))"
                    .into(),
                reason: "Invalid",
                expected: "spec.path, the bootstrap Secret and the way a secret is introduced to stay as declared",
                action: "declare another RuntimeSecret",
            },
            Rule {
                name: "place",
                expression: "(!variables.path.startsWith('runtime/') || \
                             variables.path.startsWith('runtime/' + request.namespace + '/')) && \
                             (variables.handover == 'derived' || !variables.path.startsWith('platform-'))"
                    .into(),
                reason: "Forbidden",
                expected: "a path below runtime/ and the own namespace, a granted one, or for a derived secret the \
                           path of its PushSecret",
                action: "leave spec.path out",
            },
        ],
        break_glass: BreakGlass::Allowed,
    }
}

/// The way in, and for a handover from which Secret, as one text.
fn source(object: &str) -> String {
    let introduce = format!("{object}.spec.introduce");
    format!(
        "has({introduce}.handover) ? 'handover ' + {introduce}.handover.bootstrapSecret : \
         (has({introduce}.generate) ? 'generate' : (has({introduce}.adopt) ? 'adopt' : 'derived'))"
    )
}
