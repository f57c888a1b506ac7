//! A policy as it is kept: its constraints as written, its CEL parsed.

use std::sync::LazyLock;

use kube_cel::cel::Program;
use regex::Regex;
use serde_json::Value;

/// Said where a policy or binding wants them.
pub(super) const NO_PARAMS: &str = "Unsupported: the sandbox evaluates no params";
/// Expressions of one kind in one policy; the real API server's bounds are lower.
const EXPRESSIONS_MAX: usize = 128;

/// How `variables.NAME` is spelled.
static VARIABLE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\bvariables\.([A-Za-z_][A-Za-z0-9_]*)").ok());

/// A parsed expression and the variables that it may look at.
pub(super) struct Expression {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) program: Program,
    pub(super) variables: Vec<String>,
}

pub(super) struct Validation {
    pub(super) expression: Expression,
    pub(super) message: Option<String>,
    pub(super) message_expression: Option<Expression>,
    pub(super) reason: Option<String>,
}

pub(super) struct CompiledPolicy {
    pub(super) name: String,
    pub(super) constraints: Value,
    /// `failurePolicy: Fail`, the default.
    pub(super) fails_closed: bool,
    pub(super) conditions: Vec<Expression>,
    pub(super) variables: Vec<Expression>,
    pub(super) validations: Vec<Validation>,
    pub(super) audit: Vec<Expression>,
}

/// What is wrong with it, as (field, message).
type Causes = Vec<(String, String)>;

impl CompiledPolicy {
    pub(super) fn compile(object: &Value) -> Result<Self, Causes> {
        let spec = &object["spec"];
        let mut causes = Causes::new();
        if spec["paramKind"].is_object() {
            causes.push(("spec.paramKind".into(), NO_PARAMS.into()));
        }
        if spec["matchConstraints"]["resourceRules"].as_array().is_none_or(Vec::is_empty) {
            causes.push(("spec.matchConstraints.resourceRules".into(), "Required value".into()));
        }
        let mut policy = Self {
            name: object["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
            constraints: spec["matchConstraints"].clone(),
            fails_closed: spec["failurePolicy"] != "Ignore",
            conditions: all(spec, "matchConditions", "name", "expression", &mut causes),
            variables: all(spec, "variables", "name", "expression", &mut causes),
            validations: validations(spec, &mut causes),
            audit: all(spec, "auditAnnotations", "key", "valueExpression", &mut causes),
        };
        if policy.validations.is_empty() && policy.audit.is_empty() {
            causes.push((
                "spec.validations".into(),
                "Required value: validations or auditAnnotations".into(),
            ));
        }
        policy.order();
        if causes.is_empty() { Ok(policy) } else { Err(causes) }
    }

    /// A variable sees those before it, a match condition none.
    fn order(&mut self) {
        self.conditions.iter_mut().for_each(|c| c.variables.clear());
        let names: Vec<String> = self.variables.iter().map(|v| v.name.clone()).collect();
        for (index, variable) in self.variables.iter_mut().enumerate() {
            variable.variables.retain(|n| names[..index].contains(n));
        }
    }
}

fn all(spec: &Value, field: &str, name: &str, text: &str, causes: &mut Causes) -> Vec<Expression> {
    let items = spec[field].as_array().into_iter().flatten().enumerate();
    items
        .take(EXPRESSIONS_MAX)
        .filter_map(|(index, item)| {
            let name = item[name].as_str().unwrap_or_default();
            parsed(name, &item[text], &format!("spec.{field}[{index}].{text}"), causes)
        })
        .collect()
}

fn validations(spec: &Value, causes: &mut Causes) -> Vec<Validation> {
    let owned = |v: &Value| v.as_str().map(str::to_owned);
    let items = spec["validations"].as_array().into_iter().flatten().enumerate();
    items
        .take(EXPRESSIONS_MAX)
        .filter_map(|(index, item)| {
            let at = |field: &str| format!("spec.validations[{index}].{field}");
            let said = &item["messageExpression"];
            let message_expression = match said {
                Value::Null => None,
                said => Some(parsed("", said, &at("messageExpression"), causes)?),
            };
            Some(Validation {
                expression: parsed("", &item["expression"], &at("expression"), causes)?,
                message: owned(&item["message"]),
                message_expression,
                reason: owned(&item["reason"]),
            })
        })
        .collect()
}

fn parsed(name: &str, text: &Value, at: &str, causes: &mut Causes) -> Option<Expression> {
    let text = text.as_str().unwrap_or_default().to_owned();
    match Program::compile(&text) {
        Ok(program) => {
            let mut variables: Vec<String> = VARIABLE
                .as_ref()
                .map(|v| v.captures_iter(&text).map(|c| c[1].to_owned()).collect())
                .unwrap_or_default();
            variables.sort();
            variables.dedup();
            Some(Expression { name: name.to_owned(), text, program, variables })
        }
        Err(error) => {
            causes.push((at.to_owned(), format!("Invalid value: compilation failed: {error}")));
            None
        }
    }
}
