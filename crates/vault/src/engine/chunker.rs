//! Where a file is cut into chunks: by its content, exactly where restic cuts it.
//!
//! A chunk ends behind the first byte, at its least size or later, at which the Rabin fingerprint
//! of the last 64 bytes has its low bits clear, else at its greatest size. Cutting otherwise would
//! be valid restic data too, and faster; but content that restic, rustic or an earlier release
//! stored would be stored once more. The speed comes from elsewhere: a fingerprint depends on its
//! 64 bytes alone, so four places are looked at at once, and the processor does not wait for one
//! byte's table before it looks up the next. Invariant: where a file is cut depends on its bytes
//! and the polynomial, never on how the bytes came.

/// Bytes a fingerprint is made of.
const WINDOW: usize = 64;

/// Degree of the polynomials that restic draws.
const DEGREE: u32 = 53;

/// Places looked at at once, and how many bytes each goes on before they move together.
const LANES: usize = 4;
const LANE: usize = 2_048;

pub(super) struct Chunker {
    /// What a byte adds to the fingerprint by the time it leaves the window.
    leaving: Box<[u64; 256]>,
    /// What brings a fingerprint back below the polynomial's degree, by the bits above it.
    reducing: Box<[u64; 256]>,
    mask: u64,
    least: usize,
    greatest: usize,
}

impl Chunker {
    /// `None`: nobody cuts by such a polynomial or such sizes.
    pub fn new(polynomial: u64, least: usize, mean: usize, greatest: usize) -> Option<Self> {
        let sizes = least > WINDOW && least <= mean && mean <= greatest && mean.is_power_of_two();
        if polynomial.checked_ilog2() != Some(DEGREE) || !sizes {
            return None;
        }
        let mut reducing = Box::new([0; 256]);
        for (byte, entry) in (0_u64..).zip(reducing.iter_mut()) {
            let high = byte << DEGREE;
            *entry = high | modulo(high, polynomial);
        }
        let mut leaving = Box::new([0; 256]);
        for (byte, entry) in (0_u64..).zip(leaving.iter_mut()) {
            *entry = (0..WINDOW).fold(byte, |print, _| push(&reducing, print, 0));
        }
        Some(Self { leaving, reducing, mask: mean as u64 - 1, least, greatest })
    }

    /// Length of the first chunk of `bytes`, when they hold all of it. The caller knows from an
    /// earlier call that it does not end within the first `seen` bytes.
    pub fn cut(&self, bytes: &[u8], seen: usize) -> Option<usize> {
        let end = bytes.len().min(self.greatest);
        let mut at = self.least.max(seen + 1);
        while at + LANES * LANE <= end {
            if self.any_cut(bytes, at) {
                return self.first_cut(bytes, at, at + LANES * LANE - 1);
            }
            at += LANES * LANE;
        }
        let found = self.first_cut(bytes, at, end);
        found.or((bytes.len() >= self.greatest).then_some(self.greatest))
    }

    /// Whether one of the next `LANES * LANE` lengths from `at` on ends a chunk.
    fn any_cut(&self, bytes: &[u8], at: usize) -> bool {
        let lanes: [(&[u8; LANE], &[u8; LANE], u64); LANES] = std::array::from_fn(|lane| {
            let from = at + lane * LANE - 1;
            let part = |from: usize| {
                bytes[from..].first_chunk().expect("the caller has seen that there are so many")
            };
            (part(from), part(from - WINDOW), self.print(&bytes[from - WINDOW..from]))
        });
        let mut prints = lanes.map(|(_, _, print)| print);
        for step in 0..LANE {
            let mut found = false;
            for (print, (coming, going, _)) in prints.iter_mut().zip(&lanes) {
                *print = self.slide(*print, coming[step], going[step]);
                found |= *print & self.mask == 0;
            }
            if found {
                return true;
            }
        }
        false
    }

    /// The first length from `at` to `end` that ends a chunk.
    fn first_cut(&self, bytes: &[u8], at: usize, end: usize) -> Option<usize> {
        if at > end {
            return None;
        }
        let from = at - 1;
        let mut print = self.print(&bytes[from - WINDOW..from]);
        let going = &bytes[from - WINDOW..];
        (at..).zip(bytes[from..end].iter().zip(going)).find_map(|(length, (&coming, &going))| {
            print = self.slide(print, coming, going);
            (print & self.mask == 0).then_some(length)
        })
    }

    fn print(&self, window: &[u8]) -> u64 {
        window.iter().fold(0, |print, &byte| push(&self.reducing, print, byte))
    }

    #[inline(always)]
    fn slide(&self, print: u64, coming: u8, going: u8) -> u64 {
        push(&self.reducing, print, coming) ^ self.leaving[usize::from(going)]
    }
}

/// The fingerprint with one more byte: times x^8, plus the byte, modulo the polynomial.
#[inline(always)]
fn push(reducing: &[u64; 256], print: u64, byte: u8) -> u64 {
    // A fingerprint has 53 bits, so what is shifted out of the lower 45 is a byte.
    let high = (print >> (DEGREE - 8)) as u8;
    (print << 8 | u64::from(byte)) ^ reducing[usize::from(high)]
}

/// Remainder of a polynomial over GF(2) divided by another.
fn modulo(mut dividend: u64, divisor: u64) -> u64 {
    while let Some(shift) = divisor.leading_zeros().checked_sub(dividend.leading_zeros()) {
        dividend ^= divisor << shift;
    }
    dividend
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const POLYNOMIAL: u64 = 0x003d_a335_8b4d_c173;

    /// By the definition: the window as one polynomial, divided bit by bit.
    fn by_definition(bytes: &[u8], least: usize, mean: usize, greatest: usize) -> Option<usize> {
        let print = |window: &[u8]| {
            window.iter().fold(0, |print, &byte| {
                (0..8).rev().fold(print, |print: u64, bit| {
                    modulo(print << 1 | u64::from(byte >> bit & 1), POLYNOMIAL)
                })
            })
        };
        let mask = mean as u64 - 1;
        (least..=bytes.len().min(greatest))
            .find(|&n| n == greatest || print(&bytes[n - WINDOW..n]) & mask == 0)
    }

    fn noise(seed: u64, length: usize) -> Vec<u8> {
        let mut state = seed | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        };
        (0..length).map(|_| next()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn a_cut_is_where_the_definition_has_it_however_the_bytes_came(
            seed: u64,
            length in 0_usize..60_000,
            step in 1_usize..20_000,
        ) {
            let bytes = noise(seed, length);
            let (least, mean, greatest) = (4_096, 16_384, 40_000);
            let chunker = Chunker::new(POLYNOMIAL, least, mean, greatest).unwrap();
            let expected = by_definition(&bytes, least, mean, greatest);
            prop_assert_eq!(chunker.cut(&bytes, 0), expected);
            let (mut seen, mut found) = (0, None);
            while found.is_none() && seen < bytes.len() {
                let have = (seen + step).min(bytes.len());
                found = chunker.cut(&bytes[..have], seen);
                seen = have;
            }
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn zeros_are_cut_at_the_least_size_and_a_sea_without_cuts_at_the_greatest() {
        let chunker = Chunker::new(POLYNOMIAL, 512, 1_024, 4_096).unwrap();
        assert_eq!(chunker.cut(&[0; 8_192], 0), Some(512));
        // A constant byte has one fingerprint; the least that is not a cut.
        let constant = (1..=255).find(|&byte| chunker.print(&[byte; WINDOW]) & chunker.mask != 0);
        let sea = vec![constant.unwrap(); 8_192];
        assert_eq!(chunker.cut(&sea, 0), Some(4_096));
        assert_eq!(chunker.cut(&sea[..4_095], 0), None);
    }

    #[test]
    fn what_nobody_cuts_by_is_refused() {
        for (polynomial, least, mean, greatest) in [
            (0, 512, 1_024, 4_096),
            (0x11d, 512, 1_024, 4_096),
            (POLYNOMIAL, 64, 1_024, 4_096),
            (POLYNOMIAL, 512, 1_000, 4_096),
            (POLYNOMIAL, 512, 1_024, 1_023),
            (POLYNOMIAL, 2_048, 1_024, 4_096),
        ] {
            assert!(Chunker::new(polynomial, least, mean, greatest).is_none());
        }
    }
}
