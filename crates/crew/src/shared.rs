//! The fold, which several threads have in turn.
//!
//! Not here: whose turn it is. Invariant: events reach it in their order.

use sensor::Fold;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Clone, Default)]
pub struct SharedFold(Arc<Mutex<Fold>>);

impl SharedFold {
    pub fn new(fold: Fold) -> SharedFold {
        SharedFold(Arc::new(Mutex::new(fold)))
    }

    /// What was folded so far; all of it after [`crate::Hands::tick`]. Nothing is folded while it
    /// is held.
    pub fn lock(&self) -> MutexGuard<'_, Fold> {
        // Who panicked at it has its panic told by the hands.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The fold itself, if nobody else has it any more.
    pub fn into_inner(self) -> Option<Fold> {
        Some(Arc::into_inner(self.0)?.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}
