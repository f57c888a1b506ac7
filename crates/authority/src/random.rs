//! Random bytes of the operating system, and the names made of them.

use zeroize::Zeroizing;

use crate::error::{ApiError, InternalCause};

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Fills `buffer`. Fails where the operating system gives no random bytes.
pub(crate) fn fill(buffer: &mut [u8]) -> Result<(), ApiError> {
    getrandom::fill(buffer).map_err(|_| ApiError::Internal(InternalCause::Random))
}

/// A new 256-bit key.
pub(crate) fn key() -> Result<Zeroizing<[u8; 32]>, ApiError> {
    let mut key = Zeroizing::new([0; 32]);
    fill(key.as_mut_slice())?;
    Ok(key)
}

/// `length` letters and digits, each equally likely: 24 of them carry 142 bits.
pub(crate) fn base62(length: usize) -> Result<Zeroizing<String>, ApiError> {
    // Allocated once: growing would leave copies behind.
    let mut text = Zeroizing::new(String::with_capacity(length));
    let mut pool = Zeroizing::new([0_u8; 64]);
    while text.len() < length {
        fill(pool.as_mut_slice())?;
        // 248 = 4 × 62: bytes above would favour the first letters.
        for byte in pool.iter().filter(|byte| **byte < 248) {
            if text.len() < length
                && let Some(letter) = BASE62.get(usize::from(byte % 62))
            {
                text.push(char::from(*letter));
            }
        }
    }
    Ok(text)
}

/// A random UUID (RFC 9562 version 4) in its usual form.
pub(crate) fn uuid() -> Result<String, ApiError> {
    let mut bytes = [0_u8; 16];
    fill(&mut bytes)?;
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = hex(&bytes);
    Ok([&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"))
}

/// Two lower-case digits a byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_their_form() {
        let id = uuid().unwrap();
        assert_eq!(id.len(), 36);
        assert_eq!(id.as_bytes()[14], b'4');
        let token = base62(24).unwrap();
        assert!(token.len() == 24 && token.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_ne!(uuid().unwrap(), id);
        assert_eq!(hex(&[0, 15, 255]), "000fff");
    }
}
