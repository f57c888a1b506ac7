//! Joining the parts of a data key that was split over key groups (SOPS `shamir/shamir.go`):
//! GF(2^8) with polynomial 0x11B; a part is the y bytes followed by one x byte.

use zeroize::Zeroizing;

/// The secret of these parts, which must all be of one split; `None` if they are malformed. Wrong
/// parts give a wrong secret, which opens nothing.
pub(crate) fn combine(parts: &[Zeroizing<Vec<u8>>]) -> Option<Zeroizing<Vec<u8>>> {
    let length = parts.first()?.len();
    let xs: Vec<u8> = parts.iter().filter_map(|part| part.last().copied()).collect();
    let distinct = (0..xs.len()).all(|i| !xs[..i].contains(&xs[i]));
    let malformed = parts.len() < 2 || length < 2 || !distinct || xs.contains(&0);
    if malformed || parts.iter().any(|part| part.len() != length) {
        return None;
    }
    let mut secret = Zeroizing::new(vec![0; length - 1]);
    for (i, part) in parts.iter().enumerate() {
        // Lagrange basis at zero: the product of x_j / (x_j - x_i); minus is xor.
        let mut basis = 1;
        for (j, x) in xs.iter().enumerate() {
            if i != j {
                basis = multiply(basis, multiply(*x, invert(*x ^ xs[i])));
            }
        }
        for (byte, y) in secret.iter_mut().zip(part.iter()) {
            *byte ^= multiply(*y, basis);
        }
    }
    Some(secret)
}

/// Multiplication without branches or tables that depend on the operands.
fn multiply(a: u8, b: u8) -> u8 {
    let (mut a, mut product) = (a, 0u8);
    for bit in 0..8 {
        product ^= a & 0u8.wrapping_sub((b >> bit) & 1);
        let carry = 0u8.wrapping_sub(a >> 7);
        a = (a << 1) ^ (carry & 0x1b);
    }
    product
}

/// a^254, the inverse; zero stays zero.
fn invert(a: u8) -> u8 {
    let mut result = 1;
    for bit in (0..8).rev() {
        result = multiply(result, result);
        if (254 >> bit) & 1 == 1 {
            result = multiply(result, a);
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_two_of_three_parts_give_the_secret_back() {
        // secret s, line s + c·x in GF(2^8)
        let (secret, slope) = ([7u8, 200, 0], [13u8, 1, 255]);
        let part = |x: u8| {
            let ys = secret.iter().zip(slope).map(|(s, c)| s ^ multiply(c, x));
            Zeroizing::new(ys.chain([x]).collect::<Vec<u8>>())
        };
        for pair in [[1, 2], [2, 3], [3, 1]] {
            let parts: Vec<_> = pair.into_iter().map(part).collect();
            assert_eq!(combine(&parts).unwrap()[..], secret);
        }
        assert!(combine(&[part(1), part(1)]).is_none());
        assert!(combine(&[part(1)]).is_none());
    }

    #[test]
    fn every_element_but_zero_has_its_inverse() {
        assert!((1..=255u8).all(|a| multiply(a, invert(a)) == 1));
    }
}
