//! AES-128 forwards (FIPS 197) and GCM opening (NIST SP 800-38D), for packets whose keys anyone
//! on the path can compute.
//!
//! Not for secrets: not constant in time, and too slow for bulk. Invariant: plain text is given
//! out only when its tag is right.

/// S-box (FIPS 197, 5.1.1).
#[rustfmt::skip]
static SUBSTITUTION: [u8; 256] = [
    0x63, 0x7c, 0x77, 0x7b, 0xf2, 0x6b, 0x6f, 0xc5, 0x30, 0x01, 0x67, 0x2b, 0xfe, 0xd7, 0xab, 0x76,
    0xca, 0x82, 0xc9, 0x7d, 0xfa, 0x59, 0x47, 0xf0, 0xad, 0xd4, 0xa2, 0xaf, 0x9c, 0xa4, 0x72, 0xc0,
    0xb7, 0xfd, 0x93, 0x26, 0x36, 0x3f, 0xf7, 0xcc, 0x34, 0xa5, 0xe5, 0xf1, 0x71, 0xd8, 0x31, 0x15,
    0x04, 0xc7, 0x23, 0xc3, 0x18, 0x96, 0x05, 0x9a, 0x07, 0x12, 0x80, 0xe2, 0xeb, 0x27, 0xb2, 0x75,
    0x09, 0x83, 0x2c, 0x1a, 0x1b, 0x6e, 0x5a, 0xa0, 0x52, 0x3b, 0xd6, 0xb3, 0x29, 0xe3, 0x2f, 0x84,
    0x53, 0xd1, 0x00, 0xed, 0x20, 0xfc, 0xb1, 0x5b, 0x6a, 0xcb, 0xbe, 0x39, 0x4a, 0x4c, 0x58, 0xcf,
    0xd0, 0xef, 0xaa, 0xfb, 0x43, 0x4d, 0x33, 0x85, 0x45, 0xf9, 0x02, 0x7f, 0x50, 0x3c, 0x9f, 0xa8,
    0x51, 0xa3, 0x40, 0x8f, 0x92, 0x9d, 0x38, 0xf5, 0xbc, 0xb6, 0xda, 0x21, 0x10, 0xff, 0xf3, 0xd2,
    0xcd, 0x0c, 0x13, 0xec, 0x5f, 0x97, 0x44, 0x17, 0xc4, 0xa7, 0x7e, 0x3d, 0x64, 0x5d, 0x19, 0x73,
    0x60, 0x81, 0x4f, 0xdc, 0x22, 0x2a, 0x90, 0x88, 0x46, 0xee, 0xb8, 0x14, 0xde, 0x5e, 0x0b, 0xdb,
    0xe0, 0x32, 0x3a, 0x0a, 0x49, 0x06, 0x24, 0x5c, 0xc2, 0xd3, 0xac, 0x62, 0x91, 0x95, 0xe4, 0x79,
    0xe7, 0xc8, 0x37, 0x6d, 0x8d, 0xd5, 0x4e, 0xa9, 0x6c, 0x56, 0xf4, 0xea, 0x65, 0x7a, 0xae, 0x08,
    0xba, 0x78, 0x25, 0x2e, 0x1c, 0xa6, 0xb4, 0xc6, 0xe8, 0xdd, 0x74, 0x1f, 0x4b, 0xbd, 0x8b, 0x8a,
    0x70, 0x3e, 0xb5, 0x66, 0x48, 0x03, 0xf6, 0x0e, 0x61, 0x35, 0x57, 0xb9, 0x86, 0xc1, 0x1d, 0x9e,
    0xe1, 0xf8, 0x98, 0x11, 0x69, 0xd9, 0x8e, 0x94, 0x9b, 0x1e, 0x87, 0xe9, 0xce, 0x55, 0x28, 0xdf,
    0x8c, 0xa1, 0x89, 0x0d, 0xbf, 0xe6, 0x42, 0x68, 0x41, 0x99, 0x2d, 0x0f, 0xb0, 0x54, 0xbb, 0x16,
];

const ROUNDS: usize = 10;

pub(super) struct Aes128 {
    keys: [[u8; 16]; ROUNDS + 1],
}

fn substitute(octet: u8) -> u8 {
    SUBSTITUTION.get(usize::from(octet)).copied().unwrap_or_default()
}

/// Multiplication by x in the field of FIPS 197, 4.2.1.
fn twice(octet: u8) -> u8 {
    octet << 1 ^ if octet & 0x80 != 0 { 0x1b } else { 0 }
}

impl Aes128 {
    /// Key expansion (5.2).
    pub(super) fn new(key: [u8; 16]) -> Self {
        let mut keys = [[0; 16]; ROUNDS + 1];
        let mut last = key;
        let mut round_constant = 1u8;
        for (i, slot) in keys.iter_mut().enumerate() {
            if i > 0 {
                let [.., a, b, c, d] = last;
                let mut word = [b, c, d, a].map(substitute);
                word[0] ^= round_constant;
                round_constant = twice(round_constant);
                for chunk in last.chunks_exact_mut(4) {
                    for (octet, mix) in chunk.iter_mut().zip(word) {
                        *octet ^= mix;
                    }
                    word = chunk.try_into().unwrap_or_default();
                }
            }
            *slot = last;
        }
        Aes128 { keys }
    }

    /// The cipher (5.1).
    pub(super) fn encrypt(&self, block: [u8; 16]) -> [u8; 16] {
        let [first, middle @ .., last] = &self.keys;
        let mut state = add(block, first);
        for key in middle {
            state = add(mix_columns(shift_rows(state.map(substitute))), key);
        }
        add(shift_rows(state.map(substitute)), last)
    }

    /// Opens what GCM sealed under a nonce of 96 bits; the tag stands at the end.
    pub(super) fn open(&self, nonce: [u8; 12], header: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (cipher_text, tag) = sealed.split_last_chunk::<16>()?;
        let counter = |n: u32| {
            let mut block = [0; 16];
            let (front, back) = block.split_at_mut(12);
            front.copy_from_slice(&nonce);
            back.copy_from_slice(&n.to_be_bytes());
            self.encrypt(block)
        };
        let hash = ghash(u128::from_be_bytes(self.encrypt([0; 16])), header, cipher_text);
        if (hash ^ u128::from_be_bytes(counter(1))).to_be_bytes() != *tag {
            return None;
        }
        let mut plain = cipher_text.to_vec();
        for (block, n) in plain.chunks_mut(16).zip(2u32..) {
            for (octet, mask) in block.iter_mut().zip(counter(n)) {
                *octet ^= mask;
            }
        }
        Some(plain)
    }
}

fn add(state: [u8; 16], key: &[u8; 16]) -> [u8; 16] {
    (u128::from_be_bytes(state) ^ u128::from_be_bytes(*key)).to_be_bytes()
}

fn shift_rows(s: [u8; 16]) -> [u8; 16] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = s;
    [a, f, k, p, e, j, o, d, i, n, c, h, m, b, g, l]
}

fn mix_columns(mut state: [u8; 16]) -> [u8; 16] {
    for column in state.chunks_exact_mut(4) {
        let &mut [a, b, c, d] = column else { continue };
        let all = a ^ b ^ c ^ d;
        let mixed = [(a, b), (b, c), (c, d), (d, a)].map(|(x, y)| x ^ all ^ twice(x ^ y));
        column.copy_from_slice(&mixed);
    }
    state
}

/// SP 800-38D, 6.4: the header, the cipher text, their lengths in bits.
fn ghash(key: u128, header: &[u8], cipher_text: &[u8]) -> u128 {
    let mut hash = 0u128;
    for part in [header, cipher_text] {
        for chunk in part.chunks(16) {
            let mut block = [0; 16];
            for (octet, from) in block.iter_mut().zip(chunk) {
                *octet = *from;
            }
            hash = product(hash ^ u128::from_be_bytes(block), key);
        }
    }
    let bits = |part: &[u8]| (part.len() as u128).wrapping_mul(8);
    product(hash ^ (bits(header) << 64 | bits(cipher_text)), key)
}

/// SP 800-38D, 6.3.
fn product(x: u128, y: u128) -> u128 {
    const REDUCTION: u128 = 0xe1 << 120;
    let (mut z, mut v) = (0u128, y);
    for bit in (0..128).rev() {
        if x >> bit & 1 == 1 {
            z ^= v;
        }
        v = v >> 1 ^ if v & 1 == 1 { REDUCTION } else { 0 };
    }
    z
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 197, appendix C.1.
    #[test]
    fn the_example_of_the_standard_comes_out() {
        let key = 0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f_u128.to_be_bytes();
        let plain = 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff_u128.to_be_bytes();
        let cipher = 0x69c4_e0d8_6a7b_0430_d8cd_b780_70b4_c55a_u128.to_be_bytes();
        assert_eq!(Aes128::new(key).encrypt(plain), cipher);
    }

    /// The GCM specification (McGrew and Viega), test case 2, and the same with a wrong tag.
    #[test]
    fn a_sealed_block_opens_only_with_its_tag() {
        let mut sealed = 0x0388_dace_60b6_a392_f328_c2b9_71b2_fe78_u128.to_be_bytes().to_vec();
        sealed.extend(0xab6e_47d4_2cec_13bd_f53a_67b2_1257_bddf_u128.to_be_bytes());
        let aes = Aes128::new([0; 16]);
        assert_eq!(aes.open([0; 12], &[], &sealed), Some(vec![0; 16]));
        sealed[31] ^= 1;
        assert_eq!(aes.open([0; 12], &[], &sealed), None);
    }
}
