//! The MAC: SHA-512 over all values in document order, encrypted under the data key.

use sha2::{Digest, Sha512};

use super::scalar::{Scalar, ScalarKind};

/// `mac_only_encrypted` starts from the SHA-256 of the word `sops` (SOPS `sops.go`).
const ONLY_ENCRYPTED_START: [u8; 32] = [
    0x8a, 0x3f, 0xd2, 0xad, 0x54, 0xce, 0x66, 0x52, 0x7b, 0x10, 0x34, 0xf3, 0xd1, 0x47, 0xbe, 0x0b,
    0x0b, 0x97, 0x5b, 0x3b, 0xf4, 0x4f, 0x72, 0xc6, 0xfd, 0xad, 0xec, 0x81, 0x76, 0xf2, 0x7d, 0x69,
];

pub(crate) struct Mac {
    hash: Sha512,
    only_encrypted: bool,
}

impl Mac {
    pub(crate) fn new(only_encrypted: bool) -> Self {
        let mut hash = Sha512::new();
        if only_encrypted {
            hash.update(ONLY_ENCRYPTED_START);
        }
        Self { hash, only_encrypted }
    }

    /// Null and comments never count: what counts is the decrypted type, not the node it stood in.
    pub(crate) fn add(&mut self, scalar: &Scalar, encrypted: bool) {
        let counts = !matches!(scalar.kind, ScalarKind::Null | ScalarKind::Comment);
        if counts && (encrypted || !self.only_encrypted) {
            self.hash.update(&*scalar.bytes);
        }
    }

    /// Upper-case hexadecimal, as SOPS encrypts it.
    pub(crate) fn finish(self) -> String {
        self.hash.finalize().iter().map(|byte| format!("{byte:02X}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_of_mac_only_encrypted_is_the_sha256_of_the_word_sops() {
        assert_eq!(sha2::Sha256::digest(b"sops")[..], ONLY_ENCRYPTED_START);
    }
}
