//! A Secret as it was read from the API server; its values are wiped when it goes out of scope.

use std::ops::{Deref, DerefMut};

use k8s_openapi::api::core::v1::Secret;
use zeroize::Zeroize;

/// A Secret that is wiped when it is dropped. What a library kept of it on the way is the known gap.
pub struct WipedSecret(Secret);

impl WipedSecret {
    /// Takes `secret` over, with the values that it has by now.
    pub fn new(secret: Secret) -> Self {
        Self(secret)
    }
}

impl Deref for WipedSecret {
    type Target = Secret;

    fn deref(&self) -> &Secret {
        &self.0
    }
}

impl DerefMut for WipedSecret {
    fn deref_mut(&mut self) -> &mut Secret {
        &mut self.0
    }
}

impl Drop for WipedSecret {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// Wipes the values of `secret`; its keys and metadata stay.
pub fn wipe(secret: &mut Secret) {
    for bytes in secret.data.iter_mut().flat_map(|data| data.values_mut()) {
        bytes.0.zeroize();
    }
    for text in secret.string_data.iter_mut().flat_map(|data| data.values_mut()) {
        text.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::ByteString;

    #[test]
    fn values_are_wiped_and_keys_stay() {
        let mut secret = Secret {
            data: Some([("k".to_owned(), ByteString(b"value".to_vec()))].into()),
            string_data: Some([("t".to_owned(), "text".to_owned())].into()),
            ..Secret::default()
        };
        wipe(&mut secret);
        assert_eq!(secret.data, Some([("k".to_owned(), ByteString(Vec::new()))].into()));
        assert_eq!(secret.string_data, Some([("t".to_owned(), String::new())].into()));
    }
}
