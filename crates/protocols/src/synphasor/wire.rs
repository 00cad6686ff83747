//! Frames of IEEE C37.118.2 (6), read and written.
//!
//! Invariant: a frame ends where its size says; its check sequence is the caller's to judge.

use wire::{Reader, Short};

pub const SYNC: u8 = 0xaa;
/// Sync, size, id code, second of century, fraction.
pub const HEADER_OCTETS: usize = 14;
const CHECK_OCTETS: usize = 2;
/// Devices and channels read of one configuration.
const PMUS_MAX: u16 = 128;
const CHANNELS_MAX: usize = 2_048;

pub const DATA: u8 = 0;
pub const HEADER: u8 = 1;
pub const CONFIGURATION_1: u8 = 2;
pub const CONFIGURATION_2: u8 = 3;
pub const COMMAND: u8 = 4;
pub const CONFIGURATION_3: u8 = 5;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame<'a> {
    pub kind: u8,
    pub version: u8,
    pub id: u16,
    /// Seconds since 1970.
    pub second: u32,
    pub fraction: u32,
    /// Between header and check sequence.
    pub body: &'a [u8],
    pub check: u16,
}

/// Size of the frame at the start of `bytes`; `None` while its header is not there. Versions are
/// not looked at: a later one is a frame all the same.
pub fn size(bytes: &[u8]) -> Option<Result<usize, ()>> {
    let &[sync, kind, high, low] = bytes.first_chunk::<4>()?;
    let size = usize::from(u16::from_be_bytes([high, low]));
    let least = HEADER_OCTETS.saturating_add(CHECK_OCTETS);
    let known = sync == SYNC && kind >> 4 <= CONFIGURATION_3;
    Some(if known && size >= least { Ok(size) } else { Err(()) })
}

/// What the first octets say of a frame whose end is not there.
pub fn kind_and_id(bytes: &[u8]) -> Option<(u8, u16)> {
    let &[_, kind, _, _, high, low] = bytes.first_chunk::<6>()?;
    Some((kind >> 4 & 7, u16::from_be_bytes([high, low])))
}

impl<'a> Frame<'a> {
    /// Reads one frame, all of it.
    pub fn parse(bytes: &'a [u8]) -> Result<Frame<'a>, Short> {
        let mut at = Reader::new(bytes);
        at.skip(1)?;
        let kind = at.u8()?;
        at.skip(2)?;
        let (id, second, fraction) = (at.be16()?, at.be32()?, at.be32()?);
        let body = at.bytes(at.remaining().saturating_sub(CHECK_OCTETS))?;
        let (kind, version, check) = (kind >> 4 & 7, kind & 0xf, at.be16()?);
        Ok(Frame { kind, version, id, second, fraction, body, check })
    }

    pub fn emit(&self) -> Vec<u8> {
        let octets = self.body.len().saturating_add(HEADER_OCTETS).saturating_add(CHECK_OCTETS);
        let mut bytes = vec![SYNC, self.kind << 4 | self.version];
        bytes.extend((octets as u16).to_be_bytes());
        bytes.extend(self.id.to_be_bytes());
        bytes.extend(self.second.to_be_bytes());
        bytes.extend(self.fraction.to_be_bytes());
        bytes.extend_from_slice(self.body);
        bytes.extend(check(&bytes).to_be_bytes());
        bytes
    }
}

/// CRC-CCITT with all ones at the start (annex B).
pub fn check(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xffff, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| {
            if crc & 0x8000 != 0 { crc << 1 ^ 0x1021 } else { crc << 1 }
        })
    })
}

/// A measuring device as configured (6.4).
#[derive(Clone, PartialEq, Debug)]
pub struct Pmu {
    pub name: String,
    pub id: u16,
    pub format: Format,
    pub phasors: Vec<Channel>,
    pub analogs: Vec<Channel>,
    pub digitals: usize,
    /// 50 or 60.
    pub nominal_hz: u8,
    pub changes: u16,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Format {
    pub polar: bool,
    pub phasors_float: bool,
    pub analogs_float: bool,
    pub frequency_float: bool,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Channel {
    pub name: String,
    /// What an integer of one stands for.
    pub factor: f64,
    /// What is added to an integer's value then; of phasors what is taken from the angle. Only
    /// configuration 3 has it.
    pub offset: f64,
    pub current: bool,
}

#[derive(Clone, PartialEq, Debug, Default)]
pub struct Configuration {
    pub pmus: Vec<Pmu>,
    /// Frames a second, or seconds a frame where negative.
    pub rate: i16,
}

impl Configuration {
    /// Reads the body of a configuration frame 1 or 2.
    pub fn parse(body: &[u8]) -> Result<Configuration, Short> {
        let mut at = Reader::new(body);
        at.skip(4)?;
        let count = at.be16()?.min(PMUS_MAX);
        let mut pmus = Vec::new();
        for _ in 0..count {
            pmus.push(pmu(&mut at)?);
        }
        Ok(Configuration { pmus, rate: i16::from_be_bytes(at.array()?) })
    }

    /// Reads the body of a configuration frame 3 (6.6); `None` for a part of a longer one.
    pub fn parse_third(body: &[u8]) -> Result<Option<Configuration>, Short> {
        let mut at = Reader::new(body);
        let whole = at.be16()? == 0;
        if !whole {
            return Ok(None);
        }
        at.skip(4)?;
        let count = at.be16()?.min(PMUS_MAX);
        let mut pmus = Vec::new();
        for _ in 0..count {
            pmus.push(pmu_third(&mut at)?);
        }
        Ok(Some(Configuration { pmus, rate: i16::from_be_bytes(at.array()?) }))
    }
}

impl Format {
    const fn parse(word: u16) -> Format {
        Format {
            polar: word & 1 != 0,
            phasors_float: word & 2 != 0,
            analogs_float: word & 4 != 0,
            frequency_float: word & 8 != 0,
        }
    }
}

/// Numbers of phasors, analog values and words of 16 digital ones, and all their names.
fn channels(
    at: &mut Reader<'_>,
    name: fn(&mut Reader<'_>) -> Result<String, Short>,
) -> Result<(Vec<Channel>, Vec<Channel>, usize), Short> {
    let counts = (usize::from(at.be16()?), usize::from(at.be16()?), usize::from(at.be16()?));
    let all = counts.0.saturating_add(counts.1).saturating_add(counts.2.saturating_mul(16));
    if all > CHANNELS_MAX {
        return Err(Short { needed: all.saturating_mul(16) });
    }
    let mut names = Vec::new();
    for _ in 0..all {
        names.push(name(at)?);
    }
    let mut channels =
        names.into_iter().map(|name| Channel { name, factor: 1.0, offset: 0.0, current: false });
    let phasors = channels.by_ref().take(counts.0).collect();
    let analogs = channels.by_ref().take(counts.1).collect();
    Ok((phasors, analogs, counts.2))
}

/// A name behind its length.
fn counted_name(at: &mut Reader<'_>) -> Result<String, Short> {
    let octets = usize::from(at.u8()?);
    Ok(crate::text::lossy(at.bytes(octets)?).trim().to_owned())
}

fn float(at: &mut Reader<'_>) -> Result<f64, Short> {
    number(at, true)
}

/// Table 10: names have their lengths, scales are floats, and a place and a class stand before the
/// nominal frequency.
fn pmu_third(at: &mut Reader<'_>) -> Result<Pmu, Short> {
    const GLOBAL_ID_OCTETS: usize = 16;
    /// Latitude, longitude, elevation, class, window, delay.
    const PLACE_OCTETS: usize = 21;
    let station = counted_name(at)?;
    let id = at.be16()?;
    at.skip(GLOBAL_ID_OCTETS)?;
    let format = Format::parse(at.be16()?);
    let (mut phasors, mut analogs, digitals) = channels(at, counted_name)?;
    for phasor in &mut phasors {
        // Flags of what was done to it, its kind, and what its user makes of it.
        let [_, _, kind, _] = at.array()?;
        phasor.current = kind & 8 != 0;
        (phasor.factor, phasor.offset) = (float(at)?, float(at)?);
    }
    for analog in &mut analogs {
        (analog.factor, analog.offset) = (float(at)?, float(at)?);
    }
    at.skip(digitals.saturating_mul(4).saturating_add(PLACE_OCTETS))?;
    let (nominal_hz, changes) = (nominal(at.be16()?), at.be16()?);
    Ok(Pmu { name: station, id, format, phasors, analogs, digitals, nominal_hz, changes })
}

const fn nominal(word: u16) -> u8 {
    if word & 1 == 1 { 50 } else { 60 }
}

fn name(at: &mut Reader<'_>) -> Result<String, Short> {
    Ok(crate::text::lossy(at.bytes(16)?).trim().to_owned())
}

fn pmu(at: &mut Reader<'_>) -> Result<Pmu, Short> {
    let station = name(at)?;
    let (id, format) = (at.be16()?, Format::parse(at.be16()?));
    let (mut phasors, mut analogs, digitals) = channels(at, name)?;
    for phasor in &mut phasors {
        let unit = at.be32()?;
        phasor.current = unit >> 24 == 1;
        phasor.factor = f64::from(unit & 0x00ff_ffff) * 0.000_01;
    }
    for analog in &mut analogs {
        // 0 is a single point on the wave, which has no factor of its own.
        let unit = i32::from_be_bytes(at.array()?) << 8 >> 8;
        analog.factor = if unit == 0 { 1.0 } else { f64::from(unit) };
    }
    at.skip(digitals.saturating_mul(4))?;
    let (nominal_hz, changes) = (nominal(at.be16()?), at.be16()?);
    Ok(Pmu { name: station, id, format, phasors, analogs, digitals, nominal_hz, changes })
}

/// What one device measured (6.3).
#[derive(Clone, PartialEq, Debug)]
pub struct Measured {
    pub status: u16,
    /// Magnitude and angle in radians.
    pub phasors: Vec<(f64, f64)>,
    pub frequency_hz: f64,
    pub change_hz_per_s: f64,
    pub analogs: Vec<f64>,
    pub digitals: Vec<u16>,
}

/// Reads the next device's part of a data frame.
pub fn measured(at: &mut Reader<'_>, pmu: &Pmu) -> Result<Measured, Short> {
    let status = at.be16()?;
    let mut phasors = Vec::with_capacity(pmu.phasors.len());
    for channel in &pmu.phasors {
        phasors.push(phasor(at, channel, pmu.format)?);
    }
    let float = pmu.format.frequency_float;
    let (frequency, change) = (number(at, float)?, number(at, float)?);
    let (frequency_hz, change_hz_per_s) = if float {
        (frequency, change)
    } else {
        (f64::from(pmu.nominal_hz) + frequency / 1_000.0, change / 100.0)
    };
    let mut analogs = Vec::with_capacity(pmu.analogs.len());
    for channel in &pmu.analogs {
        let value = number(at, pmu.format.analogs_float)?;
        analogs.push(match pmu.format.analogs_float {
            true => value,
            false => value * channel.factor + channel.offset,
        });
    }
    let mut digitals = Vec::with_capacity(pmu.digitals);
    for _ in 0..pmu.digitals {
        digitals.push(at.be16()?);
    }
    Ok(Measured { status, phasors, frequency_hz, change_hz_per_s, analogs, digitals })
}

fn number(at: &mut Reader<'_>, float: bool) -> Result<f64, Short> {
    Ok(if float {
        f64::from(f32::from_be_bytes(at.array()?))
    } else {
        f64::from(i16::from_be_bytes(at.array()?))
    })
}

fn phasor(at: &mut Reader<'_>, channel: &Channel, format: Format) -> Result<(f64, f64), Short> {
    let float = format.phasors_float;
    let (factor, turned) = if float { (1.0, 0.0) } else { (channel.factor, channel.offset) };
    if !format.polar {
        let (real, imaginary) = (number(at, float)? * factor, number(at, float)? * factor);
        return Ok((real.hypot(imaginary), imaginary.atan2(real) - turned));
    }
    if float {
        return Ok((number(at, true)?, number(at, true)?));
    }
    // Magnitudes are unsigned, angles are in ten thousandths of a radian.
    let (magnitude, angle) = (f64::from(at.be16()?), number(at, false)?);
    Ok((magnitude * factor, angle / 10_000.0 - turned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(
            (kind, version, id) in (0u8..6, 1u8..4, any::<u16>()),
            (second, fraction) in any::<(u32, u32)>(),
            body in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let frame = Frame { kind, version, id, second, fraction, body: &body, check: 0 };
            let bytes = frame.emit();
            prop_assert_eq!(size(&bytes), Some(Ok(bytes.len())));
            let read = Frame::parse(&bytes).expect("own frame");
            prop_assert_eq!(read.check, check(&bytes[..bytes.len() - 2]));
            prop_assert_eq!(Frame { check: 0, ..read }, frame);
        }
    }

    #[test]
    fn the_check_sequence_is_the_one_of_the_standard() {
        assert_eq!(check(b"123456789"), 0x29b1);
    }
}
