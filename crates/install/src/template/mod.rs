//! A tiny template language: API objects as JSON in which some strings are holes. One text, two readings, so that
//! `regent install` and the Helm chart cannot say different things.
//!
//! ```text
//! mod     how a template is written: at, item, when, each      node    what is read back from it
//! render  reading 1: with values → objects                     helm    reading 2: → the text of a chart's template
//! ```

pub mod helm;
mod node;
pub mod render;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use regent_types::explain::{Advice, Explain};

/// Begin of a hole. No API object of ours holds this character.
const OPEN: char = '\u{27e6}';
/// End of a hole.
const CLOSE: char = '\u{27e7}';
/// Path of the current item of an [`each`].
const ITEM: &str = ".";
const WHEN: &str = "$when";
const THEN: &str = "$then";
const EACH: &str = "$each";
const DO: &str = "$do";

/// A hole: the value at `path` as it is, or its text where the hole is a part of a longer string. A list of
/// strings inside a string, written `["HOLE"]`, becomes that list as JSON.
pub fn at(path: &str) -> String {
    format!("{OPEN}{path}{CLOSE}")
}

/// The current item of an [`each`].
pub fn item() -> String {
    at(ITEM)
}

/// `then`, where the condition holds: as a whole object, as an entry of a map or as an item of a list.
pub fn when(condition: &Condition, then: Value) -> Value {
    json!({ WHEN: condition, THEN: then })
}

/// `inner` once for each item of the list at `path`: as whole objects or as items of a list.
pub fn each(path: &str, inner: Value) -> Value {
    json!({ EACH: path, DO: inner })
}

/// What decides whether something is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    /// The value at this path is true, or not empty.
    Set(String),
    /// The value at this path is false, empty or not there.
    Unset(String),
    /// Each of them holds.
    All(Vec<Condition>),
    /// The release does not itself live in `regent-system`, so that the namespace is regent's to make.
    OwnNamespace,
    /// A neighbour's CustomResourceDefinition of this name may be placed: see [`super::definitions`].
    Placeable(String),
}

impl Condition {
    /// The value at `path` is true, or not empty.
    pub fn set(path: &str) -> Self {
        Self::Set(path.to_owned())
    }
}

/// A template that cannot be read: a mistake in regent, found by its own tests.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a template of regent's own cannot be read: {0}")]
pub struct TemplateError(pub(super) String);

impl Explain for TemplateError {
    fn reason(&self) -> &'static str {
        "BrokenTemplate"
    }

    fn advice(&self) -> Advice {
        Advice::new(
            "templates that fit the values",
            self.0.clone(),
            "report this: it does not depend on the cluster",
        )
    }
}
