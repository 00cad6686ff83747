//! Memory that is soon read, on its way before it is.
//!
//! Not here: when that helps. Invariant: nothing changes but how long a later read takes.

/// Octets that come together.
const LINE_OCTETS: usize = 64;

/// Has the octets brought near this processor and does not wait for them. Where another thread has
/// just written them, a read waits some hundred cycles for each line otherwise.
#[inline]
pub fn bring_near(octets: &[u8]) {
    for line in octets.chunks(LINE_OCTETS) {
        fetch(line.as_ptr());
    }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn fetch(line: *const u8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a prefetch is a hint, whatever address it has; SSE is part of x86_64.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn fetch(_: *const u8) {}
