//! One policy over one request, in CEL.
//!
//! Variables are evaluated when something that mentions them is, once a request and policy. The CEL library is
//! kube-cel's; its own policy evaluator is not used, because it escapes map keys, so that a label such as `a.b/c`
//! is never found and rules on it pass.

use std::collections::{BTreeMap, HashMap};

use kube_cel::KubeCelExt;
use kube_cel::cel::{self, Context, Value as Cel};
use serde_json::{Value, json};

use super::authorizer;
use super::compile::{CompiledPolicy, Expression, Validation};
use super::matching::AdmissionRequest;
use crate::api::context::Cx;

thread_local! {
    // Registering the CEL functions costs more than evaluating a rule, and a context is not shared by threads.
    static FUNCTIONS: Context<'static> = {
        let mut functions = Context::default().with_all();
        authorizer::register(&mut functions);
        functions
    };
}

/// What every expression can look at; made once a request.
pub(super) struct Inputs {
    all: Vec<(&'static str, Cel)>,
    /// For conditions and validations; messages and audit annotations have none on the real API server either.
    authorizer: Cel,
}

impl Inputs {
    pub(super) fn new(cx: &Cx<'_>, request: &AdmissionRequest<'_>) -> Self {
        let said = json!({
            "operation": request.operation.as_str(),
            "userInfo": request.user.to_json(),
            "name": request.name, "namespace": request.namespace,
            "kind": { "group": request.group, "version": request.version, "kind": request.kind },
            "resource": { "group": request.group, "version": request.version, "resource": request.resource },
            "subResource": request.subresource,
            "dryRun": request.dry_run,
        });
        let all = vec![
            ("object", cel(request.object)),
            ("oldObject", cel(request.old)),
            ("namespaceObject", cel(request.home.as_deref())),
            ("params", Cel::Null),
            ("request", cel(Some(&said))),
        ];
        Self { all, authorizer: authorizer::of(cx) }
    }
}

fn cel(value: Option<&Value>) -> Cel {
    // JSON is always a value of CEL.
    value.and_then(|v| cel::to_value(v).ok()).unwrap_or(Cel::Null)
}

/// Why a policy says no.
pub(crate) struct Denial {
    pub(super) reason: Option<String>,
    pub(super) message: String,
}

/// Whether `policy` lets the request through.
pub(super) fn judge(policy: &CompiledPolicy, inputs: &Inputs) -> Result<(), Denial> {
    FUNCTIONS.with(|functions| {
        let mut scope = functions.new_inner_scope();
        for (name, value) in &inputs.all {
            scope.add_variable_from_value(*name, value.clone());
        }
        let authorizer = &inputs.authorizer;
        let mut run = Run { policy, scope: &scope, authorizer, known: BTreeMap::new() };
        match run.applies() {
            Ok(true) => run.validate(),
            Ok(false) => Ok(()),
            Err(message) => run.broke(message),
        }
    })
}

/// The outcome of an expression, or why it has none.
type Evaluated = Result<Cel, String>;

struct Run<'a> {
    policy: &'a CompiledPolicy,
    scope: &'a Context<'a>,
    authorizer: &'a Cel,
    known: BTreeMap<String, Evaluated>,
}

impl Run<'_> {
    /// Match conditions: one that is false decides, whatever the others are.
    fn applies(&mut self) -> Result<bool, String> {
        let mut error = None;
        for condition in &self.policy.conditions {
            match self.truth(condition) {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(message) => error = error.or(Some(message)),
            }
        }
        error.map_or(Ok(true), Err)
    }

    fn validate(&mut self) -> Result<(), Denial> {
        let policy = self.policy;
        let mut denial = None;
        for validation in &policy.validations {
            let outcome = match self.truth(&validation.expression) {
                Ok(true) => Ok(()),
                Ok(false) => Err(self.denial(validation)),
                Err(message) => self.broke(message),
            };
            denial = denial.or(outcome.err());
        }
        for annotation in &policy.audit {
            match self.value(annotation, None) {
                Ok(Cel::String(text)) if text.is_empty() => {}
                Ok(Cel::Null) => {}
                Ok(Cel::String(text)) => {
                    tracing::warn!(policy = policy.name, key = annotation.name, %text, "admission audit");
                }
                Ok(_) | Err(_) if denial.is_some() => {}
                Ok(_) => self.broke("an audit annotation is no text".into())?,
                Err(message) => self.broke(message)?,
            }
        }
        denial.map_or(Ok(()), Err)
    }

    /// What cannot be evaluated refuses, unless the policy says otherwise.
    fn broke(&self, message: String) -> Result<(), Denial> {
        if self.policy.fails_closed { Err(Denial { reason: None, message }) } else { Ok(()) }
    }

    fn denial(&mut self, validation: &Validation) -> Denial {
        let said = validation.message_expression.as_ref().map(|m| self.value(m, None));
        let message = match said {
            // The real API server takes a message of one line only.
            Some(Ok(Cel::String(text))) if !text.trim().is_empty() && !text.contains('\n') => {
                text.trim().to_owned()
            }
            _ => validation.message.clone().unwrap_or_else(|| {
                format!("failed expression: {}", validation.expression.text.trim())
            }),
        };
        Denial { reason: validation.reason.clone(), message }
    }

    fn truth(&mut self, expression: &Expression) -> Result<bool, String> {
        match self.value(expression, Some(self.authorizer))? {
            Cel::Bool(truth) => Ok(truth),
            _ => Err(format!("expression '{}' resulted in no boolean", expression.text)),
        }
    }

    fn value(&mut self, expression: &Expression, authorizer: Option<&Cel>) -> Evaluated {
        let mut scope = self.scope.new_inner_scope();
        if let Some(authorizer) = authorizer {
            scope.add_variable_from_value("authorizer", authorizer.clone());
        }
        if !expression.variables.is_empty() {
            let variables = self.variables(expression, authorizer);
            scope.add_variable_from_value("variables", variables);
        }
        let outcome = expression.program.execute(&scope);
        outcome.map_err(|e| format!("expression '{}' resulted in error: {e}", expression.text))
    }

    /// Those that `expression` mentions. One that failed is absent, so that only who needs it fails.
    fn variables(
        &mut self,
        expression: &Expression,
        authorizer: Option<&Cel>,
    ) -> HashMap<String, Cel> {
        let mut all = HashMap::new();
        for name in &expression.variables {
            if !self.known.contains_key(name) {
                // A variable mentions only those before it (`compile`), so this ends.
                let found = self.policy.variables.iter().find(|v| v.name == *name);
                let Some(variable) = found else { continue };
                let outcome = self.value(variable, authorizer);
                self.known.insert(name.clone(), outcome);
            }
            if let Some(Ok(value)) = self.known.get(name) {
                all.insert(name.clone(), value.clone());
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_with_a_dot_and_a_slash_is_found() {
        let object = json!({ "metadata": { "labels": { "a.b/c": "d" } } });
        let found = FUNCTIONS.with(|functions| {
            let mut scope = functions.new_inner_scope();
            scope.add_variable_from_value("object", cel(Some(&object)));
            let program = cel::Program::compile("'a.b/c' in object.metadata.labels").unwrap();
            program.execute(&scope).unwrap()
        });
        assert_eq!(found, Cel::Bool(true));
    }
}
