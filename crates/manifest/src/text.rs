//! Bytes as text. Manifests and identity files are UTF-8; what is not is refused at its byte and
//! never repaired: a repaired value would be another value.

use crate::Error;

/// How bytes that are no UTF-8 are encoded, as far as their first ones tell (YAML 1.2.2, 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Utf16Le,
    Utf16Be,
    Utf32,
}

fn other_encoding(bytes: &[u8]) -> Option<Encoding> {
    match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some(Encoding::Utf32),
        [0, 0, 0, 1..=255, ..] | [1..=255, 0, 0, 0, ..] => Some(Encoding::Utf32),
        [0xff, 0xfe, ..] | [1..=255, 0, ..] => Some(Encoding::Utf16Le),
        [0xfe, 0xff, ..] | [0, 1..=255, ..] => Some(Encoding::Utf16Be),
        _ => None,
    }
}

/// The text that these bytes are.
///
/// # Errors
/// `NotUtf8` with the offset of the first byte that is none, from 0, and its line, from 1.
pub fn utf8(bytes: &[u8]) -> Result<&str, Error> {
    let refused = |found, byte: usize| {
        let before = bytes.iter().take(byte).filter(|byte| **byte == b'\n').count();
        Error::NotUtf8 { found, byte, line: before + 1 }
    };
    match other_encoding(bytes) {
        Some(Encoding::Utf16Le | Encoding::Utf16Be) => Err(refused("UTF-16", 0)),
        Some(Encoding::Utf32) => Err(refused("UTF-32", 0)),
        None => std::str::from_utf8(bytes)
            .map_err(|error| refused("another encoding", error.valid_up_to())),
    }
}

/// UTF-16 as text with placeholders where it is broken: to be searched, never to be used.
pub(crate) fn searchable(bytes: &[u8]) -> Option<String> {
    let unit: fn([u8; 2]) -> u16 = match other_encoding(bytes)? {
        Encoding::Utf16Le => u16::from_le_bytes,
        Encoding::Utf16Be => u16::from_be_bytes,
        Encoding::Utf32 => return None,
    };
    let units: Vec<u16> = bytes.as_chunks::<2>().0.iter().map(|pair| unit(*pair)).collect();
    Some(String::from_utf16_lossy(&units).trim_start_matches('\u{feff}').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g08_what_is_not_utf8_is_refused_at_its_byte() {
        let utf16 = |text: &str, unit: fn(u16) -> [u8; 2]| -> Vec<u8> {
            text.encode_utf16().flat_map(unit).collect()
        };
        let cases: [(&[u8], &str, usize, usize); 6] = [
            (b"a: caf\xe9\n", "another encoding", 6, 1),
            (b"a: b\nc: caf\xe9\n", "another encoding", 11, 2),
            (b"a: \xf0\x9f\x98", "another encoding", 3, 1),
            (&utf16("\u{feff}a: b", u16::to_le_bytes), "UTF-16", 0, 1),
            (&utf16("a: b", u16::to_be_bytes), "UTF-16", 0, 1),
            (b"\xff\xfe\0\0a\0\0\0", "UTF-32", 0, 1),
        ];
        for (bytes, found, byte, line) in cases {
            assert_eq!(utf8(bytes), Err(Error::NotUtf8 { found, byte, line }), "{bytes:?}");
        }
        for good in ["", "a", "caf\u{e9}", "\u{feff}a: b", "\u{10ffff}"] {
            assert_eq!(utf8(good.as_bytes()), Ok(good));
        }
    }

    #[test]
    fn utf16_can_be_searched() {
        for unit in [u16::to_le_bytes, u16::to_be_bytes] {
            let bytes: Vec<u8> = "\u{feff}a: \u{e9}".encode_utf16().flat_map(unit).collect();
            assert_eq!(searchable(&bytes).as_deref(), Some("a: \u{e9}"));
        }
        assert_eq!(searchable(b"a: b"), None);
    }
}
