//! The RBAC table as cells, and which of them a request needs. Pure.

use std::fmt;

use regent_install::access::admission::PROBE_SECRET;
use regent_install::access::rbac;
use regent_install::access::rbac::Scope;
use regent_types::identity::Identity;
use regent_types::labels::SYSTEM_NAMESPACE;

/// One verb on one resource, under one name if names limit it, in one scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cell {
    pub(super) identity: Identity,
    scope: Scope,
    group: &'static str,
    resource: &'static str,
    name: Option<&'static str>,
    verb: &'static str,
}

/// A request that was let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ask<'a> {
    pub(super) identity: Identity,
    pub(super) verb: &'a str,
    pub(super) group: &'a str,
    /// Its plural, or a path that is none.
    pub(super) resource: &'a str,
    pub(super) subresource: &'a str,
    pub(super) namespace: &'a str,
    /// Empty where the request named none.
    pub(super) name: &'a str,
    /// The answer was `201 Created`.
    pub(super) created: bool,
}

impl Ask<'_> {
    /// What has to be granted for it, but for a name.
    pub(super) fn right(&self) -> String {
        let Self { identity, verb, group, resource, subresource, namespace, .. } = self;
        format!("{identity:?} {verb} {group}/{resource}/{subresource} in {namespace:?}")
    }
}

/// Every cell of every rule of `identity`.
pub(super) fn all(identity: Identity) -> Vec<Cell> {
    let mut all = Vec::new();
    for rule in rbac::rules(identity) {
        let names: Vec<Option<&'static str>> = match rule.names {
            [] => vec![None],
            names => names.iter().copied().map(Some).collect(),
        };
        // A path that is no resource stands where a resource does.
        for resource in rule.resources.iter().chain(rule.urls) {
            for name in &names {
                all.extend(rule.verbs.iter().map(|verb| Cell {
                    identity,
                    scope: rule.scope,
                    group: rule.group,
                    resource,
                    name: *name,
                    verb,
                }));
            }
        }
    }
    all
}

/// The cells that let `ask` through.
pub(super) fn needed(ask: &Ask<'_>) -> Vec<Cell> {
    all(ask.identity).into_iter().filter(|cell| cell.lets(ask)).collect()
}

/// Whether the table grants `ask` wherever it is installed. Which namespaces are named it does not say.
pub(super) fn always_within(ask: &Ask<'_>) -> bool {
    needed(ask).iter().any(|cell| cell.scope != Scope::Named)
}

impl Cell {
    fn lets(&self, ask: &Ask<'_>) -> bool {
        self.group == ask.group
            && self.is_of(ask)
            && self.reaches(ask.namespace)
            && (self.verb == ask.verb && self.named(ask)
                || self.verb == "create" && self.by_apply(ask))
    }

    fn is_of(&self, ask: &Ask<'_>) -> bool {
        if self.resource.starts_with('/') {
            return self.resource == ask.resource;
        }
        let (resource, subresource) = self.resource.split_once('/').unwrap_or((self.resource, ""));
        (resource == "*" || resource == ask.resource) && subresource == ask.subresource
    }

    fn reaches(&self, namespace: &str) -> bool {
        match self.scope {
            Scope::Cluster => true,
            Scope::System => namespace == SYSTEM_NAMESPACE,
            Scope::Named => !namespace.is_empty() && namespace != SYSTEM_NAMESPACE,
        }
    }

    /// A name limits every verb but a plain create, whose name RBAC never sees.
    fn named(&self, ask: &Ask<'_>) -> bool {
        self.name.is_none_or(|name| name == ask.name && ask.verb != "create")
    }

    /// An apply that creates is shown as `patch` alone, and `create` was asked too, with the name. Nothing ever exists
    /// under the probe's name: every apply of it is a create, and refused by admission.
    fn by_apply(&self, ask: &Ask<'_>) -> bool {
        ask.verb == "patch"
            && (ask.created || ask.name == PROBE_SECRET)
            && self.name.is_none_or(|name| name == ask.name)
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { identity, scope, group, resource, name, verb } = self;
        let scope = match scope {
            Scope::Cluster => "in the cluster",
            Scope::System => "in regent-system",
            Scope::Named => "in named namespaces",
        };
        let dot = if group.is_empty() { "" } else { "." };
        let name = name.map(|n| format!(" {n}")).unwrap_or_default();
        write!(f, "{} {verb} {resource}{dot}{group}{name} {scope}", identity.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASK: Ask<'static> = Ask {
        identity: Identity::Bootstrap,
        verb: "get",
        group: "",
        resource: "secrets",
        subresource: "",
        namespace: SYSTEM_NAMESPACE,
        name: "",
        created: false,
    };

    fn shown(ask: Ask<'_>) -> Vec<String> {
        needed(&ask).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_name_limits_get_but_no_plain_create() {
        assert_eq!(
            shown(Ask { name: "regent-manifest-identity", ..ASK }),
            ["bootstrap get secrets regent-manifest-identity in regent-system"]
        );
        assert!(shown(Ask { name: "another", ..ASK }).is_empty());
        assert_eq!(
            shown(Ask { verb: "create", name: PROBE_SECRET, ..ASK }),
            ["bootstrap create secrets in regent-system"]
        );
    }

    #[test]
    fn a_scope_reaches_no_other_namespace() {
        let there = Ask { verb: "update", namespace: "payments", name: "db", ..ASK };
        assert_eq!(shown(there), ["bootstrap update secrets in named namespaces"]);
        assert!(shown(Ask { namespace: SYSTEM_NAMESPACE, ..there }).is_empty());
    }

    #[test]
    fn an_apply_that_creates_needs_both_verbs() {
        let apply = Ask {
            identity: Identity::Intent,
            verb: "patch",
            group: "regent.dev",
            resource: "workflows",
            namespace: "payments",
            name: "rotate",
            ..ASK
        };
        assert_eq!(shown(apply), ["intent patch workflows.regent.dev in the cluster"]);
        assert_eq!(shown(Ask { created: true, ..apply }).len(), 2);
        let probe = Ask { verb: "patch", name: PROBE_SECRET, ..ASK };
        // A plain create of Secrets is there beside the probe's own.
        assert_eq!(shown(probe).len(), 3);
    }

    #[test]
    fn a_path_that_is_no_resource_is_granted_as_it_is() {
        let warden = Ask { identity: Identity::Warden, namespace: "", ..ASK };
        assert_eq!(
            shown(Ask { resource: "/openid/v1/jwks", ..warden }),
            ["warden get /openid/v1/jwks in the cluster"]
        );
        assert!(shown(Ask { resource: "/metrics", ..warden }).is_empty());
    }

    #[test]
    fn a_subresource_is_another_resource() {
        let status = Ask {
            identity: Identity::Warden,
            verb: "patch",
            group: "regent.dev",
            resource: "runtimeauthorities",
            subresource: "status",
            namespace: "",
            name: "regent",
            ..ASK
        };
        assert_eq!(
            shown(status),
            ["warden patch runtimeauthorities/status.regent.dev in the cluster"]
        );
    }
}
