//! The policies in force: each with a binding, compiled once a change.

use std::sync::{Arc, PoisonError, RwLock};

use serde_json::Value;

use super::compile::CompiledPolicy;
use crate::store::Store;

const POLICIES: &str = "validatingadmissionpolicies.admissionregistration.k8s.io";
const BINDINGS: &str = "validatingadmissionpolicybindings.admissionregistration.k8s.io";

/// A policy and one binding of it: only together do they judge.
pub(crate) struct Bound {
    pub(super) policy: Arc<CompiledPolicy>,
    pub(super) binding: String,
    /// Narrows what the policy matches; JSON null where it does not.
    pub(super) narrowed: Value,
    pub(super) actions: Vec<String>,
}

#[derive(Default)]
pub(crate) struct Policies(RwLock<Arc<Vec<Bound>>>);

impl Policies {
    /// Compiles what the store holds now; called after each change of a policy or binding.
    pub(crate) fn reload(&self, store: &Store) {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        // One that does not compile was refused when it was written.
        let policies: Vec<Arc<CompiledPolicy>> = store
            .list(POLICIES, None)
            .0
            .iter()
            .filter_map(|p| CompiledPolicy::compile(p).ok().map(Arc::new))
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

    pub(super) fn current(&self) -> Arc<Vec<Bound>> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}
