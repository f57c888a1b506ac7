//! JSON that wipes its strings when dropped.
//!
//! A [`Json`] frees without wiping. These wrappers walk the value on drop; what a parser or a
//! serializer copied on the way is wiped by whoever owns that buffer.

use std::fmt;
use std::ops::{Deref, DerefMut};

use regent_types::Json;
use regent_types::json::Object;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::error::{ApiError, InternalCause};

/// An object: a request's data.
#[derive(Default)]
pub(crate) struct Data(Object);

/// Any value: a reply's data.
pub(crate) struct Payload(Json);

impl Data {
    /// Takes ownership: from here on the strings are wiped on drop.
    pub(crate) fn new(map: Object) -> Self {
        Self(map)
    }
}

impl Payload {
    /// Takes ownership: from here on the strings are wiped on drop.
    pub(crate) fn new(value: impl Into<Json>) -> Self {
        Self(value.into())
    }
}

impl Deref for Data {
    type Target = Object;
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
    type Target = Json;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Payload {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
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
        self.0.values_mut().for_each(Json::wipe);
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        self.0.wipe();
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
    fn debug_prints_no_value() {
        let data = Data::new(Object::from([("k".to_owned(), json!("planted").into())]));
        assert_eq!(
            format!("{data:?} {:?}", Payload::new(json!("planted"))),
            "Data(..) Payload(..)"
        );
    }
}
