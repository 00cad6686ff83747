//! `modbus:HOST[:PORT]?holding=0-99&…`: the register map of a Modbus/TCP device, as CSV.
//!
//! One row a value, `table,address,value`, in order, so that two backups compare by register.
//! Invariant: an address that was asked for and is not in the file is a fault.

mod client;

use super::{Context, Kind, Unusable, pace::Pause, place::NetworkPlace, place::ranges};
use client::{Client, NoAnswer, TABLES, Table};
use std::{fmt::Write as _, path::PathBuf};
use vault::{Offer, Source};

const OPTIONS: [&str; 6] = ["unit", "coil", "discrete", "holding", "input", "pause_ms"];

/// "Illegal data address": the range holds addresses the device has not.
const ILLEGAL_ADDRESS: u8 = 2;

pub struct Modbus;

pub const MODBUS: Modbus = Modbus;

impl Kind for Modbus {
    fn name(&self) -> &'static str {
        "modbus"
    }

    fn form(&self) -> &'static str {
        "HOST[:PORT]?unit=1&holding=0-99,200&input=0-9&coil=0-15&discrete=0-15"
    }

    fn open(&self, text: &str, _context: &Context) -> Result<Box<dyn Source>, Unusable> {
        let open = || {
            let place = NetworkPlace::parse(text, 502, &OPTIONS)?;
            // 255 is the device itself when there is no gateway (Messaging Guide, 4.4.2.1).
            let unit = place.number("unit", 255)?;
            let pause = place.pause()?;
            let mut wanted = Vec::new();
            for table in TABLES {
                if let Some(text) = place.options.get(table.name()) {
                    wanted.extend(ranges(text)?.into_iter().map(|range| (table, range)));
                }
            }
            if wanted.is_empty() {
                return Err("no range of a table to read".to_owned());
            }
            Ok(Device { place, unit, pause, wanted })
        };
        match open() {
            Ok(device) => Ok(Box::new(device)),
            Err(why) => Err(Unusable::place(self, text, why)),
        }
    }
}

struct Device {
    place: NetworkPlace,
    unit: u8,
    pause: Pause,
    wanted: Vec<(Table, (u16, u16))>,
}

impl Source for Device {
    fn name(&self) -> String {
        format!("modbus:{}?unit={}", self.place.address(), self.unit)
    }

    fn device(&self) -> Option<String> {
        Some(self.place.host.clone())
    }

    fn offer(&mut self, offer: &mut Offer) {
        let folder = PathBuf::from("/@modbus")
            .join(self.place.address())
            .join(format!("unit-{}", self.unit));
        let registers = folder.join("registers.csv");
        let mut client = match Client::connect(&self.place.address(), self.unit, self.pause) {
            Ok(client) => client,
            Err(error) => return offer.fault(&registers, error.to_string()),
        };
        let mut text = String::from("table,address,value\n");
        for (table, (first, last)) in &self.wanted {
            let read =
                read(&mut client, *table, *first, *last, &mut text, &mut |first, last, why| {
                    let table = table.name();
                    offer.fault(&registers, format!("{table} {first} to {last}: {why}"));
                });
            if let Err(error) = read {
                // The connection is of no more use; what was read before is kept.
                offer.fault(&registers, error.to_string());
                break;
            }
        }
        offer.bytes(registers, text.into_bytes());
        match client.identification() {
            Ok(objects) => offer.bytes(folder.join("identity.csv"), identity(&objects)),
            // Optional for a device (V1.1b3, 6.21): to refuse it is no fault.
            Err(NoAnswer::Exception(_)) => {}
            Err(error) => offer.fault(&folder.join("identity.csv"), error.to_string()),
        }
    }
}

/// Reads a range into `text`. One with holes is halved until the addresses that are there have
/// been read and those that are not are named.
fn read(
    client: &mut Client,
    table: Table,
    first: u16,
    last: u16,
    text: &mut String,
    hole: &mut dyn FnMut(u16, u16, &NoAnswer),
) -> Result<(), NoAnswer> {
    let mut waiting = vec![(first, last)];
    // Neighbours are one hole: the reason is the first one's.
    let mut holes: Vec<(u16, u16, NoAnswer)> = Vec::new();
    while let Some((first, last)) = waiting.pop() {
        let most = client.values_at_once(table);
        let end = last.min(first.saturating_add(most - 1));
        if end < last {
            waiting.push((end + 1, last));
        }
        match client.values(table, first, end - first + 1) {
            Ok(values) => {
                for (value, address) in values.iter().zip(first..=end) {
                    writeln!(text, "{},{address},{value}", table.name()).expect("to a string");
                }
            }
            Err(NoAnswer::Exception(ILLEGAL_ADDRESS)) if first < end => {
                let middle = first + (end - first) / 2;
                waiting.push((middle + 1, end));
                waiting.push((first, middle));
            }
            Err(error @ NoAnswer::Exception(_)) => match holes.last_mut() {
                Some(hole) if hole.1.checked_add(1) == Some(first) => hole.1 = end,
                _ => holes.push((first, end, error)),
            },
            Err(error) => return Err(error),
        }
    }
    holes.iter().for_each(|(first, last, why)| hole(*first, *last, why));
    Ok(())
}

fn identity(objects: &[(u8, String)]) -> Vec<u8> {
    let mut text = String::from("object,value\n");
    for (id, value) in objects {
        let name = match id {
            0 => "vendor",
            1 => "product",
            2 => "revision",
            _ => "other",
        };
        // Quoted as in RFC 4180.
        writeln!(text, "{name},\"{}\"", value.replace('"', "\"\"")).expect("to a string");
    }
    text.into_bytes()
}
