//! Live RBAC against what is to be installed: what is missing, what is wider, and the bindings that are not in it.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::rbac::v1::{
    ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject,
};
use kube::Api;
use kube::api::ListParams;
use regent_protocol::invariants::{
    BindingSeen, GrantSeen, RuleSeen, Snapshot, SubjectSeen, exempt,
};
use regent_types::identity::Identity;
use regent_types::labels::{SYSTEM_NAMESPACE, UNSEAL_IDENTITY_SECRET};
use serde_json::Value;

/// Roles of live RBAC, by `Kind namespace/name`.
type Roles = BTreeMap<String, Vec<PolicyRule>>;

struct Binding {
    object: String,
    namespace: String,
    role: String,
    subjects: Vec<Subject>,
}

impl Binding {
    fn seen(&self, roles: &Roles) -> GrantSeen {
        let rules = roles.get(&self.role).into_iter().flatten();
        GrantSeen {
            object: self.object.clone(),
            namespace: self.namespace.clone(),
            subjects: self.subjects.iter().map(subject_seen).collect(),
            rules: rules.map(rule_seen).collect(),
        }
    }
}

fn subject_seen(subject: &Subject) -> SubjectSeen {
    SubjectSeen {
        kind: subject.kind.clone(),
        namespace: subject.namespace.clone().unwrap_or_default(),
        name: subject.name.clone(),
    }
}

fn rule_seen(rule: &PolicyRule) -> RuleSeen {
    RuleSeen {
        groups: rule.api_groups.clone().unwrap_or_default(),
        resources: rule.resources.clone().unwrap_or_default(),
        names: rule.resource_names.clone().unwrap_or_default(),
        verbs: rule.verbs.clone(),
    }
}

/// RBAC as the API server has it.
pub(super) struct Live {
    roles: Roles,
    bindings: Vec<Binding>,
}

impl Live {
    pub(super) async fn read(api: &kube::Client) -> anyhow::Result<Self> {
        let all = ListParams::default();
        let mut roles = Roles::new();
        for role in Api::<ClusterRole>::all(api.clone()).list(&all).await? {
            let name = role.metadata.name.unwrap_or_default();
            roles.insert(format!("ClusterRole {name}"), role.rules.unwrap_or_default());
        }
        for role in Api::<Role>::all(api.clone()).list(&all).await? {
            let place = place(role.metadata.namespace, role.metadata.name);
            roles.insert(format!("Role {place}"), role.rules.unwrap_or_default());
        }
        let mut bindings = Vec::new();
        for b in Api::<ClusterRoleBinding>::all(api.clone()).list(&all).await? {
            let name = b.metadata.name.unwrap_or_default();
            let object = format!("ClusterRoleBinding {name}");
            bindings.push(binding(object, "", &b.role_ref, b.subjects));
        }
        for b in Api::<RoleBinding>::all(api.clone()).list(&all).await? {
            let namespace = b.metadata.namespace.clone().unwrap_or_default();
            let object = format!("RoleBinding {}", place(b.metadata.namespace, b.metadata.name));
            bindings.push(binding(object, &namespace, &b.role_ref, b.subjects));
        }
        Ok(Self { roles, bindings })
    }

    /// The namespaces that an installation of which no values are known names: those where the materializer is bound.
    pub(super) fn named_namespaces(&self) -> Vec<String> {
        let materializer = format!("ClusterRole {}-secrets", Identity::Materializer.account());
        let bound = self.bindings.iter().filter(|b| b.role == materializer);
        let named: BTreeSet<&String> = bound.map(|b| &b.namespace).collect();
        named.into_iter().filter(|n| !n.is_empty()).cloned().collect()
    }

    /// Notes in `s` what differs from the Roles and bindings in `table`, and every other binding.
    pub(super) fn compare(&self, table: &[Value], s: &mut Snapshot) {
        let Self { roles, bindings } = self;
        let mut known = BTreeSet::new();
        for object in table {
            let kind = object["kind"].as_str().unwrap_or_default();
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            let full = match object["metadata"]["namespace"].as_str() {
                Some(namespace) => format!("{kind} {namespace}/{name}"),
                None => format!("{kind} {name}"),
            };
            match kind {
                "Role" | "ClusterRole" => role_differs(&full, object, roles, s),
                "RoleBinding" | "ClusterRoleBinding" => {
                    binding_differs(&full, object, bindings, s);
                }
                _ => continue,
            }
            known.insert(full);
        }
        let others = bindings.iter().filter(|b| !known.contains(&b.object));
        s.bindings.extend(others.map(|b| b.seen(roles)));
        let rules = |(name, rules): (&String, &Vec<PolicyRule>)| {
            (name.clone(), rules.iter().map(rule_seen).collect())
        };
        s.cluster_roles.extend(roles.iter().map(rules));
        s.unseal_readers = unseal_readers(roles, bindings, &s.named_users);
    }
}

fn place(namespace: Option<String>, name: Option<String>) -> String {
    format!("{}/{}", namespace.unwrap_or_default(), name.unwrap_or_default())
}

fn binding(
    object: String,
    namespace: &str,
    to: &RoleRef,
    subjects: Option<Vec<Subject>>,
) -> Binding {
    let role = match to.kind.as_str() {
        "ClusterRole" => format!("ClusterRole {}", to.name),
        _ => format!("Role {namespace}/{}", to.name),
    };
    Binding {
        object,
        namespace: namespace.to_owned(),
        role,
        subjects: subjects.unwrap_or_default(),
    }
}

fn binding_differs(full: &str, object: &Value, bindings: &[Binding], s: &mut Snapshot) {
    match bindings.iter().find(|b| b.object == full) {
        Some(live)
            if subjects(&live.subjects) == expected_subjects(object)
                && Some(&live.role) == expected_role(object, &live.namespace).as_ref() => {}
        Some(live) => s.rbac.push(BindingSeen {
            object: full.to_owned(),
            says: format!("binds {} to {}", subjects(&live.subjects).join(", "), live.role),
            extra: true,
            widens: false,
        }),
        None => s.rbac.push(missing(full)),
    }
}

fn role_differs(full: &str, object: &Value, roles: &Roles, s: &mut Snapshot) {
    let Some(live) = roles.get(full) else {
        s.rbac.push(missing(full));
        return;
    };
    let expected: Vec<PolicyRule> =
        serde_json::from_value(object["rules"].clone()).unwrap_or_default();
    let extra: Vec<String> = live.iter().filter(|r| !expected.contains(r)).map(said).collect();
    let lacking: Vec<String> = expected.iter().filter(|r| !live.contains(r)).map(said).collect();
    if !extra.is_empty() {
        let says = extra.join("; ");
        s.rbac.push(BindingSeen { object: full.to_owned(), says, extra: true, widens: true });
    }
    if !lacking.is_empty() {
        let says = lacking.join("; ");
        s.rbac.push(BindingSeen { object: full.to_owned(), says, extra: false, widens: false });
    }
}

fn missing(full: &str) -> BindingSeen {
    BindingSeen { object: full.to_owned(), says: full.to_owned(), extra: false, widens: false }
}

fn said(rule: &PolicyRule) -> String {
    let list = |l: &Option<Vec<String>>| l.clone().unwrap_or_default().join(",");
    let on =
        if rule.non_resource_urls.is_some() { &rule.non_resource_urls } else { &rule.resources };
    format!("{} on {}", rule.verbs.join(","), list(on))
}

fn subjects(all: &[Subject]) -> Vec<String> {
    let one = |s: &Subject| match &s.namespace {
        Some(namespace) => format!("{} {namespace}/{}", s.kind, s.name),
        None => format!("{} {}", s.kind, s.name),
    };
    all.iter().map(one).collect()
}

/// The role that a binding of the table names, as [`Binding::role`] does.
fn expected_role(object: &Value, namespace: &str) -> Option<String> {
    let to: RoleRef = serde_json::from_value(object["roleRef"].clone()).ok()?;
    Some(binding(String::new(), namespace, &to, None).role)
}

fn expected_subjects(object: &Value) -> Vec<String> {
    let all: Vec<Subject> = serde_json::from_value(object["subjects"].clone()).unwrap_or_default();
    subjects(&all)
}

/// Whether a rule lets one of `verbs` be done to Secrets.
fn covers(rule: &PolicyRule, verbs: &[&str]) -> bool {
    let has = |list: &Option<Vec<String>>, wanted: &str| {
        list.as_ref().is_some_and(|l| l.iter().any(|v| v == wanted || v == "*"))
    };
    has(&rule.api_groups, "")
        && has(&rule.resources, "secrets")
        && rule.verbs.iter().any(|v| verbs.contains(&v.as_str()))
}

/// Who beside warden may read the unseal identity.
fn unseal_readers(roles: &Roles, bindings: &[Binding], named: &BTreeSet<String>) -> Vec<String> {
    const READS: [&str; 4] = ["get", "list", "watch", "*"];
    let mut found = BTreeSet::new();
    let near = |b: &&Binding| b.namespace.is_empty() || b.namespace == SYSTEM_NAMESPACE;
    for live in bindings.iter().filter(near) {
        let rules = roles.get(&live.role).map(Vec::as_slice).unwrap_or_default();
        let reads = |r: &PolicyRule| {
            let names = r.resource_names.as_ref().filter(|n| !n.is_empty());
            covers(r, &READS) && names.is_none_or(|n| n.iter().any(|n| n == UNSEAL_IDENTITY_SECRET))
        };
        if rules.iter().any(reads) {
            let who = live.subjects.iter().map(subject_seen);
            let counts = |who: &SubjectSeen| exempt::of_subject(who, named).is_none();
            found.extend(who.filter(counts).map(|who| who.to_string()));
        }
    }
    let warden = format!("ServiceAccount {SYSTEM_NAMESPACE}/{}", Identity::Warden.account());
    found.into_iter().filter(|f| *f != warden).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use regent_install::Values;
    use regent_protocol::invariants;

    fn table(values: &Values) -> Vec<Value> {
        regent_install::objects(values, &BTreeSet::new()).unwrap()
    }

    /// What a cluster shows right after `table` was applied.
    fn live(table: &[Value]) -> Live {
        let (mut roles, mut bindings) = (Roles::new(), Vec::new());
        for object in table {
            let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
            let kind = text("/kind").unwrap();
            let name = text("/metadata/name").unwrap();
            let namespace = text("/metadata/namespace");
            let full = namespace.map_or(name.to_owned(), |n| format!("{n}/{name}"));
            if kind.ends_with("Role") {
                let rules = serde_json::from_value(object["rules"].clone()).unwrap();
                roles.insert(format!("{kind} {full}"), rules);
            } else if kind == "RoleBinding" || kind == "ClusterRoleBinding" {
                let to: RoleRef = serde_json::from_value(object["roleRef"].clone()).unwrap();
                let subjects = serde_json::from_value(object["subjects"].clone()).unwrap();
                let namespace = namespace.unwrap_or_default();
                bindings.push(binding(format!("{kind} {full}"), namespace, &to, subjects));
            }
        }
        Live { roles, bindings }
    }

    fn found(live: &Live, values: &Values) -> Vec<String> {
        let mut snapshot = Snapshot::default();
        live.compare(&table(values), &mut snapshot);
        let beside = invariants::check(&snapshot).into_iter().filter(|f| {
            ["writers-known", "least-privilege", "ways-around-known"].contains(&f.predicate)
        });
        let of_rbac = |object: &String| object.contains("Role");
        beside.map(|f| f.object).filter(of_rbac).collect()
    }

    /// C7-1: an installation without a component, and one in other namespaces, are each as their own values say.
    #[test]
    fn an_installation_is_judged_by_its_own_values() {
        let mut own = Values { namespaces: vec!["payments".into()], ..Values::default() };
        own.components.intent.enabled = false;
        let live = live(&table(&own));
        assert_eq!(live.named_namespaces(), ["payments"]);
        assert_eq!(found(&live, &own), Vec::<String>::new());
        let by_default = Values { namespaces: live.named_namespaces(), ..Values::default() };
        let missing = found(&live, &by_default);
        assert!(!missing.is_empty() && missing.iter().all(|o| o.contains("regent-intent")));
        let elsewhere = Values { namespaces: vec!["data".into()], ..own.clone() };
        let strangers = found(&live, &elsewhere);
        assert!(strangers.iter().any(|o| o == "RoleBinding payments/regent-materializer-secrets"));
    }

    /// C7-1: one verb more in a live Role is found, and as one that widens.
    #[test]
    fn a_verb_more_widens() {
        let values = Values::default();
        let mut live = live(&table(&values));
        let role = "ClusterRole regent-intent";
        live.roles.get_mut(role).unwrap()[0].verbs.push("deletecollection".into());
        let mut snapshot = Snapshot::default();
        live.compare(&table(&values), &mut snapshot);
        assert!(snapshot.rbac.iter().any(|b| b.object == role && b.widens));
    }

    /// One of the table's bindings that was made again under its name, to another role.
    #[test]
    fn h26_a_binding_of_the_table_to_another_role_is_found() {
        let values = Values { namespaces: vec!["payments".into()], ..Values::default() };
        let mut live = live(&table(&values));
        assert_eq!(found(&live, &values), Vec::<String>::new());
        let object = "RoleBinding payments/regent-publisher-secrets";
        let changed = live.bindings.iter_mut().find(|b| b.object == object).unwrap();
        changed.role = "ClusterRole cluster-admin".into();
        assert_eq!(found(&live, &values), [object]);
    }

    /// Whoever a binding names is judged, whatever their name begins with.
    #[test]
    fn h26_everybody_who_is_logged_in_is_not_the_clusters_own() {
        let values = Values::default();
        let mut live = live(&table(&values));
        let everything = PolicyRule {
            api_groups: Some(vec!["*".into()]),
            resources: Some(vec!["*".into()]),
            verbs: vec!["*".into()],
            ..PolicyRule::default()
        };
        live.roles.insert("ClusterRole cluster-admin".into(), vec![everything]);
        let group =
            |name: &str| Subject { kind: "Group".into(), name: name.into(), ..Subject::default() };
        let mut bind = |name: &str| {
            live.bindings.push(Binding {
                object: format!("ClusterRoleBinding {name}"),
                namespace: String::new(),
                role: "ClusterRole cluster-admin".into(),
                subjects: vec![group(name)],
            });
        };
        bind("system:masters");
        bind("system:authenticated");
        let of_everybody = "ClusterRoleBinding system:authenticated";
        // It changes Secrets, and is a way around; it reads the unseal identity too, which is no binding.
        assert_eq!(found(&live, &values), [of_everybody, of_everybody]);
        let mut snapshot = Snapshot::default();
        live.compare(&table(&values), &mut snapshot);
        assert_eq!(snapshot.unseal_readers, ["Group system:authenticated"]);
    }
}
