//! `create` and `create-orphan`: who may make which token.

use std::collections::BTreeMap;

use regent_types::json::Object;

use super::roles::{self, TokenRole};
use crate::engines::engine::Context;
use crate::error::ApiError;
use crate::policies::{PolicyStore, WRAPPING_POLICY};
use crate::reply::Reply;
use crate::request::schema::Schema;
use crate::request::{Call, Caller, Operation, fields};
use crate::tokens::{TokenRecord, TokenSpec};

/// Policies on one token: each request looks all of them up, or finds them merged.
const POLICIES_MAX: usize = 64;

/// Entries of `meta`, and the size of each key and value.
const META_MAX: usize = 64;
const META_LEN_MAX: usize = 512;

/// Fields of a request for a token.
pub(super) const FIELDS: Schema = Schema {
    acts: &[
        "policies",
        "ttl",
        "lease",
        "explicit_max_ttl",
        "period",
        "num_uses",
        "renewable",
        "display_name",
        "meta",
        "no_parent",
        "no_default_policy",
        "type",
    ],
    // Ignoring these would make another token than was asked for.
    refused: &[("id", "tokens are random"), ("entity_alias", "there are no identity entities")],
};

/// Whom a new token ends with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Parent {
    Caller,
    Nobody,
}

/// Makes a token for whoever the caller gives it to; `by` names a token role.
pub(super) async fn create(
    cx: Context<'_>,
    call: &Call,
    parent: Parent,
    by: Option<&str>,
) -> Result<Reply, ApiError> {
    let caller = call.caller.as_deref().ok_or(ApiError::Denied)?;
    let store = &cx.services.tokens;
    let own = store.load(&caller.token_id_hash).await?.ok_or(ApiError::Denied)?;
    if own.num_uses > 0 {
        return Err(ApiError::invalid("restricted use token cannot generate child tokens"));
    }
    refuse_other_types(call)?;
    let began = store.revocations();
    let role = match by {
        Some(name) => Some(usable(cx, name).await?.ok_or_else(|| unknown(name))?),
        None => None,
    };
    let sudo = has_sudo(cx, call, caller).await?;
    let no_parent = fields::flag(&call.data, "no_parent")?.unwrap_or(false);
    if no_parent && !sudo && role.is_none() {
        return Err(ApiError::invalid("root or sudo privileges required to create orphan token"));
    }
    let asker = Asker { caller, own: &own, sudo };
    let mut spec = token_spec(cx, call, &asker, role.as_ref())?;
    spec.role = by.map(str::to_owned);
    let orphan = match &role {
        Some(role) => role.orphan,
        None => no_parent || parent == Parent::Nobody,
    };
    spec.parent = (!orphan).then(|| caller.token_id_hash.clone());
    let asked_s = spec.ttl_s;
    let is_there = async || match by {
        Some(name) => Ok(usable(cx, name).await?.is_some()),
        None => Ok(true),
    };
    let auth = store.issue_login(spec, call.now, began, is_there).await?;
    let granted_s = auth.lease_duration_s;
    let mut reply = Reply::auth(auth);
    if no_parent && !orphan {
        reply = reply
            .warn("no_parent: not acted on, the token role says whether its tokens are orphans");
    }
    Ok(if granted_s < asked_s {
        reply.warn(format!("TTL of {asked_s} s exceeds the maximum; capped to {granted_s} s"))
    } else {
        reply
    })
}

/// Who asks for a token, and what that allows.
struct Asker<'a> {
    caller: &'a Caller,
    own: &'a TokenRecord,
    sudo: bool,
}

async fn usable(cx: Context<'_>, name: &str) -> Result<Option<TokenRole>, ApiError> {
    Ok(roles::load(cx.view, name).await?.filter(|role| !role.ending))
}

fn unknown(name: &str) -> ApiError {
    ApiError::invalid(format!("unknown role {name:?}"))
}

fn token_spec(
    cx: Context<'_>,
    call: &Call,
    asker: &Asker<'_>,
    role: Option<&TokenRole>,
) -> Result<TokenSpec, ApiError> {
    let (data, caller) = (&call.data, asker.caller);
    let asked_period_s = fields::seconds(data, "period")?.unwrap_or(0);
    if asked_period_s > 0 && !asker.sudo {
        return Err(ApiError::invalid("root or sudo privileges required to create periodic token"));
    }
    let bounds = role.cloned().unwrap_or_default();
    let period_s = if bounds.period_s > 0 { bounds.period_s } else { asked_period_s };
    let policies = match role.filter(|role| role.names_policies()) {
        Some(role) => role_policies(call, caller, role)?,
        None => policies(call, caller, asker.sudo)?,
    };
    let explicit_s = fields::seconds(data, "explicit_max_ttl")?.unwrap_or(0);
    let num_uses = fields::count(data, "num_uses")?.unwrap_or(0);
    let ttl = fields::seconds(data, "ttl")?.or(fields::seconds(data, "lease")?).unwrap_or(0);
    let suffix = match bounds.path_suffix.as_str() {
        "" => String::new(),
        suffix => format!("/{suffix}"),
    };
    let spec = TokenSpec {
        ttl_s: ttl,
        max_ttl_s: cx.mount.config.max_lease_ttl_s,
        explicit_max_ttl_s: tighter(explicit_s, bounds.explicit_max_ttl_s),
        period_s,
        num_uses: tighter(num_uses, bounds.num_uses),
        renewable: fields::flag(data, "renewable")?.unwrap_or(true)
            && role.is_none_or(|role| role.renewable),
        display_name: display_name(fields::text(data, "display_name")?.unwrap_or_default()),
        metadata: metadata(call)?,
        path: format!("{}{}{suffix}", call.mount, call.path),
        by_root: caller.is_root,
        ..TokenSpec::login(String::new(), policies)
    };
    let for_ever = spec.is_root() && spec.granted_s().is_none();
    if caller.is_root && asker.own.expires.is_some() && for_ever {
        return Err(ApiError::invalid(
            "expiring root tokens cannot create non-expiring root tokens",
        ));
    }
    Ok(TokenSpec { ttl_s: default_ttl(&spec, cx), ..spec })
}

/// Of two bounds the tighter one; 0 is no bound.
fn tighter(a: u64, b: u64) -> u64 {
    match (a, b) {
        (0, only) | (only, 0) => only,
        (a, b) => a.min(b),
    }
}

/// What the role allows of what is asked for; all that it names, else the caller's own, where nothing is.
fn role_policies(call: &Call, caller: &Caller, role: &TokenRole) -> Result<Vec<String>, ApiError> {
    let asked = fields::texts(&call.data, "policies")?.unwrap_or_default();
    let names = asked.iter().map(|name| PolicyStore::normalized_name(name));
    let mut policies = names.collect::<Result<Vec<_>, _>>()?;
    let none = fields::flag(&call.data, "no_default_policy")?.unwrap_or(role.no_default_policy);
    if policies.is_empty() {
        policies = match role.allowed_policies.as_slice() {
            [] => caller.policies.clone(),
            allowed => allowed.to_vec(),
        };
        if none {
            policies.retain(|policy| policy != "default");
        }
    }
    if let Some(policy) = policies.iter().find(|policy| !role.permits(policy)) {
        return Err(ApiError::invalid(format!(
            "token policy {policy:?} is not allowed by the role"
        )));
    }
    let unwanted = role.disallowed_policies.iter().any(|policy| policy == "default");
    let is_root = policies.iter().any(|policy| policy == "root");
    if !none && !unwanted && !is_root {
        policies.push("default".to_owned());
    }
    checked(policies)
}

/// The mount's default where nothing is asked; a root token's default is no end at all.
fn default_ttl(spec: &TokenSpec, cx: Context<'_>) -> u64 {
    match spec.ttl_s {
        0 if !spec.is_root() => cx.mount.config.default_lease_ttl_s,
        asked => asked,
    }
}

/// The caller's own where none are asked for, else a subset of them; `sudo` may name any but root.
fn policies(call: &Call, caller: &Caller, sudo: bool) -> Result<Vec<String>, ApiError> {
    let asked = fields::texts(&call.data, "policies")?.unwrap_or_default();
    if asked.is_empty() {
        let mut policies = caller.policies.clone();
        if fields::flag(&call.data, "no_default_policy")?.unwrap_or(false) {
            policies.retain(|policy| policy != "default");
        }
        return Ok(policies);
    }
    let names = asked.iter().map(|name| PolicyStore::normalized_name(name));
    let mut policies = names.collect::<Result<Vec<_>, _>>()?;
    if !sudo && !policies.iter().all(|policy| caller.policies.contains(policy)) {
        return Err(ApiError::invalid("child policies must be subset of parent"));
    }
    let default = !fields::flag(&call.data, "no_default_policy")?.unwrap_or(false);
    let held = sudo || caller.policies.iter().any(|policy| policy == "default");
    if default && held && !policies.iter().any(|policy| policy == "root") {
        policies.push("default".to_owned());
    }
    checked(policies)
}

fn checked(policies: Vec<String>) -> Result<Vec<String>, ApiError> {
    if policies.iter().any(|policy| policy == WRAPPING_POLICY) {
        return Err(ApiError::invalid(format!("cannot assign policy {WRAPPING_POLICY:?}")));
    }
    if policies.len() > POLICIES_MAX {
        return Err(ApiError::invalid(format!("expected at most {POLICIES_MAX} policies")));
    }
    Ok(policies)
}

async fn has_sudo(cx: Context<'_>, call: &Call, caller: &Caller) -> Result<bool, ApiError> {
    let acl = cx.services.policies.acl_of(caller).await?;
    let path = format!("{}{}", call.mount, call.path);
    Ok(acl.allows(Operation::Update, &path, &Object::new(), 0).sudo)
}

fn refuse_other_types(call: &Call) -> Result<(), ApiError> {
    let kind = fields::text(&call.data, "type")?.unwrap_or_default();
    if matches!(kind, "" | "service" | "default" | "default-service") {
        return Ok(());
    }
    Err(ApiError::invalid("field \"type\": only service tokens are supported by this authority"))
}

fn metadata(call: &Call) -> Result<BTreeMap<String, String>, ApiError> {
    let meta = fields::text_map(&call.data, "meta")?.unwrap_or_default();
    let long = |(key, value): (&String, &String)| key.len().max(value.len()) > META_LEN_MAX;
    if meta.len() > META_MAX || meta.iter().any(long) {
        return Err(ApiError::invalid(format!(
            "field \"meta\": expected at most {META_MAX} entries of at most {META_LEN_MAX} bytes"
        )));
    }
    Ok(meta)
}

fn display_name(text: &str) -> String {
    let clean = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' };
    let clean: String = text.chars().take(128).map(clean).collect();
    match clean.trim_end_matches('-') {
        "" => "token".to_owned(),
        name => format!("token-{name}"),
    }
}
