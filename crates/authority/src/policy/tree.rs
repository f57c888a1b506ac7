//! What a policy text says before it is understood: the same for HCL1 and JSON.
//!
//! Objects keep their order and their repeated keys: dropping one of two `path` objects would drop
//! a rule.

use std::fmt;

use regent_types::Json;
use serde_json::Number;

/// Nesting allowed: a policy needs four (path, pattern, parameters, list).
pub(super) const DEPTH_MAX: usize = 16;

/// A place in the text, from 1; line 0 means unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct At {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// Something wrong with the text.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) at: At,
    pub(super) message: String,
}

/// A value and where it stands.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) at: At,
    pub(super) node: Node,
}

/// A key and its value; `path "a" {…}` is the field `path` holding an object with the field `a`.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) at: At,
    pub(super) key: String,
    pub(super) value: Item,
}

#[derive(Debug)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Item>),
    Object(Vec<Field>),
}

impl Problem {
    pub(super) fn new(at: At, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.at.line > 0 {
            write!(f, "{}:{}: ", self.at.line, self.at.column)?;
        }
        f.write_str(&self.message)
    }
}

impl Node {
    /// What it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }

    /// As a request's JSON would hold it. Of a repeated key the last wins.
    pub(super) fn into_value(self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Bool(bool) => Json::Bool(bool),
            Self::Number(number) => Json::Number(number.into()),
            Self::Text(text) => Json::String(text),
            Self::List(items) => {
                Json::Array(items.into_iter().map(|item| item.node.into_value()).collect())
            }
            Self::Object(fields) => {
                let entry = |field: Field| (field.key, field.value.node.into_value());
                Json::Object(fields.into_iter().map(entry).collect())
            }
        }
    }
}
