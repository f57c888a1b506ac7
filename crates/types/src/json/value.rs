//! The tree.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};
use zeroize::Zeroize;

use super::number::NumberToken;

/// An object: keys sorted, each once.
pub type Object = BTreeMap<String, Json>;

/// Any value that JSON has (RFC 8259). It has no `Clone`: a copy of a secret is no accident.
#[derive(PartialEq, Eq, Default)]
pub enum Json {
    /// Also what is left of a boolean that was wiped.
    #[default]
    Null,
    /// Printed as the word that it was.
    Bool(bool),
    /// A number as it was written.
    Number(NumberToken),
    /// Its text, without escapes.
    String(String),
    /// Its items, in their order.
    Array(Vec<Json>),
    /// An object; of a key that is given twice the last value counts.
    Object(Object),
}

impl Json {
    /// The text of a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The items of a list.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The fields of an object.
    #[must_use]
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(fields) => Some(fields),
            _ => None,
        }
    }

    /// The value of a field; `None` too where this is no object.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.as_object()?.get(name)
    }

    /// Whether it is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        *self == Self::Null
    }

    /// Overwrites every text and number in it.
    pub fn wipe(&mut self) {
        match self {
            Self::String(text) => text.zeroize(),
            Self::Number(token) => token.wipe(),
            Self::Array(items) => items.iter_mut().for_each(Self::wipe),
            Self::Object(fields) => fields.values_mut().for_each(Self::wipe),
            Self::Bool(_) | Self::Null => *self = Self::Null,
        }
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Json(..)")
    }
}

impl From<serde_json::Value> for Json {
    fn from(value: serde_json::Value) -> Self {
        use serde_json::Value;
        match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Bool(flag),
            Value::Number(number) => Self::Number(number.into()),
            Value::String(text) => Self::String(text),
            Value::Array(items) => Self::Array(items.into_iter().map(Self::from).collect()),
            Value::Object(map) => {
                Self::Object(map.into_iter().map(|(key, value)| (key, value.into())).collect())
            }
        }
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => to.serialize_unit(),
            Self::Bool(flag) => to.serialize_bool(*flag),
            Self::Number(token) => token.serialize(to),
            Self::String(text) => to.serialize_str(text),
            Self::Array(items) => to.collect_seq(items),
            Self::Object(fields) => to.collect_map(fields),
        }
    }
}
