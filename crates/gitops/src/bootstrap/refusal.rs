//! The API server's own words about a Secret that it refused, as far as they may be repeated.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use regent_types::SecretData;

use crate::gitrepo::printable_text;

/// Characters of a refusal that are repeated.
const WORDS_MAX: usize = 400;
/// Values shorter than this stand in any sentence by chance.
const VALUE_LEN_MIN: usize = 4;

/// What the API server said, unless a value of `data` stands in it, as text or as base64: an admission webhook may quote
/// what it refuses.
pub(super) fn words(error: &kube::Error, data: &SecretData) -> Option<String> {
    let kube::Error::Api(status) = error else { return None };
    let said = status.message.trim();
    let quotes = |value: &[u8]| {
        let text = std::str::from_utf8(value).unwrap_or_default().trim();
        let encoded = zeroize::Zeroizing::new(STANDARD.encode(value));
        let stem = encoded.trim_end_matches('=');
        (text.len() >= VALUE_LEN_MIN && said.contains(text)) || said.contains(stem)
    };
    let long = data.values().map(|value| value.expose()).filter(|v| v.len() >= VALUE_LEN_MIN);
    if said.is_empty() || long.into_iter().any(|value| quotes(value)) {
        return None;
    }
    Some(printable_text(&said.chars().take(WORDS_MAX).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;
    use regent_types::Sensitive;

    #[test]
    fn a_sentence_is_repeated_unless_it_quotes_a_value() {
        let data: SecretData = [("a".to_owned(), Sensitive::new(b"planted-value".to_vec()))].into();
        let of = |said: &str| {
            words(&kube::Error::Api(Box::new(Status::failure(said, "Invalid"))), &data)
        };
        let fine = "Secret \"db\" is invalid: data[tls.key]: Required value";
        assert_eq!(of(fine).as_deref(), Some(fine));
        for quoting in ["denied: planted-value is weak", "data: cGxhbnRlZC12YWx1ZQ==", ""] {
            assert_eq!(of(quoting), None, "{quoting}");
        }
    }
}
