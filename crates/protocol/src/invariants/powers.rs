//! Ways on the API server to change or read secret state without a right on Secrets, and who has one.

use std::collections::{BTreeMap, BTreeSet};

use regent_types::identity::Identity;
use regent_types::labels::{
    AUTHORITY_CA_BUNDLE, CLASS_BOOTSTRAP, CLASS_MATERIALIZED, SEALED_SHARES, SYSTEM_NAMESPACE,
};

use super::exempt::{self, KUBE_SYSTEM};
use super::finding::Findings;
use super::seen::{GrantSeen, RuleSeen, SubjectSeen};
use super::snapshot::Snapshot;

/// Verbs that change an object.
const CHANGES: &[&str] = &["create", "update", "patch", "delete", "deletecollection"];

/// Where a power has to hold for secret state to be in reach.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the whole cluster: what it is about lies in no namespace.
    Cluster,
    /// In `regent-system`, where the components run.
    System,
    /// In `regent-system`, or in `kube-system`, whose accounts reach everything.
    Accounts,
    /// There, and in every namespace that holds a bootstrap or materialized Secret.
    Secrets,
    /// In any namespace, or in all of them.
    Anywhere,
}

/// Which names a rule that is limited to names must have for the power: the namespace of the binding, and a name.
type Reach = fn(&Snapshot, &str, &str) -> bool;

#[derive(Clone, Copy)]
struct Power {
    groups: &'static [&'static str],
    /// `*/x` is the subresource of anything.
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
    place: Place,
    reach: Reach,
    /// What it lets somebody do.
    says: &'static str,
}

const RBAC: &[&str] = &["rbac.authorization.k8s.io"];
const REGENT: &[&str] = &["regent.dev"];
const CORE: &[&str] = &[""];
/// Kinds that decide, or are asked, while something is written.
const ADMISSION: &[&str] = &[
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
    "mutatingadmissionpolicies",
    "mutatingadmissionpolicybindings",
    "validatingwebhookconfigurations",
    "mutatingwebhookconfigurations",
];

const fn power(
    groups: &'static [&'static str],
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
    place: Place,
    says: &'static str,
) -> Power {
    Power { groups, resources, verbs, place, reach: |_, _, _| true, says }
}

/// The one list of powers.
fn all() -> Vec<Power> {
    [of_pods(), of_accounts(), of_roles(), of_objects()].concat()
}

/// Whoever runs something beside a Secret reads it, and whoever runs something as a component is one.
fn of_pods() -> Vec<Power> {
    use Place::{Cluster, Secrets};
    let write = &["create", "update", "patch"];
    let pods = "run Pods, which mount any Secret beside them and act as any account there";
    let commands = "run commands in Pods, which see the Secrets that are mounted";
    let sets: &[&str] = &["deployments", "daemonsets", "statefulsets", "replicasets"];
    vec![
        power(CORE, &["pods", "replicationcontrollers"], write, Secrets, pods),
        power(&["apps"], sets, write, Secrets, pods),
        power(&["batch"], &["jobs", "cronjobs"], write, Secrets, pods),
        power(CORE, &["pods/exec", "pods/attach"], &["create", "get"], Secrets, commands),
        power(CORE, &["pods/ephemeralcontainers"], &["update", "patch"], Secrets, commands),
        power(CORE, &["nodes/proxy"], &["create", "get"], Cluster, commands),
    ]
}

fn of_accounts() -> Vec<Power> {
    use Place::{Accounts, Cluster};
    let (token, act): (&[&str], &[&str]) = (&["create"], &["impersonate"]);
    let user: Reach =
        |_, _, name| name == "kubernetes.io/*" || name == "kubernetes.io/kube-apiserver-client";
    let signers = &["signers"];
    vec![
        power(CORE, &["serviceaccounts/token"], token, Accounts, "make tokens of accounts")
            .limited(is_strong_account),
        power(CORE, &["serviceaccounts"], act, Accounts, "act as an account")
            .limited(is_strong_account),
        power(CORE, &["users", "groups"], act, Cluster, "act as any user").limited(is_strong_user),
        power(&["certificates.k8s.io"], signers, &["approve"], Cluster, "certify any user")
            .limited(user),
    ]
}

fn of_roles() -> Vec<Power> {
    let roles = &["roles", "clusterroles"];
    let widen = "widen Roles beyond their own rights";
    let bind = "bind Roles beyond their own rights";
    vec![
        power(RBAC, roles, &["escalate"], Place::Secrets, widen),
        power(RBAC, roles, &["bind"], Place::Secrets, bind).limited(is_strong_role),
    ]
}

/// What components go by, or are kept in their bounds by.
fn of_objects() -> Vec<Power> {
    use Place::{Anywhere, Cluster, System};
    let maps: Reach = |_, _, name| [SEALED_SHARES, AUTHORITY_CA_BUNDLE].contains(&name);
    let admission = "change what admission enforces, and who is asked";
    let runs = "change WorkflowRuns, which rotate secrets";
    let kinds = &["regent.dev", "external-secrets.io"];
    let status = "write what regent's objects say of themselves";
    vec![
        power(CORE, &["configmaps"], CHANGES, System, "change the ConfigMaps of warden")
            .limited(maps),
        power(&["admissionregistration.k8s.io"], ADMISSION, CHANGES, Cluster, admission),
        power(REGENT, &["workflowruns"], CHANGES, Anywhere, runs),
        power(kinds, &["*/status"], &["update", "patch"], Anywhere, status),
        power(REGENT, &["writepaths"], &["override"], Anywhere, "override the write paths"),
    ]
}

/// One of regent's accounts but the reader's, which changes nothing; whichever in `kube-system`, or everywhere.
fn is_strong_account(_: &Snapshot, namespace: &str, name: &str) -> bool {
    let reader = name == Identity::Reader.account();
    match namespace {
        SYSTEM_NAMESPACE => exempt::is_own(namespace, name) && !reader,
        _ => !reader,
    }
}

/// A user or group that is exempt, or one of regent's own.
fn is_strong_user(s: &Snapshot, _: &str, name: &str) -> bool {
    ["User", "Group"].iter().any(|kind| {
        let who = SubjectSeen {
            kind: (*kind).to_owned(),
            name: name.to_owned(),
            ..SubjectSeen::default()
        };
        let own = who.as_account().is_some_and(|(namespace, name)| {
            exempt::is_own(namespace, name) && name != Identity::Reader.account()
        });
        own || exempt::of_subject(&who, &s.named_users).is_some()
    })
}

/// A role with any power at all. One that does not exist lets nobody do anything.
fn is_strong_role(s: &Snapshot, namespace: &str, name: &str) -> bool {
    let rules = |full: String| s.cluster_roles.get(&full).into_iter().flatten();
    let mut rules =
        rules(format!("ClusterRole {name}")).chain(rules(format!("Role {namespace}/{name}")));
    rules.any(|rule| {
        changes_secrets(rule)
            || all().iter().any(|p| rule.is_about(p.groups, p.resources) && rule.allows(p.verbs))
    })
}

/// Whether `rule` lets Secrets be changed.
pub(super) fn changes_secrets(rule: &RuleSeen) -> bool {
    rule.is_about(CORE, &["secrets"]) && rule.allows(CHANGES)
}

impl Power {
    /// One that a rule limited to names gives where `reach` says so of one of them.
    fn limited(self, reach: Reach) -> Self {
        Self { reach, ..self }
    }

    fn is_held(&self, s: &Snapshot, grant: &GrantSeen, guarded: &BTreeSet<&str>) -> bool {
        let namespace = grant.namespace.as_str();
        let near = match self.place {
            _ if namespace.is_empty() => true,
            Place::Cluster => false,
            Place::System => grant.is_in_system(),
            Place::Accounts => [SYSTEM_NAMESPACE, KUBE_SYSTEM].contains(&namespace),
            Place::Secrets => guarded.contains(namespace),
            Place::Anywhere => true,
        };
        near && grant.rules.iter().any(|rule| {
            let named = || rule.names.iter().any(|name| (self.reach)(s, namespace, name));
            rule.is_about(self.groups, self.resources)
                && rule.allows(self.verbs)
                && (rule.names.is_empty() || named())
        })
    }
}

/// Namespaces in which whoever runs a Pod reads what regent made, or is one of its components.
fn guarded(s: &Snapshot) -> BTreeSet<&str> {
    let classes = [CLASS_BOOTSTRAP, CLASS_MATERIALIZED];
    let of_regent = |class: &Option<String>| class.as_deref().is_some_and(|c| classes.contains(&c));
    let with_secrets = s.kube_secrets.iter().filter(|k| of_regent(&k.class));
    [SYSTEM_NAMESPACE, KUBE_SYSTEM]
        .into_iter()
        .chain(with_secrets.map(|k| k.namespace.as_str()))
        .collect()
}

/// What `grant` lets its subjects do, in the order of the list, each once.
fn held(s: &Snapshot, grant: &GrantSeen, guarded: &BTreeSet<&str>) -> Vec<&'static str> {
    if grant.namespace.is_empty() && grant.rules.iter().any(RuleSeen::is_everything) {
        return vec!["do everything"];
    }
    let mut says = Vec::new();
    for power in all().iter().filter(|p| p.is_held(s, grant, guarded)) {
        if !says.contains(&power.says) {
            says.push(power.says);
        }
    }
    says
}

/// Whether `grant` lets anybody change secret state, in whatever way.
pub(super) fn is_strong(s: &Snapshot, grant: &GrantSeen) -> bool {
    grant.rules.iter().any(changes_secrets) || !held(s, grant, &guarded(s)).is_empty()
}

/// Subjects of `grant` that nothing exempts, as text; empty where there are none.
pub(super) fn found_subjects(s: &Snapshot, grant: &GrantSeen) -> String {
    let found =
        grant.subjects.iter().filter(|who| exempt::of_subject(who, &s.named_users).is_none());
    found.map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Why → which bindings of `s` let only exempt subjects change secret state, and which mounts are everybody's.
pub fn exempted(s: &Snapshot) -> BTreeMap<&'static str, BTreeSet<String>> {
    let mut found: BTreeMap<&'static str, BTreeSet<String>> = BTreeMap::new();
    for grant in s.bindings.iter().filter(|g| is_strong(s, g)) {
        for why in grant.subjects.iter().filter_map(|who| exempt::of_subject(who, &s.named_users)) {
            found.entry(why).or_default().insert(grant.object.clone());
        }
    }
    for (why, mount) in exempt::mounts(s) {
        found.entry(why).or_default().insert(mount);
    }
    found
}

/// Nobody beside the table has a way around the rights on Secrets.
pub(super) fn ways_around_known(s: &Snapshot, found: &mut Findings) {
    let guarded = guarded(s);
    for grant in &s.bindings {
        let (who, may) = (found_subjects(s, grant), held(s, grant, &guarded));
        if who.is_empty() || may.is_empty() {
            continue;
        }
        let may = may.join("; ");
        found.add(
            &grant.object,
            format!("{who} may {may}"),
            [
                "nobody beside the table and the cluster's own",
                &who,
                "take the binding away, or limit its role",
            ],
        );
    }
}
