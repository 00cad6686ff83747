//! WebSocket (RFC 6455) behind an HTTP upgrade: its frames, and the protocol inside where one was
//! agreed on that is known here.
//!
//! Not registered: [`crate::http`] hands over. Not here: extensions; compressed messages are
//! stepped over. Invariant: what is inside is read in order, and a hole ends the reading.

use crate::{
    Dissector, Gap, Malformed, Output, Progress, Protocol, Segment, coap, mqtt, output::Op,
};
use ::wire::reader::Reader;
use model::OperationClass;

/// Octets of the inner protocol not yet read, of one side.
const INNER_OCTETS_MAX: usize = 256 * 1024;
/// Frames longer than this are stepped over.
const FRAME_OCTETS_MAX: usize = 64 * 1024;

pub(crate) struct Conversation {
    inner: Option<Box<dyn Dissector>>,
    pending: [Vec<u8>; 2],
    /// Octets of a long frame still to be skipped, by side.
    skip: [usize; 2],
}

/// Where a frame's payload stands, and its mask (RFC 6455, 5.2).
struct Frame {
    code: u8,
    compressed: bool,
    mask: Option<[u8; 4]>,
    start: usize,
    length: usize,
}

fn frame(bytes: &[u8]) -> Option<Result<Frame, ()>> {
    let mut r = Reader::new(bytes);
    let (first, second) = (r.u8().ok()?, r.u8().ok()?);
    let length = match second & 0x7f {
        126 => usize::from(r.be16().ok()?),
        127 => usize::try_from(r.be64().ok()?).ok()?,
        short => usize::from(short),
    };
    let mask = if second & 0x80 != 0 { Some(r.array().ok()?) } else { None };
    let code = first & 0x0f;
    if first & 0x30 != 0 || !matches!(code, 0..=2 | 8..=10) {
        return Some(Err(()));
    }
    let compressed = first & 0x40 != 0;
    Some(Ok(Frame { code, compressed, mask, start: r.position(), length }))
}

impl Conversation {
    /// `protocol` as the server chose it.
    pub(crate) fn new(protocol: &str, out: &mut Output) -> Self {
        let class = OperationClass::Session;
        out.operation(Op::response(class, 101, "websocket").named("protocol", protocol).done());
        let inner = match protocol {
            "coap" => Some(("coap", coap::in_frames())),
            mqtt if mqtt.starts_with("mqtt") => Some(("mqtt", mqtt::MQTT.open())),
            _ => None,
        };
        let inner = inner.map(|(name, inner)| {
            out.refine(name);
            inner
        });
        Conversation { inner, pending: [Vec::new(), Vec::new()], skip: [0, 0] }
    }

    pub(crate) fn gap(&mut self, _: Gap) {
        self.inner = None;
        self.skip = [0, 0];
        self.pending = [Vec::new(), Vec::new()];
    }

    pub(crate) fn feed(&mut self, segment: &Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        let Some(skip) = self.skip.get_mut(segment.from as usize) else {
            return Progress::Consumed(bytes.len());
        };
        if *skip > 0 {
            let skipped = (*skip).min(bytes.len());
            *skip = skip.saturating_sub(skipped);
            return Progress::Consumed(skipped);
        }
        let frame = match frame(bytes) {
            None => {
                let needed = bytes.len().saturating_add(1);
                return Progress::NeedMore { consumed: 0, needed };
            }
            Some(Err(())) => return Progress::GiveUp(Malformed::new("websocket-frame-invalid")),
            Some(Ok(frame)) => frame,
        };
        let end = frame.start.saturating_add(frame.length);
        if frame.length > FRAME_OCTETS_MAX {
            self.inner = None;
            *skip = end.saturating_sub(frame.start);
            return Progress::Consumed(frame.start);
        }
        let Some(payload) = bytes.get(frame.start..end) else {
            return Progress::NeedMore { consumed: 0, needed: end };
        };
        out.begin("websocket", 0..end);
        match frame.code {
            8 => out.operation(Op::notice(OperationClass::Session, 8, "close")),
            9 | 10 => {}
            _ if frame.compressed => self.inner = None,
            _ => self.payload(&frame, payload, segment, out),
        }
        Progress::Consumed(end)
    }

    fn payload(&mut self, frame: &Frame, payload: &[u8], segment: &Segment<'_>, out: &mut Output) {
        let (Some(inner), Some(pending)) =
            (&mut self.inner, self.pending.get_mut(segment.from as usize))
        else {
            return;
        };
        let mask = frame.mask.unwrap_or_default();
        pending.extend(payload.iter().zip(mask.iter().cycle()).map(|(octet, m)| octet ^ m));
        let whole = 0..frame.start.saturating_add(frame.length);
        let before = out.observed.len();
        let (mut taken, mut lost) = (0usize, false);
        while let Some(rest) = pending.get(taken..).filter(|r| !r.is_empty()) {
            let within = Segment { bytes: rest, ..*segment };
            match inner.feed(within, out) {
                Progress::Consumed(count) if count > 0 => taken = taken.saturating_add(count),
                Progress::NeedMore { consumed, .. } => {
                    taken = taken.saturating_add(consumed);
                    break;
                }
                _ => {
                    lost = true;
                    break;
                }
            }
        }
        // The bytes of what was understood stand in this frame, masked.
        for seen in out.observed.iter_mut().skip(before) {
            seen.span = whole.clone();
        }
        pending.drain(..taken.min(pending.len()));
        if pending.len() > INNER_OCTETS_MAX {
            out.limit("websocket-inner-octets");
            lost = true;
        }
        if lost {
            self.inner = None;
            pending.clear();
        }
    }
}
