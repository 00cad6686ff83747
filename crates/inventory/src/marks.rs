//! Records that are marked: a bit for each, as marks are set again and again.
//!
//! Invariant: marked records come out in their order, each once.

#[derive(Default)]
pub(crate) struct Marks(Vec<u64>);

impl Marks {
    #[inline]
    pub(crate) fn insert(&mut self, record: u32) {
        let at = record as usize / 64;
        if at >= self.0.len() {
            self.0.resize(at + 1, 0);
        }
        self.0[at] |= 1 << (record % 64);
    }

    pub(crate) fn remove(&mut self, record: u32) {
        if let Some(word) = self.0.get_mut(record as usize / 64) {
            *word &= !(1 << (record % 64));
        }
    }

    pub(crate) fn contains(&self, record: u32) -> bool {
        self.0.get(record as usize / 64).is_some_and(|word| word >> (record % 64) & 1 == 1)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> {
        let words = self.0.iter().zip(0u32..).filter(|(word, _)| **word != 0);
        words.flat_map(|(word, at)| {
            (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| at * 64 + bit)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_come_in_order_and_once() {
        let mut marks = Marks::default();
        for record in [700, 3, 64, 3, 63, 9_999] {
            marks.insert(record);
        }
        marks.remove(64);
        marks.remove(1_000_000);
        assert!(marks.contains(63) && !marks.contains(64) && !marks.contains(1_000_000));
        assert_eq!(marks.iter().collect::<Vec<_>>(), [3, 63, 700, 9_999]);
    }
}
