//! `create` and `create-orphan`: who may make which token.

use std::collections::BTreeMap;

use serde_json::Map;

use crate::engines::engine::Context;
use crate::error::ApiError;
use crate::policies::PolicyStore;
use crate::reply::Reply;
use crate::request::{Call, Caller, Operation, fields};
use crate::tokens::{TokenRecord, TokenSpec};

/// Policies on one token: each request looks all of them up, or finds them merged.
const POLICIES_MAX: usize = 64;

/// Entries of `meta`, and the size of each key and value.
const META_MAX: usize = 64;
const META_LEN_MAX: usize = 512;

/// Whom a new token ends with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Parent {
    Caller,
    Nobody,
}

/// Makes a token for whoever the caller gives it to.
pub(super) async fn create(
    cx: Context<'_>,
    call: &Call,
    parent: Parent,
) -> Result<Reply, ApiError> {
    let caller = call.caller.as_deref().ok_or(ApiError::Denied)?;
    let store = &cx.services.tokens;
    let own = store.load(&caller.token_id_hash).await?.ok_or(ApiError::Denied)?;
    if own.num_uses > 0 {
        return Err(ApiError::invalid("restricted use token cannot generate child tokens"));
    }
    refuse_unsupported(call)?;
    let sudo = has_sudo(cx, call, caller).await?;
    let no_parent = fields::flag(&call.data, "no_parent")?.unwrap_or(false);
    if no_parent && !sudo {
        return Err(ApiError::invalid("root or sudo privileges required to create orphan token"));
    }
    let mut spec = token_spec(cx, call, caller, &own, sudo)?;
    if parent == Parent::Caller && !no_parent {
        spec.parent = Some(caller.token_id_hash.clone());
    }
    let asked_s = spec.ttl_s;
    let auth = store.issue(spec, call.now).await?;
    let granted_s = auth.lease_duration_s;
    let reply = Reply::auth(auth);
    Ok(if granted_s < asked_s {
        reply.warn(format!("TTL of {asked_s} s exceeds the maximum; capped to {granted_s} s"))
    } else {
        reply
    })
}

fn token_spec(
    cx: Context<'_>,
    call: &Call,
    caller: &Caller,
    own: &TokenRecord,
    sudo: bool,
) -> Result<TokenSpec, ApiError> {
    let data = &call.data;
    let period_s = fields::seconds(data, "period")?.unwrap_or(0);
    if period_s > 0 && !sudo {
        return Err(ApiError::invalid("root or sudo privileges required to create periodic token"));
    }
    let policies = policies(call, caller, sudo)?;
    let ttl = fields::seconds(data, "ttl")?.or(fields::seconds(data, "lease")?).unwrap_or(0);
    let spec = TokenSpec {
        ttl_s: ttl,
        max_ttl_s: cx.mount.config.max_lease_ttl_s,
        explicit_max_ttl_s: fields::seconds(data, "explicit_max_ttl")?.unwrap_or(0),
        period_s,
        num_uses: fields::count(data, "num_uses")?.unwrap_or(0),
        renewable: fields::flag(data, "renewable")?.unwrap_or(true),
        display_name: display_name(fields::text(data, "display_name")?.unwrap_or_default()),
        metadata: metadata(call)?,
        path: format!("{}{}", call.mount, call.path),
        by_root: caller.is_root,
        ..TokenSpec::login(String::new(), policies)
    };
    if caller.is_root && own.expires.is_some() && spec.is_root() && spec.granted_s().is_none() {
        return Err(ApiError::invalid(
            "expiring root tokens cannot create non-expiring root tokens",
        ));
    }
    Ok(TokenSpec { ttl_s: default_ttl(&spec, cx), ..spec })
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
    if policies.len() > POLICIES_MAX {
        return Err(ApiError::invalid(format!("expected at most {POLICIES_MAX} policies")));
    }
    Ok(policies)
}

async fn has_sudo(cx: Context<'_>, call: &Call, caller: &Caller) -> Result<bool, ApiError> {
    let acl = cx.services.policies.acl_of(caller).await?;
    let path = format!("{}{}", call.mount, call.path);
    Ok(acl.allows(Operation::Update, &path, &Map::new()).sudo)
}

/// What would change the token's meaning if it were ignored.
fn refuse_unsupported(call: &Call) -> Result<(), ApiError> {
    let kind = fields::text(&call.data, "type")?.unwrap_or_default();
    if !matches!(kind, "" | "service" | "default" | "default-service") {
        return Err(ApiError::invalid("only service tokens are supported by this authority"));
    }
    for name in ["id", "entity_alias"] {
        if fields::text(&call.data, name)?.is_some_and(|text| !text.is_empty()) {
            let message = format!("field {name:?} is not supported by this authority");
            return Err(ApiError::Invalid(vec![message]));
        }
    }
    Ok(())
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
