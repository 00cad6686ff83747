//! Beats, the smallest news: of a quiet plant they are nearly all there is.
//!
//! An octet of flags, the moment as the time since the one before, counts, the moment of the newest
//! packet in the same way, and the sensor's health only where it changed. Not here: other news.
//! Invariant: moments come out as they went in, to the microsecond.

use crate::{
    diff,
    octets::{Cursor, Malformed, put_number, put_signed},
    value::{Hearer, Teller},
};
use model::{Health, Insight, Time};
use serde_json::Value;
use std::io;

const LEARNING: u8 = 1;
const HEALTH: u8 = 2;
const PACKET_KNOWN: u8 = 4;
/// Moments in milliseconds; else in microseconds.
const COARSE: u8 = 8;
const MICROS_A_MILLI: i64 = 1_000;

/// The beat before, at either end.
#[derive(Default)]
pub(crate) struct Beat {
    /// Microseconds.
    at: i64,
    packet_at: i64,
    /// Without its moment.
    health: Value,
}

impl Beat {
    pub(crate) fn put(
        &mut self,
        teller: &mut Teller,
        out: &mut Vec<u8>,
        at: Time,
        (packets, bytes, learning): (u64, u64, bool),
        health: &Health,
    ) -> io::Result<()> {
        let micros = |time: Time| time.nanos().div_euclid(1_000);
        let (at, packet_at) = (micros(at), health.at.map(micros));
        let rest = serde_json::to_value(Health { at: None, ..health.clone() })?;
        let later = at.wrapping_sub(self.at);
        let packet_later = packet_at.map(|packet_at| packet_at.wrapping_sub(self.packet_at));
        let is_coarse = |micros: i64| micros % MICROS_A_MILLI == 0;
        let coarse = is_coarse(later) && packet_later.is_none_or(is_coarse);
        let mut flags = 0;
        for (flag, is_set) in [
            (LEARNING, learning),
            (HEALTH, rest != self.health),
            (PACKET_KNOWN, packet_at.is_some()),
            (COARSE, coarse),
        ] {
            flags |= if is_set { flag } else { 0 };
        }
        let unit = if coarse { MICROS_A_MILLI } else { 1 };
        out.push(flags);
        put_signed(out, later / unit);
        put_number(out, packets);
        put_number(out, bytes);
        if let Some(packet_later) = packet_later {
            put_signed(out, packet_later / unit);
        }
        if rest != self.health {
            diff::put(teller, out, &self.health, &rest);
            self.health = rest;
        }
        (self.at, self.packet_at) = (at, packet_at.unwrap_or(self.packet_at));
        Ok(())
    }

    pub(crate) fn take(
        &mut self,
        hearer: &mut Hearer,
        from: &mut Cursor<'_>,
    ) -> Result<Insight, Malformed> {
        let flags = from.octet()?;
        let has = |flag: u8| flags & flag != 0;
        let unit = if has(COARSE) { MICROS_A_MILLI } else { 1 };
        self.at = self.at.wrapping_add(from.signed()?.wrapping_mul(unit));
        let (packets, bytes) = (from.number()?, from.number()?);
        if has(PACKET_KNOWN) {
            self.packet_at = self.packet_at.wrapping_add(from.signed()?.wrapping_mul(unit));
        }
        if has(HEALTH) {
            self.health = diff::take(hearer, from, std::mem::take(&mut self.health), 0)?;
        }
        let mut health: Health = serde_json::from_value(self.health.clone())
            .map_err(|error| Malformed(error.to_string()))?;
        let time = |micros: i64| Time::from_nanos(micros.saturating_mul(1_000));
        health.at = has(PACKET_KNOWN).then(|| time(self.packet_at));
        Ok(Insight::Beat { at: time(self.at), packets, bytes, learning: has(LEARNING), health })
    }
}
