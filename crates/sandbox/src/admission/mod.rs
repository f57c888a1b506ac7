//! ValidatingAdmissionPolicies, evaluated as the real API server does: after defaults and validation, before the
//! store, on what is about to be written.
//!
//! ```text
//! compile    a policy, its CEL parsed once a change         matching   which requests it is about
//! evaluate   conditions, variables, validations             authorizer `authorizer` in CEL, over the sandbox's RBAC
//! ```
//!
//! What it does not evaluate it refuses to take (`params`), and what cannot be evaluated refuses the request, as
//! `failurePolicy` says. Warnings are logged, not sent.

mod authorizer;
mod compile;
mod evaluate;
mod matching;

use std::sync::{Arc, PoisonError, RwLock};

use serde_json::Value;

use crate::api::Cx;
use crate::status::Failure;
use crate::store::Store;
use compile::Policy;
use matching::Request;

/// Their API group; its objects are never judged by a policy, so that a broken one can be repaired.
pub(crate) const GROUP: &str = "admissionregistration.k8s.io";
/// Groups that only answer questions.
const EXEMPT: [&str; 3] = [GROUP, "authentication.k8s.io", "authorization.k8s.io"];
const POLICIES: &str = "validatingadmissionpolicies.admissionregistration.k8s.io";
const BINDINGS: &str = "validatingadmissionpolicybindings.admissionregistration.k8s.io";

/// A policy and one binding of it: only together do they judge.
pub(crate) struct Bound {
    policy: Arc<Policy>,
    binding: String,
    /// Narrows what the policy matches; JSON null where it does not.
    narrowed: Value,
    actions: Vec<String>,
}

#[derive(Default)]
pub(crate) struct Policies(RwLock<Arc<Vec<Bound>>>);

impl Policies {
    /// Compiles what the store holds now; called after each change of a policy or binding.
    pub(crate) fn reload(&self, store: &Store) {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        // One that does not compile was refused when it was written.
        let policies: Vec<Arc<Policy>> = store
            .list(POLICIES, None)
            .0
            .iter()
            .filter_map(|p| Policy::compile(p).ok().map(Arc::new))
            .collect();
        let mut all = Vec::new();
        for binding in store.list(BINDINGS, None).0 {
            let spec = &binding["spec"];
            let wanted = text(&spec["policyName"]);
            let actions = spec["validationActions"].as_array().into_iter().flatten();
            let actions: Vec<String> = actions.map(text).collect();
            all.extend(policies.iter().filter(|p| p.name == wanted).map(|policy| Bound {
                policy: Arc::clone(policy),
                binding: text(&binding["metadata"]["name"]),
                narrowed: spec["matchResources"].clone(),
                actions: actions.clone(),
            }));
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(all);
    }

    fn current(&self) -> Arc<Vec<Bound>> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What is about to happen to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Create,
    Update,
    /// Dryness is in the options of a delete, not in the request's query.
    Delete {
        dry: bool,
    },
}

impl Operation {
    fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete { .. } => "DELETE",
        }
    }
}

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
    let request = Request::new(cx, operation, object, old);
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
            Err(denial) => bound.act(&request, denial)?,
        }
    }
    Ok(())
}

/// Why a policy says no.
pub(crate) struct Denial {
    reason: Option<String>,
    message: String,
}

impl Bound {
    fn act(&self, request: &Request<'_>, denial: Denial) -> Result<(), Failure> {
        let message = format!(
            "ValidatingAdmissionPolicy '{}' with binding '{}' denied request: {}",
            self.policy.name, self.binding, denial.message
        );
        if !self.actions.iter().any(|a| a == "Deny") {
            tracing::warn!(
                policy = self.policy.name,
                user = request.user.name,
                message,
                "admission"
            );
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
}

/// What the real API server refuses in a policy or binding itself.
pub(crate) fn check(kind: &str, object: &Value, name: &str) -> Result<(), Failure> {
    let causes: Vec<(String, String)> = match kind {
        "ValidatingAdmissionPolicy" => Policy::compile(object).err().unwrap_or_default(),
        "ValidatingAdmissionPolicyBinding" if object["spec"]["paramRef"].is_object() => {
            vec![("spec.paramRef".into(), compile::NO_PARAMS.into())]
        }
        _ => Vec::new(),
    };
    if causes.is_empty() { Ok(()) } else { Err(Failure::invalid(kind, name, &causes)) }
}
