//! The rules of all policies of one caller, merged, and the order in which one of them is chosen to
//! decide.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use regent_types::json::Object;

use super::document::Policy;
use super::pattern::{Pattern, Rank, can_match_below};
use super::permissions::Permissions;
use crate::request::Operation;

/// What a caller may do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Acl {
    root: bool,
    exact: HashMap<String, Permissions>,
    prefix: BTreeMap<String, Permissions>,
    segments: BTreeMap<String, Permissions>,
}

/// Whether a request may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    /// The operation with these parameters is allowed.
    pub(crate) allowed: bool,
    /// The rule that decided grants `sudo`; paths that need it check this too.
    pub(crate) sudo: bool,
}

impl Acl {
    /// From policies other than `root`; none at all denies everything.
    pub(crate) fn new(policies: &[Arc<Policy>]) -> Self {
        let mut acl = Self::default();
        for (pattern, permissions) in policies.iter().flat_map(|policy| &policy.rules) {
            let known = match pattern {
                Pattern::Exact(path) => acl.exact.get_mut(path),
                Pattern::Prefix(path) => acl.prefix.get_mut(path),
                Pattern::Segments(path) => acl.segments.get_mut(path),
            };
            if let Some(known) = known {
                known.merge(permissions);
                continue;
            }
            let permissions = permissions.clone();
            match pattern.clone() {
                Pattern::Exact(path) => acl.exact.insert(path, permissions),
                Pattern::Prefix(path) => acl.prefix.insert(path, permissions),
                Pattern::Segments(path) => acl.segments.insert(path, permissions),
            };
        }
        acl
    }

    /// Of a root token: allows everything, `sudo` included.
    pub(crate) fn root() -> Self {
        Self { root: true, ..Self::default() }
    }

    /// Decides a request on `path` (mount included, e.g. `secret/data/a`) whose answer will lie wrapped for
    /// `wrap_ttl_s`, 0 if not at all. No rule found: denied.
    pub(crate) fn allows(
        &self,
        op: Operation,
        path: &str,
        data: &Object,
        wrap_ttl_s: u64,
    ) -> Decision {
        if self.root {
            return Decision { allowed: true, sudo: true };
        }
        match self.rule(op, path) {
            None => Decision { allowed: false, sudo: false },
            Some(rule) => Decision {
                allowed: rule.permit(op, data, wrap_ttl_s),
                sudo: rule.capabilities.is_named("sudo"),
            },
        }
    }

    /// `["root"]`, `["deny"]` or the sorted capabilities of the rule that decides about `path`.
    pub(crate) fn capabilities(&self, path: &str) -> Vec<&'static str> {
        if self.root {
            return vec!["root"];
        }
        // As a list is looked up, so that its fallbacks count too.
        match self.rule(Operation::List, path) {
            Some(rule) => rule.capabilities.names(),
            None => vec!["deny"],
        }
    }

    /// Whether anything is allowed at or below the folder `prefix` (a mount, ends in `/`).
    pub(crate) fn any_below(&self, prefix: &str) -> bool {
        let grants = |rule: &Permissions| rule.capabilities.any();
        let below = |path: &String| path.starts_with(prefix);
        self.root
            || self.rule(Operation::List, prefix).is_some_and(grants)
            || self.exact.iter().any(|(path, rule)| below(path) && grants(rule))
            || self.prefix.iter().any(|(path, rule)| below(path) && grants(rule))
            || self
                .segments
                .iter()
                .any(|(path, rule)| can_match_below(path, prefix) && grants(rule))
    }

    /// The one rule that decides: exact, else the most specific of the others. Lists, whose paths
    /// end in `/`, fall back to the path without it, but only after the path itself found nothing
    /// (a deny on the folder would be by-passed otherwise: GHSA-xp3c).
    fn rule(&self, op: Operation, path: &str) -> Option<&Permissions> {
        let bare = match op {
            Operation::List => path.strip_suffix('/'),
            _ => None,
        };
        self.exact
            .get(path)
            .or_else(|| self.exact.get(bare?))
            .or_else(|| self.wildcard(path))
            .or_else(|| self.wildcard(bare?))
    }

    fn wildcard(&self, path: &str) -> Option<&Permissions> {
        let prefix = self.longest_prefix(path);
        let prefix = prefix.map(|(prefix, rule)| (Rank::of_prefix(prefix), rule));
        let segments = self
            .segments
            .iter()
            .filter_map(|(rule, permissions)| Some((Rank::of_segments(rule, path)?, permissions)));
        let ranked = prefix.into_iter().chain(segments);
        ranked.max_by(|(a, _), (b, _)| a.cmp(b)).map(|(_, permissions)| permissions)
    }

    /// Each step looks at the greatest rule not after what is left of the path, and cuts the path
    /// to what both share: as many steps as the path has branches in the rules, not as many as
    /// there are rules.
    fn longest_prefix(&self, path: &str) -> Option<(&str, &Permissions)> {
        let mut left = path;
        loop {
            let upto = (Bound::Unbounded, Bound::Included(left));
            let (rule, permissions) = self.prefix.range::<str, _>(upto).next_back()?;
            if left.starts_with(rule.as_str()) {
                return Some((rule, permissions));
            }
            let shared = left
                .char_indices()
                .zip(rule.chars())
                .find(|((_, ours), theirs)| ours != theirs)
                .map_or(left.len().min(rule.len()), |((at, _), _)| at);
            left = left.get(..shared)?;
        }
    }
}
