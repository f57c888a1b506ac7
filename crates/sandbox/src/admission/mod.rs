//! ValidatingAdmissionPolicies, evaluated as the real API server does: after defaults and validation, before the
//! store, on what is about to be written.
//!
//! ```text
//! compile    a policy, its CEL parsed once a change         matching   which requests it is about
//! evaluate   conditions, variables, validations             authorizer `authorizer` in CEL, over the sandbox's RBAC
//! policies   those in force, with their bindings
//! ```
//!
//! What it does not evaluate it refuses to take (`params`), and what cannot be evaluated refuses the request, as
//! `failurePolicy` says. Warnings are logged, not sent.

mod authorizer;
mod compile;
mod evaluate;
mod matching;
mod policies;

use serde_json::Value;

use crate::api::context::Cx;
use crate::kinds::ADMISSION;
use crate::status::Failure;
use compile::CompiledPolicy;
use evaluate::Denial;
use matching::AdmissionRequest;
use policies::Bound;

pub(crate) use matching::Operation;
pub(crate) use policies::Policies;

/// Groups that only answer questions, and that of the policies themselves: a broken one can be repaired.
const EXEMPT: [&str; 3] = [ADMISSION, "authentication.k8s.io", "authorization.k8s.io"];

/// Whether every policy in force lets `object` take the place of `old`. Holds no lock on the store: CEL may ask
/// RBAC, and objects may be large.
pub(crate) fn review(
    cx: &Cx<'_>,
    operation: Operation,
    object: Option<&Value>,
    old: Option<&Value>,
) -> Result<(), Failure> {
    let all = cx.state.policies.current();
    if all.is_empty() || EXEMPT.contains(&cx.kind.group.as_str()) {
        return Ok(());
    }
    let request = AdmissionRequest::new(cx, operation, object, old);
    let mut inputs = None;
    for bound in all.iter() {
        if !matching::matches(&bound.policy.constraints, &request)
            || !(bound.narrowed.is_null() || matching::matches(&bound.narrowed, &request))
        {
            continue;
        }
        let inputs = inputs.get_or_insert_with(|| evaluate::Inputs::new(cx, &request));
        match evaluate::judge(&bound.policy, inputs) {
            Ok(()) => {}
            Err(denial) => act(bound, &request, denial)?,
        }
    }
    Ok(())
}

/// What a binding does about a denial: it refuses, or only logs it.
fn act(bound: &Bound, request: &AdmissionRequest<'_>, denial: Denial) -> Result<(), Failure> {
    let message = format!(
        "ValidatingAdmissionPolicy '{}' with binding '{}' denied request: {}",
        bound.policy.name, bound.binding, denial.message
    );
    if !bound.actions.iter().any(|a| a == "Deny") {
        tracing::warn!(policy = bound.policy.name, user = request.user.name, message, "admission");
        return Ok(());
    }
    let (code, reason) = match denial.reason.as_deref() {
        Some("Unauthorized") => (401, "Unauthorized"),
        Some("Forbidden") => (403, "Forbidden"),
        Some("RequestEntityTooLarge") => (413, "RequestEntityTooLarge"),
        _ => (422, "Invalid"),
    };
    Err(Failure::denied(code, reason, &request.resource_name(), &request.name, &message))
}

/// What the real API server refuses in a policy or binding itself.
pub(crate) fn check(kind: &str, object: &Value, name: &str) -> Result<(), Failure> {
    let causes: Vec<(String, String)> = match kind {
        "ValidatingAdmissionPolicy" => CompiledPolicy::compile(object).err().unwrap_or_default(),
        "ValidatingAdmissionPolicyBinding" if object["spec"]["paramRef"].is_object() => {
            vec![("spec.paramRef".into(), compile::NO_PARAMS.into())]
        }
        _ => Vec::new(),
    };
    if causes.is_empty() { Ok(()) } else { Err(Failure::invalid(kind, name, &causes)) }
}
