//! JSON that wipes its strings when dropped.
//!
//! `serde_json` frees without wiping. These wrappers walk the value on drop; what a parser or a
//! serializer copied on the way is wiped by whoever owns that buffer.

use std::fmt;
use std::ops::{Deref, DerefMut};

use serde::Serialize;
use serde_json::{Map, Value};
use zeroize::{Zeroize, Zeroizing};

use crate::error::{ApiError, InternalCause};

/// An object: a request's data.
#[derive(Default)]
pub(crate) struct Data(Map<String, Value>);

/// Any value: a reply's data.
pub(crate) struct Payload(Value);

impl Data {
    /// Takes ownership: from here on the strings are wiped on drop.
    pub(crate) fn new(map: Map<String, Value>) -> Self {
        Self(map)
    }
}

impl Payload {
    /// Takes ownership: from here on the strings are wiped on drop.
    pub(crate) fn new(value: Value) -> Self {
        Self(value)
    }
}

impl Deref for Data {
    type Target = Map<String, Value>;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Data {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl Deref for Payload {
    type Target = Value;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Data(..)")
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Payload(..)")
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(|(_, value)| wipe(value));
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// Overwrites every string in `value`. Depth is bounded by the parser's limit.
pub(crate) fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(map) => map.iter_mut().for_each(|(_, value)| wipe(value)),
        Value::Number(_) | Value::Bool(_) | Value::Null => *value = Value::Null,
    }
}

/// JSON in a buffer that wipes itself.
pub(crate) fn encode(
    value: &impl Serialize,
    what: &'static str,
) -> Result<Zeroizing<Vec<u8>>, ApiError> {
    let mut buffer = Wiping(Zeroizing::new(Vec::with_capacity(1024)));
    serde_json::to_writer(&mut buffer, value)
        .map_err(|_| ApiError::Internal(InternalCause::Encode(what)))?;
    Ok(buffer.0)
}

/// A buffer that wipes what it leaves behind when it grows.
struct Wiping(Zeroizing<Vec<u8>>);

impl std::io::Write for Wiping {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let needed = self.0.len() + bytes.len();
        if needed > self.0.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(2 * needed));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn wiping_leaves_no_string_behind() {
        let mut value = json!({"a": "planted", "b": ["planted", {"c": "planted"}], "n": 7});
        wipe(&mut value);
        assert_eq!(value, json!({"a": "", "b": ["", {"c": ""}], "n": null}));
    }

    #[test]
    fn debug_prints_no_value() {
        let data = Data::new(Map::from_iter([("k".to_owned(), json!("planted"))]));
        assert_eq!(
            format!("{data:?} {:?}", Payload::new(json!("planted"))),
            "Data(..) Payload(..)"
        );
    }
}
