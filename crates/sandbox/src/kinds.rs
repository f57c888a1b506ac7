//! What is served: built-in kinds and those of CustomResourceDefinitions.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::{Value, json};

use crate::patch::ListTypes;
use crate::schema::Schema;

/// The group of policies and their bindings.
pub(crate) const ADMISSION: &str = "admissionregistration.k8s.io";
/// The group of the newer form of events.
pub(crate) const EVENTS: &str = "events.k8s.io";

pub(crate) struct ResourceKind {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) plural: String,
    pub(crate) singular: String,
    pub(crate) kind: String,
    pub(crate) namespaced: bool,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    /// Whether `/status` is a resource of its own.
    pub(crate) status: bool,
    /// Columns of a table, after the name.
    pub(crate) columns: Vec<Column>,
    /// Schema of a custom resource.
    pub(crate) schema: Option<Schema>,
}

/// A column of a table.
pub(crate) struct Column {
    pub(crate) name: String,
    /// `string`, `integer`, `date` …
    pub(crate) kind: String,
    /// A JSON path; `#` before it counts what is there.
    pub(crate) path: String,
    /// Above zero: with `-o wide` only.
    pub(crate) priority: i64,
}

impl ResourceKind {
    /// Under which resource objects are stored: events have two groups and one store.
    pub(crate) fn stored_as(&self) -> Arc<str> {
        if self.group == EVENTS { "events".into() } else { self.resource() }
    }

    /// `Kind.group`, or `Kind` in the core group: how validation errors name it.
    pub(crate) fn qualified(&self) -> String {
        if self.group.is_empty() {
            self.kind.clone()
        } else {
            format!("{}.{}", self.kind, self.group)
        }
    }

    /// Where it is known from how its lists are merged.
    pub(crate) fn lists(&self) -> ListTypes<'_> {
        self.schema.as_ref().map_or(ListTypes::BuiltIn, |schema| ListTypes::Schema(schema.plain()))
    }

    /// Whether an update must name the version that it replaces.
    pub(crate) fn versioned_updates(&self) -> bool {
        self.schema.is_some() || ["Lease", "CustomResourceDefinition"].contains(&self.kind.as_str())
    }

    /// `plural.group`, or `plural` in the core group: how errors and the store name it.
    pub(crate) fn resource(&self) -> Arc<str> {
        if self.group.is_empty() {
            self.plural.as_str().into()
        } else {
            format!("{}.{}", self.plural, self.group).into()
        }
    }

    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// Verbs in discovery; what only answers, like TokenReview, is created and nothing else.
    pub(crate) fn verbs(&self) -> Value {
        if self.is_review() {
            return json!(["create"]);
        }
        json!(["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"])
    }

    pub(crate) fn is_review(&self) -> bool {
        self.kind.ends_with("Review")
    }
}

/// All served kinds, by `group/version/plural`.
pub(crate) struct Kinds(RwLock<BTreeMap<String, Arc<ResourceKind>>>);

/// group, version, kind, plural, namespaced, short names, has status.
type BuiltIn =
    (&'static str, &'static str, &'static str, &'static str, bool, &'static [&'static str], bool);

const RBAC: &str = "rbac.authorization.k8s.io";
const BUILT_IN: &[BuiltIn] = &[
    ("", "v1", "Namespace", "namespaces", false, &["ns"], true),
    ("", "v1", "Secret", "secrets", true, &[], false),
    ("", "v1", "ConfigMap", "configmaps", true, &["cm"], false),
    ("", "v1", "ServiceAccount", "serviceaccounts", true, &["sa"], false),
    ("", "v1", "Service", "services", true, &["svc"], true),
    ("", "v1", "Pod", "pods", true, &["po"], true),
    ("", "v1", "Event", "events", true, &["ev"], false),
    (EVENTS, "v1", "Event", "events", true, &["ev"], false),
    ("apps", "v1", "Deployment", "deployments", true, &["deploy"], true),
    ("apps", "v1", "StatefulSet", "statefulsets", true, &["sts"], true),
    ("apps", "v1", "DaemonSet", "daemonsets", true, &["ds"], true),
    ("apps", "v1", "ReplicaSet", "replicasets", true, &["rs"], true),
    ("batch", "v1", "Job", "jobs", true, &[], true),
    ("coordination.k8s.io", "v1", "Lease", "leases", true, &[], false),
    (RBAC, "v1", "Role", "roles", true, &[], false),
    (RBAC, "v1", "RoleBinding", "rolebindings", true, &[], false),
    (RBAC, "v1", "ClusterRole", "clusterroles", false, &[], false),
    (RBAC, "v1", "ClusterRoleBinding", "clusterrolebindings", false, &[], false),
    (
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        false,
        &["crd", "crds"],
        true,
    ),
    (ADMISSION, "v1", "ValidatingAdmissionPolicy", "validatingadmissionpolicies", false, &[], true),
    (
        ADMISSION,
        "v1",
        "ValidatingAdmissionPolicyBinding",
        "validatingadmissionpolicybindings",
        false,
        &[],
        false,
    ),
    ("authentication.k8s.io", "v1", "TokenReview", "tokenreviews", false, &[], false),
    ("authentication.k8s.io", "v1", "SelfSubjectReview", "selfsubjectreviews", false, &[], false),
    (
        "authorization.k8s.io",
        "v1",
        "SubjectAccessReview",
        "subjectaccessreviews",
        false,
        &[],
        false,
    ),
    (
        "authorization.k8s.io",
        "v1",
        "SelfSubjectAccessReview",
        "selfsubjectaccessreviews",
        false,
        &[],
        false,
    ),
    (
        "authorization.k8s.io",
        "v1",
        "SelfSubjectRulesReview",
        "selfsubjectrulesreviews",
        false,
        &[],
        false,
    ),
];

impl Kinds {
    pub(crate) fn built_in() -> Self {
        let mut all = BTreeMap::new();
        for (group, version, kind, plural, namespaced, short, status) in BUILT_IN {
            let kind = ResourceKind {
                group: (*group).into(),
                version: (*version).into(),
                plural: (*plural).into(),
                singular: kind.to_lowercase(),
                kind: (*kind).into(),
                namespaced: *namespaced,
                short_names: short.iter().map(|s| (*s).to_owned()).collect(),
                categories: Vec::new(),
                status: *status,
                columns: columns(kind),
                schema: None,
            };
            all.insert(key(group, version, plural), Arc::new(kind));
        }
        Self(RwLock::new(all))
    }

    pub(crate) fn get(
        &self,
        group: &str,
        version: &str,
        plural: &str,
    ) -> Option<Arc<ResourceKind>> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.get(&key(group, version, plural)).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<ResourceKind>> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.values().cloned().collect()
    }

    /// The kind of an `apiVersion` and `kind`.
    pub(crate) fn by_kind(&self, api_version: &str, name: &str) -> Option<Arc<ResourceKind>> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.values().find(|k| k.kind == name && k.api_version() == api_version).cloned()
    }

    /// Serves what a CustomResourceDefinition says, in every served version.
    pub(crate) fn define(&self, crd: &Value) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let spec = &crd["spec"];
        let (group, plural) = (text(&spec["group"]), text(&spec["names"]["plural"]));
        all.retain(|_, k| !(k.group == group && k.plural == plural));
        for version in spec["versions"].as_array().into_iter().flatten() {
            if version["served"] == true {
                let name = text(&version["name"]);
                all.insert(key(&group, &name, &plural), Arc::new(custom(spec, version)));
            }
        }
    }

    /// Serves a CustomResourceDefinition's kind no longer.
    pub(crate) fn undefine(&self, crd: &Value) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let (group, plural) = (text(&crd["spec"]["group"]), text(&crd["spec"]["names"]["plural"]));
        all.retain(|_, k| !(k.group == group && k.plural == plural));
    }
}

fn custom(spec: &Value, version: &Value) -> ResourceKind {
    let names = &spec["names"];
    let list = |v: &Value| v.as_array().into_iter().flatten().map(text).collect::<Vec<_>>();
    let columns = version["additionalPrinterColumns"].as_array().into_iter().flatten();
    let kind = text(&names["kind"]);
    ResourceKind {
        group: text(&spec["group"]),
        version: text(&version["name"]),
        plural: text(&names["plural"]),
        singular: names["singular"].as_str().map_or_else(|| kind.to_lowercase(), str::to_owned),
        namespaced: spec["scope"] == "Namespaced",
        short_names: list(&names["shortNames"]),
        categories: list(&names["categories"]),
        status: !version["subresources"]["status"].is_null(),
        columns: columns
            .map(|c| Column {
                name: text(&c["name"]),
                kind: text(&c["type"]),
                path: text(&c["jsonPath"]),
                priority: c["priority"].as_i64().unwrap_or(0),
            })
            .collect(),
        schema: Schema::compile(&version["schema"]["openAPIV3Schema"]),
        kind,
    }
}

/// Columns of built-in kinds, where they matter to who watches regent; all have an age.
fn columns(kind: &str) -> Vec<Column> {
    const CREATED: &str = ".metadata.creationTimestamp";
    let own: &[(&str, &str)] = match kind {
        "Secret" => &[("Type", ".type"), ("Data", "#.data")],
        "ConfigMap" => &[("Data", "#.data")],
        "ServiceAccount" => &[],
        "Namespace" => &[("Status", ".status.phase")],
        "Lease" => &[("Holder", ".spec.holderIdentity")],
        "RoleBinding" | "ClusterRoleBinding" => &[("Role", "=roleRef")],
        // Their creation is printed as a time, not as an age.
        "Role" | "ClusterRole" | "CustomResourceDefinition" => &[("Created At", CREATED)],
        "Event" => &[("Reason", ".reason"), ("Message", ".message")],
        _ => &[],
    };
    let timed = own.iter().any(|(name, _)| *name == "Created At");
    let age = (!timed).then_some(("Age", CREATED));
    let column = |(name, path): (&str, &str)| Column {
        name: name.into(),
        kind: if name == "Age" { "age".into() } else { "string".into() },
        path: path.into(),
        priority: 0,
    };
    own.iter().copied().chain(age).map(column).collect()
}

fn key(group: &str, version: &str, plural: &str) -> String {
    format!("{group}/{version}/{plural}")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
