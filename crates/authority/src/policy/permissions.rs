//! What one rule permits: capabilities and conditions on parameters; how rules of one pattern
//! merge.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use regent_types::Json;
use regent_types::json::{NumberToken, Object};

use crate::request::Operation;

/// A set of capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Capabilities(u8);

/// Values per parameter, in lower case; an empty list means any value.
pub(super) type Values = BTreeMap<String, Vec<Arc<Json>>>;

#[derive(Clone, Debug, Default)]
pub(super) struct Permissions {
    pub(super) capabilities: Capabilities,
    /// Parameters that must be there, in lower case.
    pub(super) required: BTreeSet<String>,
    pub(super) allowed: Values,
    pub(super) denied: Values,
    /// Seconds for which answers must lie wrapped at least, and at most; 0: no bound. Where either is set
    /// only requests pass that have their answer wrapped.
    pub(super) min_wrapping_s: u64,
    pub(super) max_wrapping_s: u64,
}

/// Sorted by name, as `sys/capabilities` answers them.
const NAMES: [(&str, Capabilities); 8] = [
    ("create", Capabilities(2)),
    ("delete", Capabilities(4)),
    ("deny", Capabilities::DENY),
    ("list", Capabilities(8)),
    ("patch", Capabilities(16)),
    ("read", Capabilities(32)),
    ("sudo", Capabilities(64)),
    ("update", Capabilities(128)),
];

impl Capabilities {
    /// Excludes all others, in whichever policy it stands.
    pub(super) const DENY: Self = Self(1);

    /// The capability of that name.
    pub(super) fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, capability)| *capability)
    }

    /// Both together; deny erases the rest.
    pub(super) fn and(self, other: Self) -> Self {
        let both = Self(self.0 | other.0);
        if both.has(Self::DENY) { Self::DENY } else { both }
    }

    pub(super) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether it permits anything at all.
    pub(super) fn any(self) -> bool {
        self.0 & !Self::DENY.0 != 0
    }

    pub(super) fn is_named(self, name: &str) -> bool {
        Self::named(name).is_some_and(|capability| self.has(capability))
    }

    /// Names, sorted; `deny` if there is nothing else.
    pub(super) fn names(self) -> Vec<&'static str> {
        if !self.any() {
            return vec!["deny"];
        }
        NAMES.iter().filter(|(_, one)| self.has(*one)).map(|(name, _)| *name).collect()
    }
}

impl Permissions {
    /// Adds what another rule of the values_match pattern says: deny sticks, the rest is united.
    pub(super) fn merge(&mut self, other: &Self) {
        let capabilities = self.capabilities.and(other.capabilities);
        if capabilities == Capabilities::DENY {
            *self = Self { capabilities, ..Self::default() };
            return;
        }
        self.capabilities = capabilities;
        self.required.extend(other.required.iter().cloned());
        merge_values(&mut self.allowed, &other.allowed);
        merge_values(&mut self.denied, &other.denied);
        self.min_wrapping_s = smaller(self.min_wrapping_s, other.min_wrapping_s);
        self.max_wrapping_s = smaller(self.max_wrapping_s, other.max_wrapping_s);
    }

    /// Whether this rule lets the request pass. Lists and deletions carry no parameters to check.
    pub(super) fn permit(&self, op: Operation, data: &Object, wrap_ttl_s: u64) -> bool {
        let (min, max) = (self.min_wrapping_s, self.max_wrapping_s);
        let too_long = max > 0 && (wrap_ttl_s == 0 || wrap_ttl_s > max);
        if !self.capabilities.is_named(op.name()) || wrap_ttl_s < min || too_long {
            return false;
        }
        match op {
            Operation::List | Operation::Delete => true,
            Operation::Read | Operation::Create | Operation::Update | Operation::Patch => {
                self.parameters(data)
            }
        }
    }

    fn parameters(&self, data: &Object) -> bool {
        if !self.required.iter().all(|name| data.contains_key(name)) {
            return false;
        }
        if data.is_empty() {
            return true;
        }
        let denied = |(name, value): (&String, &Json)| {
            self.denied
                .get(&name.to_lowercase())
                .is_some_and(|values| contains_value(values, value))
        };
        if self.denied.contains_key("*") || data.iter().any(denied) {
            return false;
        }
        let any = self.allowed.is_empty() || self.allowed.contains_key("*");
        data.iter().all(|(name, value)| match self.allowed.get(&name.to_lowercase()) {
            Some(values) => contains_value(values, value),
            None => any,
        })
    }
}

/// Of two bounds the tighter upper one, as OpenBao merges both; 0 is no bound.
fn smaller(a: u64, b: u64) -> u64 {
    match (a, b) {
        (0, only) | (only, 0) => only,
        (a, b) => a.min(b),
    }
}

fn merge_values(into: &mut Values, from: &Values) {
    for (name, values) in from {
        match into.get_mut(name) {
            None => {
                into.insert(name.clone(), values.clone());
            }
            Some(known) if known.is_empty() || values.is_empty() => known.clear(),
            Some(known) => known.extend(values.iter().cloned()),
        }
    }
}

fn contains_value(values: &[Arc<Json>], value: &Json) -> bool {
    values.is_empty() || values.iter().any(|known| values_match(known, value))
}

fn values_match(known: &Json, value: &Json) -> bool {
    match (known, value) {
        (Json::String(known), Json::String(value)) => glob(known, value),
        (Json::Number(known), Json::Number(value)) => known == value || nearly(known, value),
        _ => known == value,
    }
}

/// Whether two numbers that are written differently are the same; whole ones never are.
fn nearly(a: &NumberToken, b: &NumberToken) -> bool {
    let whole = |token: &NumberToken| !token.as_str().contains(['.', 'e', 'E']);
    let same = a.as_f64() == b.as_f64() && a.as_f64().is_some_and(f64::is_finite);
    same && !(whole(a) && whole(b))
}

/// `*` at one or both ends; alone it is no glob.
fn glob(pattern: &str, text: &str) -> bool {
    if pattern.len() < 2 {
        return pattern == text;
    }
    let (start, end) = (pattern.strip_prefix('*'), pattern.strip_suffix('*'));
    match (start, end) {
        (Some(tail), Some(_)) => text.contains(tail.strip_suffix('*').unwrap_or(tail)),
        (Some(tail), None) => text.ends_with(tail),
        (None, Some(head)) => text.starts_with(head),
        (None, None) => pattern == text,
    }
}
