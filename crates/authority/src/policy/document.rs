//! A tree to a [`Policy`]: which keys there are and what they must hold. Finds every problem, not
//! the first.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::pattern::Pattern;
use super::permissions::{Capabilities, Permissions, Values};
use super::tree::{At, Field, Item, Node, Problem};
use crate::request::duration::duration_s;

/// Stanzas in one policy.
const RULES_MAX: usize = 4096;

/// Problems reported at once.
const PROBLEMS_MAX: usize = 32;

/// Keys of other servers that restrict what a stanza grants: known, and refused.
const RESTRICTIONS: [&str; 6] = [
    "control_group",
    "expiration",
    "list_scan_response_keys_filter_path",
    "mfa_methods",
    "pagination_limit",
    "subscribe_event_types",
];

/// What one policy says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Policy {
    pub(super) rules: Vec<(Pattern, Permissions)>,
}

/// The policy of these fields. Fails with every problem found, at most [`PROBLEMS_MAX`].
pub(super) fn policy(fields: Vec<Field>) -> Result<Policy, Vec<String>> {
    let mut reader = Reader::default();
    for field in fields {
        reader.top(field);
    }
    if reader.rules.len() > RULES_MAX {
        reader.problem(At::default(), format!("more than {RULES_MAX} path stanzas"));
    }
    if reader.problems.is_empty() {
        return Ok(Policy { rules: reader.rules });
    }
    reader.problems.truncate(PROBLEMS_MAX);
    Err(reader.problems.iter().map(Problem::to_string).collect())
}

#[derive(Default)]
struct Reader {
    rules: Vec<(Pattern, Permissions)>,
    problems: Vec<Problem>,
}

impl Reader {
    fn problem(&mut self, at: At, message: impl Into<String>) {
        self.problems.push(Problem::new(at, message));
    }

    fn expected(&mut self, item: &Item, what: &str) {
        self.problem(item.at, format!("expected {what}, found {}", item.node.kind()));
    }

    fn top(&mut self, field: Field) {
        match field.key.as_str() {
            "name" => match field.value.node {
                // The name is the request's; this one is for people.
                Node::Text(_) => {}
                _ => self.expected(&field.value, "the policy's name as a string"),
            },
            "path" => {
                for object in self.objects(field.value, "a stanza with a path") {
                    object.into_iter().for_each(|stanza| self.stanza(stanza));
                }
            }
            other => self.problem(field.at, format!("unknown key {other:?}; known: name, path")),
        }
    }

    /// An object, or a list of them.
    fn objects(&mut self, item: Item, what: &str) -> Vec<Vec<Field>> {
        match item.node {
            Node::Object(fields) => vec![fields],
            Node::List(items) => {
                items.into_iter().flat_map(|item| self.objects(item, what)).collect()
            }
            _ => {
                self.expected(&item, what);
                Vec::new()
            }
        }
    }

    fn stanza(&mut self, stanza: Field) {
        let pattern = match Pattern::parse(&stanza.key) {
            Ok(pattern) => Some(pattern),
            Err(message) => {
                self.problem(stanza.at, message);
                None
            }
        };
        let what = format!("an object with the capabilities of path {:?}", stanza.key);
        let mut rule = Permissions::default();
        let mut seen = BTreeSet::new();
        for field in self.objects(stanza.value, &what).into_iter().flatten() {
            let repeatable = field.key.ends_with("_parameters");
            if !seen.insert(field.key.clone()) && !repeatable {
                self.problem(field.at, format!("{:?} is given twice", field.key));
            }
            self.attribute(field, &mut rule);
        }
        if rule.max_wrapping_s > 0 && rule.min_wrapping_s > rule.max_wrapping_s {
            self.problem(stanza.at, "min_wrapping_ttl is above max_wrapping_ttl");
        }
        if let Some(pattern) = pattern {
            self.rules.push((pattern, rule));
        }
    }

    fn attribute(&mut self, field: Field, rule: &mut Permissions) {
        match field.key.as_str() {
            "comment" => {}
            "policy" => {
                let granted = self.legacy_policy(&field.value);
                rule.capabilities = rule.capabilities.and(granted);
            }
            "capabilities" => {
                for (at, name) in self.texts(field.value) {
                    match Capabilities::named(&name) {
                        Some(capability) => rule.capabilities = rule.capabilities.and(capability),
                        None => self.problem(at, format!("unknown capability {name:?}")),
                    }
                }
            }
            "required_parameters" => {
                let names = self.texts(field.value);
                rule.required.extend(names.into_iter().map(|(_, name)| name.to_lowercase()));
            }
            "allowed_parameters" => self.parameters(field.value, &mut rule.allowed),
            "denied_parameters" => self.parameters(field.value, &mut rule.denied),
            "min_wrapping_ttl" => rule.min_wrapping_s = self.duration(field.value),
            "max_wrapping_ttl" => rule.max_wrapping_s = self.duration(field.value),
            key if RESTRICTIONS.contains(&key) => self.problem(
                field.at,
                format!(
                    "{key:?} is not supported by this authority; \
                     without it the policy would grant more"
                ),
            ),
            key => self.problem(field.at, format!("unknown key {key:?} in a path stanza")),
        }
    }

    /// The attribute of Vault's first policies.
    fn legacy_policy(&mut self, item: &Item) -> Capabilities {
        let names: &[&str] = match &item.node {
            Node::Text(text) => match text.as_str() {
                "deny" => &["deny"],
                "read" => &["read", "list"],
                "write" => &["create", "read", "update", "delete", "list"],
                "sudo" => &["create", "read", "update", "delete", "list", "sudo"],
                other => {
                    let message =
                        format!("unknown policy {other:?}; known: deny, read, write, sudo");
                    self.problem(item.at, message);
                    &[]
                }
            },
            _ => {
                self.expected(item, "deny, read, write or sudo");
                &[]
            }
        };
        let capabilities = names.iter().filter_map(|name| Capabilities::named(name));
        capabilities.fold(Capabilities::default(), Capabilities::and)
    }

    fn texts(&mut self, item: Item) -> Vec<(At, String)> {
        let Node::List(items) = item.node else {
            self.expected(&item, "a list of strings");
            return Vec::new();
        };
        let mut texts = Vec::new();
        for item in items {
            match item.node {
                Node::Text(text) => texts.push((item.at, text)),
                _ => self.expected(&item, "a string"),
            }
        }
        texts
    }

    fn parameters(&mut self, item: Item, values: &mut Values) {
        for field in self.objects(item, "an object of parameters").into_iter().flatten() {
            let at = field.at;
            match field.value.node {
                Node::List(items) => {
                    let list =
                        items.into_iter().map(|item| Arc::new(item.node.into_value())).collect();
                    if values.insert(field.key.to_lowercase(), list).is_some() {
                        self.problem(at, format!("parameter {:?} is given twice", field.key));
                    }
                }
                _ => self.expected(&field.value, "a list of values"),
            }
        }
    }

    fn duration(&mut self, item: Item) -> u64 {
        let at = item.at;
        let seconds = duration_s(&item.node.into_value()).and_then(|s| u64::try_from(s).ok());
        if seconds.is_none() {
            self.problem(at, "expected a duration such as \"90s\" or \"1h\", or seconds");
        }
        seconds.unwrap_or(0)
    }
}
