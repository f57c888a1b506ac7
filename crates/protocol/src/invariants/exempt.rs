//! What may change secret state all the same, and why: the one list of whom and what `regent verify` does not count.
//!
//! A binding is judged by whom it names, not by its role: `cluster-admin`, `admin`, `edit` and the aggregated roles of
//! every API server let nobody do anything until somebody is bound to them, and then that binding counts. What regent
//! itself installs is no exemption either: it is compared with the table, rule by rule.

use std::collections::BTreeSet;

use regent_types::authority_names::{REGENT_MOUNT, SECRET_MOUNT};
use regent_types::identity::Identity;
use regent_types::labels::SYSTEM_NAMESPACE;

use super::seen::SubjectSeen;
use super::snapshot::Snapshot;

/// Namespace of the cluster's own controllers.
pub(super) const KUBE_SYSTEM: &str = "kube-system";

const ADMINS: &str = "the admins of the cluster, whom no binding limits: Kubernetes is the ground that regent stands on";
const CONTROLLERS: &str = "the cluster's own controllers; who may run as one of them is judged by Pods and tokens of kube-system";
const MANAGER: &str = "the controller manager, which collects garbage, ends namespaces and makes the tokens of controllers";
const NAMED: &str = "named by the installation's values under `admission`, whose policies say which Secrets it may not write";

/// Groups whose members are admins of the cluster by what it was made with.
const ADMIN_GROUPS: [&str; 2] = ["system:masters", "kubeadm:cluster-admins"];

/// Engines that every authority has, beside regent's two mounts.
const ENGINES: [(&str, &str); 3] = [
    ("cubbyhole", "what is in it is one token's own, and ends with it"),
    ("identity", "its entities and groups are judged one by one"),
    ("sys", "the authority's own interface, opened by policies alone"),
];

/// Auth methods that every authority has, beside the login mount.
const METHODS: [(&str, &str); 1] = [("token", "its tokens and roles are judged one by one")];

/// Paths that policy `default` opens in OpenBao, Vault and the embedded authority: each is about the token that asks, or
/// holds nothing. One that ends in a slash stands for all below it.
const DEFAULT_PATHS: [&str; 19] = [
    "auth/token/lookup-self",
    "auth/token/renew-self",
    "auth/token/revoke-self",
    "cubbyhole/",
    "identity/entity/id/{{identity.entity.id}}",
    "identity/entity/name/{{identity.entity.name}}",
    "identity/oidc/provider/+/authorize",
    "sys/capabilities-self",
    "sys/control-group/request",
    "sys/internal/ui/resultant-acl",
    "sys/leases/lookup",
    "sys/leases/renew",
    "sys/renew",
    "sys/tools/hash",
    "sys/tools/hash/",
    "sys/wrapping/lookup",
    "sys/wrapping/rewrap",
    "sys/wrapping/unwrap",
    "sys/wrapping/wrap",
];

/// What is in the `regent/` mount: a folder, or one path, and what for.
const REGENT_PATHS: [(&str, &str); 3] = [
    ("record/", "the record of each path"),
    ("pending/", "candidates of generation and rotation"),
    ("keys/hmac", "the key of the HMACs"),
];

/// Identities that keep ledger chains.
const LEDGER_WRITERS: [Identity; 3] =
    [Identity::Warden, Identity::Orchestrator, Identity::Publisher];

/// Why `subject` may do what it is bound to; `None` where it is to be found. `named` are user names from the
/// installation's values.
pub fn of_subject(subject: &SubjectSeen, named: &BTreeSet<String>) -> Option<&'static str> {
    if subject.kind == "Group" {
        return ADMIN_GROUPS.contains(&subject.name.as_str()).then_some(ADMINS);
    }
    if let Some((namespace, name)) = subject.as_account() {
        // Regent's own have what the table says, and `default` is whoever's Pod names no account.
        if is_own(namespace, name) {
            return None;
        }
        if namespace == KUBE_SYSTEM && name != "default" {
            return Some(CONTROLLERS);
        }
    }
    let user = subject.user_name()?;
    if user == "system:kube-controller-manager" {
        return Some(MANAGER);
    }
    named.contains(&user).then_some(NAMED)
}

/// Whether an account is one of regent's.
pub(super) fn is_own(namespace: &str, name: &str) -> bool {
    namespace == SYSTEM_NAMESPACE && Identity::ALL.iter().any(|i| i.account() == name)
}

/// Whether nothing is to be said about a secrets engine at `path`, which has no slash at its end.
pub(super) fn is_engine(path: &str) -> bool {
    [SECRET_MOUNT, REGENT_MOUNT].contains(&path) || ENGINES.iter().any(|(known, _)| *known == path)
}

/// Whether nothing is to be said about an auth method at `path`: the installation's own, a neighbour's, or everybody's.
pub(super) fn is_method(s: &Snapshot, path: &str) -> bool {
    path == s.login_mount
        || s.neighbours.iter().any(|n| n.mount == path)
        || METHODS.iter().any(|(known, _)| *known == path)
}

/// Whether policy `default` opens `path` in every authority.
pub(super) fn is_default_path(path: &str) -> bool {
    DEFAULT_PATHS.iter().any(|known| {
        known.trim_end_matches('/') == path || (known.ends_with('/') && path.starts_with(known))
    })
}

/// Whether regent writes `path` of its own mount, listed as a folder with a slash at its end or as one path. The
/// chains of installations that are gone stay: what they say is judged by `ledger-chain`.
pub(super) fn is_regent_path(path: &str) -> bool {
    let chain = path.strip_prefix("ledger/").and_then(|chain| chain.strip_suffix('/'));
    let writer = chain.map(|chain| chain.split('.').next().unwrap_or_default());
    REGENT_PATHS.iter().any(|(known, _)| *known == path)
        || LEDGER_WRITERS.iter().any(|i| writer == Some(i.name()))
}

/// Why → which mounts of `s` are everybody's.
pub(super) fn mounts(s: &Snapshot) -> Vec<(&'static str, String)> {
    let engines = ENGINES.iter().filter(|(known, _)| s.engines.contains_key(*known));
    let methods = METHODS.iter().filter(|(known, _)| s.methods.contains_key(*known));
    let engines = engines.map(|(known, why)| (*why, format!("engine {known}/")));
    engines.chain(methods.map(|(known, why)| (*why, format!("auth method {known}/")))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(kind: &str, name: &str) -> SubjectSeen {
        SubjectSeen { kind: kind.into(), name: name.into(), ..SubjectSeen::default() }
    }

    /// `system:` in front of a name makes nobody the cluster's own.
    #[test]
    fn h26_only_the_clusters_own_are_exempt() {
        let none = BTreeSet::new();
        let named: BTreeSet<String> = ["system:serviceaccount:flux-system:flux".to_owned()].into();
        let exempt = |who: &SubjectSeen| of_subject(who, &none).is_some();
        assert!(exempt(&who("Group", "system:masters")));
        assert!(exempt(&who("User", "system:kube-controller-manager")));
        assert!(exempt(&SubjectSeen::account("kube-system", "namespace-controller")));
        for name in [
            "system:authenticated",
            "system:unauthenticated",
            "system:serviceaccounts",
            "system:serviceaccounts:kube-system",
            "system:nodes",
        ] {
            assert!(!exempt(&who("Group", name)), "{name}");
        }
        for name in ["system:anonymous", "system:masters", "system:serviceaccount:payments:x"] {
            assert!(!exempt(&who("User", name)), "{name}");
        }
        assert!(!exempt(&SubjectSeen::account("kube-system", "default")));
        assert!(!exempt(&SubjectSeen::account("payments", "system:masters")));
        let flux = SubjectSeen::account("flux-system", "flux");
        assert!(!exempt(&flux) && of_subject(&flux, &named).is_some());
        // One of regent's own that the values name as a GitOps controller has the table's rights and no others.
        let intent = SubjectSeen::account(SYSTEM_NAMESPACE, "regent-intent");
        assert_eq!(of_subject(&intent, &[Identity::Intent.user_name()].into()), None);
    }

    #[test]
    fn h26_what_regent_writes_is_known() {
        for path in
            ["record/", "pending/", "keys/hmac", "ledger/warden/", "ledger/orchestrator.east/"]
        {
            assert!(is_regent_path(path), "{path}");
        }
        for path in ["record", "backup/", "keys/", "keys/other", "ledger/reader/", "ledger/warden"]
        {
            assert!(!is_regent_path(path), "{path}");
        }
    }
}
