//! Many that say little: a scan, a flood, datagrams that mean nothing, and who asks for addresses.
//!
//! So that a profile does not take conversations for all there is. Invariant: no two strangers of
//! a kind are the same.

use super::{Film, Size};
use crate::{
    fixtures::{ACK, RST, SYN, Talk, mac},
    fuzz::Seeded,
};
use anyhow::Result;
use protocols::Carrier;
use std::io::Write;

const SCANNED_HOSTS: u32 = 250;

pub(super) fn shoot<W: Write>(size: &Size, film: &mut Film<W>) -> Result<()> {
    for number in 0..size.strangers {
        // One host tries port after port, and most refuse.
        let victim = (number % SCANNED_HOSTS) as u16;
        let port = 20 + (number / SCANNED_HOSTS) as u16;
        let mut scan = Talk::between((700, 32_768 + port), (800 + victim, port));
        film.add(scan.segment(false, SYN, &[]))?;
        if number % 8 != 0 {
            film.add(scan.segment(true, RST | ACK, &[]))?;
        }
        // Each knocks once at the same door.
        let mut flood = Talk::between((4_000 + number as u16, 50_000), (801, 502));
        film.add(flood.segment(false, SYN, &[]))?;
        // Octets without a meaning, here and there answered.
        let noise = noise(number);
        let (from, to) = (2_000 + (number % 1_500) as u16, 900 + (number % 90) as u16);
        let mut datagrams = Talk::between((from, 1_024 + number as u16 % 60_000), (to, 7_777));
        film.add(datagrams.frame(Carrier::Udp, false, &noise))?;
        if number % 4 == 0 {
            film.add(datagrams.frame(Carrier::Udp, true, &noise[..noise.len() / 2]))?;
        }
        film.add(who_has(from, to))?;
    }
    Ok(())
}

/// Octets that depend on the number alone.
fn noise(number: u32) -> Vec<u8> {
    let mut random = Seeded::new(u64::from(number));
    let length = 8 + random.below(128);
    (0..length).map(|_| random.octet()).collect()
}

/// RFC 826.
fn who_has(from: u16, to: u16) -> Vec<u8> {
    let [from_high, from_low] = from.to_be_bytes();
    let [to_high, to_low] = to.to_be_bytes();
    let own = mac(from);
    let mut frame = [&[0xff; 6][..], &own, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1], &own].concat();
    frame.extend([10, 2, from_high, from_low, 0, 0, 0, 0, 0, 0, 10, 2, to_high, to_low]);
    frame
}
