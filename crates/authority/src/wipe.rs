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
    fn debug_prints_no_value() {
        let data = Data::new(Object::from([("k".to_owned(), json!("planted").into())]));
        assert_eq!(
            format!("{data:?} {:?}", Payload::new(json!("planted"))),
            "Data(..) Payload(..)"
        );
    }
}
