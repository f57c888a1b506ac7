//! What is kept of a token, and how long it may live. Pure.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::error::ApiError;
use crate::mounts::LEASE_TTL_DEFAULT_S;
use crate::policies::WRAPPING_POLICY;
use crate::request::Caller;

/// Longest chain of parents: each request with a token reads all of its ancestors.
pub(super) const TREE_DEPTH_MAX: u32 = 16;

/// Longest life that can be asked for (100 years): sums of times stay far from their limits.
const TTL_MAX_S: u64 = 100 * 365 * 86_400;

/// What bounds a life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Limits {
    pub(crate) max_ttl_s: u64,
    pub(crate) explicit_max_ttl_s: u64,
    pub(crate) period_s: u64,
}

impl Limits {
    /// Seconds from now, for a token of age `age_s` that asks for `asked_s` (0: the default).
    pub(super) fn granted_s(self, asked_s: u64, age_s: u64) -> u64 {
        let wanted = match (self.period_s, asked_s) {
            (0, 0) => LEASE_TTL_DEFAULT_S,
            (0, asked) => asked,
            (period, _) => period,
        };
        let bound = match (self.period_s, self.max_ttl_s) {
            (0, 0) => LEASE_TTL_DEFAULT_S,
            (0, max) => max,
            _ => TTL_MAX_S.saturating_add(age_s),
        };
        let bound = match self.explicit_max_ttl_s {
            0 => bound,
            explicit => bound.min(explicit),
        };
        wanted.min(bound.saturating_sub(age_s)).min(TTL_MAX_S)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum TokenState {
    /// Good while time and uses last.
    #[default]
    Live,
    /// Ended, and everything below it.
    EndedWithTree,
    /// Ended alone: its children are being made orphans.
    EndedAlone,
}

/// What is kept of a token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TokenRecord {
    pub(crate) accessor: String,
    pub(crate) policies: Vec<String>,
    pub(crate) display_name: String,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) path: String,
    pub(crate) parent: Option<String>,
    pub(crate) depth: u32,
    pub(crate) created: Timestamp,
    pub(crate) creation_ttl_s: u64,
    pub(crate) expires: Option<Timestamp>,
    pub(crate) last_renewed: Option<Timestamp>,
    pub(crate) limits: Limits,
    pub(crate) num_uses: u64,
    pub(crate) uses_left: u64,
    pub(crate) renewable: bool,
    pub(crate) state: TokenState,
    /// The token role that it was made by.
    #[serde(default)]
    pub(crate) role: Option<String>,
}

impl TokenRecord {
    /// Whether it is good by itself. Once false, it stays false: nothing revives a token.
    pub(super) fn is_live(&self, now: Timestamp) -> bool {
        self.state == TokenState::Live
            && self.expires.is_none_or(|end| now < end)
            && (self.num_uses == 0 || self.uses_left > 0)
    }

    /// The same token, good until a later time. Fails if it cannot be renewed.
    pub(super) fn renewed(&self, increment_s: u64, now: Timestamp) -> Result<Self, ApiError> {
        if !self.renewable {
            return Err(ApiError::invalid("lease is not renewable"));
        }
        let asked = if increment_s > 0 { increment_s } else { self.creation_ttl_s };
        let age_s = seconds_between(self.created, now);
        let granted_s = self.limits.granted_s(asked, age_s);
        let expires = Some(after(now, granted_s));
        Ok(Self { expires, last_renewed: Some(now), ..self.clone() })
    }

    /// Seconds left; 0 if it lives for ever.
    pub(crate) fn ttl_s(&self, now: Timestamp) -> u64 {
        self.expires.map_or(0, |end| seconds_between(now, end))
    }

    /// Where the sweep finds it: at its end, at once if it has ended already; nowhere if it lives
    /// for ever.
    pub(super) fn expiry_key(&self, hash: &str) -> Option<String> {
        let used_up = self.num_uses > 0 && self.uses_left == 0;
        let ended = self.state != TokenState::Live || used_up;
        let seconds = if ended { Some(0) } else { self.expires.map(Timestamp::as_second) };
        seconds.map(|seconds| format!("{EXPIRY}{:012}/{hash}", seconds.max(0)))
    }

    /// Whether it stands for an answer that somebody is to fetch.
    pub(crate) fn is_wrapping(&self) -> bool {
        self.policies.iter().any(|policy| policy == WRAPPING_POLICY)
    }

    pub(super) fn caller(&self, hash: String) -> Caller {
        Caller {
            accessor: self.accessor.clone(),
            policies: self.policies.clone(),
            display_name: self.display_name.clone(),
            metadata: self.metadata.clone(),
            token_id_hash: hash,
            is_root: self.policies.iter().any(|policy| policy == "root"),
            issued_at_path: self.path.clone(),
        }
    }
}

/// Prefix of the expiry index.
pub(super) const EXPIRY: &str = "expiry/";
/// Prefix of the accessor index.
pub(super) const ACCESSORS: &str = "accessor/";

/// Prefix of the records.
pub(super) const IDS: &str = "id/";

pub(super) fn id_key(hash: &str) -> String {
    format!("{IDS}{hash}")
}

/// Where the answer that a wrapping token stands for is.
pub(super) fn wrapped_key(hash: &str) -> String {
    format!("wrapped/{hash}")
}

pub(super) fn accessor_key(accessor: &str) -> String {
    format!("{ACCESSORS}{accessor}")
}

pub(super) fn children_prefix(parent: &str) -> String {
    format!("child/{parent}/")
}

pub(super) fn child_key(parent: &str, child: &str) -> String {
    format!("child/{parent}/{child}")
}

/// Seconds from `from` to `to`, 0 if that is backwards.
fn seconds_between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_secs()).unwrap_or(0)
}

/// `seconds` after `now`, at most [`TTL_MAX_S`].
pub(super) fn after(now: Timestamp, seconds: u64) -> Timestamp {
    let seconds = i64::try_from(seconds.min(TTL_MAX_S)).unwrap_or(0);
    now.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(now)
}
