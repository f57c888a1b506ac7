//! The kinds that intent may write under its own identity (DESIGN.md §2): one list, no discovery.

use kube::core::{ApiResource, GroupVersionKind};
use regent_types::labels::SYSTEM_NAMESPACE;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// API group; empty for core.
    pub(super) group: &'static str,
    pub(super) version: &'static str,
    pub(super) kind: &'static str,
    /// Plural, as in the API path.
    pub(super) plural: &'static str,
    /// Whether objects have a namespace.
    pub(super) namespaced: bool,
    /// Whether objects that left the repository are removed. Namespaces and the authority never
    /// are.
    pub(super) pruned: bool,
}

const REGENT: &str = "regent.dev";
const ESO: &str = "external-secrets.io";

const fn kind(
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
) -> Kind {
    Kind { group, version, kind, plural, namespaced: true, pruned: true }
}

const fn cluster(kind: Kind, pruned: bool) -> Kind {
    Kind { namespaced: false, pruned, ..kind }
}

/// In the order they are applied; Namespaces are all applied before anything else begins.
pub(super) const KINDS: &[Kind] = &[
    cluster(kind("", "v1", "Namespace", "namespaces"), false),
    cluster(kind(REGENT, "v1alpha1", "RuntimeAuthority", "runtimeauthorities"), false),
    Kind { pruned: false, ..kind(REGENT, "v1alpha1", "GitSource", "gitsources") },
    kind(REGENT, "v1alpha1", "EncryptedManifest", "encryptedmanifests"),
    cluster(kind(ESO, "v1", "ClusterSecretStore", "clustersecretstores"), true),
    kind(ESO, "v1", "SecretStore", "secretstores"),
    kind(REGENT, "v1alpha1", "RuntimeSecret", "runtimesecrets"),
    kind(REGENT, "v1alpha1", "Workflow", "workflows"),
    kind(REGENT, "v1alpha1", "EventTrigger", "eventtriggers"),
    kind(ESO, "v1", "ExternalSecret", "externalsecrets"),
    kind(ESO, "v1alpha1", "PushSecret", "pushsecrets"),
    kind("", "v1", "ConfigMap", "configmaps"),
];

impl Kind {
    /// The kind that `api_version` and `kind` name, if intent may write it.
    pub(super) fn find(api_version: &str, kind: &str) -> Option<&'static Self> {
        KINDS.iter().find(|k| k.kind == kind && k.api_version() == api_version)
    }

    pub(super) fn api_version(&self) -> String {
        match self.group {
            "" => self.version.to_owned(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// For kube's dynamic objects.
    pub(super) fn resource(&self) -> ApiResource {
        let gvk = GroupVersionKind::gvk(self.group, self.version, self.kind);
        ApiResource::from_gvk_with_plural(&gvk, self.plural)
    }

    pub(super) fn order(&self) -> usize {
        KINDS.iter().position(|k| k == self).unwrap_or(KINDS.len())
    }

    /// Whether intent may write this kind in `namespace`: regent's own holds nothing from Git but
    /// sources.
    pub(super) fn allowed_in(&self, namespace: &str) -> bool {
        if self.kind == "GitSource" {
            return namespace == SYSTEM_NAMESPACE;
        }
        !self.namespaced || namespace != SYSTEM_NAMESPACE
    }
}

/// Files of tools that read the same repository, by group: they are passed over.
pub(super) fn is_tool_file(api_version: &str) -> bool {
    matches!(
        api_version.split('/').next().unwrap_or_default(),
        "kustomize.config.k8s.io" | "config.kubernetes.io" | "kpt.dev"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use regent_install::access::rbac;
    use regent_types::identity::Identity;

    /// C4-1: what intent believes it may write is what RBAC lets it write.
    #[test]
    fn the_list_of_kinds_agrees_with_rbac() {
        let rules = rbac::rules(Identity::Intent);
        for kind in KINDS {
            let granted = |verb: &str| {
                rules.iter().any(|r| {
                    r.group == kind.group
                        && r.resources.contains(&kind.plural)
                        && r.verbs.contains(&verb)
                })
            };
            assert!(granted("get") && granted("create") && granted("patch"), "{}", kind.kind);
            assert_eq!(granted("delete"), kind.pruned, "{}", kind.kind);
        }
    }

    #[test]
    fn regents_own_namespace_takes_sources_only() {
        for kind in KINDS.iter().filter(|k| k.namespaced) {
            assert_eq!(kind.allowed_in(SYSTEM_NAMESPACE), kind.kind == "GitSource");
            assert_eq!(kind.allowed_in("payments"), kind.kind != "GitSource");
        }
    }
}
