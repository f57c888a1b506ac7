//! HMACs of secrets: the only form in which a value is compared or noted outside the authority
//! (PROTOCOLS.md §1.8).

use hmac::{Hmac, Mac};
use regent_types::{SecretData, Sensitive};
use sha2::Sha256;

/// Separates these HMACs from any other use of the key.
const DOMAIN: &[u8] = b"regent/secret-hmac/v1";

/// The key at `regent/keys/hmac`, which only the orchestrator may read, and its id.
#[derive(Debug)]
pub struct HmacKey {
    /// Names the key in every HMAC made with it; holds no `:`.
    pub id: String,
    /// The key, 32 bytes.
    pub key: Sensitive<Vec<u8>>,
}

/// `keyid:hex` of HMAC-SHA-256 over the sorted keys and values of `data`, each prefixed with its
/// length, so that no two secrets share an input.
pub fn secret_hmac(key: &HmacKey, data: &SecretData) -> String {
    #[expect(
        clippy::expect_used,
        reason = "HMAC takes keys of any length: new_from_slice cannot fail"
    )]
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key.key.expose()).expect("any key length is taken");
    let mut part = |bytes: &[u8]| {
        mac.update(&(bytes.len() as u64).to_be_bytes());
        mac.update(bytes);
    };
    part(DOMAIN);
    part(&(data.len() as u64).to_be_bytes());
    for (name, value) in data {
        part(name.as_bytes());
        part(value.expose());
    }
    let code = mac.finalize().into_bytes();
    format!("{}:{}", key.id, hex(&code))
}

/// Lowercase hexadecimal digits of `bytes`.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |n: u8| char::from(DIGITS[usize::from(n & 15)]);
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(*b)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(pairs: &[(&str, &str)]) -> SecretData {
        pairs.iter().map(|(k, v)| ((*k).into(), Sensitive::new(v.as_bytes().to_vec()))).collect()
    }

    fn key(id: &str, byte: u8) -> HmacKey {
        HmacKey { id: id.into(), key: Sensitive::new(vec![byte; 32]) }
    }

    #[test]
    fn boundaries_between_keys_and_values_count() {
        let k = key("k1", 7);
        let all = [
            data(&[]),
            data(&[("a", "bc")]),
            data(&[("ab", "c")]),
            data(&[("a", "b"), ("c", "")]),
            data(&[("a", ""), ("bc", "")]),
            data(&[("abc", "")]),
        ];
        let macs: std::collections::BTreeSet<String> =
            all.iter().map(|d| secret_hmac(&k, d)).collect();
        assert_eq!(macs.len(), all.len());
    }

    #[test]
    fn another_key_gives_another_hmac_and_names_itself() {
        let d = data(&[("password", "x")]);
        let one = secret_hmac(&key("k1", 1), &d);
        let two = secret_hmac(&key("k2", 2), &d);
        assert!(one.starts_with("k1:") && two.starts_with("k2:"));
        assert_ne!(one[3..], two[3..]);
        assert_eq!(one.len(), 3 + 64);
        assert_eq!(one, secret_hmac(&key("k1", 1), &d));
    }
}
