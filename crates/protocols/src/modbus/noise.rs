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
/// Answers after which a range is judged.
const ANSWERS: u32 = 128;
/// Registers that must look so.
const NOISY_MIN: usize = 3;
/// Values span at least this much: ten bits.
const SPAN_MIN: u32 = 1_024;

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
}

impl Meter {
    /// Takes the registers of one answer; says how many of how many are noise when the range is
    /// judged and enough are.
    pub(super) fn see(&mut self, place: (u8, Table, u16), data: &[u8]) -> Option<(usize, usize)> {
        // Fewer registers than must be noisy are not worth following.
        if data.len() < NOISY_MIN.saturating_mul(2) {
            return None;
        }
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
        if range.answers > ANSWERS {
            return None;
        }
        let first = range.answers == 0;
        range.answers = range.answers.saturating_add(1);
        let (words, _) = data.as_chunks::<2>();
        for (register, word) in range.registers.iter_mut().zip(words) {
            register.see(u16::from_be_bytes(*word), first);
        }
        if range.answers <= ANSWERS {
            return None;
        }
        let followed = words.len().min(REGISTERS_MAX);
        let noisy = range.registers.iter().take(followed).filter(|r| r.is_noise()).count();
        (noisy >= NOISY_MIN && noisy.saturating_mul(2) > followed).then_some((noisy, followed))
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
        self.least = self.least.min(value);
        self.greatest = self.greatest.max(value);
        self.last = value;
    }

    fn is_noise(&self) -> bool {
        let span = u32::from(self.greatest.abs_diff(self.least));
        let moved_of_span = self.moved.checked_div(ANSWERS).unwrap_or_default();
        // More than 27 of 100: halfway between normal noise and numbers drawn evenly. What jumps
        // to and fro between two values moves by far more.
        let even = moved_of_span.saturating_mul(100) > span.saturating_mul(27)
            && moved_of_span.saturating_mul(100) < span.saturating_mul(42);
        let changes = self.changes.saturating_mul(10) > ANSWERS.saturating_mul(9);
        span >= SPAN_MIN && changes && even
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(mut value: impl FnMut(u32, usize) -> u16) -> Option<(usize, usize)> {
        let mut meter = Meter::default();
        (0..ANSWERS + 50).find_map(|answer| {
            let data: Vec<u8> =
                (0..REGISTERS_MAX).flat_map(|r| value(answer, r).to_be_bytes()).collect();
            meter.see((1, Table::HoldingRegister, 9), &data)
        })
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
    }

    #[test]
    fn what_a_process_does_is_not() {
        let mut next = random();
        // Noise of a measurement: the sum of twelve draws.
        let mut normal = || (0..12).map(|_| next() & 0xff).sum::<u32>();
        assert_eq!(judged(|_, _| 20_000 + normal() as u16), None);
        let ramp = |answer: u32, register: usize| (answer * 37 + register as u32 * 1_000) as u16;
        assert_eq!(judged(ramp), None);
        assert_eq!(judged(|answer, _| if answer % 2 == 0 { 0 } else { 4_000 }), None);
        assert_eq!(judged(|_, _| 7), None);
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
