//! Packets on their way from the thread that reads to the sensor, in batches.
//!
//! A batch that was read goes back to be filled again, so no packet costs memory of its own. Not
//! here: where packets come from. Invariant: no more than [`PACKETS_MAX`] packets and
//! [`OCTETS_MAX`] octets wait; what there is no room for is counted, for neither ring nor pipe may
//! back up into whoever fills it, unless it is a capture that can wait.

use crew::Lies;
use model::Time;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    time::Duration,
};
use wire::{LinkType, file::Block};

/// Packets that may wait.
pub const PACKETS_MAX: usize = 65_536;
/// Their octets.
pub const OCTETS_MAX: usize = 64 << 20;
/// Packets of a batch.
const BATCH_PACKETS: usize = 256;
/// Octets with which a batch is full before it has so many packets.
const BATCH_OCTETS: usize = 64 << 10;

/// Packets as they came.
#[derive(Default)]
pub struct Batch {
    octets: Block,
    slots: Vec<Slot>,
}

struct Slot {
    at: Time,
    wire_len: u32,
    link: LinkType,
    start: usize,
    length: usize,
}

/// A packet of a batch.
#[derive(Clone, Copy)]
pub struct Waiting<'a> {
    pub at: Time,
    pub wire_len: u32,
    pub link: LinkType,
    pub data: &'a [u8],
    pub lies: Lies<'a>,
}

pub enum Said {
    Packets(Batch),
    /// Why there will be no more packets; `None` at the input's end.
    End(Option<String>),
}

/// What waits.
#[derive(Default)]
struct Load {
    packets: AtomicUsize,
    octets: AtomicUsize,
    /// Packets there was no room for.
    dropped: AtomicU64,
}

/// The end of the thread that reads.
pub struct Inlet {
    batch: Batch,
    /// Come back and empty.
    spare: Vec<Batch>,
    full: Sender<Said>,
    empty: Receiver<Batch>,
    load: Arc<Load>,
    /// Where there is no room it waits.
    waits: bool,
}

/// The sensor's end.
pub struct Outlet {
    full: Receiver<Said>,
    empty: Sender<Batch>,
    load: Arc<Load>,
}

/// A queue that drops packets there is no room for, or one that `waits`.
pub fn queue(waits: bool) -> (Inlet, Outlet) {
    let ((full, filled), (empty, emptied)) = (channel(), channel());
    let load = Arc::new(Load::default());
    let outlet = Outlet { full: filled, empty, load: Arc::clone(&load) };
    let (batch, spare) = (Batch::default(), Vec::new());
    (Inlet { batch, spare, full, empty: emptied, load, waits }, outlet)
}

impl Batch {
    pub fn packets(&self) -> impl Iterator<Item = Waiting<'_>> {
        self.slots.iter().map(|slot| Waiting {
            at: slot.at,
            wire_len: slot.wire_len,
            link: slot.link,
            data: self.octets.get(slot.start..slot.start + slot.length).unwrap_or_default(),
            lies: (&self.octets, slot.start),
        })
    }

    /// Empty, with the memory it has unless somebody still looks at its octets.
    fn emptied(mut self) -> Batch {
        self.slots.clear();
        match Arc::get_mut(&mut self.octets) {
            Some(octets) => octets.clear(),
            None => self.octets = Block::default(),
        }
        self
    }
}

impl Inlet {
    /// Takes a packet; false when nobody takes packets any more.
    pub fn put(&mut self, at: Time, wire_len: u32, (link, data): (LinkType, &[u8])) -> bool {
        while !self.has_room(data.len()) {
            if !self.waits {
                self.load.dropped.fetch_add(1, Ordering::Relaxed);
                return true;
            }
            if !self.wait() {
                return false;
            }
        }
        let slots = &mut self.batch.slots;
        let octets = Arc::get_mut(&mut self.batch.octets).expect("a batch being filled is ours");
        let (start, length) = (octets.len(), data.len());
        octets.extend_from_slice(data);
        slots.push(Slot { at, wire_len, link, start, length });
        let full = slots.len() >= BATCH_PACKETS || octets.len() >= BATCH_OCTETS;
        !full || self.pass_on()
    }

    fn has_room(&self, more: usize) -> bool {
        let packets = self.load.packets.load(Ordering::Relaxed) + self.batch.slots.len();
        let octets = self.load.octets.load(Ordering::Relaxed) + self.batch.octets.len();
        packets == 0 || (packets < PACKETS_MAX && octets + more <= OCTETS_MAX)
    }

    /// Until the sensor has read something; false when it is gone.
    fn wait(&mut self) -> bool {
        if !self.pass_on() {
            return false;
        }
        match self.empty.recv() {
            Ok(batch) => {
                self.spare.push(batch.emptied());
                true
            }
            Err(_) => false,
        }
    }

    /// Nothing more comes for now: the sensor gets what is here. False when it is gone.
    pub fn pass_on(&mut self) -> bool {
        if self.batch.slots.is_empty() {
            return true;
        }
        self.spare.extend(self.empty.try_iter().map(Batch::emptied));
        let next = self.spare.pop().unwrap_or_default();
        let batch = std::mem::replace(&mut self.batch, next);
        self.load.packets.fetch_add(batch.slots.len(), Ordering::Relaxed);
        self.load.octets.fetch_add(batch.octets.len(), Ordering::Relaxed);
        self.full.send(Said::Packets(batch)).is_ok()
    }

    /// There will be no more packets.
    pub fn end(mut self, reason: Option<String>) {
        self.pass_on();
        // The other side has gone: then nobody asks why.
        drop(self.full.send(Said::End(reason)));
    }
}

impl Outlet {
    pub fn take(&self, wait: Duration) -> Result<Said, RecvTimeoutError> {
        self.full.recv_timeout(wait)
    }

    /// Gives back a batch that was read.
    pub fn give_back(&self, batch: Batch) {
        self.load.packets.fetch_sub(batch.slots.len(), Ordering::Relaxed);
        self.load.octets.fetch_sub(batch.octets.len(), Ordering::Relaxed);
        // The reader is gone: then nobody fills it.
        drop(self.empty.send(batch));
    }

    /// Packets there was no room for.
    pub fn dropped(&self) -> u64 {
        self.load.dropped.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    fn put(inlet: &mut Inlet, number: usize) {
        let data = [number as u8; 60];
        let at = Time::from_nanos(number as i64);
        assert!(inlet.put(at, 60, (LinkType::Ethernet, &data)));
    }

    /// Reads what is there; gives numbers of packets and where their batches lay.
    fn take(outlet: &Outlet) -> (Vec<i64>, Vec<*const u8>) {
        let (mut numbers, mut places) = (Vec::new(), Vec::new());
        while let Ok(Said::Packets(batch)) = outlet.take(NOW) {
            places.push(batch.octets.as_ptr());
            for packet in batch.packets() {
                let (block, start) = packet.lies;
                assert_eq!(packet.data, [packet.at.nanos() as u8; 60]);
                assert_eq!(packet.data.as_ptr(), block[start..].as_ptr());
                numbers.push(packet.at.nanos());
            }
            outlet.give_back(batch);
        }
        (numbers, places)
    }

    #[test]
    fn packets_come_in_order_and_batches_are_used_again() {
        let (mut inlet, outlet) = queue(false);
        let mut all = Vec::new();
        for round in 0..40 {
            (0..700).for_each(|number| put(&mut inlet, round * 700 + number));
            assert!(inlet.pass_on());
            let (numbers, places) = take(&outlet);
            assert_eq!(numbers, (round as i64 * 700..(round as i64 + 1) * 700).collect::<Vec<_>>());
            all.extend(places);
        }
        all.sort_unstable();
        all.dedup();
        assert!(all.len() <= 8, "{} batches for 40 times three", all.len());
        assert_eq!(outlet.dropped(), 0);
    }

    #[test]
    fn a_batch_somebody_looks_at_is_left_alone() {
        let (mut inlet, outlet) = queue(false);
        (0..BATCH_PACKETS).for_each(|number| put(&mut inlet, number));
        let Ok(Said::Packets(batch)) = outlet.take(NOW) else { panic!("a full batch comes") };
        let held = Arc::clone(&batch.octets);
        outlet.give_back(batch);
        (0..3 * BATCH_PACKETS).for_each(|_| put(&mut inlet, 7));
        assert_eq!(take(&outlet).0.len(), 3 * BATCH_PACKETS);
        assert_eq!(held[60..120], [1; 60]);
    }

    #[test]
    fn a_queue_that_is_full_drops_and_counts() {
        let (mut inlet, outlet) = queue(false);
        (0..PACKETS_MAX + 9).for_each(|number| put(&mut inlet, number));
        assert_eq!(outlet.dropped(), 9);
        assert_eq!(take(&outlet).0.len(), PACKETS_MAX);
        let long = vec![0; OCTETS_MAX / 4];
        for _ in 0..6 {
            assert!(inlet.put(Time::default(), 9, (LinkType::Ethernet, &long)));
        }
        assert_eq!(outlet.dropped(), 9 + 2);
    }

    #[test]
    fn a_queue_that_waits_drops_nothing() {
        let (mut inlet, outlet) = queue(true);
        let count = 2 * PACKETS_MAX + 9;
        let reader = std::thread::spawn(move || {
            (0..count).for_each(|number| put(&mut inlet, number));
            inlet.end(None);
        });
        let mut numbers = Vec::new();
        loop {
            match outlet.take(Duration::from_secs(60)).expect("more or the end") {
                Said::End(_) => break,
                Said::Packets(batch) => {
                    numbers.extend(batch.packets().map(|packet| packet.at.nanos()));
                    outlet.give_back(batch);
                }
            }
        }
        reader.join().expect("it reads");
        assert_eq!((numbers.len(), outlet.dropped()), (count, 0));
    }

    #[test]
    fn the_end_comes_behind_the_packets() {
        let (mut inlet, outlet) = queue(false);
        put(&mut inlet, 1);
        inlet.end(Some("gone".to_owned()));
        assert_eq!(take(&outlet).0, [1]);
        let (mut inlet, outlet) = queue(false);
        put(&mut inlet, 1);
        drop(outlet);
        assert!(!inlet.pass_on());
    }
}
