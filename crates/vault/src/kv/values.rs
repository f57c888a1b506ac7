//! KV data between the wire and `Sensitive`: never a `serde_json::Value`, and never another number than was written.
//!
//! Text becomes its bytes. Anything else stays JSON: numbers keep every digit, arrays and objects are compact, with
//! sorted keys and Go's escapes, as External Secrets Operator renders them; null has no bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use regent_types::{SecretData, Sensitive};
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::{Error, wire};

/// Most keys of one secret; a Kubernetes Secret of 1 MiB cannot hold more useful ones.
const KEYS_MAX: usize = 4_096;
/// Deepest array or object that is taken, as in serde_json.
const DEPTH_MAX: usize = 128;

/// KV data as read, and which keys hold JSON rather than text.
#[derive(Debug, Default)]
pub(crate) struct Values {
    pub(crate) data: SecretData,
    pub(crate) json: BTreeSet<String>,
}

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Values;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of keys and values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Values, A::Error> {
                let mut values = Values::default();
                while let Some((key, raw)) = map.next_entry::<String, &'de RawValue>()? {
                    if values.data.len() >= KEYS_MAX {
                        return Err(serde::de::Error::custom("too many keys"));
                    }
                    values.json.remove(&key);
                    let (bytes, is_json) = one(raw).map_err(serde::de::Error::custom)?;
                    if is_json {
                        values.json.insert(key.clone());
                    }
                    values.data.insert(key, bytes);
                }
                Ok(values)
            }
        }
        from.deserialize_map(Keys)
    }
}

/// The bytes of one value, and whether they are JSON rather than text.
fn one(raw: &RawValue) -> Result<(Sensitive<Vec<u8>>, bool), &'static str> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(6 * raw.get().len()));
    let is_json = match raw.get().as_bytes().first() {
        Some(b'"') => {
            let text = text(raw)?;
            wire::append(&mut bytes, text.as_bytes());
            false
        }
        Some(b'n') => true,
        _ => {
            append_canonical(&mut bytes, raw, 0)?;
            true
        }
    };
    Ok((Sensitive::new(std::mem::take(&mut *bytes)), is_json))
}

fn text(raw: &RawValue) -> Result<Zeroizing<String>, &'static str> {
    serde_json::from_str(raw.get()).map(Zeroizing::new).map_err(|_| "a text that is none")
}

/// Compact, keys sorted, numbers as they were written.
fn append_canonical(
    to: &mut Zeroizing<Vec<u8>>,
    raw: &RawValue,
    depth: usize,
) -> Result<(), &'static str> {
    const WRONG: &str = "JSON that is none";
    if depth > DEPTH_MAX {
        return Err("JSON that is nested too deeply");
    }
    match raw.get().as_bytes().first() {
        Some(b'"') => append_json_text(to, &text(raw)?),
        Some(b'[') => {
            let all: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(|_| WRONG)?;
            wire::append(to, b"[");
            for (index, item) in all.into_iter().enumerate() {
                wire::append(to, if index > 0 { b"," } else { b"" });
                append_canonical(to, item, depth + 1)?;
            }
            wire::append(to, b"]");
        }
        Some(b'{') => {
            let all: BTreeMap<String, &RawValue> =
                serde_json::from_str(raw.get()).map_err(|_| WRONG)?;
            wire::append(to, b"{");
            for (index, (key, item)) in all.into_iter().enumerate() {
                wire::append(to, if index > 0 { b"," } else { b"" });
                append_json_text(to, &key);
                wire::append(to, b":");
                append_canonical(to, item, depth + 1)?;
            }
            wire::append(to, b"}");
        }
        _ => wire::append(to, raw.get().as_bytes()),
    }
    Ok(())
}

/// Appends `text` as JSON with the escapes of Go's `encoding/json`, which External Secrets Operator renders with.
pub fn append_json_text(to: &mut Zeroizing<Vec<u8>>, text: &str) {
    wire::append(to, b"\"");
    for c in text.chars() {
        match c {
            '"' => wire::append(to, b"\\\""),
            '\\' => wire::append(to, b"\\\\"),
            '\n' => wire::append(to, b"\\n"),
            '\r' => wire::append(to, b"\\r"),
            '\t' => wire::append(to, b"\\t"),
            '\u{8}' => wire::append(to, b"\\b"),
            '\u{c}' => wire::append(to, b"\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\u{0}'..='\u{1f}' => {
                wire::append(to, format!("\\u{:04x}", u32::from(c)).as_bytes());
            }
            other => wire::append(to, other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    wire::append(to, b"\"");
}

/// Keys and values as a JSON object, as they go on the wire.
pub(crate) struct Texts<'a>(Vec<(&'a str, Shown<'a>)>);

enum Shown<'a> {
    Text(&'a str),
    Json(&'a RawValue),
    Null,
}

impl<'a> Texts<'a> {
    /// Values under `json` go as they are, the others as text. Fails with [`Error::NotText`] where a value is not UTF-8,
    /// or no JSON where it is to be.
    pub(crate) fn of(data: &'a SecretData, json: &BTreeSet<String>) -> Result<Self, Error> {
        let shown = |(key, value): (&'a String, &'a Sensitive<Vec<u8>>)| {
            let not_text = || Error::NotText { key: key.clone() };
            let text = std::str::from_utf8(value.expose()).map_err(|_| not_text())?;
            let shown = match json.contains(key) {
                false => Shown::Text(text),
                true if text.is_empty() => Shown::Null,
                true => Shown::Json(serde_json::from_str(text).map_err(|_| not_text())?),
            };
            Ok((key.as_str(), shown))
        };
        data.iter().map(shown).collect::<Result<_, _>>().map(Self)
    }
}

impl Serialize for Texts<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            match value {
                Shown::Text(text) => map.serialize_entry(key, text)?,
                Shown::Json(raw) => map.serialize_entry(key, raw)?,
                Shown::Null => map.serialize_entry(key, &())?,
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Types, every digit, and what Go escapes.
    #[test]
    fn m05_values_keep_their_type_and_their_digits() {
        let json = br#"{"a":"x\n","b":12345678901234567890123,"c":true,"d":{"k":["v", null, 1.10],"a":"<"},"e":null,"f":1E5}"#;
        let read: Values = serde_json::from_slice(json).unwrap();
        let text: Vec<_> =
            read.data.values().map(|v| String::from_utf8_lossy(v.expose()).into_owned()).collect();
        let nested = r#"{"a":"\u003c","k":["v",null,1.10]}"#;
        assert_eq!(text, ["x\n", "12345678901234567890123", "true", nested, "", "1E5"]);
        assert_eq!(
            read.json.iter().map(String::as_str).collect::<Vec<_>>(),
            ["b", "c", "d", "e", "f"]
        );
        let sent = serde_json::to_string(&Texts::of(&read.data, &read.json).unwrap()).unwrap();
        assert_eq!(
            sent,
            r#"{"a":"x\n","b":12345678901234567890123,"c":true,"d":{"a":"\u003c","k":["v",null,1.10]},"e":null,"f":1E5}"#
        );
    }

    #[test]
    fn text_that_looks_like_json_stays_text() {
        let read: Values = serde_json::from_slice(br#"{"a":"7","b":"null","c":"{}"}"#).unwrap();
        assert!(read.json.is_empty());
        let sent = serde_json::to_string(&Texts::of(&read.data, &read.json).unwrap()).unwrap();
        assert_eq!(sent, r#"{"a":"7","b":"null","c":"{}"}"#);
    }

    #[test]
    fn a_value_that_is_nested_without_end_is_refused() {
        let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(5_000), "]".repeat(5_000));
        assert!(serde_json::from_str::<Values>(&deep).is_err());
    }
}
