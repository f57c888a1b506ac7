//! What each identity may do on the API server (DESIGN.md §2): the table, and the RBAC objects made from it.
//!
//! Three scopes: the whole cluster (never Secrets), regent's own namespace, and the namespaces that the
//! installation names, where access to Secrets is granted by RoleBindings.

use serde_json::{Value, json};

use self::Scope::{Cluster, Named, System};
use super::admission::PROBE_SECRET;
use regent_types::identity::Identity;
use regent_types::labels;

/// Where a rule holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Everywhere: ClusterRole and ClusterRoleBinding.
    Cluster,
    /// In `regent-system`: Role and RoleBinding.
    System,
    /// In each namespace that the installation names: ClusterRole and one RoleBinding a namespace.
    Named,
}

/// One RBAC rule of the access table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Whether it holds in the cluster or in namespaces, and in which.
    pub scope: Scope,
    /// API group; empty for core.
    pub group: &'static str,
    /// Plural names of resources; subresources as `resource/subresource`.
    pub resources: &'static [&'static str],
    /// Names it is limited to; empty for any.
    pub names: &'static [&'static str],
    /// Verbs that it allows, such as `get`.
    pub verbs: &'static [&'static str],
    /// Paths that are no resources; group, resources and names are empty then.
    pub urls: &'static [&'static str],
}

const fn rule(
    scope: Scope,
    group: &'static str,
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
) -> Rule {
    Rule { scope, group, resources, names: &[], verbs, urls: &[] }
}

const fn named(
    resources: &'static [&'static str],
    names: &'static [&'static str],
    verbs: &'static [&'static str],
) -> Rule {
    Rule { scope: Scope::System, group: "", resources, names, verbs, urls: &[] }
}

const REGENT: &str = "regent.dev";
const ESO: &str = "external-secrets.io";
const LOOK: &[&str] = &["get", "list", "watch"];
/// For a cache: nothing is asked for by its name.
const FOLLOW: &[&str] = &["list", "watch"];
/// From Git, and watched by their label so that what is changed outside Git is found without reading it.
const APPLY: &[&str] = &["get", "list", "watch", "create", "patch", "delete"];
/// The same of what is never removed.
const APPLY_KEPT: &[&str] = &["get", "list", "watch", "create", "patch"];
/// Replaced as a whole, under the version that was read with the object.
const STATUS: &[&str] = &["update"];
/// One field among others' fields.
const STATUS_FIELD: &[&str] = &["patch"];
/// What acts or is asked while something is written: regent's own policies, and others beside them.
const ADMISSION: &[&str] = &[
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
    "mutatingadmissionpolicies",
    "mutatingwebhookconfigurations",
    "validatingwebhookconfigurations",
];
/// By which keys and under which name the API server signs tokens. Kubernetes shows that to every account by default
/// (`system:service-account-issuer-discovery`); warden does not depend on a default that may be taken away.
const ISSUER: Rule = Rule {
    scope: Scope::Cluster,
    group: "",
    resources: &[],
    names: &[],
    verbs: &["get"],
    urls: &["/.well-known/openid-configuration", "/openid/v1/jwks"],
};
const EVENTS: Rule = rule(Scope::Cluster, "events.k8s.io", &["events"], &["create", "patch"]);
/// To try, dry, whether admission refuses what it must. A name limits `create` only for server-side apply, which
/// is how it is tried.
const PROBE: Rule = named(&["secrets"], &[PROBE_SECRET], &["create", "patch"]);

/// Whether an ExternalSecret that is gone was deleted, or went with the definition of its kind.
const DEFINITION: Rule = Rule {
    names: &["externalsecrets.external-secrets.io"],
    ..rule(Scope::Cluster, "apiextensions.k8s.io", &["customresourcedefinitions"], &["get"])
};

/// The rules of `identity`.
pub fn rules(identity: Identity) -> Vec<Rule> {
    own_rules(identity).into_iter().chain(lease_rules(identity)).collect()
}

/// Leader election among replicas: the component's own Lease, and no other (names cannot limit `create`).
fn lease_rules(identity: Identity) -> Vec<Rule> {
    let names: &'static [&'static str] = match identity {
        Identity::Intent => &["regent-intent"],
        Identity::Bootstrap => &["regent-bootstrap"],
        Identity::Warden => &["regent-warden"],
        Identity::Orchestrator => &["regent-orchestrator"],
        Identity::Triggers => &["regent-triggers"],
        Identity::Materializer => &["regent-materializer"],
        Identity::Publisher => &["regent-publisher"],
        Identity::Authority | Identity::Reader => return Vec::new(),
    };
    let lease = |names: &'static [&'static str], verbs: &'static [&'static str]| Rule {
        names,
        ..rule(Scope::System, "coordination.k8s.io", &["leases"], verbs)
    };
    vec![lease(&[], &["create"]), lease(names, &["get", "list", "watch", "update"])]
}

fn own_rules(identity: Identity) -> Vec<Rule> {
    match identity {
        Identity::Intent => intent(),
        Identity::Bootstrap => bootstrap(),
        Identity::Warden => warden(),
        Identity::Orchestrator => orchestrator(),
        Identity::Triggers => triggers(),
        Identity::Authority => authority(),
        Identity::Materializer => materializer(),
        Identity::Publisher => publisher(),
        Identity::Reader => reader(),
    }
}

fn intent() -> Vec<Rule> {
    vec![
        rule(Cluster, REGENT, &["encryptedmanifests", "runtimesecrets"], APPLY),
        rule(Cluster, REGENT, &["workflows", "eventtriggers"], APPLY),
        rule(Cluster, REGENT, &["runtimeauthorities"], APPLY_KEPT),
        rule(Cluster, ESO, &["externalsecrets", "pushsecrets"], APPLY),
        rule(Cluster, ESO, &["secretstores", "clustersecretstores"], APPLY),
        rule(Cluster, "", &["configmaps"], APPLY),
        rule(Cluster, "", &["namespaces"], APPLY_KEPT),
        rule(System, REGENT, &["gitsources"], APPLY_KEPT),
        rule(System, REGENT, &["gitsources/status"], STATUS),
        named(&["secrets"], &["regent-git-credentials"], &["get"]),
        EVENTS,
    ]
}

fn bootstrap() -> Vec<Rule> {
    vec![
        rule(Cluster, REGENT, &["encryptedmanifests"], LOOK),
        // Whether a manifest that is gone was deleted, or went with the definition of its kind.
        Rule { names: &["encryptedmanifests.regent.dev"], ..DEFINITION },
        rule(Cluster, REGENT, &["runtimesecrets"], LOOK),
        rule(Cluster, REGENT, &["encryptedmanifests/status"], STATUS),
        named(
            &["secrets"],
            &[labels::MANIFEST_IDENTITY_SECRET, labels::BOOTSTRAP_HMAC_SECRET],
            &["get"],
        ),
        rule(System, "", &["secrets"], &["create"]),
        rule(Named, "", &["secrets"], &["get", "create", "update", "delete"]),
        // Who applied a manifest where intent did not, for its revision (S5.2-6).
        rule(Cluster, "kustomize.toolkit.fluxcd.io", &["kustomizations"], &["get"]),
        rule(Cluster, "source.toolkit.fluxcd.io", &["gitrepositories"], &["get"]),
        rule(Cluster, "argoproj.io", &["applications"], &["get"]),
        PROBE,
        EVENTS,
    ]
}

fn warden() -> Vec<Rule> {
    vec![
        rule(Cluster, REGENT, &["runtimeauthorities"], LOOK),
        rule(Cluster, REGENT, &["runtimeauthorities/status"], STATUS_FIELD),
        rule(Cluster, ESO, &["externalsecrets", "pushsecrets"], FOLLOW),
        named(&["secrets"], &[labels::UNSEAL_IDENTITY_SECRET], &["get"]),
        rule(System, "", &["secrets", "configmaps"], &["create"]),
        named(&["configmaps"], &[labels::SEALED_SHARES], &["get", "update"]),
        named(
            &["secrets"],
            &[labels::AUTHORITY_CA_SECRET, labels::AUTHORITY_TLS_SECRET],
            &["get", "watch", "update"],
        ),
        named(&["configmaps"], &[labels::AUTHORITY_CA_BUNDLE], &["get", "watch", "update"]),
        ISSUER,
    ]
}

fn orchestrator() -> Vec<Rule> {
    vec![
        rule(Cluster, REGENT, &["runtimesecrets"], LOOK),
        rule(Cluster, REGENT, &["workflows"], &["get"]),
        rule(Cluster, REGENT, &["runtimeauthorities"], FOLLOW),
        // Metadata alone is watched: one that changes says that its bootstrap Secret may be there. One is read for bootstrap's
        // word on a Secret that holds another value than the one that was handed over.
        rule(Cluster, REGENT, &["encryptedmanifests"], LOOK),
        rule(Cluster, REGENT, &["workflowruns"], &["get", "list", "watch", "create"]),
        rule(Cluster, REGENT, &["runtimesecrets/status", "workflowruns/status"], STATUS),
        rule(Cluster, REGENT, &["runtimeauthorities/status"], STATUS_FIELD),
        rule(Cluster, ESO, &["externalsecrets", "pushsecrets"], FOLLOW),
        rule(Named, "", &["secrets"], &["get", "patch", "delete"]),
        PROBE,
        EVENTS,
    ]
}

fn triggers() -> Vec<Rule> {
    vec![
        rule(Cluster, REGENT, &["eventtriggers", "runtimesecrets", "workflows"], FOLLOW),
        rule(Cluster, REGENT, &["eventtriggers/status"], STATUS),
        rule(Cluster, REGENT, &["workflowruns"], &["list", "watch", "create"]),
    ]
}

fn authority() -> Vec<Rule> {
    vec![rule(Cluster, "authentication.k8s.io", &["tokenreviews"], &["create"])]
}

fn materializer() -> Vec<Rule> {
    vec![
        rule(Cluster, ESO, &["externalsecrets"], LOOK),
        rule(Cluster, ESO, &["pushsecrets", "secretstores", "clustersecretstores"], FOLLOW),
        rule(Cluster, ESO, &["externalsecrets/status"], STATUS),
        rule(Cluster, ESO, &["secretstores/status", "clustersecretstores/status"], STATUS),
        rule(Cluster, REGENT, &["runtimesecrets", "runtimeauthorities"], FOLLOW),
        // Who owns a datasource may say who consumes its paths; store conditions name namespaces.
        rule(Cluster, "", &["namespaces"], FOLLOW),
        rule(Named, "", &["secrets"], &["get", "list", "watch", "create", "update", "delete"]),
        DEFINITION,
        EVENTS,
        PROBE,
    ]
}

fn publisher() -> Vec<Rule> {
    vec![
        rule(Cluster, ESO, &["pushsecrets"], LOOK),
        rule(Cluster, ESO, &["clustersecretstores"], FOLLOW),
        // Its finalizer, while what it published is to be taken away before it goes.
        rule(Cluster, ESO, &["pushsecrets"], &["patch"]),
        rule(Cluster, ESO, &["pushsecrets/status"], STATUS),
        EVENTS,
        rule(Cluster, "", &["namespaces"], FOLLOW),
        rule(Cluster, REGENT, &["runtimeauthorities"], FOLLOW),
        rule(Cluster, REGENT, &["runtimeauthorities/status"], STATUS_FIELD),
        rule(Named, "", &["secrets"], &["get", "watch"]),
    ]
}

fn reader() -> Vec<Rule> {
    vec![
        rule(Cluster, REGENT, &["*"], LOOK),
        rule(Cluster, ESO, &["*"], LOOK),
        rule(Cluster, "rbac.authorization.k8s.io", &["*"], LOOK),
        rule(Cluster, "admissionregistration.k8s.io", ADMISSION, LOOK),
        rule(Cluster, "", &["namespaces"], LOOK),
        rule(Cluster, "events.k8s.io", &["events"], LOOK),
        // To reach the authority: which CA it is to be trusted by.
        named(&["configmaps"], &[labels::AUTHORITY_CA_BUNDLE], &["get"]),
    ]
}

/// ServiceAccounts, Roles and bindings of every identity, for an installation that names `namespaces`.
pub fn objects(namespaces: &[String]) -> Vec<Value> {
    Identity::ALL.into_iter().flat_map(|identity| objects_of(identity, namespaces)).collect()
}

/// ServiceAccount, Roles and bindings of one identity.
pub fn objects_of(identity: Identity, namespaces: &[String]) -> Vec<Value> {
    let account = identity.account();
    let mut all = vec![json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": meta(&account, Some(labels::SYSTEM_NAMESPACE)),
    })];
    for scope in [Scope::Cluster, Scope::System, Scope::Named] {
        let rules: Vec<Value> =
            rules(identity).iter().filter(|r| r.scope == scope).map(policy_rule).collect();
        if !rules.is_empty() {
            all.extend(bind(&account, scope, &rules, namespaces));
        }
    }
    all
}

fn bind(account: &str, scope: Scope, rules: &[Value], namespaces: &[String]) -> Vec<Value> {
    let (kind, name, home) = match scope {
        Scope::Cluster => ("ClusterRole", account.to_owned(), None),
        Scope::System => ("Role", account.to_owned(), Some(labels::SYSTEM_NAMESPACE)),
        Scope::Named => ("ClusterRole", format!("{account}-secrets"), None),
    };
    let binding = |namespace: Option<&str>| {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": if namespace.is_some() { "RoleBinding" } else { "ClusterRoleBinding" },
            "metadata": meta(&name, namespace),
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name },
            "subjects": [{
                "kind": "ServiceAccount", "name": account, "namespace": labels::SYSTEM_NAMESPACE,
            }],
        })
    };
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind,
        "metadata": meta(&name, home), "rules": rules,
    });
    let bindings = match scope {
        Scope::Cluster => vec![binding(None)],
        Scope::System => vec![binding(home)],
        Scope::Named => namespaces.iter().map(|n| binding(Some(n))).collect(),
    };
    std::iter::once(role).chain(bindings).collect()
}

fn policy_rule(rule: &Rule) -> Value {
    if !rule.urls.is_empty() {
        return json!({ "nonResourceURLs": rule.urls, "verbs": rule.verbs });
    }
    let mut value = json!({
        "apiGroups": [rule.group], "resources": rule.resources, "verbs": rule.verbs,
    });
    if !rule.names.is_empty() {
        value["resourceNames"] = json!(rule.names);
    }
    value
}

fn meta(name: &str, namespace: Option<&str>) -> Value {
    let mut value = json!({ "name": name, "labels": { "app.kubernetes.io/part-of": "regent" } });
    if let Some(namespace) = namespace {
        value["namespace"] = json!(namespace);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    /// C7-1: nobody but the materializer lists or watches Secrets at large, and nobody does cluster-wide.
    #[test]
    fn secrets_are_never_granted_cluster_wide() {
        for identity in Identity::ALL {
            for rule in rules(identity).iter().filter(|r| r.group.is_empty()) {
                let secrets = rule.resources.iter().any(|r| *r == "secrets" || *r == "*");
                assert!(!(secrets && rule.scope == Scope::Cluster), "{identity:?}");
                if secrets && rule.verbs.contains(&"list") {
                    assert_eq!(identity, Identity::Materializer);
                }
            }
        }
    }

    /// C7-1: each component leads under its own Lease.
    #[test]
    fn a_component_touches_no_other_lease() {
        for identity in Identity::ALL {
            for rule in rules(identity).iter().filter(|r| r.resources == ["leases"]) {
                assert_eq!(rule.scope, Scope::System);
                assert!(rule.names == [identity.account()] || rule.verbs == ["create"]);
            }
        }
    }

    /// C4-1: intent writes neither Secrets nor RBAC nor workloads.
    #[test]
    fn intent_cannot_write_secrets() {
        let reads_only = |r: &Rule| r.verbs.iter().all(|v| *v == "get");
        for rule in rules(Identity::Intent) {
            assert!(!rule.resources.contains(&"secrets") || reads_only(&rule));
            assert!(!rule.group.starts_with("rbac") && rule.group != "apps");
        }
    }

    #[test]
    fn each_named_namespace_gets_its_bindings() {
        let all = objects(&["payments".into(), "data".into()]);
        let bindings = all
            .iter()
            .filter(|o| o["kind"] == "RoleBinding" && o["metadata"]["namespace"] == "payments");
        assert_eq!(bindings.count(), 4);
    }
}
