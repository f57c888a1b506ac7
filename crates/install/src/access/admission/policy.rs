//! A row of the table, and the API objects made from it. Defaults that the API server would fill in are written
//! out, so that what is installed reads back the same.

use serde_json::{Value, json};

use super::names::{
    API_VERSION, BINDING_KIND, OUTSIDE, OVERRIDE_RESOURCE, OVERRIDE_VERB, POLICY_KIND,
};
use regent_types::labels::{PART_OF, REGENT};

/// A ValidatingAdmissionPolicy and the binding that puts it in force.
#[derive(Clone, Debug)]
pub struct AdmissionPolicy {
    /// Name of the policy and of its binding.
    pub name: &'static str,
    pub(super) group: &'static str,
    pub(super) version: &'static str,
    pub(super) resource: &'static str,
    pub(super) operations: &'static [&'static str],
    /// A label that the object has, before or after; `None` for any object.
    pub(super) label: Option<(&'static str, &'static str)>,
    /// Cheap conditions without which nothing else is evaluated. They may not fail.
    pub(super) conditions: Vec<(&'static str, String)>,
    pub(super) variables: Vec<(&'static str, String)>,
    pub(super) rules: Vec<Rule>,
    pub(super) break_glass: BreakGlass,
}

/// Whether the RBAC verb opens a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BreakGlass {
    Allowed,
    /// For identities that often hold every verb and are never a person, and for what is confirmed on the object.
    Never,
}

#[derive(Clone, Debug)]
pub(super) struct Rule {
    /// Also the name of the variable that holds the outcome.
    pub(super) name: &'static str,
    pub(super) expression: String,
    /// `Forbidden` where it is about who, `Invalid` where it is about what.
    pub(super) reason: &'static str,
    pub(super) expected: &'static str,
    /// What the person who is refused can do. `{name}` stands for the name of the object that is deleted.
    pub(super) action: &'static str,
}

/// Asked only where a rule is broken: an authorizer check is the dearest thing that CEL can do.
fn overridden() -> String {
    format!(
        "authorizer.group('regent.dev').resource('{OVERRIDE_RESOURCE}').namespace(request.namespace)\
         .check('{OVERRIDE_VERB}').allowed()"
    )
}

/// A CEL list of strings.
pub(super) fn list(items: &[String]) -> String {
    json!(items).to_string()
}

impl AdmissionPolicy {
    /// The policy as it is installed.
    pub fn object(&self) -> Value {
        let named =
            |(name, expression): &(&str, String)| json!({ "name": name, "expression": expression });
        let outcomes = self.rules.iter().map(|r| (r.name, r.expression.clone()));
        let variables: Vec<Value> =
            self.variables.iter().cloned().chain(outcomes).map(|v| named(&v)).collect();
        let mut spec = json!({
            "failurePolicy": "Fail",
            "matchConstraints": {
                "matchPolicy": "Equivalent",
                "namespaceSelector": {},
                "objectSelector": self.selector(),
                "resourceRules": [{
                    "apiGroups": [self.group], "apiVersions": [self.version],
                    "resources": [self.resource], "operations": self.operations, "scope": "*",
                }],
            },
            "validations": self.rules.iter().map(|r| self.validation(r)).collect::<Vec<_>>(),
        });
        // Where there are none the API server leaves the field out.
        if !self.conditions.is_empty() {
            spec["matchConditions"] = self.conditions.iter().map(named).collect();
        }
        if !variables.is_empty() {
            spec["variables"] = variables.into();
        }
        if self.break_glass == BreakGlass::Allowed {
            spec["auditAnnotations"] = json!([{ "key": OUTSIDE, "valueExpression": self.audit() }]);
        }
        json!({ "apiVersion": API_VERSION, "kind": POLICY_KIND, "metadata": self.meta(), "spec": spec })
    }

    /// Its binding: everywhere, and to deny.
    pub fn binding(&self) -> Value {
        json!({
            "apiVersion": API_VERSION, "kind": BINDING_KIND, "metadata": self.meta(),
            "spec": { "policyName": self.name, "validationActions": ["Deny"] },
        })
    }

    fn meta(&self) -> Value {
        json!({ "name": self.name, "labels": { PART_OF: REGENT } })
    }

    fn selector(&self) -> Value {
        match self.label {
            Some((key, value)) => json!({ "matchLabels": { key: value } }),
            None => json!({}),
        }
    }

    fn validation(&self, rule: &Rule) -> Value {
        let holds = format!("variables.{}", rule.name);
        let expression = match self.break_glass {
            BreakGlass::Allowed => format!("{holds} || {}", overridden()),
            BreakGlass::Never => holds,
        };
        let Rule { expected, action, .. } = rule;
        json!({
            "expression": expression,
            "reason": rule.reason,
            "message": format!("expected {expected}; do: {}", action.replace("{name}", "NAME")),
            "messageExpression": format!(
                "'expected {expected}; found ' + request.operation + ' by ' + request.userInfo.username + \
                 '; do: {}'",
                action.replace("{name}", "' + oldObject.metadata.name + '")
            ),
        })
    }

    /// Who left the write paths; empty, and so not noted, where nobody did. The API server gives an audit
    /// annotation no `authorizer`: that it answered with success is what says that the verb was held.
    fn audit(&self) -> String {
        let all: Vec<String> = self.rules.iter().map(|r| format!("variables.{}", r.name)).collect();
        // Who deletes a collection names no object.
        format!(
            "{} ? '' : request.operation + ' of ' + request.namespace + '/' + \
             (has(request.name) ? request.name : oldObject.metadata.name) + ' by ' + \
             request.userInfo.username + ' passes by verb {OVERRIDE_VERB} alone'",
            all.join(" && ")
        )
    }
}
