//! SMB 3.1.1 compression: the transform header, and who offers to compress.
//!
//! [MS-SMB2], 2.2.42 and 2.2.3.1.3. Not here: what was compressed. Invariant: lengths are compared,
//! never followed.

use super::wire::{le16_at, le32_at, slice};
use crate::Output;

const HEADER_OCTETS: u64 = 16;
const SECTION: &str = "MS-SMB2, 2.2.42.1 and 3.3.5.2.1.3";

/// Checks the header of a compressed message. The sum of the original size and of the offset
/// gives the room a server makes; one that wraps around is CVE-2020-0796 ("SMBGhost").
pub(super) fn header(body: &[u8], octets: usize, out: &mut Output) {
    const CHAINED: u16 = 1;
    let (Some(original), Some(flags), Some(offset)) =
        (le32_at(body, 4), le16_at(body, 10), le32_at(body, 12))
    else {
        let says = "a compressed SMB message shorter than its header";
        return out.violation("smb2-compression-cut-short", says, SECTION);
    };
    if flags & CHAINED != 0 {
        return;
    }
    if original.checked_add(offset).is_none() {
        let says = "a compressed SMB message whose sizes overflow, as exploits of CVE-2020-0796 do";
        return out.violation("smb2-compression-overflow", says, SECTION);
    }
    if u64::from(offset).saturating_add(HEADER_OCTETS) > octets as u64 {
        let says = "a compressed SMB message whose data begins beyond its end";
        out.violation("smb2-compression-beyond-message", says, SECTION);
    }
}

/// Clients of SMB 2.1 and later have an identifier; who offers compression and has none is no
/// client of a product but a program that looks for servers with CVE-2020-0796.
pub(super) fn offered(message: &[u8], body: &[u8], out: &mut Output) {
    const COMPRESSION: u16 = 3;
    const DIALECTS_AT: usize = 36;
    const SMB_3_1_1: u16 = 0x0311;
    let dialects = usize::from(le16_at(body, 2).unwrap_or_default()).min(64);
    let dialect = |index: usize| le16_at(body, DIALECTS_AT.saturating_add(index.saturating_mul(2)));
    if !(0..dialects).any(|index| dialect(index) == Some(SMB_3_1_1)) {
        return;
    }
    let unnamed = slice(body, 12, 16).iter().all(|octet| *octet == 0);
    if unnamed && contexts(message, body).any(|kind| kind == COMPRESSION) {
        let says = "an SMB client without an identifier that offers compression, as probes for \
                    CVE-2020-0796 do";
        out.violation("smb2-client-guid-missing", says, "MS-SMB2, 2.2.3 and 3.2.4.2.2.2");
    }
}

/// Kinds of the negotiate contexts: type, length, four octets, data, aligned to eight.
fn contexts<'a>(message: &'a [u8], body: &[u8]) -> impl Iterator<Item = u16> + use<'a> {
    let offset = le32_at(body, 28).and_then(|at| usize::try_from(at).ok()).unwrap_or(usize::MAX);
    let count = le16_at(body, 32).unwrap_or_default().min(16);
    let mut at = offset;
    (0..count).map_while(move |_| {
        let kind = le16_at(message, at)?;
        let length = usize::from(le16_at(message, at.saturating_add(2))?);
        at = at.saturating_add(8).saturating_add(length.next_multiple_of(8));
        Some(kind)
    })
}
