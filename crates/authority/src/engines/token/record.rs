//! What is kept of a token, what is asked of a new one, and how long it may live. Pure.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::engines::{Caller, Fault};
use crate::mounts::LEASE_TTL_DEFAULT_S;

/// Longest chain of parents: each request with a token reads all of its ancestors.
pub(super) const TREE_DEPTH_MAX: u32 = 16;

/// Longest life that can be asked for (100 years): sums of times stay far from their limits.
const TTL_MAX_S: u64 = 100 * 365 * 86_400;

/// What a new token shall be.
#[derive(Clone, Debug, Default)]
pub(crate) struct TokenSpec {
    /// Normal names (`PolicyStore::name`); sorted by the store.
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
    /// E.g. `token-ci`, `kubernetes-payments-app`.
    pub(crate) display_name: String,
    /// What the login noted.
    pub(crate) metadata: BTreeMap<String, String>,
    /// Path that issues it.
    pub(crate) path: String,
    /// HMAC of the token it ends with.
    pub(crate) parent: Option<String>,
    /// Only a root token, `sys/init` and `sys/generate-root` make root tokens.
    pub(super) by_root: bool,
    pub(super) depth: u32,
}

impl TokenSpec {
    /// A root token that lives for ever, issued by `path` (`sys/init`, `sys/generate-root`).
    pub(crate) fn root(path: &str) -> Self {
        Self {
            policies: vec!["root".to_owned()],
            display_name: "root".to_owned(),
            path: path.to_owned(),
            by_root: true,
            ..Self::default()
        }
    }

    /// A renewable orphan token that a login at `path` gets.
    pub(crate) fn login(path: String, policies: Vec<String>) -> Self {
        Self { policies, path, renewable: true, ..Self::default() }
    }

    pub(super) fn is_root(&self) -> bool {
        self.policies.iter().any(|policy| policy == "root")
    }

    /// Seconds that the new token lives; `None` for ever.
    pub(super) fn granted_s(&self) -> Option<u64> {
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
    pub(super) fn record(&self, accessor: String, now: Timestamp) -> Result<TokenRecord, Fault> {
        let mut policies = self.policies.clone();
        policies.sort_unstable();
        policies.dedup();
        if self.is_root() {
            if !self.by_root {
                return Err(Fault::invalid(
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
            state: State::Live,
        })
    }
}

/// What bounds a life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Limits {
    pub(super) max_ttl_s: u64,
    pub(super) explicit_max_ttl_s: u64,
    pub(super) period_s: u64,
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

/// How a token stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum State {
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
pub(super) struct TokenRecord {
    pub(super) accessor: String,
    pub(super) policies: Vec<String>,
    pub(super) display_name: String,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) path: String,
    pub(super) parent: Option<String>,
    pub(super) depth: u32,
    pub(super) created: Timestamp,
    pub(super) creation_ttl_s: u64,
    pub(super) expires: Option<Timestamp>,
    pub(super) last_renewed: Option<Timestamp>,
    pub(super) limits: Limits,
    pub(super) num_uses: u64,
    pub(super) uses_left: u64,
    pub(super) renewable: bool,
    pub(super) state: State,
}

impl TokenRecord {
    /// Whether it is good by itself. Once false, it stays false: nothing revives a token.
    pub(super) fn is_live(&self, now: Timestamp) -> bool {
        self.state == State::Live
            && self.expires.is_none_or(|end| now < end)
            && (self.num_uses == 0 || self.uses_left > 0)
    }

    /// The same token, good until a later time. Fails if it cannot be renewed.
    pub(super) fn renewed(&self, increment_s: u64, now: Timestamp) -> Result<Self, Fault> {
        if !self.renewable {
            return Err(Fault::invalid("lease is not renewable"));
        }
        let asked = if increment_s > 0 { increment_s } else { self.creation_ttl_s };
        let age_s = seconds_between(self.created, now);
        let granted_s = self.limits.granted_s(asked, age_s);
        let expires = Some(after(now, granted_s));
        Ok(Self { expires, last_renewed: Some(now), ..self.clone() })
    }

    /// Seconds left; 0 if it lives for ever.
    pub(super) fn ttl_s(&self, now: Timestamp) -> u64 {
        self.expires.map_or(0, |end| seconds_between(now, end))
    }

    /// Where the sweep finds it: at its end, at once if it has ended already; nowhere if it lives
    /// for ever.
    pub(super) fn expiry_key(&self, hash: &str) -> Option<String> {
        let used_up = self.num_uses > 0 && self.uses_left == 0;
        let ended = self.state != State::Live || used_up;
        let seconds = if ended { Some(0) } else { self.expires.map(Timestamp::as_second) };
        seconds.map(|seconds| format!("{EXPIRY}{:012}/{hash}", seconds.max(0)))
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

pub(super) fn id_key(hash: &str) -> String {
    format!("id/{hash}")
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

fn after(now: Timestamp, seconds: u64) -> Timestamp {
    let seconds = i64::try_from(seconds.min(TTL_MAX_S)).unwrap_or(0);
    now.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(now)
}
