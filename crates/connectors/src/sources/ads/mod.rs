//! `ads:HOST[:PORT]?net=A.B.C.D.E.F[&ams_port=851&own=NETID&values=no]`: symbols, data types and
//! values of a TwinCAT runtime, as CSV.
//!
//! The target must have a route to this machine: we add none. The program itself stays in its
//! project file. Invariant: each symbol of the upload has a row, with its value or the reason for
//! there being none.

mod client;
mod symbol;

use super::{Context, Kind, Unusable, link::quoted, pace::Pause, place::NetworkPlace};
use crate::limits::ADS_VALUE_BYTES_MAX;
use client::{Address, Client, NoAnswer};
use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};
use symbol::{symbols, types, value_text};
use vault::{Offer, Source};

/// Index groups: counts and sizes of the uploads, symbols, data types.
const UPLOAD_INFO: u32 = 0xf00f;
const SYMBOLS: u32 = 0xf00b;
const TYPES: u32 = 0xf00e;

const OPTIONS: [&str; 5] = ["net", "ams_port", "own", "values", "pause_ms"];

pub struct Ads;

pub const ADS: Ads = Ads;

impl Kind for Ads {
    fn name(&self) -> &'static str {
        "ads"
    }

    fn form(&self) -> &'static str {
        "HOST[:PORT][?net=5.1.2.3.1.1&ams_port=851&own=NETID&values=no]"
    }

    fn open(&self, text: &str, _context: &Context) -> Result<Box<dyn Source>, Unusable> {
        let open = || {
            let place = NetworkPlace::parse(text, 48_898, &OPTIONS)?;
            let net = match place.options.get("net") {
                Some(text) => net_id(text)?,
                None => usual_net(&place.host)
                    .ok_or_else(|| "give net=, the AMS NetId of the target".to_owned())?,
            };
            let own = place.options.get("own").map(|text| net_id(text)).transpose()?;
            let target = Address { net, port: place.number("ams_port", 851)? };
            let values = match place.options.get("values").map(String::as_str) {
                None | Some("yes") => true,
                Some("no") => false,
                Some(other) => return Err(format!("values={other} is neither yes nor no")),
            };
            let pause = place.pause()?;
            Ok(Runtime { place, target, own, pause, values })
        };
        match open() {
            Ok(runtime) => Ok(Box::new(runtime)),
            Err(why) => Err(Unusable::place(self, text, why)),
        }
    }
}

fn net_id(text: &str) -> Result<[u8; 6], String> {
    let parts: Option<Vec<u8>> = text.split('.').map(|part| part.parse().ok()).collect();
    let parts = parts.and_then(|parts| parts.try_into().ok());
    parts.ok_or_else(|| format!("`{text}` is no NetId such as 5.1.2.3.1.1"))
}

/// By custom the NetId is the address with 1.1 behind it.
fn usual_net(host: &str) -> Option<[u8; 6]> {
    net_id(&format!("{host}.1.1")).ok()
}

struct Runtime {
    place: NetworkPlace,
    target: Address,
    own: Option<[u8; 6]>,
    pause: Pause,
    values: bool,
}

impl Source for Runtime {
    fn name(&self) -> String {
        let net = self.told_net().map(|net| format!("&net={net}")).unwrap_or_default();
        format!("ads:{}?ams_port={}{net}", self.place.address(), self.target.port)
    }

    fn device(&self) -> Option<String> {
        Some(self.place.host.clone())
    }

    fn offer(&mut self, offer: &mut Offer) {
        let mut folder = PathBuf::from("/@ads").join(self.place.address());
        folder.extend(self.told_net().map(|net| format!("net-{net}")));
        folder.push(format!("port-{}", self.target.port));
        if let Err(error) = self.read(&folder, offer) {
            offer.fault(&folder, error.to_string());
        }
    }
}

impl Runtime {
    /// The NetId where it is not the usual one: one address may lead to several.
    fn told_net(&self) -> Option<String> {
        let net = Some(self.target.net).filter(|net| Some(*net) != usual_net(&self.place.host))?;
        Some(net.map(|part| part.to_string()).join("."))
    }

    fn read(&self, folder: &Path, offer: &mut Offer) -> Result<(), NoAnswer> {
        let address = self.place.address();
        let mut client = Client::open(&address, self.target, self.own, self.pause)?;
        let (version, name) = client.device_info()?;
        let (state, device_state) = client.state()?;
        let identity = format!(
            "attribute,value\nname,{}\nversion,{version}\nstate,{state}\ndevice_state,\
             {device_state}\n",
            quoted(&name)
        );
        offer.bytes(folder.join("identity.csv"), identity.into_bytes());
        let info = client.read(UPLOAD_INFO, 0, 24)?;
        let mut fields = super::link::Fields(&info);
        let (count, length) = (fields.u32()?, fields.u32()?);
        // Runtimes before TwinCAT 2.11 say nothing of types.
        let (_, types_length) = (fields.u32().unwrap_or(0), fields.u32().unwrap_or(0));
        let uploaded = client.read(SYMBOLS, 0, length)?;
        let mut found = symbols(&uploaded)?;
        let path = folder.join("symbols.csv");
        if found.len() != count as usize {
            let why = format!("{count} symbols announced, {} uploaded", found.len());
            offer.fault(&path, why);
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        let mut text = String::from("symbol,type,size,group,offset,flags,comment\n");
        for s in &found {
            let (name, kind, comment) = (quoted(&s.name), quoted(&s.kind), quoted(&s.comment));
            let (size, group, offset, flags) = (s.size, s.group, s.offset, s.flags);
            writeln!(text, "{name},{kind},{size},{group:#x},{offset:#x},{flags:#x},{comment}")
                .expect("to a string");
        }
        offer.bytes(path, text.into_bytes());
        if types_length > 0 {
            let uploaded = client.read(TYPES, 0, types_length)?;
            offer.bytes(folder.join("types.csv"), types_text(&uploaded)?.into_bytes());
        }
        if self.values {
            let text = values_text(&mut client, &found)?;
            offer.bytes(folder.join("values.csv"), text.into_bytes());
        }
        Ok(())
    }
}

fn types_text(uploaded: &[u8]) -> Result<String, NoAnswer> {
    let mut rows = types(uploaded)?;
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    let mut text = String::from("type,of,size,offset\n");
    for row in rows {
        let (name, kind) = (quoted(&row.name), quoted(&row.kind));
        writeln!(text, "{name},{kind},{},{}", row.size, row.offset).expect("to a string");
    }
    Ok(text)
}

fn values_text(client: &mut Client, symbols: &[symbol::Symbol]) -> Result<String, NoAnswer> {
    let mut text = String::from("symbol,value\n");
    for symbol in symbols {
        let shown = if symbol.size > ADS_VALUE_BYTES_MAX {
            format!("! {} octets; at most {ADS_VALUE_BYTES_MAX}", symbol.size)
        } else {
            match client.read(symbol.group, symbol.offset, symbol.size) {
                Ok(bytes) => value_text(symbol.base, &bytes),
                Err(error @ NoAnswer::Refused(_)) => format!("! {error}"),
                Err(error) => return Err(error),
            }
        };
        writeln!(text, "{},{}", quoted(&symbol.name), quoted(&shown)).expect("to a string");
    }
    Ok(text)
}
