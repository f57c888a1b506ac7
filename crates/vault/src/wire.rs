//! Bodies: the envelope, error lists, buffers that are wiped, values that keep their bytes and their
//! numbers' digits.

use std::fmt;
use std::io::{self, Write};

use regent_types::{Json, SecretData, Sensitive};
use serde::de::{DeserializeSeed, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::Error;

/// Error texts kept, and the length of each: they go into conditions and logs.
const MESSAGES_MAX: usize = 4;
const MESSAGE_LEN_MAX: usize = 200;

/// Most keys of one secret; a Kubernetes Secret of 1 MiB cannot hold more useful ones.
const KEYS_MAX: usize = 4_096;

/// The envelope of logical answers; only `data` matters here (`auth` is read by login).
#[derive(Deserialize)]
pub(crate) struct Envelope<T> {
    pub(crate) data: T,
}

/// Texts of an error body, shortened; empty where there are none.
pub(crate) fn messages(body: &[u8]) -> Vec<String> {
    #[derive(Deserialize)]
    struct Errors {
        #[serde(default)]
        errors: Vec<String>,
    }
    let Ok(Errors { errors }) = serde_json::from_slice(body) else { return Vec::new() };
    let short = |text: &String| {
        let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
        flat.chars().filter(|c| !c.is_control()).take(MESSAGE_LEN_MAX).collect()
    };
    errors.iter().take(MESSAGES_MAX).map(short).collect()
}

/// Parses `body` as `T`; the parser's own text is dropped, for it may quote the body.
pub(crate) fn parse<'de, T: Deserialize<'de>>(
    path: &str,
    body: &'de [u8],
    expected: &'static str,
) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|_| Error::Protocol { path: path.to_owned(), expected })
}

/// A request body that is wiped when it was sent.
pub(crate) fn body<T: Serialize + ?Sized>(path: &str, value: &T) -> Result<bytes::Bytes, Error> {
    let mut buffer = WipingBuffer(Zeroizing::new(Vec::with_capacity(1_024)));
    serde_json::to_writer(&mut buffer, value).map_err(|_| Error::Protocol {
        path: path.to_owned(),
        expected: "a value that JSON can hold (request not sent)",
    })?;
    Ok(bytes::Bytes::from_owner(buffer.0))
}

/// A buffer that wipes what it leaves behind when it grows.
struct WipingBuffer(Zeroizing<Vec<u8>>);

impl Write for WipingBuffer {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        append(&mut self.0, more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Appends without leaving an unwiped copy in freed memory.
pub(crate) fn append(buffer: &mut Zeroizing<Vec<u8>>, more: &[u8]) {
    let needed = buffer.len() + more.len();
    if needed > buffer.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(needed.next_power_of_two()));
        larger.extend_from_slice(buffer);
        *buffer = larger;
    }
    buffer.extend_from_slice(more);
}

/// `#[serde(deserialize_with)]` for a text that is secret.
pub(crate) fn sensitive<'de, D: Deserializer<'de>>(from: D) -> Result<Sensitive<String>, D::Error> {
    String::deserialize(from).map(Sensitive::new)
}

/// The same for a field that may be null.
pub(crate) fn optional<'de, D: Deserializer<'de>>(from: D) -> Result<Sensitive<String>, D::Error> {
    Option::<String>::deserialize(from).map(|t| Sensitive::new(t.unwrap_or_default()))
}

/// The default of such a field.
pub(crate) fn nothing() -> Sensitive<String> {
    Sensitive::new(String::new())
}

/// `#[serde(serialize_with)]` for a text that is secret: it goes into the request as it is.
pub(crate) fn exposed<S: Serializer>(text: &Sensitive<String>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(text.expose())
}

/// Keys and values as a JSON object of strings.
pub(crate) struct Texts<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Texts<'a> {
    /// Fails with [`Error::NotText`] where a value is not UTF-8.
    pub(crate) fn of(data: &'a SecretData) -> Result<Self, Error> {
        let text = |(key, value): (&'a String, &'a Sensitive<Vec<u8>>)| {
            let text = std::str::from_utf8(value.expose())
                .map_err(|_| Error::NotText { key: key.clone() })?;
            Ok((key.as_str(), text))
        };
        data.iter().map(text).collect::<Result<_, _>>().map(Self)
    }
}

impl Serialize for Texts<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// KV data as read: strings become their bytes, null becomes nothing, anything else its JSON text.
pub(crate) struct Values(pub(crate) SecretData);

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = SecretData;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of keys and values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretData, A::Error> {
                let mut data = SecretData::new();
                while let Some(key) = map.next_key::<String>()? {
                    if data.len() >= KEYS_MAX {
                        return Err(serde::de::Error::custom("too many keys"));
                    }
                    data.insert(key, map.next_value_seed(OneValue)?);
                }
                Ok(data)
            }
        }
        from.deserialize_map(Keys).map(Self)
    }
}

struct OneValue;

impl<'de> DeserializeSeed<'de> for OneValue {
    type Value = Sensitive<Vec<u8>>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        match Json::deserialize(from)? {
            Json::String(text) => Ok(Sensitive::new(text.into_bytes())),
            Json::Null => Ok(Sensitive::new(Vec::new())),
            other => json_text(other),
        }
    }
}

/// JSON text of anything that is not a string, its numbers as they were written; the tree is wiped.
fn json_text<E: serde::de::Error>(mut value: Json) -> Result<Sensitive<Vec<u8>>, E> {
    let mut buffer = WipingBuffer(Zeroizing::new(Vec::with_capacity(256)));
    let written = serde_json::to_writer(&mut buffer, &value);
    value.wipe();
    written.map_err(|_| E::custom("a value without JSON text"))?;
    Ok(Sensitive::new(std::mem::take(&mut *buffer.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_bytes_of_their_text() {
        let json = br#"{"a":"x\n","b":7,"c":true,"d":{"k":["v",null]},"e":null,"f":1.5}"#;
        let Values(data) = serde_json::from_slice(json).unwrap();
        let text: Vec<_> = data.values().map(|v| String::from_utf8_lossy(v.expose())).collect();
        assert_eq!(text, ["x\n", "7", "true", r#"{"k":["v",null]}"#, "", "1.5"]);
    }

    #[test]
    fn v03_numbers_are_passed_on_as_they_are_written() {
        let json = br#"{"a":12345678901234567890123,"b":1.10,"c":1E5,"d":[1e400,{"x":-0}]}"#;
        let Values(data) = serde_json::from_slice(json).unwrap();
        let text: Vec<_> = data.values().map(|v| String::from_utf8_lossy(v.expose())).collect();
        assert_eq!(text, ["12345678901234567890123", "1.10", "1E5", r#"[1e400,{"x":-0}]"#]);
    }

    #[test]
    fn error_texts_are_flat_and_bounded() {
        let long = format!(r#"{{"errors":["a\n\tb","{}","","","","f"]}}"#, "x".repeat(500));
        let all = messages(long.as_bytes());
        assert_eq!(all.len(), MESSAGES_MAX);
        assert_eq!(all[0], "a b");
        assert_eq!(all[1].len(), MESSAGE_LEN_MAX);
        assert!(messages(b"not json").is_empty());
    }

    #[test]
    fn bodies_grow_without_losing_bytes() {
        let big = "y".repeat(10_000);
        let bytes = body("p", &serde_json::json!({ "v": big })).unwrap();
        assert_eq!(bytes.len(), big.len() + 8);
    }
}
