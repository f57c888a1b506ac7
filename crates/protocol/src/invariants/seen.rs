//! What a gatherer saw of who else could change secret state: bindings, mounts, tokens, webhooks; never a value.

use std::fmt;

use regent_types::labels::SYSTEM_NAMESPACE;

/// Prefix of the user name of a ServiceAccount.
const ACCOUNT_USER: &str = "system:serviceaccount:";

/// Whom a binding names: a User, a Group or a ServiceAccount.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SubjectSeen {
    /// `User`, `Group` or `ServiceAccount`.
    pub kind: String,
    /// Namespace of a ServiceAccount; empty for others.
    pub namespace: String,
    /// As RBAC compares it.
    pub name: String,
}

impl SubjectSeen {
    /// A ServiceAccount of `namespace`.
    pub fn account(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        let kind = "ServiceAccount".to_owned();
        Self { kind, namespace: namespace.into(), name: name.into() }
    }

    /// Namespace and name, where it is a ServiceAccount, named as one or by its user name.
    pub(super) fn as_account(&self) -> Option<(&str, &str)> {
        match self.kind.as_str() {
            "ServiceAccount" => Some((&self.namespace, &self.name)),
            "User" => self.name.strip_prefix(ACCOUNT_USER)?.split_once(':'),
            _ => None,
        }
    }

    /// User name, where it is one user: what audit logs and admission policies know it by.
    pub(super) fn user_name(&self) -> Option<String> {
        match self.kind.as_str() {
            "ServiceAccount" => Some(format!("{ACCOUNT_USER}{}:{}", self.namespace, self.name)),
            "User" => Some(self.name.clone()),
            _ => None,
        }
    }
}

impl fmt::Display for SubjectSeen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace.as_str() {
            "" => write!(f, "{} {}", self.kind, self.name),
            namespace => write!(f, "{} {namespace}/{}", self.kind, self.name),
        }
    }
}

/// A rule of a Role, or what a webhook is called for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleSeen {
    /// API groups; empty text is the core group, `*` every one.
    pub groups: Vec<String>,
    /// Plural names; subresources as `resource/subresource`.
    pub resources: Vec<String>,
    /// Names that it is limited to; empty for any.
    pub names: Vec<String>,
    /// Verbs, or `*` for every one.
    pub verbs: Vec<String>,
}

impl RuleSeen {
    /// Whether it is about one of `groups` and one of `resources`; `*/x` among the latter is the subresource of anything.
    pub(super) fn is_about(&self, groups: &[&str], resources: &[&str]) -> bool {
        let group = self.groups.iter().any(|g| g == "*" || groups.contains(&g.as_str()));
        group && self.resources.iter().any(|r| resources.iter().any(|wanted| matches(r, wanted)))
    }

    /// Whether it allows one of `verbs`.
    pub(super) fn allows(&self, verbs: &[&str]) -> bool {
        self.verbs.iter().any(|v| v == "*" || verbs.contains(&v.as_str()))
    }

    /// Whether it allows every verb on every resource.
    pub(super) fn is_everything(&self) -> bool {
        let all = |list: &[String]| list.iter().any(|x| x == "*");
        all(&self.groups) && all(&self.resources) && all(&self.verbs) && self.names.is_empty()
    }
}

/// Whether `ruled`, as a rule says it, covers `wanted`.
fn matches(ruled: &str, wanted: &str) -> bool {
    let sub = |r: &str| r.split_once('/').map(|(_, sub)| sub.to_owned());
    ruled == "*"
        || ruled == "*/*"
        || ruled == wanted
        || (ruled.starts_with("*/") && sub(ruled) == sub(wanted))
        || (wanted.starts_with("*/") && sub(ruled) == sub(wanted))
}

/// A RoleBinding or ClusterRoleBinding that the table does not have, with the rules of its role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrantSeen {
    /// Kind and name, such as `RoleBinding payments/x`.
    pub object: String,
    /// Where it holds; empty for everywhere.
    pub namespace: String,
    /// Users, groups and accounts that it names.
    pub subjects: Vec<SubjectSeen>,
    /// What its role allows; none where there is no such role.
    pub rules: Vec<RuleSeen>,
}

impl GrantSeen {
    /// Whether it holds in `regent-system`.
    pub(super) fn is_in_system(&self) -> bool {
        self.namespace.is_empty() || self.namespace == SYSTEM_NAMESPACE
    }
}

/// An identity entity, an identity group or a token role of the authority.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HolderSeen {
    /// Kind and name, such as `identity group admins`.
    pub object: String,
    /// Policies that it gives to whoever is behind it.
    pub policies: Vec<String>,
}

/// A live token of the authority, as its accessor tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenSeen {
    /// By which it can be revoked; it opens nothing.
    pub accessor: String,
    /// Its policies, those of its identity too.
    pub policies: Vec<String>,
    /// Request that made it, such as `auth/kubernetes/login`.
    pub path: String,
    /// Longest of what it was made for and what is left, in seconds; 0 where it never ends.
    pub ttl_s: i64,
    /// Seconds by which it may be renewed without an end; 0 where it may not.
    pub period_s: i64,
}

/// Something that the API server asks, or that acts, while an object is written: a webhook or a mutating policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InterceptorSeen {
    /// Kind and name, such as `MutatingWebhookConfiguration x`.
    pub object: String,
    /// Whether it may change what is written.
    pub mutates: bool,
    /// What it is called for; the verbs are not looked at.
    pub rules: Vec<RuleSeen>,
}

/// Something that could not be looked at, so that a predicate cannot hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unseen {
    /// Name of the predicate that asks for it.
    pub predicate: &'static str,
    /// Object, path or kind.
    pub subject: String,
    /// What was answered instead.
    pub why: String,
    /// Which command shows it, and to whom.
    pub action: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_covers_subresources_as_rbac_says() {
        let rule = |r: &str| RuleSeen {
            groups: vec!["regent.dev".into()],
            resources: vec![r.into()],
            ..RuleSeen::default()
        };
        let covers = |r: &str, wanted: &str| rule(r).is_about(&["regent.dev"], &[wanted]);
        assert!(covers("*", "*/status") && covers("*", "workflowruns"));
        assert!(covers("*/status", "*/status") && covers("runtimesecrets/status", "*/status"));
        assert!(!covers("runtimesecrets", "*/status") && !covers("*/status", "workflowruns"));
        assert!(!covers("runtimesecrets/scale", "*/status"));
        assert!(!rule("*").is_about(&[""], &["secrets"]));
    }

    #[test]
    fn an_account_is_known_by_its_user_name_too() {
        let user = SubjectSeen {
            kind: "User".into(),
            name: "system:serviceaccount:payments:x".into(),
            ..SubjectSeen::default()
        };
        assert_eq!(user.as_account(), Some(("payments", "x")));
        assert_eq!(SubjectSeen::account("payments", "x").user_name(), Some(user.name));
    }
}
