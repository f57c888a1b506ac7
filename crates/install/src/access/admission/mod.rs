//! The write paths that the API server itself enforces (S5.5-3): one table of ValidatingAdmissionPolicies, from
//! which `config/admission.yaml` is generated and against which `regent verify` compares the live ones.
//!
//! ```text
//! materialized     only the materializer writes materialized Secrets
//! bootstrap        only bootstrap makes bootstrap Secrets; only the orchestrator marks and retires them
//! gitops           no Secret comes from Git
//! push_secrets     publications are explicit and stay in what their namespace owns
//! runtime_secrets  one RuntimeSecret keeps its bootstrap Secret, its way in and its path
//! workflow_runs    who a run says that caused it is who creates it
//! warden_config    only warden keeps the sealed shares and the authority's CA
//! definitions      regent's definitions and its namespace are deleted only where a person confirmed it
//! marks            CEL that the policies on Secrets share     policy   from a row to the API objects
//! settings         what differs from installation to installation     names   of objects and of break-glass
//! ```
//!
//! RBAC says who may write Secrets at all; these say which ones, to whoever RBAC lets through, namespace admins
//! included. **They guard** `data`, `type`, `immutable`, regent's own labels and annotations, and owners; other
//! metadata is everybody's. `stringData` is `data` by the time admission sees it.
//!
//! **Who passes all the same.** Kubernetes' own garbage collector and namespace controller ([`Settings::kubernetes`]),
//! and whoever holds the verb [`OVERRIDE_VERB`] on [`OVERRIDE_RESOURCE`] in group `regent.dev` (break-glass: the
//! audit log has `POLICY/`[`OUTSIDE`] on every request that needed it, refused or not). `cluster-admin` and `system:masters` hold every verb and so hold this one: an admin is refused
//! only where their role does not say `*`. Nobody who may write ValidatingAdmissionPolicies is bound by one.
//!
//! **What no policy can say**: that two objects differ. One RuntimeSecret per bootstrap Secret is decided by the
//! record (`BootstrapClaimed`, `PathClaimed`); the policies only keep a claim from changing afterwards. Nor is the
//! class of a store visible from a PushSecret: those that name a store of [`Settings::stores`] are judged, all
//! others are a neighbour's.

mod bootstrap;
mod definitions;
mod gitops;
mod marks;
mod materialized;
mod names;
mod policy;
mod push_secrets;
mod runtime_secrets;
mod settings;
mod warden_config;
mod workflow_runs;

use serde_json::Value;

pub use names::{
    API_VERSION, BINDING_KIND, BOOTSTRAP, DEFINITIONS, GITOPS, MATERIALIZED, OUTSIDE,
    OVERRIDE_RESOURCE, OVERRIDE_VERB, POLICY_KIND, PROBE_SECRET, PUSH_SECRETS, RUNTIME_SECRETS,
    SYSTEM, WARDEN_CONFIG, WORKFLOW_RUNS,
};
pub use policy::AdmissionPolicy;
pub use settings::Settings;

/// Every admission policy of an installation, each with its binding.
pub fn policies(settings: &Settings) -> Vec<AdmissionPolicy> {
    vec![
        materialized::policy(settings),
        bootstrap::policy(settings),
        gitops::policy(settings),
        push_secrets::policy(settings),
        runtime_secrets::policy(settings),
        workflow_runs::policy(),
        warden_config::policy(settings),
        definitions::definitions(),
        definitions::system(),
    ]
}

/// Every policy and its binding, as they are installed.
pub fn objects(settings: &Settings) -> Vec<Value> {
    policies(settings).iter().flat_map(|p| [p.object(), p.binding()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S5.5-3: a policy that cannot be evaluated refuses, and each one is bound to deny.
    #[test]
    fn every_policy_fails_closed_and_is_bound() {
        let all = objects(&Settings::default());
        let of = |kind: &str| all.iter().filter(|o| o["kind"] == kind).collect::<Vec<_>>();
        assert_eq!(of(POLICY_KIND).len(), of(BINDING_KIND).len());
        for policy in of(POLICY_KIND) {
            assert_eq!(policy["spec"]["failurePolicy"], "Fail");
            let name = &policy["metadata"]["name"];
            let bound = |b: &&&Value| b["spec"]["policyName"] == *name;
            let binding = of(BINDING_KIND).into_iter().find(|b| bound(&b)).unwrap();
            assert_eq!(binding["spec"]["validationActions"], serde_json::json!(["Deny"]));
        }
    }

    /// Names come from the settings alone, quoted so that none of them can end its string.
    #[test]
    fn settings_are_lists_of_cel_strings() {
        let settings = Settings { stores: vec!["a\"b'c".into()], ..Settings::default() };
        let text = serde_json::to_string(&objects(&settings)).unwrap();
        assert!(text.contains(r#"[\"a\\\"b'c\"]"#), "{text}");
    }

    /// A message is one line and says what to do.
    #[test]
    fn messages_are_single_lines() {
        for policy in objects(&Settings::default()) {
            for rule in policy["spec"]["validations"].as_array().into_iter().flatten() {
                let text = rule["messageExpression"].as_str().unwrap();
                assert!(!text.contains('\n') && text.contains("expected"), "{text}");
                // What it is made of stands in quotes of CEL.
                assert_eq!(text.matches('\'').count() % 2, 0, "{text}");
            }
        }
    }
}
