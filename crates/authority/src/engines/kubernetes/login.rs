//! `login`: the one path that needs no token.

use std::collections::BTreeMap;

use regent_types::Sensitive;

use super::claims::{self, Claims};
use super::config::{self, Config};
use super::role::{self, Role};
use crate::engines::engine::Context;
use crate::error::{ApiError, InternalCause};
use crate::reply::Reply;
use crate::request::{Call, fields};
use crate::reviewer::{Review, ReviewError};
use crate::tokens::TokenSpec;

/// Seconds that the clocks of whoever made a token and this authority's may differ.
const SKEW_S: i64 = 60;

/// The issuer of legacy tokens, where none is configured.
const ISSUER_DEFAULT: &str = "kubernetes/serviceaccount";

/// Exchanges a ServiceAccount's token for one of this authority.
pub(super) async fn login(cx: Context<'_>, call: Call) -> Result<Reply, ApiError> {
    let field = |name: &str| {
        let text = fields::text(&call.data, name)?.filter(|text| !text.is_empty());
        text.ok_or_else(|| ApiError::invalid(format!("missing {name}")))
    };
    let name = field("role")?;
    let jwt = Sensitive::new(field("jwt")?.to_owned());
    if name.len() > role::NAME_LEN_MAX {
        return Err(ApiError::invalid("invalid role name"));
    }
    let began = cx.services.tokens.revocations();
    let role = role::load(cx.view, name).await?;
    let role = role.ok_or_else(|| ApiError::invalid(format!("invalid role name {name:?}")))?;
    let config = config::load(cx.view).await?;
    let config = config.ok_or_else(|| ApiError::invalid("could not load backend configuration"))?;

    let claims =
        claims::read(jwt.expose()).ok_or_else(|| refused(name, "NoServiceAccountToken"))?;
    check_times(&claims, call.now.as_second()).map_err(|reason| refused(name, reason))?;
    check_claims(&role, &config, &claims).map_err(|reason| refused(name, reason))?;
    let asked = match role.audience.as_str() {
        "" => claims.audiences.clone(),
        audience => vec![audience.to_owned()],
    };
    let review = cx.services.reviewer.review(&config.target(&jwt), &jwt, &asked).await;
    let review = review.map_err(|error| undecided(name, &error))?;
    check_review(&claims, &asked, &review).map_err(|reason| refused(name, reason))?;
    let spec = spec(cx, &call.mount, name, &role, &claims);
    let is_bound = async || {
        let role = role::load(cx.view, name).await?;
        Ok(role.is_some_and(|role| role.admits(&claims.namespace, &claims.name)))
    };
    let auth = cx.services.tokens.issue_login(spec, call.now, began, is_bound).await?;
    Ok(Reply::auth(auth))
}

/// No review could be had. Where the API server does not take the reviewer's own token, which may be the
/// one that logs in, the account is gone or its token is dead: that is a refusal (OpenBao
/// `token_review.go`). Anything else decides nothing, and a client can tell.
fn undecided(role: &str, error: &ReviewError) -> ApiError {
    if let ReviewError::Unauthorized { .. } = error {
        tracing::warn!(component = "authority", object = role, %error, "login refused");
        return ApiError::Denied;
    }
    let reason = "ReviewFailed";
    tracing::warn!(component = "authority", reason, %error, "login not decided");
    ApiError::Internal(InternalCause::Upstream("token review"))
}

/// What the token says of its own time, with [`SKEW_S`] for clocks that differ (OpenBao: `cap/jwt`). The
/// API server's word does not make an expired token good.
fn check_times(claims: &Claims, now_s: i64) -> Result<(), &'static str> {
    let (earliest, latest) = (now_s.saturating_sub(SKEW_S), now_s.saturating_add(SKEW_S));
    if claims.expires_s.is_some_and(|end| end < earliest) {
        return Err("Expired");
    }
    let starts = [claims.not_before_s, claims.issued_s];
    let early = starts.into_iter().flatten().any(|start| start > latest);
    if early { Err("NotValidYet") } else { Ok(()) }
}

/// The reason is for the log only: from outside all refusals look alike.
fn refused(role: &str, reason: &'static str) -> ApiError {
    tracing::debug!(component = "authority", object = role, reason, "login refused");
    ApiError::Denied
}

fn check_claims(role: &Role, config: &Config, claims: &Claims) -> Result<(), &'static str> {
    if !role.admits(&claims.namespace, &claims.name) {
        return Err("AccountNotBound");
    }
    let issuer = match config.issuer.as_str() {
        "" => ISSUER_DEFAULT,
        issuer => issuer,
    };
    if !config.disable_iss_validation && claims.issuer != issuer {
        return Err("OtherIssuer");
    }
    if !role.audience.is_empty() && !claims.audiences.contains(&role.audience) {
        return Err("OtherAudience");
    }
    Ok(())
}

/// The review is about the account that the role admitted, and for an audience that was asked.
fn check_review(claims: &Claims, asked: &[String], review: &Review) -> Result<(), &'static str> {
    if !review.authenticated || review.error.as_ref().is_some_and(|error| !error.is_empty()) {
        return Err("NotAuthenticated");
    }
    let username = format!("system:serviceaccount:{}:{}", claims.namespace, claims.name);
    if review.username != username || review.uid != claims.uid {
        return Err("AnotherAccount");
    }
    if !asked.is_empty() && !asked.iter().any(|audience| review.audiences.contains(audience)) {
        return Err("AudienceNotConfirmed");
    }
    Ok(())
}

fn spec(cx: Context<'_>, mount: &str, name: &str, role: &Role, claims: &Claims) -> TokenSpec {
    let mut policies = role.token_policies.clone();
    if !role.token_no_default_policy {
        policies.push("default".to_owned());
    }
    let method = mount.strip_prefix("auth/").unwrap_or(mount).trim_end_matches('/');
    let metadata = BTreeMap::from([
        ("role".to_owned(), name.to_owned()),
        ("service_account_name".to_owned(), claims.name.clone()),
        ("service_account_namespace".to_owned(), claims.namespace.clone()),
        ("service_account_uid".to_owned(), claims.uid.clone()),
        ("service_account_secret_name".to_owned(), claims.secret.clone()),
    ]);
    let tuned = &cx.mount.config;
    let or = |own: u64, mount: u64| if own > 0 { own } else { mount };
    let mut spec = TokenSpec::login(format!("{mount}login"), policies);
    spec.ttl_s = or(role.token_ttl_s, tuned.default_lease_ttl_s);
    spec.max_ttl_s = or(role.token_max_ttl_s, tuned.max_lease_ttl_s);
    spec.explicit_max_ttl_s = role.token_explicit_max_ttl_s;
    spec.period_s = role.token_period_s;
    spec.num_uses = role.token_num_uses;
    let account = format!("{}-{}", claims.namespace, claims.name);
    spec.display_name = format!("{}-{account}", method.replace('/', "-"));
    spec.metadata = metadata;
    spec
}
