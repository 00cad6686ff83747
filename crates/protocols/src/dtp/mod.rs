//! DTP: switches of Cisco agree on whether what is between them is a trunk of all VLANs.
//!
//! Whoever speaks it to a port that is left to negotiate gets all VLANs. Not here: VTP. Invariant:
//! a part is read within its own length, and a port that says the same again is only counted.

use crate::{
    About, Carrier, Dissector, Gap, Hint, Output, Probe, Progress, Protocol, Segment, output::Op,
    text,
};
use model::{OperationClass, Subject};
use wire::{Reader, Short};

pub struct Dtp;
pub static DTP: Dtp = Dtp;

const SNAP: Carrier = Carrier::Snap([0, 0, 0x0c], 0x2004);
/// Parts read of one message.
const PARTS_MAX: usize = 16;

static ABOUT: About = About {
    name: "dtp",
    title: "Dynamic trunking protocol (DTP)",
    specs: &["US patent 6,445,715 (Cisco): dynamic trunk protocol"],
    carriers: &[SNAP],
    ports: &[],
    groups: &[],
    depth: "whether a port is a trunk, how it is set, its encapsulation and domain",
};

impl Protocol for Dtp {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        match (hint.carrier == SNAP, head) {
            // Version 1, then the domain or any other part.
            (true, [1, 0, 1..=4, 0, ..]) => Probe::Match,
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Port>::default()
    }
}

/// What a port said last: status and type.
#[derive(Default)]
struct Port(Option<(u8, u8)>);

impl Dissector for Port {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        out.begin("dtp", 0..bytes.len());
        out.operation(Op::notice(OperationClass::Report, 0, "trunk negotiation"));
        match parts(bytes) {
            Ok(said) => self.see(&said, out),
            Err(_) if segment.missing > 0 => {}
            Err(_) => {
                let says = "a part is shorter than its head or longer than the frame";
                out.violation("dtp-part-beyond-frame", says, "DTP, TLV length");
            }
        }
        Progress::Consumed(bytes.len())
    }

    fn gap(&mut self, _: Gap) {}
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Said<'a> {
    domain: &'a [u8],
    status: Option<u8>,
    kind: Option<u8>,
}

/// A version, then parts of type and length with the head counted in; zeros fill the frame up.
fn parts(bytes: &[u8]) -> Result<Said<'_>, Short> {
    const HEAD: u16 = 4;
    let mut r = Reader::new(bytes);
    r.skip(1)?;
    let mut said = Said::default();
    for _ in 0..PARTS_MAX {
        if r.remaining() < usize::from(HEAD) {
            break;
        }
        let (kind, length) = (r.be16()?, r.be16()?);
        if kind == 0 {
            break;
        }
        let value = usize::from(length.checked_sub(HEAD).ok_or(Short { needed: 1 })?);
        let value = r.bytes(value)?;
        match kind {
            1 => said.domain = text::until_nul(value),
            2 => said.status = value.first().copied(),
            3 => said.kind = value.first().copied(),
            _ => {}
        }
    }
    Ok(said)
}

impl Port {
    fn see(&mut self, said: &Said<'_>, out: &mut Output) {
        let (Some(status), kind) = (said.status, said.kind.unwrap_or_default()) else { return };
        let before = self.0.replace((status, kind));
        if before == Some((status, kind)) {
            return;
        }
        if before.is_none() {
            let facts = [("dtp_domain", text::lossy(said.domain))];
            out.identity(Subject::Sender, "trunk negotiation", facts);
        }
        // Operating in the high bits, administrative in the low ones, as tshark names them.
        let operates = if status & 0x80 == 0 { "access" } else { "trunk" };
        let set = match status & 0x07 {
            1 => "on",
            2 => "off",
            3 => "desirable",
            4 => "auto",
            _ => "unknown",
        };
        let encapsulation = match kind >> 5 {
            1 => "native",
            2 => "ISL",
            5 => "802.1Q",
            _ => "unknown encapsulation",
        };
        let value = format!("{operates}, set to {set}, {encapsulation}");
        out.state(Subject::Sender, "trunk-port", &value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn emit(said: &Said<'_>) -> Vec<u8> {
        let mut bytes = vec![1];
        let mut part = |kind: u8, value: &[u8]| {
            bytes.extend([0, kind, 0, value.len() as u8 + 4]);
            bytes.extend(value);
        };
        part(1, said.domain);
        said.status.iter().for_each(|status| part(2, &[*status]));
        said.kind.iter().for_each(|kind| part(3, &[*kind]));
        part(4, &[0x00, 0x1b, 0x1b, 0, 0, 1]);
        bytes
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(
            domain in "[a-z]{0,32}",
            status: Option<u8>,
            kind: Option<u8>,
        ) {
            let said = Said { domain: domain.as_bytes(), status, kind };
            let bytes = emit(&said);
            prop_assert_eq!(parts(&bytes), Ok(said));
        }
    }
}
