//! Registers whose values follow no process: numbers drawn anew in each answer, evenly over a
//! wide range, in several registers at once. That is how data looks that somebody hides in them.
//!
//! A measured value stays near the one before; where only noise is left of it, small differences
//! are more frequent than large ones. Of numbers drawn evenly two differ by a third of the range on
//! the average (of normal noise by about a fifth of the range that a hundred of them show). Not
//! here: data in the low digits of values that follow the process. Invariant: a bounded number of
//! registers of a bounded number of ranges is followed, and each range is judged once.

use super::wire::Table;

/// Ranges of one conversation that are followed, and registers of each, the first ones.
const RANGES_MAX: usize = 4;
const REGISTERS_MAX: usize = 8;
/// Answers after which a range is judged, and one of so few registers that a checksum or a random
/// token among them may be all there is.
const ANSWERS: u32 = 128;
const ANSWERS_OF_FEW: u32 = 512;
const FEW: usize = 3;
/// Values span at least this much: two decimal digits, or six bits.
const SPAN_MIN: u32 = 48;
/// Of 64 classes of values so many were seen: states and bits that flicker fill few.
const CLASSES_MIN: u32 = 40;

#[derive(Default)]
pub(super) struct Meter {
    ranges: Vec<Range>,
}

struct Range {
    /// Unit, table, first register.
    place: (u8, Table, u16),
    answers: u32,
    registers: [Register; REGISTERS_MAX],
}

#[derive(Clone, Copy, Default)]
struct Register {
    last: u16,
    least: u16,
    greatest: u16,
    /// Sum of differences from answer to answer.
    moved: u32,
    /// Answers with another value than the one before.
    changes: u32,
    /// Classes of values seen, a bit each.
    classes: u64,
}

impl Meter {
    /// Takes the registers of one answer; says how many of how many are noise when the range is
    /// judged and enough are.
    pub(super) fn see(&mut self, place: (u8, Table, u16), data: &[u8]) -> Option<(usize, usize)> {
        let at = self.ranges.iter().position(|range| range.place == place);
        let range = match at {
            Some(at) => self.ranges.get_mut(at)?,
            None if self.ranges.len() >= RANGES_MAX => return None,
            None => {
                let registers = [Register::default(); REGISTERS_MAX];
                self.ranges.push(Range { place, answers: 0, registers });
                self.ranges.last_mut()?
            }
        };
        let (words, _) = data.as_chunks::<2>();
        let followed = words.len().min(REGISTERS_MAX);
        let needed = if followed < FEW { ANSWERS_OF_FEW } else { ANSWERS };
        if range.answers > needed || followed == 0 {
            return None;
        }
        let first = range.answers == 0;
        range.answers = range.answers.saturating_add(1);
        for (register, word) in range.registers.iter_mut().zip(words) {
            register.see(u16::from_be_bytes(*word), first);
        }
        if range.answers <= needed {
            return None;
        }
        let registers = range.registers.iter().take(followed);
        let noisy = registers.filter(|register| register.is_noise(needed)).count();
        let enough = match followed {
            ..FEW => noisy == followed,
            _ => noisy >= FEW && noisy.saturating_mul(2) > followed,
        };
        enough.then_some((noisy, followed))
    }
}

impl Register {
    fn see(&mut self, value: u16, first: bool) {
        if first {
            (self.last, self.least, self.greatest) = (value, value, value);
            return;
        }
        self.moved = self.moved.saturating_add(u32::from(value.abs_diff(self.last)));
        self.changes = self.changes.saturating_add(u32::from(value != self.last));
        // Multiplied by an odd number, neighbours and powers of two fall into different classes.
        self.classes |= 1_u64.wrapping_shl(u32::from(value.wrapping_mul(0x9e37) >> 10));
        self.least = self.least.min(value);
        self.greatest = self.greatest.max(value);
        self.last = value;
    }

    fn is_noise(&self, answers: u32) -> bool {
        let span = u32::from(self.greatest.abs_diff(self.least));
        let percent = u64::from(self.moved).saturating_mul(100);
        let percent = percent.checked_div(u64::from(span).saturating_mul(u64::from(answers)));
        // More than 27 of 100: halfway between normal noise and numbers drawn evenly. What jumps
        // to and fro between two values moves by far more.
        let even = percent.is_some_and(|percent| (27..42).contains(&percent));
        let changes = self.changes.saturating_mul(10) > answers.saturating_mul(9);
        span >= SPAN_MIN && changes && even && self.classes.count_ones() >= CLASSES_MIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged_of(
        registers: usize,
        mut value: impl FnMut(u32, usize) -> u16,
    ) -> Option<(usize, usize)> {
        let mut meter = Meter::default();
        (0..ANSWERS_OF_FEW + 50).find_map(|answer| {
            let data: Vec<u8> =
                (0..registers).flat_map(|r| value(answer, r).to_be_bytes()).collect();
            meter.see((1, Table::HoldingRegister, 9), &data)
        })
    }

    fn judged(value: impl FnMut(u32, usize) -> u16) -> Option<(usize, usize)> {
        judged_of(REGISTERS_MAX, value)
    }

    fn random() -> impl FnMut() -> u32 {
        let mut state = 0x2545_f491_u32;
        move || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state >> 8
        }
    }

    #[test]
    fn numbers_drawn_evenly_are_noise() {
        let mut next = random();
        assert_eq!(judged(|_, _| (next() & 0x1fff) as u16), Some((8, 8)));
        assert_eq!(judged_of(1, |_, _| (next() & 0x1fff) as u16), Some((1, 1)));
        // Two digits on top of a value that stays.
        assert_eq!(judged(|_, _| 4_200 + (next() % 100) as u16), Some((8, 8)));
    }

    #[test]
    fn what_a_process_does_is_not() {
        let mut next = random();
        // Noise of a measurement: the sum of twelve draws.
        let mut normal = || (0..12).map(|_| next() & 0xff).sum::<u32>();
        assert_eq!(judged(|_, _| 20_000 + normal() as u16), None);
        assert_eq!(judged(|_, _| 2_000 + (normal() >> 4) as u16), None);
        assert_eq!(judged_of(1, |_, _| 20_000 + normal() as u16), None);
        let ramp = |answer: u32, register: usize| (answer * 37 + register as u32 * 1_000) as u16;
        assert_eq!(judged(ramp), None);
        assert_eq!(judged(|answer, _| if answer % 2 == 0 { 0 } else { 4_000 }), None);
        assert_eq!(judged(|_, _| 7), None);
    }

    #[test]
    fn bits_that_flicker_and_a_token_beside_values_are_not() {
        let mut next = random();
        assert_eq!(judged(|_, _| (next() & 0x0303) as u16), None);
        let token = |_, register| if register == 0 { (next() & 0xffff) as u16 } else { 230 };
        assert_eq!(judged(token), None);
    }

    #[test]
    fn ranges_are_bounded() {
        let mut meter = Meter::default();
        for first in 0..100 {
            meter.see((1, Table::InputRegister, first), &[0; 16]);
        }
        assert_eq!(meter.ranges.len(), RANGES_MAX);
    }
}
