//! `role/{name}`: which ServiceAccounts may log in, and what token they get.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::record;
use crate::barrier::{Batch, View};
use crate::engines::engine::Context;
use crate::engines::glob;
use crate::error::ApiError;
use crate::policies::PolicyStore;
use crate::reply::Reply;
use crate::request::schema::Schema;
use crate::request::{Call, fields};
use crate::tokens::TokenRecord;

const PREFIX: &str = "role/";

/// Entries in each list of a role: a login walks them.
const LIST_LEN_MAX: usize = 256;

/// What is said of an alias that names nobody.
const NO_ALIASES: &str =
    "alias_name_source: kept, but there are no identity entities to be named by it";

/// Longest name of a role, in bytes.
pub(super) const NAME_LEN_MAX: usize = 256;

/// A role. Times in seconds, 0 meaning the mount's.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Role {
    names: Vec<String>,
    namespaces: Vec<String>,
    pub(super) audience: String,
    alias_name_source: String,
    pub(super) token_policies: Vec<String>,
    pub(super) token_ttl_s: u64,
    pub(super) token_max_ttl_s: u64,
    pub(super) token_explicit_max_ttl_s: u64,
    pub(super) token_period_s: u64,
    pub(super) token_num_uses: u64,
    pub(super) token_no_default_policy: bool,
    token_type: String,
    /// Its tokens are being revoked: it admits nobody any more, and goes when they are.
    #[serde(default)]
    ending: bool,
}

/// Fields of a write.
pub(super) const FIELDS: Schema = Schema {
    acts: &[
        "bound_service_account_names",
        "bound_service_account_namespaces",
        "audience",
        "alias_name_source",
        "token_policies",
        "policies",
        "token_ttl",
        "ttl",
        "token_max_ttl",
        "max_ttl",
        "token_explicit_max_ttl",
        "token_period",
        "period",
        "token_num_uses",
        "num_uses",
        "token_no_default_policy",
        "token_type",
    ],
    // Ignoring these would let more accounts in.
    refused: &[
        ("bound_service_account_namespace_selector", "it asks for no labels of namespaces"),
        ("token_bound_cidrs", "tokens are not bound to addresses"),
        ("bound_cidrs", "tokens are not bound to addresses"),
        ("token_strictly_bind_ip", "tokens are not bound to addresses"),
    ],
};

impl Role {
    /// Whether that account may use the role. A role that names nobody serves nobody.
    pub(super) fn admits(&self, namespace: &str, name: &str) -> bool {
        if self.ending {
            return false;
        }
        let listed = |globs: &[String], text: &str| globs.iter().any(|g| glob::matches(g, text));
        listed(&self.names, name) && listed(&self.namespaces, namespace)
    }

    /// Takes over what the request names; the rest stays.
    fn update(&mut self, call: &Call) -> Result<(), ApiError> {
        let data = &call.data;
        let list = |into: &mut Vec<String>, field| {
            if let Some(texts) = fields::texts(data, field)? {
                *into = texts;
            }
            Ok::<_, ApiError>(())
        };
        // Where both a deprecated name and its successor are given, the successor counts.
        let seconds = |into: &mut u64, names: [&str; 2]| {
            for name in names.into_iter().filter(|name| !name.is_empty()) {
                if let Some(seconds) = fields::seconds(data, name)? {
                    *into = seconds;
                }
            }
            Ok::<_, ApiError>(())
        };
        let text = |into: &mut String, field| {
            if let Some(text) = fields::text(data, field)? {
                text.clone_into(into);
            }
            Ok::<_, ApiError>(())
        };
        list(&mut self.names, "bound_service_account_names")?;
        list(&mut self.namespaces, "bound_service_account_namespaces")?;
        text(&mut self.audience, "audience")?;
        text(&mut self.alias_name_source, "alias_name_source")?;
        text(&mut self.token_type, "token_type")?;
        list(&mut self.token_policies, "policies")?;
        list(&mut self.token_policies, "token_policies")?;
        seconds(&mut self.token_ttl_s, ["ttl", "token_ttl"])?;
        seconds(&mut self.token_max_ttl_s, ["max_ttl", "token_max_ttl"])?;
        seconds(&mut self.token_explicit_max_ttl_s, ["", "token_explicit_max_ttl"])?;
        seconds(&mut self.token_period_s, ["period", "token_period"])?;
        for name in ["num_uses", "token_num_uses"] {
            if let Some(uses) = fields::count(data, name)? {
                self.token_num_uses = uses;
            }
        }
        if let Some(flag) = fields::flag(data, "token_no_default_policy")? {
            self.token_no_default_policy = flag;
        }
        for policy in &mut self.token_policies {
            *policy = PolicyStore::normalized_name(policy)?;
        }
        Ok(())
    }

    fn problems(&self) -> Vec<String> {
        let lists = [&self.names, &self.namespaces, &self.token_policies];
        let checks = [
            (self.names.is_empty(), "bound_service_account_names can not be empty"),
            (self.namespaces.is_empty(), "bound_service_account_namespaces can not be empty"),
            (
                !matches!(
                    self.alias_name_source.as_str(),
                    "" | "serviceaccount_uid" | "serviceaccount_name"
                ),
                "alias_name_source: expected serviceaccount_uid or serviceaccount_name",
            ),
            (
                !matches!(self.token_type.as_str(), "" | "default" | "service" | "default-service"),
                "token_type: only service tokens are supported by this authority",
            ),
            (
                self.token_policies.iter().any(|policy| policy == "root"),
                "token_policies: auth methods cannot create root tokens",
            ),
            (
                self.token_max_ttl_s > 0 && self.token_ttl_s > self.token_max_ttl_s,
                "token_ttl should not be greater than token_max_ttl",
            ),
            (
                lists.iter().any(|list| list.len() > LIST_LEN_MAX),
                "at most 256 entries are allowed in each list of a role",
            ),
        ];
        let wrong = checks.into_iter().filter(|(wrong, _)| *wrong);
        wrong.map(|(_, message)| message.to_owned()).collect()
    }

    fn describe(&self) -> Value {
        let source = match self.alias_name_source.as_str() {
            "" => "serviceaccount_uid",
            source => source,
        };
        json!({
            "bound_service_account_names": self.names,
            "bound_service_account_namespaces": self.namespaces,
            "bound_service_account_namespace_selector": "",
            "audience": self.audience,
            "alias_name_source": source,
            "token_policies": self.token_policies,
            "token_ttl": self.token_ttl_s,
            "token_max_ttl": self.token_max_ttl_s,
            "token_explicit_max_ttl": self.token_explicit_max_ttl_s,
            "token_period": self.token_period_s,
            "token_num_uses": self.token_num_uses,
            "token_no_default_policy": self.token_no_default_policy,
            "token_type": if self.token_type.is_empty() { "default" } else { &self.token_type },
            "token_bound_cidrs": [],
        })
    }
}

/// The role of that name.
pub(super) async fn load(view: &View, name: &str) -> Result<Option<Role>, ApiError> {
    record::load(view, &format!("{PREFIX}{name}"), "kubernetes role").await
}

pub(super) async fn read(cx: Context<'_>, name: &str) -> Result<Reply, ApiError> {
    let role = load(cx.view, name).await?.ok_or(ApiError::NotFound)?;
    Ok(Reply::ok(role.describe()))
}

pub(super) async fn write(cx: Context<'_>, name: &str, call: &Call) -> Result<Reply, ApiError> {
    let form = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > NAME_LEN_MAX || !name.chars().all(form) {
        return Err(ApiError::invalid("role name: expected letters, digits, '-', '_', '.'"));
    }
    let key = format!("{PREFIX}{name}");
    let _guard = cx.view.lock(&key).await;
    let mut role = load(cx.view, name).await?.unwrap_or_default();
    if role.ending {
        return Err(ApiError::invalid("the removal of this role is not complete: delete it again"));
    }
    role.update(call)?;
    let problems = role.problems();
    if !problems.is_empty() {
        return Err(ApiError::Invalid(problems));
    }
    record::store(cx.view, &key, "kubernetes role", &role).await?;
    let named = role.alias_name_source == "serviceaccount_name";
    Ok(if named { Reply::no_content().warn(NO_ALIASES) } else { Reply::no_content() })
}

/// Removes the role and revokes the tokens that logins with it got. What a crash cuts short is a role
/// that is still listed, admits nobody, and is deleted again.
pub(super) async fn delete(cx: Context<'_>, mount: &str, name: &str) -> Result<Reply, ApiError> {
    let key = format!("{PREFIX}{name}");
    {
        let _guard = cx.view.lock(&key).await;
        let Some(role) = load(cx.view, name).await? else { return Ok(Reply::no_content()) };
        let ending = Role { ending: true, ..role };
        record::store(cx.view, &key, "kubernetes role", &ending).await?;
    }
    let path = format!("{mount}login");
    let by_role = move |token: &TokenRecord| {
        token.path == path && token.metadata.get("role").is_some_and(|role| *role == *name)
    };
    cx.services.tokens.revoke_where(&by_role).await?;
    let _guard = cx.view.lock(&key).await;
    let mut batch = Batch::new();
    batch.delete(key);
    cx.view.commit(batch).await?;
    Ok(Reply::no_content())
}

pub(super) async fn list(cx: Context<'_>) -> Result<Reply, ApiError> {
    let keys = cx.view.list(PREFIX).await?;
    if keys.is_empty() {
        return Err(ApiError::NotFound);
    }
    Ok(Reply::ok(json!({ "keys": keys })))
}
