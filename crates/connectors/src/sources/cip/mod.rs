//! `cip:HOST[:PORT][?slot=N&tags=yes&values=no]`: identity of an EtherNet/IP device and, when
//! asked for, the tags of a Logix controller, as CSV.
//!
//! Not the program: that is in the project file. Invariant: only what [`client::Question`] has is
//! asked, and none of it writes.

mod client;
mod tags;

use super::{
    Context, Kind, Unusable,
    link::{malformed, quoted},
    pace::Pause,
    place::NetworkPlace,
};
use client::{Client, NoAnswer, Question};
use std::{
    fmt::Write as _,
    io,
    path::{Path, PathBuf},
};
use vault::{Offer, Source};

pub struct Cip;

pub const CIP: Cip = Cip;

impl Kind for Cip {
    fn name(&self) -> &'static str {
        "cip"
    }

    fn form(&self) -> &'static str {
        "HOST[:PORT][?slot=0&tags=yes&values=no]"
    }

    fn open(&self, text: &str, _context: &Context) -> Result<Box<dyn Source>, Unusable> {
        let open = || -> Result<Device, String> {
            let names = ["slot", "tags", "values", "pause_ms"];
            let place = NetworkPlace::parse(text, 44_818, &names)?;
            let slot = match place.options.get("slot") {
                Some(_) => Some(place.number("slot", 0)?),
                None => None,
            };
            let is = |name: &str, usual: bool| match place.options.get(name).map(String::as_str) {
                None => Ok(usual),
                Some("yes") => Ok(true),
                Some("no") => Ok(false),
                Some(other) => Err(format!("{name}={other} is neither yes nor no")),
            };
            let (tags, values) = (is("tags", false)?, is("values", true)?);
            let pause = place.pause()?;
            Ok(Device { place, slot, tags, values, pause })
        };
        match open() {
            Ok(device) => Ok(Box::new(device)),
            Err(why) => Err(Unusable::place(self, text, why)),
        }
    }
}

struct Device {
    place: NetworkPlace,
    slot: Option<u8>,
    tags: bool,
    values: bool,
    pause: Pause,
}

impl Source for Device {
    fn name(&self) -> String {
        let slot = self.slot.map(|slot| format!("?slot={slot}"));
        format!("cip:{}{}", self.place.address(), slot.unwrap_or_default())
    }

    fn device(&self) -> Option<String> {
        Some(self.place.host.clone())
    }

    fn offer(&mut self, offer: &mut Offer) {
        let mut folder = PathBuf::from("/@cip").join(self.place.address());
        folder.extend(self.slot.map(|slot| format!("slot-{slot}")));
        let path = folder.join("identity.csv");
        let mut client = match self.identity() {
            Ok((client, text)) => {
                offer.bytes(path, text.into_bytes());
                client
            }
            Err(error) => return offer.fault(&path, error.to_string()),
        };
        if self.tags
            && let Err(error) = self.tags(&mut client, &folder, offer)
        {
            offer.fault(&folder.join("tags.csv"), error.to_string());
        }
    }
}

impl Device {
    fn identity(&self) -> Result<(Client, String), NoAnswer> {
        let (mut client, listed) = Client::open(&self.place.address(), self.slot, self.pause)?;
        let mut text = String::from("source,attribute,value\n");
        describe("list", &listed, &mut text)?;
        let own = client.ask(&Question::Identity)?;
        describe("object", &own.data, &mut text)?;
        Ok((client, text))
    }

    fn tags(&self, client: &mut Client, folder: &Path, offer: &mut Offer) -> Result<(), NoAnswer> {
        let tags::Text { tags, types, values } = tags::read(client, self.values)?;
        offer.bytes(folder.join("tags.csv"), tags.into_bytes());
        offer.bytes(folder.join("types.csv"), types.into_bytes());
        if self.values {
            offer.bytes(folder.join("values.csv"), values.into_bytes());
        }
        Ok(())
    }
}

/// Vendor, device type, product code, revision, status, serial number, product name.
fn describe(source: &str, bytes: &[u8], text: &mut String) -> io::Result<()> {
    let (head, name) = bytes.split_first_chunk::<15>().ok_or_else(malformed)?;
    let number = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
    let serial = u32::from_le_bytes([head[10], head[11], head[12], head[13]]);
    let name = name.get(..usize::from(head[14])).ok_or_else(malformed)?;
    let mut row = |attribute: &str, value: String| {
        writeln!(text, "{source},{attribute},{value}").expect("to a string");
    };
    row("vendor", number(0).to_string());
    row("device_type", number(2).to_string());
    row("product_code", number(4).to_string());
    row("revision", format!("{}.{}", head[6], head[7]));
    row("status", format!("0x{:04x}", number(8)));
    row("serial", format!("0x{serial:08x}"));
    row("product_name", quoted(&String::from_utf8_lossy(name)));
    Ok(())
}
