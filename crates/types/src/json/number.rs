//! A number as it was written.

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use zeroize::Zeroize;

/// A JSON number's text, never rounded. Two are equal if they are written alike.
#[derive(Clone, PartialEq, Eq)]
pub struct NumberToken(String);

impl NumberToken {
    /// Whoever calls this has checked the grammar.
    pub(super) fn of(token: &str) -> Self {
        Self(token.to_owned())
    }

    /// As it was written, in the grammar of JSON.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The whole number that is written; `None` for `1.0`, `1e3` and what 64 bits do not hold.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        self.0.parse().ok()
    }

    /// The nearest number of 64 bits with a fraction; infinite beyond its range.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        self.0.parse().ok()
    }

    /// Overwrites it; zero is left.
    pub(super) fn wipe(&mut self) {
        self.0.zeroize();
        self.0.push('0');
    }
}

impl From<serde_json::Number> for NumberToken {
    fn from(number: serde_json::Number) -> Self {
        Self(number.to_string())
    }
}

impl From<i64> for NumberToken {
    fn from(number: i64) -> Self {
        Self(number.to_string())
    }
}

impl Serialize for NumberToken {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(to)
    }
}
