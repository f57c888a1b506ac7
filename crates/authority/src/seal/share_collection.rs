//! Shares given one at a time, until there are enough.

use zeroize::Zeroizing;

use super::kek::Kek;
use super::shamir::{ShamirError, Share};

/// Shares given so far for one purpose. Wiped on drop.
#[derive(Default)]
pub(crate) struct ShareCollection {
    shares: Vec<Share>,
    nonce: String,
}

impl ShareCollection {
    /// How many are there.
    pub(crate) fn progress(&self) -> usize {
        self.shares.len()
    }

    /// Names this attempt; empty before the first share.
    pub(crate) fn nonce(&self) -> &str {
        &self.nonce
    }

    /// Forgets all shares and the attempt's name.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Adds a share; the same one again changes nothing. With enough of them: all of them, and a
    /// fresh start.
    pub(crate) fn add(
        &mut self,
        share: Share,
        threshold: usize,
        new_nonce: String,
    ) -> Result<Option<Vec<Share>>, ShamirError> {
        Kek::check(&share, threshold)?;
        if self.shares.is_empty() {
            self.nonce = new_nonce;
        }
        let same_x = |given: &Share| threshold > 1 && given.last() == share.last();
        if !self.shares.iter().any(same_x) {
            self.shares.push(share);
        }
        if self.shares.len() < threshold {
            return Ok(None);
        }
        let all = std::mem::take(&mut self.shares);
        self.reset();
        Ok(Some(all))
    }
}

/// A share as people send it: base64 (with or without padding) or hexadecimal.
pub(crate) fn decode_share(text: &str) -> Option<Share> {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

    let text = text.trim();
    // Hexadecimal first, as Vault does: a hex share of 66 digits is also base64, of another length.
    let bytes = from_hex(text)
        .or_else(|| STANDARD.decode(text).ok())
        .or_else(|| STANDARD_NO_PAD.decode(text).ok())?;
    Some(Zeroizing::new(bytes)).filter(|share| !share.is_empty())
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(x: u8) -> Share {
        let mut bytes = vec![7; 33];
        bytes[32] = x;
        Zeroizing::new(bytes)
    }

    #[test]
    fn the_same_share_twice_is_one_share() {
        let mut collection = ShareCollection::default();
        assert!(collection.add(share(1), 2, "n1".into()).unwrap().is_none());
        assert!(collection.add(share(1), 2, "n2".into()).unwrap().is_none());
        assert_eq!((collection.progress(), collection.nonce()), (1, "n1"));
        assert_eq!(collection.add(share(2), 2, "n3".into()).unwrap().unwrap().len(), 2);
        assert_eq!((collection.progress(), collection.nonce()), (0, ""));
    }

    #[test]
    fn a_share_of_another_length_is_refused_and_not_counted() {
        let mut collection = ShareCollection::default();
        let short = Zeroizing::new(vec![1; 10]);
        assert!(collection.add(short, 2, "n".into()).is_err());
        assert_eq!(collection.progress(), 0);
    }

    #[test]
    fn shares_are_read_as_hexadecimal_and_as_base64() {
        for text in ["00ff10", "00FF10", "AP8Q", " AP8Q\n"] {
            assert_eq!(decode_share(text).unwrap().as_slice(), [0, 255, 16], "{text:?}");
        }
        for text in ["", "!!", "a"] {
            assert!(decode_share(text).is_none(), "{text:?}");
        }
    }
}
