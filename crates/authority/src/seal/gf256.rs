//! Arithmetic in GF(2^8) modulo x^8+x^4+x^3+x+1 (0x11B), in constant time: no tables, no branches
//! on data.

/// Addition, which is also subtraction.
pub(super) fn add(a: u8, b: u8) -> u8 {
    a ^ b
}

/// Multiplication: eight steps of shift and conditional add, the conditions as masks.
pub(super) fn mul(a: u8, b: u8) -> u8 {
    let (mut product, mut a, mut b) = (0_u8, a, b);
    for _ in 0..8 {
        product ^= a & (b & 1).wrapping_neg();
        let carry = (a >> 7).wrapping_neg();
        a = (a << 1) ^ (carry & 0x1b);
        b >>= 1;
    }
    product
}

/// Inverse as a^254; 0 for 0.
pub(super) fn inverse(a: u8) -> u8 {
    // 254 = 2 + 4 + … + 128: the product of the seven squarings.
    let (mut square, mut product) = (a, 1);
    for _ in 0..7 {
        square = mul(square, square);
        product = mul(product, square);
    }
    product
}

/// `a / b`; `b` is not 0.
pub(super) fn div(a: u8, b: u8) -> u8 {
    mul(a, inverse(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Independent of the code above: polynomial product over the integers, then long division.
    fn slow_mul(a: u8, b: u8) -> u8 {
        let mut product = 0_u32;
        for bit in 0..8 {
            if b >> bit & 1 == 1 {
                product ^= u32::from(a) << bit;
            }
        }
        for bit in (8..16).rev() {
            if product >> bit & 1 == 1 {
                product ^= 0x11b << (bit - 8);
            }
        }
        u8::try_from(product).unwrap()
    }

    #[test]
    fn all_products_equal_those_of_long_division() {
        for a in 0..=255 {
            for b in 0..=255 {
                assert_eq!(mul(a, b), slow_mul(a, b), "{a} * {b}");
            }
        }
        // FIPS 197, 4.2: {57} * {83} = {c1}.
        assert_eq!(mul(0x57, 0x83), 0xc1);
    }

    #[test]
    fn every_inverse_inverts() {
        assert_eq!(inverse(0), 0);
        for a in 1..=255 {
            assert_eq!(slow_mul(a, inverse(a)), 1, "{a}");
            assert_eq!(div(slow_mul(a, 0x53), 0x53), a);
        }
    }
}
