//! `s7:HOST[:PORT]?rack=0&slot=2`: identity and program blocks of an S7-300 or S7-400.
//!
//! S7-1200 and S7-1500 keep their program where this protocol does not reach; of them it takes
//! what they answer and says what they refuse. Invariant: a block that is on the CPU's list and
//! not in the snapshot is a fault.

mod client;

use super::{Context, Kind, Unusable, pace::Pause, place::NetworkPlace};
use client::{BLOCK_KINDS, Client, NoAnswer};
use std::{fmt::Write as _, path::PathBuf};
use vault::{Offer, Source};

const OPTIONS: [&str; 3] = ["rack", "slot", "pause_ms"];

/// Module identification: order number, hardware and firmware versions.
const MODULE: u16 = 0x0011;
/// Component identification: names, serial number, copyright.
const COMPONENT: u16 = 0x001c;

pub struct S7;

pub const S7_CLASSIC: S7 = S7;

impl Kind for S7 {
    fn name(&self) -> &'static str {
        "s7"
    }

    fn form(&self) -> &'static str {
        "HOST[:PORT]?rack=0&slot=2"
    }

    fn open(&self, text: &str, _context: &Context) -> Result<Box<dyn Source>, Unusable> {
        let open = || {
            let place = NetworkPlace::parse(text, 102, &OPTIONS)?;
            let (rack, slot) = (place.number("rack", 0)?, place.number("slot", 2)?);
            let pause = place.pause()?;
            if rack > 7 || slot > 31 {
                return Err("racks are 0 to 7, slots 0 to 31".to_owned());
            }
            Ok(Controller { place, rack, slot, pause })
        };
        match open() {
            Ok(controller) => Ok(Box::new(controller)),
            Err(why) => Err(Unusable::place(self, text, why)),
        }
    }
}

struct Controller {
    place: NetworkPlace,
    rack: u8,
    slot: u8,
    pause: Pause,
}

impl Source for Controller {
    fn name(&self) -> String {
        format!("s7:{}?rack={}&slot={}", self.place.address(), self.rack, self.slot)
    }

    fn device(&self) -> Option<String> {
        Some(self.place.host.clone())
    }

    fn offer(&mut self, offer: &mut Offer) {
        let folder = PathBuf::from("/@s7")
            .join(self.place.address())
            .join(format!("rack-{}-slot-{}", self.rack, self.slot));
        let connected = Client::connect(&self.place.address(), self.rack, self.slot, self.pause);
        let mut client = match connected {
            Ok(client) => client,
            Err(error) => return offer.fault(&folder, error.to_string()),
        };
        let done = identity(&mut client, &folder, offer)
            .and_then(|()| blocks(&mut client, &folder, offer));
        if let Err(error) = done {
            offer.fault(&folder, format!("the connection broke: {error}"));
        }
    }
}

fn identity(
    client: &mut Client,
    folder: &std::path::Path,
    offer: &mut Offer,
) -> Result<(), NoAnswer> {
    let mut text = String::from("list,index,value\n");
    for list in [MODULE, COMPONENT] {
        let path = folder.join(format!("status-list-{list:04x}.bin"));
        match client.status_list(list, 0) {
            Ok(bytes) => {
                describe(list, &bytes, &mut text);
                offer.bytes(path, bytes);
            }
            Err(NoAnswer::Refused(code)) => offer.fault(&path, refused(code)),
            Err(error) => return Err(error),
        }
    }
    offer.bytes(folder.join("identity.csv"), text.into_bytes());
    Ok(())
}

/// The texts of a list that has the form of one: length and number of records, then records of
/// an index and a text (with versions behind it in the module identification).
fn describe(list: u16, bytes: &[u8], text: &mut String) {
    let Some(([l0, l1, n0, n1], records)) = bytes.split_first_chunk::<4>() else { return };
    let length = usize::from(u16::from_be_bytes([*l0, *l1]));
    let count = usize::from(u16::from_be_bytes([*n0, *n1]));
    if length < 4 || records.len() != length.saturating_mul(count) {
        return;
    }
    for record in records.chunks_exact(length) {
        let (index, value) = record.split_at(2);
        let index = u16::from_be_bytes([index[0], index[1]]);
        let value = if list == MODULE { value.get(..20).unwrap_or(value) } else { value };
        let value = String::from_utf8_lossy(value);
        let value = value.split('\0').next().unwrap_or_default().trim();
        let value = value.replace('"', "\"\"");
        writeln!(text, "{list:04x},{index},\"{value}\"").expect("to a string");
    }
}

fn blocks(
    client: &mut Client,
    folder: &std::path::Path,
    offer: &mut Offer,
) -> Result<(), NoAnswer> {
    for kind in BLOCK_KINDS {
        let numbers = match client.blocks(kind) {
            Ok(numbers) => numbers,
            Err(NoAnswer::Refused(code)) => {
                let path = folder.join("blocks").join(kind.name);
                offer.fault(&path, format!("no list: {}", refused(code)));
                continue;
            }
            Err(error) => return Err(error),
        };
        for number in numbers {
            let path = folder.join("blocks").join(format!("{}{number}.mc7", kind.name));
            match client.upload(kind, number) {
                Ok(block) => offer.bytes(path, block),
                Err(NoAnswer::Refused(code)) => offer.fault(&path, refused(code)),
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

fn refused(code: u16) -> String {
    NoAnswer::Refused(code).to_string()
}
