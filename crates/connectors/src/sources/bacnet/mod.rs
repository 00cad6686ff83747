//! `bacnet:HOST[:PORT][?device=N]`: objects and properties of a BACnet/IP device, as CSV.
//!
//! One row a property, `object,property,value`. Not the content of file objects. Invariant: each
//! object of the device's list has rows or a fault, and a property that the device has and does
//! not show has a row with the reason.

mod client;
mod value;

use super::{Context, Kind, Unusable, link::quoted, pace::Pause, place::NetworkPlace};
use crate::limits::BACNET_OBJECTS_MAX;
use client::{Client, NoAnswer, Property, error_text};
use std::{collections::BTreeMap, fmt::Write as _, io, path::PathBuf};
use value::{ObjectId, Value, list, property_name};
use vault::{Offer, Source};

/// Object types and properties (clause 21).
const DEVICE: u16 = 8;
const ALL: u32 = 8;
const OBJECT_LIST: u32 = 76;
const OBJECT_NAME: u32 = 77;
const PROPERTY_LIST: u32 = 371;

/// Instance number that means "whoever reads this" (clause 15.5.2).
const ANY_INSTANCE: u32 = 4_194_303;

/// Elements of an array in one question.
const ELEMENTS: u16 = 20;

/// Properties of objects whose device knows no property list (before protocol revision 14).
const COMMON: [u32; 34] = [
    4, 12, 17, 22, 25, 28, 31, 35, 36, 44, 45, 46, 52, 58, 59, 65, 69, 70, 74, 77, 79, 81, 84, 85,
    87, 103, 104, 106, 110, 111, 117, 120, 121, 123,
];

pub struct Bacnet;

pub const BACNET: Bacnet = Bacnet;

impl Kind for Bacnet {
    fn name(&self) -> &'static str {
        "bacnet"
    }

    fn form(&self) -> &'static str {
        "HOST[:PORT][?device=N]"
    }

    fn open(&self, text: &str, _context: &Context) -> Result<Box<dyn Source>, Unusable> {
        let open = || {
            let place = NetworkPlace::parse(text, 47_808, &["device", "pause_ms"])?;
            let pause = place.pause()?;
            let instance = place.number("device", ANY_INSTANCE)?;
            if instance > ANY_INSTANCE {
                return Err(format!("device={instance} is beyond 4194302"));
            }
            Ok(Device { place, pause, instance })
        };
        match open() {
            Ok(device) => Ok(Box::new(device)),
            Err(why) => Err(Unusable::place(self, text, why)),
        }
    }
}

struct Device {
    place: NetworkPlace,
    pause: Pause,
    instance: u32,
}

impl Source for Device {
    fn name(&self) -> String {
        let device = self.told().map(|number| format!("?device={number}"));
        format!("bacnet:{}{}", self.place.address(), device.unwrap_or_default())
    }

    fn device(&self) -> Option<String> {
        Some(self.place.host.clone())
    }

    fn offer(&mut self, offer: &mut Offer) {
        let mut folder = PathBuf::from("/@bacnet").join(self.place.address());
        folder.extend(self.told().map(|number| format!("device-{number}")));
        let path = folder.join("objects.csv");
        match self.read(&mut |object, why| offer.fault(&path, format!("{object}: {why}"))) {
            Ok(text) => offer.bytes(path, text.into_bytes()),
            Err(error) => offer.fault(&path, error.to_string()),
        }
    }
}

impl Device {
    /// The number of the device, where it is told: one address may lead to several.
    fn told(&self) -> Option<u32> {
        (self.instance != ANY_INSTANCE).then_some(self.instance)
    }

    fn read(&self, fault: &mut dyn FnMut(ObjectId, String)) -> Result<String, NoAnswer> {
        let mut client = Client::open(&self.place.address(), self.pause)?;
        let device = self.find(&mut client)?;
        let objects = objects(&mut client, device)?;
        if objects.len() > BACNET_OBJECTS_MAX {
            let why = format!("{} objects; at most {BACNET_OBJECTS_MAX}", objects.len());
            return Err(io::Error::other(why).into());
        }
        let mut text = String::from("object,property,value\n");
        for object in objects {
            match properties(&mut client, object) {
                Ok(rows) => {
                    for (property, shown) in rows {
                        // The list is what the objects of this file are.
                        if (object.kind, property) != (DEVICE, OBJECT_LIST) {
                            let (name, shown) = (property_name(property), quoted(&shown));
                            writeln!(text, "{object},{name},{shown}").expect("to a string");
                        }
                    }
                }
                Err(NoAnswer::Io(error)) => return Err(error.into()),
                Err(error) => fault(object, error.to_string()),
            }
        }
        Ok(text)
    }

    /// The device object: as told, else by the instance that means any, else by Who-Is.
    fn find(&self, client: &mut Client) -> Result<ObjectId, NoAnswer> {
        let object = ObjectId { kind: DEVICE, instance: self.instance };
        match client.read(Property { object, property: 75, index: None }) {
            Ok(values) => match values[..] {
                [Value::Object(device)] => Ok(device),
                _ => Err(super::link::malformed().into()),
            },
            Err(NoAnswer::Io(error)) => Err(error.into()),
            Err(error) if self.told().is_some() => Err(error),
            Err(_) => Ok(client.who_is()?),
        }
    }
}

fn objects(client: &mut Client, device: ObjectId) -> Result<Vec<ObjectId>, NoAnswer> {
    let values = array(client, device, OBJECT_LIST)?;
    let mut found: Vec<ObjectId> = values
        .into_iter()
        .map(|value| match value {
            Value::Object(object) => Ok(object),
            _ => Err(super::link::malformed()),
        })
        .collect::<io::Result<_>>()?;
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// A property as a whole, or by its elements when that is too long.
fn array(client: &mut Client, object: ObjectId, property: u32) -> Result<Vec<Value>, NoAnswer> {
    let at = |index| Property { object, property, index };
    match client.read(at(None)) {
        Err(NoAnswer::Abort(_)) => {}
        other => return other,
    }
    let [Value::Unsigned(count)] = client.read(at(Some(0)))?[..] else {
        return Err(super::link::malformed().into());
    };
    let count = u32::try_from(count).map_err(|_| super::link::malformed())?;
    if count as usize > BACNET_OBJECTS_MAX {
        return Err(io::Error::other(format!("{count} elements are too many")).into());
    }
    let mut found = Vec::new();
    let mut first = 1;
    while first <= count {
        let last = count.min(first + client.elements_at_once(ELEMENTS) - 1);
        let wanted: Vec<_> = (first..=last).map(|index| at(Some(index))).collect();
        match client.read_several(&wanted) {
            Ok(replies) if replies.len() == wanted.len() => {
                for (_, _, values) in replies {
                    found.extend(values.map_err(|(class, code)| NoAnswer::Error(class, code))?);
                }
            }
            Ok(_) => return Err(super::link::malformed().into()),
            Err(NoAnswer::Io(error)) => return Err(error.into()),
            Err(_) => {
                for property in wanted {
                    found.extend(client.read(property)?);
                }
            }
        }
        first = last + 1;
    }
    Ok(found)
}

/// All properties of an object, as text, in one answer where the device can.
fn properties(client: &mut Client, object: ObjectId) -> Result<BTreeMap<u32, String>, NoAnswer> {
    let all = Property { object, property: ALL, index: None };
    // The list of objects makes the device's own answer too long.
    if object.kind != DEVICE {
        match client.read_several(&[all]) {
            Ok(replies) => {
                let shown = |values: Result<Vec<Value>, _>| match values {
                    Ok(values) => list(&values),
                    Err((class, code)) => format!("! {}", error_text(class, code)),
                };
                return Ok(replies.into_iter().map(|(p, _, values)| (p, shown(values))).collect());
            }
            Err(NoAnswer::Io(error)) => return Err(error.into()),
            Err(_) => {}
        }
    }
    let numbers = match array(client, object, PROPERTY_LIST) {
        Ok(values) => values
            .into_iter()
            .filter_map(|value| match value {
                Value::Enumerated(number) => Some(number),
                _ => None,
            })
            .chain([OBJECT_NAME])
            .collect(),
        Err(NoAnswer::Io(error)) => return Err(error.into()),
        Err(_) => COMMON.to_vec(),
    };
    let mut found = BTreeMap::new();
    for number in numbers {
        if (object.kind, number) == (DEVICE, OBJECT_LIST) {
            continue;
        }
        match array(client, object, number) {
            Ok(values) => drop(found.insert(number, list(&values))),
            Err(NoAnswer::Io(error)) => return Err(error.into()),
            // Unknown property: it was a guess.
            Err(NoAnswer::Error(_, 32)) => {}
            Err(error) => drop(found.insert(number, format!("! {error}"))),
        }
    }
    if found.is_empty() { Err(NoAnswer::Error(1, 31)) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{net::UdpSocket, thread};

    /// A device whose answers hold one value: it aborts a question for the whole list.
    fn small_device(objects: u32) -> String {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap().to_string();
        thread::spawn(move || {
            let mut buffer = [0; 2_048];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let request = &buffer[6..length];
                let (number, service) = (request[2], request[3]);
                let object = &request[4..9];
                let answer = match (service, &request[9..]) {
                    // The index in one octet, or in two.
                    (12, [0x19, 76, 0x29, 0]) => {
                        let count = u8::try_from(objects).unwrap();
                        [&[0x30, number, 12][..], object, &[0x19, 76, 0x29, 0, 0x3e, 0x21, count]]
                            .concat()
                    }
                    (12, [0x19, 76, 0x29, index]) => {
                        let head = [0x19, 76, 0x29, *index, 0x3e, 0xc4];
                        let value = ObjectId { kind: 2, instance: u32::from(*index) }.encode();
                        [&[0x30, number, 12][..], object, &head, &value].concat()
                    }
                    // Segmentation not supported; and it knows no question for several.
                    (12, _) => vec![0x71, number, 4],
                    _ => vec![0x60, number, 9],
                };
                let closing = if answer[0] == 0x30 { vec![0x3f] } else { Vec::new() };
                let apdu = [answer, closing].concat();
                let length = u8::try_from(apdu.len() + 6).unwrap();
                let frame = [&[0x81, 0x0a, 0, length, 1, 0][..], &apdu].concat();
                socket.send_to(&frame, from).unwrap();
            }
        });
        address
    }

    #[test]
    fn a_list_that_is_too_long_is_read_by_its_elements() {
        let mut client =
            Client::open(&small_device(45), Pause::of(std::time::Duration::ZERO)).unwrap();
        let found = objects(&mut client, ObjectId { kind: DEVICE, instance: 1 }).unwrap();
        assert_eq!(found.len(), 45);
        assert_eq!(found[44], ObjectId { kind: 2, instance: 45 });
    }
}
