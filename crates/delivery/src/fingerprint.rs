//! Digests of names and versions, by which the next pass knows what was said before. Never of a value.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sha2::{Digest, Sha256};

/// Bytes of a fingerprint that are kept.
const FINGERPRINT_BYTES: usize = 14;

/// A digest of texts, each with its length.
#[derive(Default)]
pub(crate) struct TextDigest(Sha256);

impl TextDigest {
    pub(crate) fn add(&mut self, texts: &[&str]) {
        for text in texts {
            self.0.update((text.len() as u64).to_be_bytes());
            self.0.update(text.as_bytes());
        }
    }

    /// The first `bytes` of it, in hex.
    pub(crate) fn hex(self, bytes: usize) -> String {
        self.0.finalize().iter().take(bytes).map(|b| format!("{b:02x}")).collect()
    }
}

/// `generation-hash` of labels and annotations, ESO's form with another hash: any change of an annotation is a refresh
/// (eso.md §1.3).
pub(crate) fn fingerprint(meta: &ObjectMeta) -> String {
    let mut digest = TextDigest::default();
    for (kind, all) in [("a", &meta.annotations), ("l", &meta.labels)] {
        for (key, value) in all.iter().flatten() {
            digest.add(&[kind, key, value]);
        }
    }
    format!("{}-{}", meta.generation.unwrap_or_default(), digest.hex(FINGERPRINT_BYTES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_annotation_changes_the_fingerprint() {
        let of = |annotation: &str| {
            let annotations = [("force-sync".to_owned(), annotation.to_owned())].into();
            let annotations = Some(annotations);
            fingerprint(&ObjectMeta { generation: Some(2), annotations, ..ObjectMeta::default() })
        };
        assert_ne!(of("1"), of("2"));
        assert_eq!(of("1"), "2-7f6bb724893a2ef922db15f0b78c");
    }
}
