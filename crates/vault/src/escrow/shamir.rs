//! Shamir's secret sharing, octet by octet over GF(256).
//!
//! The field is that of AES (x^8 + x^4 + x^3 + x + 1), as in SLIP-0039 and most tools, so shares
//! can be joined with another program. Written here because the crates bring their own random
//! numbers and tables; multiplication has no table and no branch, so its time says nothing of the
//! secret. Invariant: the coefficients are fresh random octets for each octet of the secret.

use super::SECRET_BYTES;
use crate::error::Result;

pub type Value = [u8; SECRET_BYTES];

/// Shares number 1 to `of`; `random` gives octets nobody can guess.
pub fn split(
    secret: &Value,
    needed: u8,
    of: u8,
    random: impl Fn() -> Result<[u8; 32]>,
) -> Result<Vec<(u8, Value)>> {
    // The constant term is the secret; each further power has coefficients of its own.
    let mut polynomial = vec![*secret];
    for _ in 1..needed {
        let mut coefficients = [0; SECRET_BYTES];
        for part in coefficients.chunks_mut(32) {
            part.copy_from_slice(&random()?[..part.len()]);
        }
        polynomial.push(coefficients);
    }
    Ok((1..=of).map(|x| (x, evaluate(&polynomial, x))).collect())
}

/// Horner's rule.
fn evaluate(polynomial: &[Value], x: u8) -> Value {
    let mut sum = [0; SECRET_BYTES];
    for coefficients in polynomial.iter().rev() {
        for (sum, coefficient) in sum.iter_mut().zip(coefficients) {
            *sum = multiply(*sum, x) ^ coefficient;
        }
    }
    sum
}

/// The value at zero of the polynomial through `points`, by Lagrange; their numbers differ.
pub fn join(points: &[(u8, Value)]) -> Value {
    let mut secret = [0; SECRET_BYTES];
    for (x, value) in points {
        let others = points.iter().map(|(other, _)| *other).filter(|other| other != x);
        // In a field of characteristic 2 minus is plus, and plus is exclusive or.
        let weight = others.fold(1, |w, other| multiply(w, multiply(other, inverse(other ^ x))));
        for (secret, value) in secret.iter_mut().zip(value) {
            *secret ^= multiply(weight, *value);
        }
    }
    secret
}

/// Product in GF(256) (FIPS 197, 4.2).
pub fn multiply(a: u8, b: u8) -> u8 {
    let (mut a, mut product) = (a, 0);
    for bit in 0..8 {
        product ^= a & (b >> bit & 1).wrapping_neg();
        a = (a << 1) ^ (0x1b & (a >> 7).wrapping_neg());
    }
    product
}

/// The inverse is the 254th power; that of 0 is 0.
fn inverse(a: u8) -> u8 {
    let square = |a| multiply(a, a);
    // 254 = 2 + 4 + 8 + 16 + 32 + 64 + 128.
    let (mut power, mut result) = (a, 1);
    for _ in 0..7 {
        power = square(power);
        result = multiply(result, power);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_those_of_fips_197_and_every_inverse_inverts() {
        assert_eq!(multiply(0x57, 0x83), 0xc1, "FIPS 197, 4.2");
        assert_eq!(multiply(0x57, 0x13), 0xfe, "FIPS 197, 4.2.1");
        assert_eq!(inverse(0x53), 0xca);
        for a in 1..=255 {
            assert_eq!(multiply(a, inverse(a)), 1, "{a}");
        }
        assert_eq!(inverse(0), 0);
    }

    fn value(hex: &str) -> Value {
        std::array::from_fn(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
    }

    /// Made with another implementation (pyshamir 1.1.0, after HashiCorp Vault's), 3 of 5.
    #[test]
    fn shares_of_another_implementation_give_their_secret() {
        let secret = value(VECTOR[0].1);
        let points: Vec<_> = VECTOR[1..].iter().map(|(x, y)| (*x, value(y))).collect();
        for take in [[0, 1, 2], [4, 2, 0], [1, 3, 4]] {
            let three: Vec<_> = take.iter().map(|i| points[*i]).collect();
            assert_eq!(join(&three), secret, "{take:?}");
        }
        assert_ne!(join(&points[..2]), secret, "two of three are not enough");
    }

    #[test]
    fn every_subset_that_is_large_enough_joins_and_coefficients_differ_by_octet() {
        let secret = [0x2a; SECRET_BYTES];
        let shares = split(&secret, 3, 6, crate::key::random).unwrap();
        for set in 0_u32..64 {
            let chosen: Vec<_> = (0..6).filter(|i| set >> i & 1 == 1).map(|i| shares[i]).collect();
            match chosen.len() {
                3.. => assert_eq!(join(&chosen), secret, "{set:b}"),
                _ => assert_ne!(join(&chosen), secret, "{set:b}"),
            }
        }
        let distinct: std::collections::BTreeSet<_> = shares[0].1.iter().collect();
        assert!(distinct.len() > 8, "equal octets of the secret look different");
    }

    const VECTOR: [(u8, &str); 6] = [
        (0, "fa576a88cecff9c8c19014031b351dca4b588ebb0f3710e23ffaf7b4e3897cf346114110"),
        (11, "864c026766219243343441d4d0180dbff6e19696f5d094a3feb721b627aee65a07f8db8a"),
        (181, "349273866a47e806caa163826f1b991f5c17b91fc949d609d5ff9571a33e437c018f2d75"),
        (204, "cee39c5f019d361e562d7d13348d9be4adb2cf44329f71d56d7ca69475554e8df9074d37"),
        (33, "a3f68bfdfbfd0eaddbb14c5c30377238aa0c82945adfe0cdae35af2a2e1bf45dbb0996b9"),
        (145, "c0c253e6693f08734d297694ae2264473dc1bb6c8da71ef6b2cdee97b921dafdeb2fb675"),
    ];
}
