//! `roles/{name}`: how tokens may be made by whoever may use the role. Source: Vault API docs "Token auth
//! method"; OpenBao `token_store.go`.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::barrier::{Batch, View};
use crate::engines::engine::Context;
use crate::engines::glob;
use crate::error::ApiError;
use crate::policies::PolicyStore;
use crate::reply::Reply;
use crate::request::schema::Schema;
use crate::request::{Call, fields};
use crate::tokens::TokenRecord;
use crate::wipe::encode;

const PREFIX: &str = "role/";

/// Entries in each list of a role.
const LIST_LEN_MAX: usize = 256;

/// Longest name and suffix, in bytes.
const NAME_LEN_MAX: usize = 256;

/// Fields of a write.
pub(super) const FIELDS: Schema = Schema {
    acts: &[
        "allowed_policies",
        "disallowed_policies",
        "allowed_policies_glob",
        "disallowed_policies_glob",
        "orphan",
        "renewable",
        "path_suffix",
        "period",
        "token_period",
        "explicit_max_ttl",
        "token_explicit_max_ttl",
        "token_num_uses",
        "token_no_default_policy",
        "token_type",
    ],
    refused: &[
        ("bound_cidrs", "tokens are not bound to addresses"),
        ("token_bound_cidrs", "tokens are not bound to addresses"),
        ("token_strictly_bind_ip", "tokens are not bound to addresses"),
        ("allowed_entity_aliases", "there are no identity entities"),
    ],
};

/// A token role. Times in seconds, 0 meaning none.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct TokenRole {
    pub(super) allowed_policies: Vec<String>,
    pub(super) disallowed_policies: Vec<String>,
    allowed_globs: Vec<String>,
    disallowed_globs: Vec<String>,
    pub(super) orphan: bool,
    pub(super) renewable: bool,
    pub(super) path_suffix: String,
    pub(super) period_s: u64,
    pub(super) explicit_max_ttl_s: u64,
    pub(super) num_uses: u64,
    pub(super) no_default_policy: bool,
    /// Its tokens are being revoked: it makes none any more, and goes when they are.
    #[serde(default)]
    pub(super) ending: bool,
}

impl TokenRole {
    /// Whether it says which policies its tokens may have, whatever the caller's are.
    pub(super) fn names_policies(&self) -> bool {
        let lists = [
            &self.allowed_policies,
            &self.disallowed_policies,
            &self.allowed_globs,
            &self.disallowed_globs,
        ];
        lists.iter().any(|list| !list.is_empty())
    }

    /// Whether a token of this role may have `policy`.
    pub(super) fn permits(&self, policy: &str) -> bool {
        let any = self.allowed_policies.is_empty() && self.allowed_globs.is_empty();
        let listed = |names: &[String], globs: &[String]| {
            names.iter().any(|name| name == policy)
                || globs.iter().any(|glob| glob::matches(glob, policy))
        };
        (any || listed(&self.allowed_policies, &self.allowed_globs))
            && !listed(&self.disallowed_policies, &self.disallowed_globs)
    }

    fn update(&mut self, call: &Call) -> Result<(), ApiError> {
        let data = &call.data;
        for (list, field) in [
            (&mut self.allowed_policies, "allowed_policies"),
            (&mut self.disallowed_policies, "disallowed_policies"),
            (&mut self.allowed_globs, "allowed_policies_glob"),
            (&mut self.disallowed_globs, "disallowed_policies_glob"),
        ] {
            let Some(texts) = fields::texts(data, field)? else { continue };
            if texts.len() > LIST_LEN_MAX {
                let message = format!("field {field:?}: expected at most {LIST_LEN_MAX} entries");
                return Err(ApiError::invalid(message));
            }
            // A glob is no name, but is compared with normal ones.
            let normal = |text: &String| match field.ends_with("_glob") {
                true => Ok(text.to_lowercase()),
                false => PolicyStore::normalized_name(text),
            };
            *list = texts.iter().map(normal).collect::<Result<_, _>>()?;
        }
        for (flag, field) in [
            (&mut self.orphan, "orphan"),
            (&mut self.renewable, "renewable"),
            (&mut self.no_default_policy, "token_no_default_policy"),
        ] {
            *flag = fields::flag(data, field)?.unwrap_or(*flag);
        }
        // Where both a deprecated name and its successor are given, the successor counts.
        for (seconds, names) in [
            (&mut self.period_s, ["period", "token_period"]),
            (&mut self.explicit_max_ttl_s, ["explicit_max_ttl", "token_explicit_max_ttl"]),
        ] {
            for field in names {
                *seconds = fields::seconds(data, field)?.unwrap_or(*seconds);
            }
        }
        self.num_uses = fields::count(data, "token_num_uses")?.unwrap_or(self.num_uses);
        if let Some(suffix) = fields::text(data, "path_suffix")? {
            suffix.clone_into(&mut self.path_suffix);
        }
        let kind = fields::text(data, "token_type")?.unwrap_or_default();
        if !matches!(kind, "" | "default" | "service" | "default-service") {
            return Err(ApiError::invalid(
                "token_type: only service tokens are supported by this authority",
            ));
        }
        if self.path_suffix.len() > NAME_LEN_MAX || !self.path_suffix.chars().all(is_name) {
            return Err(ApiError::invalid("path_suffix: expected letters, digits, '-', '_', '.'"));
        }
        Ok(())
    }

    fn describe(&self, name: &str) -> Value {
        json!({
            "name": name,
            "allowed_policies": self.allowed_policies,
            "disallowed_policies": self.disallowed_policies,
            "allowed_policies_glob": self.allowed_globs,
            "disallowed_policies_glob": self.disallowed_globs,
            "orphan": self.orphan,
            "renewable": self.renewable,
            "path_suffix": self.path_suffix,
            "period": self.period_s,
            "token_period": self.period_s,
            "explicit_max_ttl": self.explicit_max_ttl_s,
            "token_explicit_max_ttl": self.explicit_max_ttl_s,
            "token_num_uses": self.num_uses,
            "token_no_default_policy": self.no_default_policy,
            "token_type": "default-service",
            "token_bound_cidrs": [],
        })
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// The role of that name.
pub(super) async fn load(view: &View, name: &str) -> Result<Option<TokenRole>, ApiError> {
    let Some(bytes) = view.get(&format!("{PREFIX}{name}")).await? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|_| ApiError::corrupt("token role"))
}

pub(super) async fn read(cx: Context<'_>, name: &str) -> Result<Reply, ApiError> {
    let role = load(cx.view, name).await?.ok_or(ApiError::NotFound)?;
    Ok(Reply::ok(role.describe(name)))
}

/// All names, sorted; 404 if there are none.
pub(super) async fn list(cx: Context<'_>) -> Result<Reply, ApiError> {
    let keys = cx.view.list(PREFIX).await?;
    if keys.is_empty() {
        return Err(ApiError::NotFound);
    }
    Ok(Reply::ok(json!({ "keys": keys })))
}

pub(super) async fn write(cx: Context<'_>, name: &str, call: &Call) -> Result<Reply, ApiError> {
    if name.is_empty() || name.len() > NAME_LEN_MAX || !name.chars().all(is_name) {
        return Err(ApiError::invalid("role name: expected letters, digits, '-', '_', '.'"));
    }
    let key = format!("{PREFIX}{name}");
    let _guard = cx.view.lock(&key).await;
    let found = load(cx.view, name).await?;
    let mut role = found.unwrap_or(TokenRole { renewable: true, ..TokenRole::default() });
    if role.ending {
        return Err(ApiError::invalid("the removal of this role is not complete: delete it again"));
    }
    role.update(call)?;
    store(cx.view, key, &role).await?;
    Ok(Reply::no_content())
}

/// Removes the role and revokes the tokens that were made by it. What a crash cuts short is a role that is
/// still listed, makes no token, and is deleted again.
pub(super) async fn delete(cx: Context<'_>, name: &str) -> Result<Reply, ApiError> {
    let key = format!("{PREFIX}{name}");
    {
        let _guard = cx.view.lock(&key).await;
        let Some(role) = load(cx.view, name).await? else { return Ok(Reply::no_content()) };
        store(cx.view, key.clone(), &TokenRole { ending: true, ..role }).await?;
    }
    let by_role = |token: &TokenRecord| token.role.as_deref() == Some(name);
    cx.services.tokens.revoke_where(&by_role).await?;
    let _guard = cx.view.lock(&key).await;
    let mut batch = Batch::new();
    batch.delete(key);
    cx.view.commit(batch).await?;
    Ok(Reply::no_content())
}

async fn store(view: &View, key: String, role: &TokenRole) -> Result<(), ApiError> {
    let mut batch = Batch::new();
    batch.put(key, encode(role, "token role")?);
    Ok(view.commit(batch).await?)
}
