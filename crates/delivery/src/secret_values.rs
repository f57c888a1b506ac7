//! The one comparison of secret values. Which keys there are is no secret; what they hold is: every value is compared to
//! its end, and all keys are compared, wherever the first difference is.

use std::collections::BTreeMap;
use std::hint::black_box;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use regent_types::Sensitive;
use zeroize::Zeroizing;

/// A value that is compared as bytes.
pub(crate) trait SecretBytes {
    fn secret_bytes(&self) -> &[u8];
}

impl SecretBytes for Sensitive<Vec<u8>> {
    fn secret_bytes(&self) -> &[u8] {
        self.expose()
    }
}

impl SecretBytes for ByteString {
    fn secret_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl SecretBytes for String {
    fn secret_bytes(&self) -> &[u8] {
        self.as_bytes()
    }
}

/// Keys of `part` that `whole` lacks or holds with another value, in order.
pub(crate) fn differing<'a, A: SecretBytes, B: SecretBytes>(
    part: &'a BTreeMap<String, A>,
    whole: &BTreeMap<String, B>,
) -> Vec<&'a str> {
    differing_by(part, whole, same_bytes)
}

/// Whether both hold the same keys with the same values; none is as good as empty.
pub(crate) fn same_values<A: SecretBytes, B: SecretBytes>(
    a: Option<&BTreeMap<String, A>>,
    b: Option<&BTreeMap<String, B>>,
) -> bool {
    let (none_of_a, none_of_b) = (BTreeMap::new(), BTreeMap::new());
    let (a, b) = (a.unwrap_or(&none_of_a), b.unwrap_or(&none_of_b));
    a.len() == b.len() && differing(a, b).is_empty()
}

/// Values shorter than this are found in any text.
const TOLD_MIN: usize = 4;

/// `text` without any value of `secret`, plain or as base64. What is too short to be found by chance is left.
pub(crate) fn without_values(text: &str, secret: &Secret) -> String {
    let mut text = text.to_owned();
    for value in secret.data.iter().flatten().map(|(_, value)| value.secret_bytes()) {
        let coded = Zeroizing::new(STANDARD.encode(value));
        for told in [std::str::from_utf8(value).unwrap_or_default(), coded.as_str()] {
            if told.len() >= TOLD_MIN {
                text = text.replace(told, "[value]");
            }
        }
    }
    text
}

/// `same` is asked once for every key that both have.
fn differing_by<'a, A: SecretBytes, B: SecretBytes>(
    part: &'a BTreeMap<String, A>,
    whole: &BTreeMap<String, B>,
    mut same: impl FnMut(&[u8], &[u8]) -> bool,
) -> Vec<&'a str> {
    let mut found = Vec::new();
    for (key, value) in part {
        let kept = whole.get(key).is_some_and(|w| same(value.secret_bytes(), w.secret_bytes()));
        if !kept {
            found.push(key.as_str());
        }
    }
    found
}

/// Whether the bytes are the same, without an early exit; how many there are is no secret.
fn same_bytes(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differ, (x, y)| black_box(differ | (x ^ y))) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use regent_types::SecretData;

    const KEYS: [&str; 4] = ["a", "b", "c", "d"];

    fn wanted() -> SecretData {
        KEYS.iter().map(|key| ((*key).to_owned(), Sensitive::new(b"value".to_vec()))).collect()
    }

    fn stored(other: &str) -> BTreeMap<String, ByteString> {
        let value = |key: &str| if key == other { "VALUE" } else { "value" };
        KEYS.iter().map(|k| ((*k).to_owned(), ByteString(value(k).into()))).collect()
    }

    /// A difference in the first key is found no sooner than one in the last, and neither sooner than none.
    #[test]
    fn every_key_is_compared_wherever_the_first_difference_is() {
        for other in ["a", "d", "nowhere"] {
            let mut compared = 0;
            let count = |a: &[u8], b: &[u8]| {
                compared += 1;
                same_bytes(a, b)
            };
            let found: Vec<String> = differing_by(&wanted(), &stored(other), count)
                .iter()
                .map(|k| (*k).into())
                .collect();
            let expected: Vec<&str> = KEYS.into_iter().filter(|key| *key == other).collect();
            assert_eq!(found, expected);
            assert_eq!(compared, KEYS.len(), "{other}");
        }
    }

    #[test]
    fn the_same_values_under_the_same_keys_are_the_same() {
        let mut more = stored("nowhere");
        more.insert("e".into(), ByteString(Vec::new()));
        assert!(same_values(Some(&wanted()), Some(&stored("nowhere"))));
        assert!(!same_values(Some(&wanted()), Some(&stored("c"))));
        assert!(!same_values(Some(&wanted()), Some(&more)));
        assert!(differing(&wanted(), &more).is_empty(), "what is not asked for may be there");
        assert!(same_values::<ByteString, ByteString>(None, Some(&BTreeMap::new())));
        assert!(!same_bytes(b"value", b"values"));
    }

    /// No other file of this crate compares values: neither bytes, nor data, nor Secrets as a whole.
    #[test]
    fn values_are_compared_here_alone() {
        let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
        let mut looked = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.extend((!path.ends_with("tests")).then_some(path));
                    continue;
                }
                let text = std::fs::read_to_string(&path).expect("a source file");
                let product = text.split("#[cfg(test)]").next().unwrap_or_default();
                looked += 1;
                for pattern in [
                    "== *secret",
                    "!= *secret",
                    ".data ==",
                    ".data !=",
                    "expose() ==",
                    "expose() !=",
                ] {
                    assert!(!product.contains(pattern), "{}: {pattern}", path.display());
                }
            }
        }
        assert!(looked > 20, "looked at {looked} files");
    }
}
