//! Every target: the octets go to the one that has this binary's name.
//!
//! Invariant: nothing here depends on which target it is.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    targets::run(env!("CARGO_BIN_NAME"), octets);
});
