//! Bootstrap's own keyed HMAC of a plaintext (PROTOCOLS.md §1.8, §2): comparable with itself only,
//! so that a status says "the same value" or "another value" and nothing else.

use std::collections::BTreeMap;

use hmac::{Hmac, Mac};
use k8s_openapi::ByteString;
use regent_types::{SecretData, Sensitive};
use sha2::Sha256;

/// Length of a key in bytes.
pub(super) const KEY_LEN: usize = 32;
/// Hex digits of the key id: enough to tell keys of one cluster apart.
const ID_LEN: usize = 8;

#[derive(Debug)]
pub(super) struct HmacKey {
    id: String,
    key: Sensitive<Vec<u8>>,
}

impl HmacKey {
    /// A key from its bytes, if it has the right length.
    pub(super) fn new(key: Sensitive<Vec<u8>>) -> Option<Self> {
        if key.expose().len() != KEY_LEN {
            return None;
        }
        let mut id = hex(&mac(&key)?.chain_update(b"key id").finalize().into_bytes());
        id.truncate(ID_LEN);
        Some(Self { id, key })
    }

    /// `key id:hex` over sorted keys and values, each behind its length.
    pub(super) fn of<'a>(&self, data: impl Iterator<Item = (&'a str, &'a [u8])>) -> Option<String> {
        let mut mac = mac(&self.key)?;
        let sorted: BTreeMap<&str, &[u8]> = data.collect();
        for (key, value) in sorted {
            for part in [key.as_bytes(), value] {
                mac.update(&(part.len() as u64).to_be_bytes());
                mac.update(part);
            }
        }
        Some(format!("{}:{}", self.id, hex(&mac.finalize().into_bytes())))
    }

    /// Of an opened manifest.
    pub(super) fn of_data(&self, data: &SecretData) -> Option<String> {
        self.of(data.iter().map(|(k, v)| (k.as_str(), v.expose().as_slice())))
    }

    /// Of a Secret as the API server has it.
    pub(super) fn of_bytes(&self, data: &BTreeMap<String, ByteString>) -> Option<String> {
        self.of(data.iter().map(|(k, v)| (k.as_str(), v.0.as_slice())))
    }
}

/// HMAC accepts keys of any length; the type still says that it may fail.
fn mac(key: &Sensitive<Vec<u8>>) -> Option<Hmac<Sha256>> {
    Hmac::<Sha256>::new_from_slice(key.expose()).ok()
}

/// Whether both were made with the same key and so can be compared at all.
pub(super) fn comparable(one: &str, two: &str) -> bool {
    let id = |text: &str| text.split_once(':').map(|(id, _)| id.to_owned());
    id(one).is_some() && id(one) == id(two)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> HmacKey {
        HmacKey::new(Sensitive::new(vec![byte; KEY_LEN])).unwrap()
    }

    fn of(key: &HmacKey, data: &[(&str, &str)]) -> String {
        key.of(data.iter().map(|(k, v)| (*k, v.as_bytes()))).unwrap()
    }

    #[test]
    fn equal_data_is_equal_in_any_order_and_moved_bytes_are_not() {
        let one = key(1);
        assert_eq!(of(&one, &[("a", "1"), ("b", "2")]), of(&one, &[("b", "2"), ("a", "1")]));
        assert_ne!(of(&one, &[("a", "12")]), of(&one, &[("a1", "2")]));
        assert_ne!(of(&one, &[("a", "")]), of(&one, &[]));
    }

    #[test]
    fn hmacs_of_two_keys_do_not_compare() {
        let (one, two) = (of(&key(1), &[("a", "1")]), of(&key(2), &[("a", "1")]));
        assert_ne!(one, two);
        assert!(!comparable(&one, &two) && comparable(&one, &one));
        assert!(!comparable("", ""));
    }

    #[test]
    fn a_key_of_another_length_is_no_key() {
        assert!(HmacKey::new(Sensitive::new(vec![1; KEY_LEN - 1])).is_none());
    }
}
