//! Places of which there are so many in all, and so many for each.
//!
//! Not here: whose they are; connections go by address, streams of changes by user. Invariant: a
//! place is given back when it is dropped.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex},
};

/// Places that are taken, by who has them.
pub(crate) struct Places<K: Clone + Eq + Hash> {
    taken: Mutex<HashMap<K, usize>>,
    in_all: usize,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// Who asks has as many as one may have.
    OfOne,
    InAll,
}

/// Held by whoever has it.
pub(crate) struct Place<K: Clone + Eq + Hash> {
    places: Arc<Places<K>>,
    of: K,
}

impl<K: Clone + Eq + Hash> Places<K> {
    pub(crate) fn new(in_all: usize) -> Arc<Self> {
        Arc::new(Places { taken: Mutex::default(), in_all })
    }

    pub(crate) fn take(self: &Arc<Self>, of: K, of_one_max: usize) -> Result<Place<K>, Full> {
        let mut taken = self.taken.lock().expect("no panic holds it");
        let of_one = taken.get(&of).copied().unwrap_or(0);
        if of_one >= of_one_max {
            return Err(Full::OfOne);
        }
        if taken.values().sum::<usize>() >= self.in_all {
            return Err(Full::InAll);
        }
        taken.insert(of.clone(), of_one + 1);
        Ok(Place { places: Arc::clone(self), of })
    }
}

impl<K: Clone + Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().expect("no panic holds it");
        if let Some(count) = taken.get_mut(&self.of) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.of);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_no_more_than_its_share_and_places_come_back() {
        let places = Places::new(5);
        let many =
            |who: &'static str| std::iter::from_fn(|| places.take(who, 3).ok()).collect::<Vec<_>>();
        let (first, second) = (many("first"), many("second"));
        assert_eq!((first.len(), second.len()), (3, 2));
        assert_eq!(places.take("first", 3).err(), Some(Full::OfOne));
        assert_eq!(places.take("third", 3).err(), Some(Full::InAll));
        drop(first);
        assert_eq!(many("third").len(), 3);
        drop(second);
        assert!(places.taken.lock().expect("free").is_empty());
    }
}
