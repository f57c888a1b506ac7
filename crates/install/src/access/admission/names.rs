//! What the objects, the verb of break-glass and the Secret of the dry run are called.

/// Group, version and kinds of the objects.
pub const API_VERSION: &str = "admissionregistration.k8s.io/v1";
/// Kind of a policy.
pub const POLICY_KIND: &str = "ValidatingAdmissionPolicy";
/// Kind of a binding.
pub const BINDING_KIND: &str = "ValidatingAdmissionPolicyBinding";
/// Policy on materialized Secrets.
pub const MATERIALIZED: &str = "regent-materialized-secrets";
/// Policy on bootstrap Secrets.
pub const BOOTSTRAP: &str = "regent-bootstrap-secrets";
/// Policy on what GitOps controllers write.
pub const GITOPS: &str = "regent-no-secret-from-git";
/// Policy on PushSecrets: who may make them, and what they may name.
pub const PUSH_SECRETS: &str = "regent-push-secrets";
/// Policy on RuntimeSecrets: what may be declared and changed.
pub const RUNTIME_SECRETS: &str = "regent-runtime-secrets";
/// Policy on WorkflowRuns: whom they name as their cause.
pub const WORKFLOW_RUNS: &str = "regent-workflow-runs";
/// Policy on the ConfigMaps that warden keeps.
pub const WARDEN_CONFIG: &str = "regent-warden-config";
/// Policy on the deletion of definitions.
pub const DEFINITIONS: &str = "regent-definitions";
/// Policy on the deletion of regent's own namespace.
pub const SYSTEM: &str = "regent-system-namespace";
/// RBAC verb of break-glass.
pub const OVERRIDE_VERB: &str = "override";
/// Virtual resource of group `regent.dev` that the verb is about.
pub const OVERRIDE_RESOURCE: &str = "writepaths";
/// Key of the audit annotation on what only break-glass lets through.
pub const OUTSIDE: &str = "outside-write-paths";
/// Secret in regent's own namespace that components try to make, dry, to see that a policy is in force. It never
/// exists.
pub const PROBE_SECRET: &str = "regent-admission-probe";
