//! Fast Meter: the configuration block names and scales what data blocks carry.
//!
//! Not here: calculated quantities and time stamps. Invariant: at most [`CHANNELS_MAX`] channels
//! are kept, each read at a place checked against its block.

use crate::{Output, text};
use model::{PointValue, Quality};
use wire::{Reader, Short};

/// One octet counts them.
const CHANNELS_MAX: usize = 255;
/// Mark, kind and length: places count from the mark, bodies begin behind these.
const HEAD_OCTETS: usize = 3;

#[derive(Default, Debug)]
pub(super) struct Layout {
    analogs_at: usize,
    samples: usize,
    digitals_at: usize,
    digital_banks: usize,
    channels: Vec<Channel>,
}

#[derive(Debug)]
struct Channel {
    name: String,
    kind: u8,
    scale: Scale,
}

#[derive(Clone, Copy, Debug)]
enum Scale {
    Is(f64),
    /// Stands in each data block, with this type at this place.
    At(u8, usize),
}

impl Layout {
    /// Counts, places, then a record for each channel (SEL-AG95-10, fast meter configuration).
    pub(super) fn read(body: &[u8]) -> Result<Layout, Short> {
        let mut at = Reader::new(body);
        let [_flags, scales_in, _scales, analogs, samples, banks, _blocks] = at.array()?;
        let (analogs_at, _time_at, digitals_at) = (at.be16()?, at.be16()?, at.be16()?);
        let mut channels = Vec::with_capacity(usize::from(analogs).min(CHANNELS_MAX));
        for _ in 0..analogs {
            let name = text::lossy(at.bytes(6)?);
            let (kind, scale_kind, place) = (at.u8()?, at.u8()?, usize::from(at.be16()?));
            let scale = match (scale_kind, scales_in) {
                (0xff, _) => Scale::Is(1.0),
                (kind, 0) => Scale::At(kind, place),
                (kind, _) => Scale::Is(number(body, kind, place)?),
            };
            channels.push(Channel { name, kind, scale });
        }
        Ok(Layout {
            analogs_at: usize::from(analogs_at),
            samples: usize::from(samples),
            digitals_at: usize::from(digitals_at),
            digital_banks: usize::from(banks),
            channels,
        })
    }

    /// Values of a data block. Two samples are a quarter of a cycle apart: their root of squares
    /// is the magnitude; of four the first two are.
    pub(super) fn tell(&self, body: &[u8], out: &mut Output) -> Result<(), Short> {
        let mut place = self.analogs_at;
        let mut samples: [Vec<f64>; 2] = [Vec::new(), Vec::new()];
        for number_of in 0..self.samples.min(2) {
            for channel in &self.channels {
                let value = number(body, channel.kind, place)?;
                place = place.saturating_add(octets(channel.kind));
                if let Some(sample) = samples.get_mut(number_of) {
                    sample.push(value);
                }
            }
        }
        let [first, second] = samples;
        for (at, (channel, value)) in self.channels.iter().zip(&first).enumerate() {
            let scale = match channel.scale {
                Scale::Is(scale) => scale,
                Scale::At(kind, place) => number(body, kind, place)?,
            };
            let value = second.get(at).map_or(*value, |other| value.hypot(*other));
            let point = format!("analog/{}", channel.name.trim_matches(['\0', ' ']));
            out.value(point, PointValue::Float(value * scale), (None, Quality::Good));
        }
        let mut at = Reader::new(body);
        at.skip(self.digitals_at.saturating_sub(HEAD_OCTETS))?;
        for bank in 0..self.digital_banks {
            let value = PointValue::Unsigned(u64::from(at.u8()?));
            out.value(format!("digital/{bank}"), value, (None, Quality::Good));
        }
        Ok(())
    }
}

const fn octets(kind: u8) -> usize {
    match kind {
        0 => 2,
        1 => 4,
        _ => 8,
    }
}

/// A number of the type at a place counted from the mark of the block.
fn number(body: &[u8], kind: u8, place: usize) -> Result<f64, Short> {
    let mut at = Reader::new(body);
    at.skip(place.saturating_sub(HEAD_OCTETS))?;
    Ok(match kind {
        0 => f64::from(at.be16()?.cast_signed()),
        1 => f64::from(f32::from_bits(at.be32()?)),
        2 => f64::from_bits(at.be64()?),
        _ => 0.0,
    })
}
