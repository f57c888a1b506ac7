//! JSON as a tree whose numbers stay the tokens that they were written as: `1.10`, `1E5`, `1e400` and
//! `12345678901234567890123` come back byte for byte. Its values may be secret: `Debug` prints none,
//! and [`Json::wipe`] overwrites what is freed.

mod number;
mod parse;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use zeroize::Zeroize;

pub use number::NumberToken;
pub use parse::ParseError;

/// An object: keys sorted, each once.
pub type Object = BTreeMap<String, Json>;

/// A JSON value.
#[derive(PartialEq, Eq, Default)]
pub enum Json {
    /// `null`.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number as it was written.
    Number(NumberToken),
    /// A string, decoded.
    String(String),
    /// A list.
    Array(Vec<Json>),
    /// An object; of a key that is given twice the last value counts.
    Object(Object),
}

impl Json {
    /// Reads one document of at most 128 levels.
    ///
    /// # Errors
    /// [`ParseError`] with the place, never with what stands there.
    pub fn parse(text: &[u8]) -> Result<Self, ParseError> {
        parse::document(text)
    }

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

/// From JSON text that lies in memory as a whole (`serde_json::from_slice`, `from_str`): other
/// deserializers have lost the tokens before they come here.
impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(from)?;
        Self::parse(text.get().as_bytes()).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(text: &str) -> String {
        serde_json::to_string(&Json::parse(text.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn v03_numbers_come_back_byte_for_byte() {
        for text in [
            r#"{"big":12345678901234567890123}"#,
            "[1.10,1E5,1e400,-0,0.0,1e+5,1.0E-7,18446744073709551616,-9223372036854775809]",
            r#"{"a":{"b":[{"c":0.1000000000000000055511151231257827}]}}"#,
        ] {
            assert_eq!(again(text), text);
        }
        let nested: BTreeMap<String, Json> = serde_json::from_str(r#"{"a": [1E5]}"#).unwrap();
        assert_eq!(serde_json::to_string(&nested).unwrap(), r#"{"a":[1E5]}"#);
    }

    #[test]
    fn nothing_is_printed_and_everything_is_wiped() {
        let mut value = Json::parse(br#"{"a": "planted", "b": [4711, {"c": "planted"}]}"#).unwrap();
        assert_eq!(format!("{value:?}"), "Json(..)");
        value.wipe();
        assert_eq!(serde_json::to_string(&value).unwrap(), r#"{"a":"","b":[0,{"c":""}]}"#);
    }

    #[test]
    fn values_made_in_code_print_as_they_did() {
        let made = serde_json::json!({"n": 7, "f": 1.5, "t": "é\n", "l": [null, true, -3]});
        assert_eq!(serde_json::to_string(&Json::from(made.clone())).unwrap(), made.to_string());
    }
}
