//! `authorizer` in CEL: `authorizer.group(g).resource(r).namespace(n).check(verb).allowed()` and its like, asked of
//! the sandbox's RBAC as the user of the request.

use std::fmt;
use std::sync::Arc;

use kube_cel::cel::extractors::This;
use kube_cel::cel::objects::Opaque;
use kube_cel::cel::{Context, ExecutionError, Value as Cel};

use crate::api::context::Cx;
use crate::auth::User;
use crate::rbac::{self, Ask};
use crate::state::ClusterState;

/// A question being put together; with a verdict once it was asked.
#[derive(Clone)]
struct Question {
    state: Arc<ClusterState>,
    user: User,
    ask: Ask,
    allowed: Option<bool>,
}

impl PartialEq for Question {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.state, &other.state)
            && (&self.user, &self.allowed) == (&other.user, &other.allowed)
            && format!("{:?}", self.ask) == format!("{:?}", other.ask)
    }
}

impl Eq for Question {}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Question").field(&self.user.name).field(&self.ask).finish()
    }
}

impl Opaque for Question {
    fn runtime_type_name(&self) -> &str {
        "kubernetes.authorization.Authorizer"
    }
}

/// The variable `authorizer` of a request.
pub(super) fn of(cx: &Cx<'_>) -> Cel {
    let (state, user) = (Arc::clone(cx.state), cx.user.clone());
    Cel::Opaque(Arc::new(Question { state, user, ask: Ask::default(), allowed: None }))
}

pub(super) fn register(functions: &mut Context<'static>) {
    functions.add_function("group", |this: This<Cel>, name: Arc<String>| {
        with(&this, "group", |q| q.ask.group = name.to_string())
    });
    functions.add_function("resource", |this: This<Cel>, name: Arc<String>| {
        with(&this, "resource", |q| q.ask.resource = name.to_string())
    });
    functions.add_function("subresource", |this: This<Cel>, name: Arc<String>| {
        with(&this, "subresource", |q| {
            if !name.is_empty() {
                q.ask.resource = format!("{}/{name}", q.ask.resource);
            }
        })
    });
    functions.add_function("namespace", |this: This<Cel>, name: Arc<String>| {
        with(&this, "namespace", |q| q.ask.namespace = name.to_string())
    });
    functions.add_function("name", |this: This<Cel>, name: Arc<String>| {
        with(&this, "name", |q| q.ask.name = name.to_string())
    });
    functions.add_function("path", |this: This<Cel>, path: Arc<String>| {
        with(&this, "path", |q| q.ask.path = path.to_string())
    });
    functions.add_function("check", |this: This<Cel>, verb: Arc<String>| {
        with(&this, "check", |q| {
            q.ask.verb = verb.to_string();
            q.allowed = Some(rbac::allows(&q.state.store, &q.user, &q.ask));
        })
    });
    functions.add_function("allowed", |this: This<Cel>| -> Result<Cel, ExecutionError> {
        let question = question(&this, "allowed")?;
        let never = || ExecutionError::function_error("allowed", "nothing was checked");
        question.allowed.map(Cel::Bool).ok_or_else(never)
    });
}

fn question<'a>(this: &'a This<Cel>, method: &str) -> Result<&'a Question, ExecutionError> {
    let opaque = match &this.0 {
        Cel::Opaque(opaque) => opaque.downcast_ref::<Question>(),
        _ => None,
    };
    opaque.ok_or_else(|| ExecutionError::not_supported_as_method(method, this.0.clone()))
}

fn with(
    this: &This<Cel>,
    method: &str,
    change: impl FnOnce(&mut Question),
) -> Result<Cel, ExecutionError> {
    let mut next = question(this, method)?.clone();
    change(&mut next);
    Ok(Cel::Opaque(Arc::new(next)))
}
