//! Shamir's secret sharing in Vault's share layout: y bytes, then one x byte (reference: Shamir).
//!
//! Each byte of the secret is the constant of its own random polynomial of degree threshold − 1
//! over GF(2^8); coefficients are uniform over 0..=255 (a bias there leaks), x is a random
//! permutation of 1..=255. Threshold 1: every share is the secret itself, without x. Wrong shares
//! give a wrong secret; what the secret unwraps tells.

use zeroize::Zeroizing;

use super::gf256;

/// x is one byte and not 0.
pub(crate) const SHARES_MAX: usize = 255;

/// One share. Wiped on drop.
pub(crate) type Share = Zeroizing<Vec<u8>>;

/// Why shares were not made or combined.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ShamirError {
    /// Threshold 0, more than the shares, or more shares than x coordinates.
    #[error(
        "threshold {threshold} of {shares} shares is not possible (1 ≤ threshold ≤ shares ≤ 255)"
    )]
    Impossible { threshold: usize, shares: usize },
    /// A share of another length.
    #[error("a share has {found} bytes instead of {expected}")]
    Length {
        /// Bytes that a share has.
        expected: usize,
        /// Bytes that this one has.
        found: usize,
    },
    /// x is 0, which no share has.
    #[error("a share has an x coordinate that no share has")]
    Coordinate,
    /// The same share twice.
    #[error("the same share was given twice")]
    Duplicate,
    /// The operating system gave no random bytes.
    #[error("no random bytes")]
    Random,
}

/// `shares` shares of `secret`, any `threshold` of which give it back.
pub(crate) fn split(
    secret: &[u8],
    threshold: usize,
    shares: usize,
) -> Result<Vec<Share>, ShamirError> {
    if threshold == 0 || threshold > shares || shares > SHARES_MAX {
        return Err(ShamirError::Impossible { threshold, shares });
    }
    if threshold == 1 {
        return Ok((0..shares).map(|_| Zeroizing::new(secret.to_vec())).collect());
    }
    let coordinates = coordinates(shares)?;
    let mut out: Vec<Share> =
        coordinates.iter().map(|_| Zeroizing::new(Vec::with_capacity(secret.len() + 1))).collect();
    let mut coefficients = Zeroizing::new(vec![0; threshold - 1]);
    for byte in secret {
        getrandom::fill(&mut coefficients).map_err(|_| ShamirError::Random)?;
        for (share, x) in out.iter_mut().zip(&coordinates) {
            share.push(evaluate(*byte, &coefficients, *x));
        }
    }
    for (share, x) in out.iter_mut().zip(&coordinates) {
        share.push(*x);
    }
    Ok(out)
}

/// The secret of exactly `threshold` shares of a secret of `secret_len` bytes.
pub(crate) fn combine(
    shares: &[Share],
    threshold: usize,
    secret_len: usize,
) -> Result<Zeroizing<Vec<u8>>, ShamirError> {
    let used = shares
        .get(..threshold)
        .filter(|used| !used.is_empty())
        .ok_or(ShamirError::Impossible { threshold, shares: shares.len() })?;
    used.iter().try_for_each(|share| check(share, threshold, secret_len))?;
    if threshold == 1 {
        return Ok(used.first().cloned().unwrap_or_default());
    }
    let xs: Vec<u8> = used.iter().filter_map(|share| share.last().copied()).collect();
    if (1..xs.len()).any(|later| xs[..later].contains(&xs[later])) {
        return Err(ShamirError::Duplicate);
    }
    let weights: Vec<u8> = (0..xs.len()).map(|index| weight(&xs, index)).collect();
    let mut secret = Zeroizing::new(Vec::with_capacity(secret_len));
    for position in 0..secret_len {
        let byte = used
            .iter()
            .zip(&weights)
            .fold(0, |sum, (share, weight)| gf256::add(sum, gf256::mul(share[position], *weight)));
        secret.push(byte);
    }
    Ok(secret)
}

/// Whether `share` has the form of a share.
pub(crate) fn check(share: &[u8], threshold: usize, secret_len: usize) -> Result<(), ShamirError> {
    let expected = if threshold == 1 { secret_len } else { secret_len + 1 };
    if share.len() != expected {
        return Err(ShamirError::Length { expected, found: share.len() });
    }
    if threshold > 1 && share.last() == Some(&0) {
        return Err(ShamirError::Coordinate);
    }
    Ok(())
}

/// Lagrange's weight of share `index` at x = 0.
fn weight(xs: &[u8], index: usize) -> u8 {
    let own = xs[index];
    let others = xs.iter().enumerate().filter(|(other, _)| *other != index);
    others.fold(1, |product, (_, x)| gf256::mul(product, gf256::div(*x, gf256::add(*x, own))))
}

/// Horner: constant + `c[0]`·x + `c[1]`·x² + …
fn evaluate(constant: u8, coefficients: &[u8], x: u8) -> u8 {
    let high = coefficients.iter().rev().fold(0, |sum, c| gf256::mul(gf256::add(sum, *c), x));
    gf256::add(high, constant)
}

/// The first `count` of a random permutation of 1..=255.
fn coordinates(count: usize) -> Result<Vec<u8>, ShamirError> {
    let mut pool: Vec<u8> = (1..=255).collect();
    let mut out = Vec::with_capacity(count);
    while out.len() < count {
        let mut word = [0; 4];
        getrandom::fill(&mut word).map_err(|_| ShamirError::Random)?;
        // 2^32 mod 255 is 1: the bias of the remainder is 2^-32.
        let index = usize::try_from(u32::from_be_bytes(word)).unwrap_or(0) % pool.len();
        out.push(pool.swap_remove(index));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(shares: &[Share], indices: &[usize]) -> Vec<Share> {
        indices.iter().map(|index| shares[*index].clone()).collect()
    }

    #[test]
    fn any_threshold_of_shares_gives_the_secret_back() {
        let secret: Vec<u8> = (0..32).map(|byte| byte * 7 + 1).collect();
        for (threshold, count) in [(1, 1), (1, 3), (2, 2), (2, 5), (3, 5), (5, 5), (7, 200)] {
            let shares = split(&secret, threshold, count).unwrap();
            assert_eq!(shares.len(), count);
            for start in 0..count {
                let some: Vec<usize> = (0..threshold).map(|step| (start + step) % count).collect();
                let combined = combine(&take(&shares, &some), threshold, 32).unwrap();
                assert_eq!(*combined, secret, "{threshold} of {count} from {start}");
            }
        }
    }

    /// Shares worked out by hand from y = 0x2a + 0x13·x + 0x07·x² with FIPS 197 arithmetic.
    #[test]
    fn shares_of_a_known_polynomial_give_its_constant() {
        let y = |x: u8| 0x2a ^ gf256::mul(0x13, x) ^ gf256::mul(0x07, gf256::mul(x, x));
        assert_eq!([y(1), y(2)], [0x3e, 0x10], "2a^13^07 and 2a^26^1c");
        let shares = [1, 2, 200].map(|x| Zeroizing::new(vec![y(x), x]));
        assert_eq!(combine(&shares, 3, 1).unwrap().as_slice(), [0x2a]);
    }

    /// Fewer shares say nothing: with one share of a 2-of-n split every secret byte is equally
    /// possible.
    #[test]
    fn one_share_fits_every_secret() {
        let share = split(&[42], 2, 2).unwrap().remove(0);
        let (y, x) = (share[0], share[1]);
        let mut seen = std::collections::BTreeSet::new();
        for other in 0..=255_u8 {
            let x2 = if x == 1 { 2 } else { 1 };
            let shares = [share.clone(), Zeroizing::new(vec![other, x2])];
            seen.insert(combine(&shares, 2, 1).unwrap()[0]);
        }
        assert_eq!(seen.len(), 256, "share ({x}, {y})");
    }

    #[test]
    fn a_wrong_share_gives_another_secret() {
        let secret = [9; 32];
        let shares = split(&secret, 2, 3).unwrap();
        let foreign = split(&secret, 2, 255).unwrap();
        let stranger = foreign.into_iter().find(|share| share[32] == shares[1][32]).unwrap();
        let combined = combine(&[shares[0].clone(), stranger], 2, 32).unwrap();
        assert_ne!(combined.as_slice(), secret);
    }

    #[test]
    fn what_is_no_set_of_shares_is_refused() {
        let shares = split(&[1; 32], 2, 3).unwrap();
        let twice = take(&shares, &[0, 0]);
        assert_eq!(combine(&twice, 2, 32), Err(ShamirError::Duplicate));
        let one = take(&shares, &[0]);
        assert_eq!(combine(&one, 2, 32), Err(ShamirError::Impossible { threshold: 2, shares: 1 }));
        let short = [shares[0].clone(), Zeroizing::new(vec![1; 32])];
        assert_eq!(combine(&short, 2, 32), Err(ShamirError::Length { expected: 33, found: 32 }));
        let zero = [shares[0].clone(), Zeroizing::new(vec![0; 33])];
        assert_eq!(combine(&zero, 2, 32), Err(ShamirError::Coordinate));
        for (threshold, count) in [(0, 1), (2, 1), (2, 256)] {
            assert!(split(&[1], threshold, count).is_err(), "{threshold} of {count}");
        }
    }

    #[test]
    fn every_share_of_threshold_one_is_the_secret() {
        for share in split(&[5; 32], 1, 3).unwrap() {
            assert_eq!(share.as_slice(), [5; 32]);
        }
    }
}
