//! What is asked of a new token. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::record::{Limits, TokenRecord, TokenState, after};
use crate::error::ApiError;

/// What a new token shall be.
#[derive(Clone, Debug, Default)]
pub(crate) struct TokenSpec {
    /// Normal names (`PolicyStore::normalized_name`); sorted by the store.
    pub(crate) policies: Vec<String>,
    /// Seconds to live; 0: the default lease, for a root token: for ever.
    pub(crate) ttl_s: u64,
    /// Bound that renewals meet too; 0: the default lease.
    pub(crate) max_ttl_s: u64,
    /// Bound that holds for periodic tokens too; 0: none.
    pub(crate) explicit_max_ttl_s: u64,
    /// Each renewal gives this long, without end; 0: not periodic.
    pub(crate) period_s: u64,
    /// Requests that it is good for; 0: without bound.
    pub(crate) num_uses: u64,
    /// Whether it can be renewed.
    pub(crate) renewable: bool,
    /// For people, e.g. `token-ci`, `kubernetes-payments-app`: decides nothing.
    pub(crate) display_name: String,
    /// What the login noted.
    pub(crate) metadata: BTreeMap<String, String>,
    /// Path that issues it.
    pub(crate) path: String,
    /// HMAC of the token it ends with.
    pub(crate) parent: Option<String>,
    /// Only a root token, `sys/init` and `sys/generate-root` make root tokens.
    pub(crate) by_root: bool,
    /// Generations above it; the store counts them.
    pub(crate) depth: u32,
    /// The token role that makes it.
    pub(crate) role: Option<String>,
}

impl TokenSpec {
    /// A root token that lives for ever, of initialization or `sys/generate-root`. Its path names it
    /// (OpenBao `token_store.go`).
    pub(crate) fn root() -> Self {
        Self {
            policies: vec!["root".to_owned()],
            display_name: "root".to_owned(),
            path: "auth/token/root".to_owned(),
            by_root: true,
            ..Self::default()
        }
    }

    /// A renewable orphan token that a login at `path` gets.
    pub(crate) fn login(path: String, policies: Vec<String>) -> Self {
        Self { policies, path, renewable: true, ..Self::default() }
    }

    pub(crate) fn is_root(&self) -> bool {
        self.policies.iter().any(|policy| policy == "root")
    }

    /// Seconds that the new token lives; `None` for ever.
    pub(crate) fn granted_s(&self) -> Option<u64> {
        if self.is_root() && self.ttl_s == 0 && self.period_s == 0 && self.explicit_max_ttl_s == 0 {
            return None;
        }
        Some(self.limits().granted_s(self.ttl_s, 0))
    }

    fn limits(&self) -> Limits {
        Limits {
            max_ttl_s: self.max_ttl_s,
            explicit_max_ttl_s: self.explicit_max_ttl_s,
            period_s: self.period_s,
        }
    }

    /// The record of a new token.
    pub(super) fn record(&self, accessor: String, now: Timestamp) -> Result<TokenRecord, ApiError> {
        let mut policies = self.policies.clone();
        policies.sort_unstable();
        policies.dedup();
        if self.is_root() {
            if !self.by_root {
                return Err(ApiError::invalid(
                    "root tokens may not be created without parent token being root",
                ));
            }
            // Beside root no other name means anything.
            policies.retain(|policy| policy == "root");
        }
        let granted_s = self.granted_s();
        Ok(TokenRecord {
            accessor,
            policies,
            display_name: self.display_name.clone(),
            metadata: self.metadata.clone(),
            path: self.path.clone(),
            parent: self.parent.clone(),
            depth: self.depth,
            created: now,
            creation_ttl_s: granted_s.unwrap_or(0),
            expires: granted_s.map(|ttl_s| after(now, ttl_s)),
            last_renewed: None,
            limits: self.limits(),
            num_uses: self.num_uses,
            uses_left: self.num_uses,
            renewable: self.renewable && granted_s.is_some(),
            state: TokenState::Live,
            role: self.role.clone(),
        })
    }
}
