//! What is there in every empty cluster: namespaces, and the roles that everybody has.

use serde_json::{Value, json};

use crate::api::admit::now;
use crate::store::{ObjectKey, Store};

/// Paths that say who one talks to, for everybody.
const PUBLIC: [&str; 5] = ["/healthz", "/livez", "/readyz", "/version", "/version/"];
/// Paths that say what is served, for everybody who is known.
const DISCOVERY: [&str; 6] = ["/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*"];

/// Paths that say who signs tokens with which keys, for every account.
const ISSUER: [&str; 4] = [
    "/.well-known/openid-configuration",
    "/.well-known/openid-configuration/",
    "/openid/v1/jwks",
    "/openid/v1/jwks/",
];

/// Plants it; what is planted is before every version that a client can know.
pub(crate) fn plant(store: &Store) {
    for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
        put(store, "namespaces", "", namespace(name));
        put(store, "serviceaccounts", name, account(name, &format!("sandbox-default-{name}")));
    }
    for (name, rules) in roles() {
        put(
            store,
            "clusterroles.rbac.authorization.k8s.io",
            "",
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
                "metadata": { "name": name }, "rules": rules,
            }),
        );
    }
    let bindings = [
        ("cluster-admin", &["system:masters"][..]),
        ("system:basic-user", &["system:authenticated"]),
        ("system:discovery", &["system:authenticated"]),
        ("system:public-info-viewer", &["system:authenticated", "system:unauthenticated"]),
        ("system:service-account-issuer-discovery", &["system:serviceaccounts"]),
    ];
    for (role, groups) in bindings {
        let subject = |group: &&str| json!({ "kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": group });
        put(
            store,
            "clusterrolebindings.rbac.authorization.k8s.io",
            "",
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
                "metadata": { "name": role },
                "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role },
                "subjects": groups.iter().map(subject).collect::<Vec<_>>(),
            }),
        );
    }
    store.plant();
}

fn roles() -> [(&'static str, Value); 6] {
    let create = |group: &str, resources: &[&str]| json!({ "apiGroups": [group], "resources": resources, "verbs": ["create"] });
    [
        (
            "cluster-admin",
            json!([
                { "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] },
                { "nonResourceURLs": ["*"], "verbs": ["*"] },
            ]),
        ),
        (
            "system:auth-delegator",
            json!([
                create("authentication.k8s.io", &["tokenreviews"]),
                create("authorization.k8s.io", &["subjectaccessreviews"]),
            ]),
        ),
        (
            "system:basic-user",
            json!([
                create(
                    "authorization.k8s.io",
                    &["selfsubjectaccessreviews", "selfsubjectrulesreviews"]
                ),
                create("authentication.k8s.io", &["selfsubjectreviews"]),
            ]),
        ),
        (
            "system:discovery",
            json!([
                { "nonResourceURLs": DISCOVERY, "verbs": ["get"] },
                { "nonResourceURLs": PUBLIC, "verbs": ["get"] },
            ]),
        ),
        ("system:public-info-viewer", json!([{ "nonResourceURLs": PUBLIC, "verbs": ["get"] }])),
        (
            "system:service-account-issuer-discovery",
            json!([{ "nonResourceURLs": ISSUER, "verbs": ["get"] }]),
        ),
    ]
}

fn namespace(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": { "name": name, "labels": { "kubernetes.io/metadata.name": name } },
        "spec": { "finalizers": ["kubernetes"] }, "status": { "phase": "Active" },
    })
}

/// The account that every namespace has.
pub(crate) fn account(namespace: &str, uid: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {
            "name": "default", "namespace": namespace, "creationTimestamp": now(),
            "uid": uid,
        },
    })
}

fn put(store: &Store, resource: &str, namespace: &str, mut object: Value) {
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    object["metadata"]["creationTimestamp"] = now().into();
    if object["metadata"]["uid"].is_null() {
        object["metadata"]["uid"] = format!("sandbox-{name}").into();
    }
    let key = ObjectKey { resource: resource.into(), namespace: namespace.to_owned(), name };
    // The store is empty: it cannot be full.
    let _stored = store.tx().put(&key, object);
}
