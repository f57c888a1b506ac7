//! One share of a seal as an age file (PROTOCOLS.md §3).

use std::fmt::Write as _;

use regent_types::seal::SealedShare;
use sha2::{Digest, Sha256};

use super::encrypt_to;
use crate::Error;

/// Seals `share` to `recipient`, for the holder named `holder`.
///
/// # Errors
/// `BadRecipient`, `TooLarge`.
pub fn seal_share(holder: &str, recipient: &str, share: &[u8]) -> Result<SealedShare, Error> {
    let armored = encrypt_to(&[recipient], share)?;
    let mut digest = "sha256:".to_owned();
    for byte in Sha256::digest(&armored) {
        // Writing into a String cannot fail.
        let _written = write!(digest, "{byte:02x}");
    }
    Ok(SealedShare { holder: holder.to_owned(), recipient: recipient.to_owned(), armored, digest })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{Identities, decrypt, generate};

    #[test]
    fn the_holder_opens_it_and_its_digest_tells_copies_apart() {
        let ada = generate();
        let one = seal_share("ada", &ada.recipient, b"share").unwrap();
        let two = seal_share("ada", &ada.recipient, b"share").unwrap();
        let identities = Identities::parse(ada.identity.expose()).unwrap();
        assert_eq!(decrypt(&identities, &one.armored).unwrap().expose(), b"share");
        assert_eq!((one.holder.as_str(), one.digest.len()), ("ada", 7 + 64));
        assert_ne!(one.digest, two.digest);
        assert!(matches!(seal_share("eve", "age1x", b"share"), Err(Error::BadRecipient { .. })));
    }
}
