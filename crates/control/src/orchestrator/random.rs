//! Random values, made in the driver and never in a decision.

use regent_types::Sensitive;
use zeroize::Zeroizing;

use super::error::Error;

const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// Largest multiple of the alphabet below 256: bytes at or above it would favour the first letters.
const FAIR: u8 = 248;
const _: () = assert!(FAIR as usize == 256 / ALPHABET.len() * ALPHABET.len());

/// `length` characters from letters and digits, each as likely as any other.
pub(super) fn password(length: usize) -> Result<Sensitive<Vec<u8>>, Error> {
    let mut value = Zeroizing::new(Vec::with_capacity(length));
    let mut pool = Zeroizing::new([0_u8; 64]);
    while value.len() < length {
        getrandom::fill(pool.as_mut()).map_err(|e| Error::Random(e.to_string()))?;
        let fair = pool.iter().filter(|b| **b < FAIR).map(|b| ALPHABET[usize::from(*b) % 62]);
        let missing = length - value.len();
        value.extend(fair.take(missing));
    }
    Ok(Sensitive::new(std::mem::take(&mut *value)))
}

pub(super) fn bytes(length: usize) -> Result<Sensitive<Vec<u8>>, Error> {
    let mut value = Zeroizing::new(vec![0_u8; length]);
    getrandom::fill(&mut value).map_err(|e| Error::Random(e.to_string()))?;
    Ok(Sensitive::new(std::mem::take(&mut *value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_have_their_length_and_use_the_whole_alphabet_evenly() {
        let long = password(62_000).unwrap();
        assert_eq!(long.expose().len(), 62_000);
        for letter in ALPHABET {
            let count = long.expose().iter().filter(|b| *b == letter).count();
            // 1,000 expected, standard deviation 31: six of them in each direction.
            assert!((810..1_190).contains(&count), "{} {count}", char::from(*letter));
        }
    }
}
