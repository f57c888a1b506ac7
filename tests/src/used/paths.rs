//! The authority table as cells, and which of them a request needs. Pure.

use std::borrow::Cow;
use std::fmt;

use regent_install::access::authority;
use regent_install::access::authority::PathRule;
use regent_types::authority_names::KUBERNETES_MOUNT;
use regent_types::identity::Identity;

/// One capability on one path of one identity's policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cell {
    pub(super) identity: Identity,
    path: String,
    capability: &'static str,
}

/// A request that was let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ask<'a> {
    pub(super) identity: Identity,
    /// As the audit log names it: `read`, `list`, `create` and so on.
    pub(super) operation: &'a str,
    pub(super) path: Cow<'a, str>,
}

/// Every cell of the policy of `identity`, with no path granted beyond the trees.
pub(super) fn all(identity: Identity) -> Vec<Cell> {
    let rules = authority::rules(identity, KUBERNETES_MOUNT, &[]).into_iter();
    rules.flat_map(|rule| cells(identity, &rule)).collect()
}

fn cells(identity: Identity, rule: &PathRule) -> Vec<Cell> {
    let path = &rule.path;
    let of = |capability: &&'static str| Cell { identity, path: path.clone(), capability };
    rule.capabilities.iter().map(of).collect()
}

/// The cells that let `ask` through: those of the one rule that the authority goes by, an exact path before the
/// longest prefix, for its operation, and `sudo`, which is demanded beside the operation where it is granted at all.
pub(super) fn needed(ask: &Ask<'_>) -> Vec<Cell> {
    let rules = authority::rules(ask.identity, KUBERNETES_MOUNT, &[]);
    let decides = rules.iter().filter_map(|r| Some((rank(&r.path, ask)?, r))).max_by_key(|m| m.0);
    let Some((_, rule)) = decides else { return Vec::new() };
    let mut cells = cells(ask.identity, rule);
    cells.retain(|c| c.capability == ask.operation || c.capability == "sudo");
    cells
}

/// How well a rule's path fits; absent where it does not.
fn rank(rule: &str, ask: &Ask<'_>) -> Option<(bool, usize)> {
    if let Some(prefix) = rule.strip_suffix('*') {
        return ask.path.starts_with(prefix).then_some((false, prefix.len()));
    }
    // A listing is asked with a slash at its end, and granted with or without.
    let whole = &*ask.path;
    let bare = if ask.operation == "list" { whole.trim_end_matches('/') } else { whole };
    (rule == whole || rule == bare).then_some((true, rule.len()))
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.identity.name(), self.capability, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(identity: Identity, operation: &str, path: &str) -> Vec<String> {
        needed(&Ask { identity, operation, path: path.into() })
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn one_rule_decides_and_the_operation_is_its_capability() {
        let orchestrator = Identity::Orchestrator;
        assert_eq!(
            shown(orchestrator, "create", "secret/data/runtime/payments/db"),
            ["orchestrator create secret/data/runtime/*"]
        );
        assert!(shown(orchestrator, "delete", "secret/data/runtime/payments/db").is_empty());
        assert!(shown(orchestrator, "read", "secret/data/platform-data/postgres/web").is_empty());
    }

    #[test]
    fn a_listing_is_granted_with_and_without_its_slash() {
        let reader = Identity::Reader;
        assert_eq!(
            shown(reader, "list", "auth/kubernetes/role/"),
            ["reader list auth/kubernetes/role"]
        );
        assert_eq!(
            shown(reader, "list", "regent/metadata/ledger/warden/"),
            ["reader list regent/metadata/*"]
        );
    }

    #[test]
    fn sudo_is_used_with_the_operation() {
        assert_eq!(
            shown(Identity::Warden, "read", "sys/audit"),
            ["warden read sys/audit", "warden sudo sys/audit"]
        );
    }
}
