//! Paths of rules: exact, a prefix (`*` at the very end), or with `+` for one segment.

use std::cmp::Ordering;

/// The path of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Pattern {
    Exact(String),
    /// Every path that starts so.
    Prefix(String),
    /// With `+` segments; a `*` at the end is kept.
    Segments(String),
}

impl Pattern {
    /// Reads the path of a stanza. Fails with what is wrong with it.
    pub(super) fn parse(path: &str) -> Result<Self, String> {
        let path = path.strip_prefix('/').unwrap_or(path);
        if path.contains("{{") || path.contains("}}") {
            return Err(format!(
                "path {path:?}: templates are not supported by this authority; name the path itself"
            ));
        }
        if path.contains("+*") {
            return Err(format!("path {path:?}: '+*' is forbidden"));
        }
        if path == "+" || path.starts_with("+/") || path.contains("/+") {
            return Ok(Self::Segments(path.to_owned()));
        }
        Ok(match path.strip_suffix('*') {
            Some(prefix) => Self::Prefix(prefix.to_owned()),
            None => Self::Exact(path.to_owned()),
        })
    }
}

/// How specific a matching rule is; the greatest decides.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rank<'r> {
    first_wildcard: usize,
    prefix: bool,
    wildcards: usize,
    path: &'r str,
}

impl<'r> Rank<'r> {
    /// Of a prefix rule.
    pub(super) fn of_prefix(prefix: &'r str) -> Self {
        Self { first_wildcard: prefix.len(), prefix: true, wildcards: 0, path: prefix }
    }

    /// Of a rule with `+`, if it matches `path`: as many segments as it has, or at least as many if
    /// it ends in `*`, whose last segment is then a prefix.
    pub(super) fn of_segments(rule: &'r str, path: &str) -> Option<Self> {
        let (body, prefix) = split_glob(rule);
        let wanted: Vec<&str> = body.split('/').collect();
        let found: Vec<&str> = path.split('/').collect();
        if found.len() < wanted.len() || (!prefix && found.len() != wanted.len()) {
            return None;
        }
        let last = wanted.len() - 1;
        let fits = |(index, (wanted, found)): (usize, (&&str, &&str))| {
            *wanted == "+"
                || wanted == found
                || (prefix && index == last && found.starts_with(*wanted))
        };
        wanted.iter().zip(&found).enumerate().all(fits).then(|| Self {
            first_wildcard: body.find('+').unwrap_or(body.len()),
            prefix,
            wildcards: wanted.iter().filter(|segment| **segment == "+").count(),
            path: body,
        })
    }
}

impl Ord for Rank<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.first_wildcard
            .cmp(&other.first_wildcard)
            .then(other.prefix.cmp(&self.prefix))
            .then(other.wildcards.cmp(&self.wildcards))
            .then(self.path.len().cmp(&other.path.len()))
            .then(self.path.cmp(other.path))
    }
}

impl PartialOrd for Rank<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Whether a rule with `+` could match something at or below the folder `prefix` (ends in `/`).
pub(super) fn can_match_below(rule: &str, prefix: &str) -> bool {
    let (body, glob) = split_glob(rule);
    let wanted: Vec<&str> = body.split('/').collect();
    let folder: Vec<&str> = prefix.trim_end_matches('/').split('/').collect();
    let last = wanted.len() - 1;
    let fits = |(index, (wanted, found)): (usize, (&&str, &&str))| {
        *wanted == "+" || wanted == found || (glob && index == last && found.starts_with(*wanted))
    };
    let whole = glob || wanted.len() >= folder.len();
    whole && wanted.iter().zip(&folder).enumerate().all(fits)
}

fn split_glob(rule: &str) -> (&str, bool) {
    match rule.strip_suffix('*') {
        Some(body) => (body, true),
        None => (rule, false),
    }
}
