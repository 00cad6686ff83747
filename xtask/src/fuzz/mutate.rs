//! Seeded numbers, and the ways in which an input is bent.
//!
//! Invariant: equal seeds give equal mutations.

/// xorshift64 (Marsaglia): no secret, so small is good.
pub struct Seeded(u64);

impl Seeded {
    pub fn new(seed: u64) -> Seeded {
        Seeded(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 16) as usize % bound.max(1)
    }

    pub fn octet(&mut self) -> u8 {
        (self.next() >> 32) as u8
    }
}

/// Numbers at which lengths and counts go wrong.
const EDGES: [u32; 14] = [
    0,
    1,
    2,
    7,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x7fff,
    0x8000,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
];

/// Changes one thing. `other` is a second input to take pieces from.
pub fn mutate(input: &mut Vec<u8>, other: &[u8], random: &mut Seeded) {
    let length = input.len();
    let at = random.below(length);
    match random.below(10) {
        0 | 1 if length > 0 => input[at] ^= 1 << random.below(8),
        2 if length > 0 => input[at] = random.octet(),
        3 if length > 0 => input[at] = input[at].wrapping_add(random.octet() % 9).wrapping_sub(4),
        4 => edge(input, at, random),
        5 => {
            // Take away.
            let end = (at + 1 + random.below(16)).min(length);
            input.drain(at.min(end)..end);
        }
        6 => {
            // Say again.
            let end = (at + 1 + random.below(64)).min(length);
            let again = input[at.min(end)..end].to_vec();
            let place = random.below(length + 1);
            input.splice(place..place, again);
        }
        7 => {
            // Go on as the other does.
            let from = random.below(other.len());
            input.truncate(at);
            input.extend(&other[from.min(other.len())..]);
        }
        8 => {
            // A piece of the other.
            let from = random.below(other.len());
            let end = (from + 1 + random.below(64)).min(other.len());
            input.splice(at..at, other[from.min(end)..end].iter().copied());
        }
        _ => {
            let octets: Vec<u8> = (0..1 + random.below(8)).map(|_| random.octet()).collect();
            input.splice(at..at, octets);
        }
    }
}

fn edge(input: &mut [u8], at: usize, random: &mut Seeded) {
    let value = EDGES[random.below(EDGES.len())];
    let width = [1, 2, 4][random.below(3)];
    let octets = if random.below(2) == 0 { value.to_be_bytes() } else { value.to_le_bytes() };
    let octets = if random.below(2) == 0 { &octets[..width] } else { &octets[4 - width..] };
    for (to, from) in input.iter_mut().skip(at).zip(octets) {
        *to = *from;
    }
}
