//! Which requests a policy is about: rules, namespaces, objects.

use serde_json::Value;

use crate::api::context::Cx;
use crate::auth::User;
use crate::store::ObjectKey;

/// What is about to happen to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Create,
    Update,
    /// Dryness is in the options of a delete, not in the request's query.
    Delete {
        dry: bool,
    },
}

impl Operation {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete { .. } => "DELETE",
        }
    }
}

/// One request, as rules look at it.
pub(crate) struct AdmissionRequest<'a> {
    pub(super) operation: Operation,
    pub(super) user: &'a User,
    pub(super) group: &'a str,
    pub(super) version: &'a str,
    pub(super) resource: &'a str,
    pub(super) kind: &'a str,
    pub(super) subresource: &'a str,
    pub(super) namespace: &'a str,
    pub(super) name: String,
    pub(super) namespaced: bool,
    pub(super) dry_run: bool,
    pub(super) object: Option<&'a Value>,
    pub(super) old: Option<&'a Value>,
    /// The namespace it is in.
    pub(super) home: Option<std::sync::Arc<Value>>,
}

impl<'a> AdmissionRequest<'a> {
    pub(super) fn new(
        cx: &'a Cx<'_>,
        operation: Operation,
        object: Option<&'a Value>,
        old: Option<&'a Value>,
    ) -> Self {
        let any = object.or(old).unwrap_or(&Value::Null);
        let namespace = any["metadata"]["namespace"].as_str().unwrap_or_default();
        let key = ObjectKey {
            resource: "namespaces".into(),
            namespace: String::new(),
            name: namespace.into(),
        };
        Self {
            operation,
            user: &cx.user,
            group: &cx.kind.group,
            version: &cx.kind.version,
            resource: &cx.kind.plural,
            kind: &cx.kind.kind,
            subresource: cx.target.subresource.as_deref().unwrap_or_default(),
            namespace,
            name: any["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
            namespaced: cx.kind.namespaced,
            dry_run: cx.dry_run() || operation == Operation::Delete { dry: true },
            object,
            old,
            home: if namespace.is_empty() { None } else { cx.state.store.get(&key) },
        }
    }

    /// `plural.group`, as errors say it.
    pub(super) fn resource_name(&self) -> String {
        if self.group.is_empty() {
            self.resource.to_owned()
        } else {
            format!("{}.{}", self.resource, self.group)
        }
    }
}

/// Whether `constraints` (`matchConstraints` of a policy or `matchResources` of a binding) are about `request`.
/// Absent parts match everything.
pub(super) fn matches(constraints: &Value, request: &AdmissionRequest<'_>) -> bool {
    let rules = |field: &str| constraints[field].as_array();
    let excluded =
        rules("excludeResourceRules").is_some_and(|r| r.iter().any(|r| rule(r, request)));
    let included = rules("resourceRules").is_none_or(|r| r.iter().any(|r| rule(r, request)));
    included && !excluded && in_namespace(constraints, request) && of_object(constraints, request)
}

fn rule(rule: &Value, request: &AdmissionRequest<'_>) -> bool {
    let has = |field: &str, wanted: &str| {
        let all = rule[field].as_array().into_iter().flatten().filter_map(Value::as_str);
        all.into_iter().any(|v| v == "*" || v == wanted)
    };
    let scope = match rule["scope"].as_str() {
        Some("Namespaced") => request.namespaced,
        Some("Cluster") => !request.namespaced,
        _ => true,
    };
    let names = rule["resourceNames"].as_array().filter(|n| !n.is_empty());
    scope
        && has("operations", request.operation.as_str())
        && has("apiGroups", request.group)
        && has("apiVersions", request.version)
        && names.is_none_or(|n| n.iter().any(|n| *n == request.name.as_str()))
        && rule["resources"].as_array().into_iter().flatten().any(|r| resource(r, request))
}

/// `*/*` is everything, `*` everything but subresources, `x/*` one resource and all below it.
fn resource(pattern: &Value, request: &AdmissionRequest<'_>) -> bool {
    let pattern = pattern.as_str().unwrap_or_default();
    let (plural, sub) = pattern.split_once('/').unwrap_or((pattern, ""));
    (plural == "*" || plural == request.resource)
        && (sub == request.subresource || (sub == "*" && pattern.contains('/')))
}

fn in_namespace(constraints: &Value, request: &AdmissionRequest<'_>) -> bool {
    let wanted = &constraints["namespaceSelector"];
    if request.resource == "namespaces" && request.group.is_empty() {
        return selects(wanted, request.object.or(request.old).unwrap_or(&Value::Null));
    }
    request.home.as_deref().is_none_or(|home| selects(wanted, home))
}

/// By the object as it was or as it will be: taking a label off is no way out.
fn of_object(constraints: &Value, request: &AdmissionRequest<'_>) -> bool {
    let wanted = &constraints["objectSelector"];
    let either = [request.object, request.old];
    either.into_iter().flatten().any(|object| selects(wanted, object))
}

/// A label selector as an object; absent or empty selects all.
fn selects(selector: &Value, object: &Value) -> bool {
    let label = |key: &str| object["metadata"]["labels"][key].as_str();
    let exact = selector["matchLabels"].as_object().into_iter().flatten();
    let terms = selector["matchExpressions"].as_array().into_iter().flatten();
    exact.into_iter().all(|(key, value)| label(key) == value.as_str())
        && terms.into_iter().all(|term| {
            let found = label(term["key"].as_str().unwrap_or_default());
            let among =
                |v: &str| term["values"].as_array().is_some_and(|all| all.iter().any(|w| *w == v));
            match term["operator"].as_str() {
                Some("In") => found.is_some_and(among),
                Some("NotIn") => !found.is_some_and(among),
                Some("Exists") => found.is_some(),
                Some("DoesNotExist") => found.is_none(),
                _ => false,
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn selectors_take_what_the_real_ones_take() {
        let object = json!({ "metadata": { "labels": { "a": "1" } } });
        let term = |operator: &str, key: &str, values: Value| json!({ "matchExpressions": [{ "key": key, "operator": operator, "values": values }] });
        let table = [
            (Value::Null, true),
            (json!({}), true),
            (json!({ "matchLabels": { "a": "1" } }), true),
            (json!({ "matchLabels": { "a": "2" } }), false),
            (json!({ "matchLabels": { "b": "" } }), false),
            (term("In", "a", json!(["1", "2"])), true),
            (term("NotIn", "a", json!(["1"])), false),
            (term("NotIn", "b", json!(["1"])), true),
            (term("Exists", "a", Value::Null), true),
            (term("DoesNotExist", "a", Value::Null), false),
            (term("Odd", "a", Value::Null), false),
        ];
        for (selector, wanted) in table {
            assert_eq!(selects(&selector, &object), wanted, "{selector}");
        }
    }
}
