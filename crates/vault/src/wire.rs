//! Bodies: the envelope, error lists, buffers that are wiped.

use std::io::{self, Write};

use regent_types::Sensitive;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::Error;

/// Error texts kept, and the length of each: they go into conditions and logs.
const MESSAGES_MAX: usize = 4;
const MESSAGE_LEN_MAX: usize = 200;

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

#[cfg(test)]
mod tests {
    use super::*;

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
