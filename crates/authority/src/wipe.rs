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

/// JSON in a buffer that wipes itself. Its length is counted first: a buffer that grows leaves copies behind.
pub(crate) fn encode(
    value: &impl Serialize,
    what: &'static str,
) -> Result<Zeroizing<Vec<u8>>, ApiError> {
    let failed = |_| ApiError::Internal(InternalCause::Encode(what));
    let mut counter = Counter(0);
    serde_json::to_writer(&mut counter, value).map_err(failed)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(counter.0));
    serde_json::to_writer(&mut *bytes, value).map_err(failed)?;
    Ok(bytes)
}

struct Counter(usize);

impl std::io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
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
