//! May they: RBAC, evaluated as the real API server does (rules are unions; nothing denies).

use serde_json::Value;

use crate::auth::User;
use crate::status::Failure;
use crate::store::Store;

const ROLES: &str = "roles.rbac.authorization.k8s.io";
const CLUSTER_ROLES: &str = "clusterroles.rbac.authorization.k8s.io";
const ROLE_BINDINGS: &str = "rolebindings.rbac.authorization.k8s.io";
const CLUSTER_ROLE_BINDINGS: &str = "clusterrolebindings.rbac.authorization.k8s.io";

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ask {
    pub(crate) verb: String,
    pub(crate) group: String,
    pub(crate) resource: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// A path that is no resource; empty otherwise.
    pub(crate) path: String,
}

/// Whether `user` may do what is asked.
pub(crate) fn allows(store: &Store, user: &User, ask: &Ask) -> bool {
    user.is_master() || grantor(store, user, ask).is_some()
}

/// The binding that grants what is asked, in the words of the real API server.
pub(crate) fn grantor(store: &Store, user: &User, ask: &Ask) -> Option<String> {
    let bound = bound(store, user, &ask.namespace);
    let found = bound.into_iter().find(|b| b.rules.iter().any(|rule| grants(rule, ask)));
    found.map(|b| format!("RBAC: allowed by {}", b.words))
}

/// Every rule that holds for `user` in `namespace` (empty: the cluster).
pub(crate) fn rules(store: &Store, user: &User, namespace: &str) -> Vec<Value> {
    bound(store, user, namespace).into_iter().flat_map(|b| b.rules).collect()
}

/// What one binding gives.
struct Bound {
    words: String,
    rules: Vec<Value>,
}

fn bound(store: &Store, user: &User, namespace: &str) -> Vec<Bound> {
    let mut all = Vec::new();
    let mut take = |binding: &Value, home: Option<&str>| {
        let mut subjects = binding["subjects"].as_array().into_iter().flatten();
        let Some(subject) = subjects.find(|s| is_subject(s, user, home)) else { return };
        let role = role(store, &binding["roleRef"], home);
        let rules = role.and_then(|r| r["rules"].as_array().cloned()).unwrap_or_default();
        all.push(Bound { words: words(binding, subject, home), rules });
    };
    for binding in store.list(CLUSTER_ROLE_BINDINGS, None).0 {
        take(&binding, None);
    }
    if !namespace.is_empty() {
        for binding in store.list(ROLE_BINDINGS, Some(namespace)).0 {
            take(&binding, Some(namespace));
        }
    }
    all
}

/// `RoleBinding "r/ns" of Role "r" to Group "readers"`.
fn words(binding: &Value, subject: &Value, home: Option<&str>) -> String {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let name = text(&binding["metadata"]["name"]);
    let binding_words = match home {
        Some(home) => format!("RoleBinding \"{name}/{home}\""),
        None => format!("ClusterRoleBinding {name:?}"),
    };
    let (kind, who) = (text(&subject["kind"]), text(&subject["name"]));
    let who = match subject["namespace"].as_str() {
        Some(namespace) if kind == "ServiceAccount" => format!("{who}/{namespace}"),
        _ => who,
    };
    let reference = &binding["roleRef"];
    let (role_kind, role) = (text(&reference["kind"]), text(&reference["name"]));
    format!("{binding_words} of {role_kind} {role:?} to {kind} {who:?}")
}

fn role(store: &Store, reference: &Value, home: Option<&str>) -> Option<std::sync::Arc<Value>> {
    let name = reference["name"].as_str()?.to_owned();
    let (resource, namespace) = match (reference["kind"].as_str()?, home) {
        ("Role", Some(home)) => (ROLES, home.to_owned()),
        ("ClusterRole", _) => (CLUSTER_ROLES, String::new()),
        _ => return None,
    };
    store.get(&crate::store::ObjectKey { resource: resource.into(), namespace, name })
}

fn is_subject(subject: &Value, user: &User, home: Option<&str>) -> bool {
    let name = subject["name"].as_str().unwrap_or_default();
    match subject["kind"].as_str() {
        Some("User") => user.name == name,
        Some("Group") => user.groups.iter().any(|g| g == name),
        Some("ServiceAccount") => {
            let namespace = subject["namespace"].as_str().or(home).unwrap_or_default();
            user.name == format!("system:serviceaccount:{namespace}:{name}")
        }
        _ => false,
    }
}

/// Whether one rule grants it.
pub(crate) fn grants(rule: &Value, ask: &Ask) -> bool {
    let has = |field: &str, wanted: &dyn Fn(&str) -> bool| {
        let all = rule[field].as_array();
        all.into_iter().flatten().filter_map(Value::as_str).any(wanted)
    };
    if !has("verbs", &|v| v == "*" || v == ask.verb) {
        return false;
    }
    if !ask.path.is_empty() {
        return has("nonResourceURLs", &|url| match url.strip_suffix('*') {
            Some(prefix) => ask.path.starts_with(prefix),
            None => url == ask.path,
        });
    }
    let sub = ask.resource.split_once('/').map(|(_, s)| s);
    let resource = |r: &str| {
        r == "*" || r == ask.resource || sub.is_some_and(|s| r.strip_prefix("*/") == Some(s))
    };
    let any_name = rule["resourceNames"].as_array().is_none_or(Vec::is_empty);
    has("apiGroups", &|g| g == "*" || g == ask.group)
        && has("resources", &resource)
        && (any_name || (!ask.name.is_empty() && has("resourceNames", &|n| n == ask.name)))
}

/// 403 in the words of the real API server.
pub(crate) fn forbidden(user: &User, ask: &Ask) -> Failure {
    let Ask { verb, group, resource, namespace, name, path } = ask;
    if !path.is_empty() {
        let message = format!("forbidden: User {:?} cannot {verb} path {path:?}", user.name);
        return Failure::new(403, "Forbidden", message);
    }
    let place = if namespace.is_empty() {
        "at the cluster scope".to_owned()
    } else {
        format!("in the namespace {namespace:?}")
    };
    // The object is named without the subresource that was asked for.
    let plain = resource.split('/').next().unwrap_or_default();
    let full = if group.is_empty() { plain.to_owned() } else { format!("{plain}.{group}") };
    let object = if name.is_empty() { full.clone() } else { format!("{full} {name:?}") };
    let message = format!(
        "{object} is forbidden: User {:?} cannot {verb} resource {resource:?} in API group {group:?} {place}",
        user.name,
    );
    Failure::new(403, "Forbidden", message).about(&full, name)
}

/// RBAC may only be written by who already has what it grants, or may `escalate` / `bind`: otherwise a component
/// could widen itself.
pub(crate) fn may_write(
    store: &Store,
    user: &User,
    kind: &str,
    object: &Value,
) -> Result<(), Failure> {
    if user.is_master()
        || !["Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"].contains(&kind)
    {
        return Ok(());
    }
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
    let binding = kind.ends_with("Binding");
    let granted = if binding {
        let home = (!namespace.is_empty()).then_some(namespace);
        role(store, &object["roleRef"], home).map(|r| r["rules"].clone()).unwrap_or_default()
    } else {
        object["rules"].clone()
    };
    let ask = Ask {
        verb: if binding { "bind" } else { "escalate" }.into(),
        group: "rbac.authorization.k8s.io".into(),
        resource: if kind.starts_with("Cluster") { "clusterroles" } else { "roles" }.into(),
        namespace: namespace.into(),
        name: object["metadata"]["name"].as_str().unwrap_or_default().into(),
        path: String::new(),
    };
    let held = rules(store, user, namespace);
    let covered = granted.as_array().into_iter().flatten().all(|rule| held.contains(rule));
    if covered || held.iter().any(|rule| grants(rule, &ask)) {
        return Ok(());
    }
    let message = format!(
        "{kind} is forbidden: user {:?} is attempting to grant RBAC permissions not currently held",
        user.name
    );
    Err(Failure::new(403, "Forbidden", message))
}
