//! What every crate's tests share: annotated hex, seeds, bit flips. Not for use outside tests.
