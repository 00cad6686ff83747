//! The ring: memory shared with the kernel, block by block.
//!
//! Linux's Documentation/networking/packet_mmap.rst, "TPACKET_V3". A block belongs to the kernel
//! or to us, as its status word says; we only look into a block that is ours, as bytes, and give
//! it back. Not here: the socket's options. Invariant: whatever the block says of itself, no read
//! leaves it.

use crate::limits::{BLOCK_BYTES, BLOCKS};
use std::{
    io,
    mem::{offset_of, size_of},
    os::fd::{AsRawFd, OwnedFd},
    ptr::NonNull,
    sync::atomic::{AtomicU32, Ordering},
};

const HEADER: usize = offset_of!(libc::tpacket_block_desc, hdr);
const STATUS: usize = HEADER + offset_of!(libc::tpacket_hdr_v1, block_status);
const COUNT: usize = HEADER + offset_of!(libc::tpacket_hdr_v1, num_pkts);
const FIRST: usize = HEADER + offset_of!(libc::tpacket_hdr_v1, offset_to_first_pkt);

pub(crate) struct Ring {
    memory: NonNull<u8>,
    next: usize,
}

// SAFETY: the memory is the ring's alone; nothing ties it to the thread that mapped it.
unsafe impl Send for Ring {}

/// A packet as it lies in the ring.
pub(crate) struct Slot<'a> {
    pub(crate) at_nanos: i64,
    pub(crate) wire_len: u32,
    pub(crate) data: &'a [u8],
    /// Tag control and protocol of the VLAN tag the card took out.
    pub(crate) vlan: Option<(u16, u16)>,
}

impl Ring {
    /// Maps the ring of a socket whose PACKET_RX_RING is set to our block size and count.
    pub(crate) fn map(fd: &OwnedFd) -> io::Result<Ring> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice; it overlaps nothing.
        let memory = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                BLOCK_BYTES * BLOCKS,
                protection,
                libc::MAP_SHARED,
                fd.as_raw_fd(),
                0,
            )
        };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let memory = NonNull::new(memory.cast()).expect("a mapping is not at zero");
        Ok(Ring { memory, next: 0 })
    }

    fn status(&self) -> &AtomicU32 {
        // SAFETY: the word lies in the mapping, is aligned (blocks are, and the offset is 8), and
        // both sides only ever touch it as a whole word.
        unsafe {
            AtomicU32::from_ptr(self.memory.add(self.next * BLOCK_BYTES + STATUS).as_ptr().cast())
        }
    }

    /// Gives each packet of the next block to `take` if the block is ours, then hands the block
    /// back. False when the kernel still has it.
    pub(crate) fn read(&mut self, take: &mut impl FnMut(Slot<'_>)) -> bool {
        if self.status().load(Ordering::Acquire) & libc::TP_STATUS_USER == 0 {
            return false;
        }
        // SAFETY: the block is ours until its status is stored below, so the kernel does not write
        // it while the slice lives; it lies whole in the mapping.
        let block = unsafe {
            std::slice::from_raw_parts(
                self.memory.add(self.next * BLOCK_BYTES).as_ptr(),
                BLOCK_BYTES,
            )
        };
        walk(block, take);
        self.status().store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.next = (self.next + 1) % BLOCKS;
        true
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, as long as this, and nothing points into it any more.
        unsafe { libc::munmap(self.memory.as_ptr().cast(), BLOCK_BYTES * BLOCKS) };
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

/// Each packet of a block, until the block's own word of them ends or leads out of it.
fn walk(block: &[u8], take: &mut impl FnMut(Slot<'_>)) {
    let (Some(count), Some(first)) = (word(block, COUNT), word(block, FIRST)) else { return };
    let mut at = first as usize;
    for _ in 0..count {
        let Some(header) = block.get(at..) else { return };
        let Some(slot) = slot(header) else { return };
        take(slot);
        match word(header, offset_of!(libc::tpacket3_hdr, tp_next_offset)) {
            None | Some(0) => return,
            Some(step) => at += step as usize,
        }
    }
}

fn slot(header: &[u8]) -> Option<Slot<'_>> {
    const VARIANT: usize = offset_of!(libc::tpacket3_hdr, hv1);
    let seconds = word(header, offset_of!(libc::tpacket3_hdr, tp_sec))?;
    let nanos = word(header, offset_of!(libc::tpacket3_hdr, tp_nsec))?;
    let length = word(header, offset_of!(libc::tpacket3_hdr, tp_snaplen))? as usize;
    let wire_len = word(header, offset_of!(libc::tpacket3_hdr, tp_len))?;
    let status = word(header, offset_of!(libc::tpacket3_hdr, tp_status))?;
    let start = usize::from(half(header, offset_of!(libc::tpacket3_hdr, tp_mac))?);
    if start < size_of::<libc::tpacket3_hdr>() {
        return None;
    }
    let vlan = if status & libc::TP_STATUS_VLAN_VALID != 0 {
        let at = VARIANT + offset_of!(libc::tpacket_hdr_variant1, tp_vlan_tci);
        let tag = u16::try_from(word(header, at)? & 0xffff).ok()?;
        let at = VARIANT + offset_of!(libc::tpacket_hdr_variant1, tp_vlan_tpid);
        let said = status & libc::TP_STATUS_VLAN_TPID_VALID != 0;
        // Kernels before 3.14 do not say which; then it is IEEE 802.1Q.
        Some((tag, if said { half(header, at)? } else { 0x8100 }))
    } else {
        None
    };
    Some(Slot {
        at_nanos: i64::from(seconds) * 1_000_000_000 + i64::from(nanos),
        wire_len,
        data: header.get(start..start.checked_add(length)?)?,
        vlan,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(block: &mut [u8], at: usize, value: u32) {
        block[at..at + 4].copy_from_slice(&value.to_ne_bytes());
    }

    /// A block of two packets of 4 bytes, the second with a VLAN tag.
    fn block() -> Vec<u8> {
        let mut block = vec![0; 1_024];
        put(&mut block, COUNT, 2);
        put(&mut block, FIRST, 64);
        for (at, next, data) in [(64, 128, b"abcd"), (192, 0, b"efgh")] {
            put(&mut block, at + offset_of!(libc::tpacket3_hdr, tp_next_offset), next);
            put(&mut block, at + offset_of!(libc::tpacket3_hdr, tp_sec), 7);
            put(&mut block, at + offset_of!(libc::tpacket3_hdr, tp_nsec), 9);
            put(&mut block, at + offset_of!(libc::tpacket3_hdr, tp_snaplen), 4);
            put(&mut block, at + offset_of!(libc::tpacket3_hdr, tp_len), 60);
            let mac = at + offset_of!(libc::tpacket3_hdr, tp_mac);
            block[mac..mac + 2].copy_from_slice(&66u16.to_ne_bytes());
            block[at + 66..at + 70].copy_from_slice(data);
        }
        let status = 192 + offset_of!(libc::tpacket3_hdr, tp_status);
        put(&mut block, status, libc::TP_STATUS_VLAN_VALID | libc::TP_STATUS_VLAN_TPID_VALID);
        let variant = 192 + offset_of!(libc::tpacket3_hdr, hv1);
        put(&mut block, variant + offset_of!(libc::tpacket_hdr_variant1, tp_vlan_tci), 20);
        let tpid = variant + offset_of!(libc::tpacket_hdr_variant1, tp_vlan_tpid);
        block[tpid..tpid + 2].copy_from_slice(&0x88a8u16.to_ne_bytes());
        block
    }

    type Packets = Vec<(Vec<u8>, Option<(u16, u16)>)>;

    fn packets(block: &[u8]) -> Packets {
        let mut seen = Vec::new();
        walk(block, &mut |slot| {
            assert_eq!((slot.at_nanos, slot.wire_len), (7_000_000_009, 60));
            seen.push((slot.data.to_vec(), slot.vlan));
        });
        seen
    }

    #[test]
    fn a_block_gives_its_packets_and_their_tags() {
        let seen = packets(&block());
        assert_eq!(seen, [(b"abcd".to_vec(), None), (b"efgh".to_vec(), Some((20, 0x88a8)))]);
    }

    #[test]
    fn no_offset_leads_out_of_the_block() {
        for at in (0..320).step_by(2) {
            for bad in [u32::MAX, 1_023, 1_000, 0x7fff_ffff] {
                let mut block = block();
                put(&mut block, at, bad);
                let mut count = 0;
                walk(&block, &mut |slot| {
                    assert!(slot.data.len() <= block.len());
                    count += 1;
                });
                assert!(count <= block.len(), "each step goes on");
            }
        }
    }
}
