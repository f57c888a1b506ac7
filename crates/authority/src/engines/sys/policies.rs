//! `sys/policies/acl` and the older `sys/policy`: the same policies, two forms of answer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::error::ApiError;
use crate::lifecycle::Unsealed;
use crate::policies::PolicyStore;
use crate::policy;
use crate::reply::Reply;
use crate::request::schema::Schema;
use crate::request::{Call, Operation, fields};

/// Which form of answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `sys/policies/acl`: `keys`; `name`, `policy`.
    Acl,
    /// `sys/policy`: `keys` and `policies`; `name`, `rules`, mirrored.
    Legacy,
}

/// Fields of a write.
pub(super) const FIELDS: Schema = Schema {
    acts: &["policy", "rules"],
    // Ignoring these would grant more, or for longer.
    refused: &[
        ("expiration", "policies do not expire"),
        ("ttl", "policies do not expire"),
        ("cas", "policies have no versions"),
        ("cas_required", "policies have no versions"),
    ],
};

pub(super) async fn call(
    unsealed: &Unsealed,
    form: Form,
    name: &str,
    call: Call,
) -> Result<Reply, ApiError> {
    let policies = &unsealed.services.policies;
    if name.is_empty() {
        return list(policies, form, call.op).await;
    }
    let stored = PolicyStore::normalized_name(name)?;
    match call.op {
        Operation::Read => read(policies, form, &stored).await,
        Operation::Create | Operation::Update => {
            policies.put(&stored, &text(&call)?).await?;
            let reply = Reply::no_content();
            let renamed = stored != name;
            Ok(if renamed { reply.warn("policy name was converted to lower case") } else { reply })
        }
        Operation::Delete => {
            policies.delete(&stored).await?;
            Ok(Reply::no_content())
        }
        Operation::List | Operation::Patch => Err(ApiError::Unsupported),
    }
}

async fn list(policies: &PolicyStore, form: Form, op: Operation) -> Result<Reply, ApiError> {
    match (form, op) {
        (Form::Acl, Operation::List) => Ok(Reply::ok(json!({"keys": policies.names().await?}))),
        (Form::Legacy, Operation::List | Operation::Read) => {
            let names = policies.names().await?;
            Ok(Reply::mirrored(json!({"keys": names, "policies": names})))
        }
        _ => Err(ApiError::Unsupported),
    }
}

async fn read(policies: &PolicyStore, form: Form, name: &str) -> Result<Reply, ApiError> {
    let text = match name {
        // It has no text: it allows everything.
        "root" => String::new(),
        _ => policies.text(name).await?.ok_or(ApiError::NotFound)?,
    };
    Ok(match form {
        Form::Acl => Reply::ok(json!({"name": name, "policy": text})),
        Form::Legacy => Reply::mirrored(json!({"name": name, "rules": text})),
    })
}

/// The policy in a request, plain or base64.
fn text(call: &Call) -> Result<String, ApiError> {
    let field = match fields::text(&call.data, "policy")? {
        Some(text) => Some(text),
        None => fields::text(&call.data, "rules")?,
    };
    let given = field.filter(|text| !text.is_empty());
    let given =
        given.ok_or_else(|| ApiError::invalid("'policy' parameter not supplied or empty"))?;
    let Err(problems) = policy::parse(given) else { return Ok(given.to_owned()) };
    let decoded =
        STANDARD.decode(given.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.ok_or(ApiError::Invalid(problems))
}
