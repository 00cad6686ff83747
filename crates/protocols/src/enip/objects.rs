//! What the attributes of objects say of the device they are part of: who it is, its addresses
//! and names, the states it is in.
//!
//! Not here: objects of the process, whose attributes are values. Invariant: of an attribute
//! whose size is not known nothing behind it is read.

use super::names;
use crate::{Output, text};
use model::{Mac, Place, Subject};
use wire::{Reader, Short};

const GET_ALL: u8 = 0x01;
const GET_LIST: u8 = 0x03;
const GET_SINGLE: u8 = 0x0e;
/// Objects of EtherNet/IP (Volume 2, 5-4 and 5-5).
const TCP_IP_INTERFACE: u32 = 0xf5;
const ETHERNET_LINK: u32 = 0xf6;
/// Name of the program of Rockwell's controllers, as clients of many makers ask for it; the
/// number is one that every vendor gives a meaning of its own.
const LOGIX_PROGRAM: u32 = 0x64;
/// Volume 5, 5-4.
const SAFETY_SUPERVISOR: u32 = 0x39;
/// Attributes in one answer.
const ATTRIBUTES_MAX: usize = 32;
/// Modules of one conversation whose state is remembered.
const MODULES_MAX: usize = 64;

/// What was asked of an object.
#[derive(Clone, Copy, Default)]
pub(super) struct Question {
    pub service: u8,
    pub class: u32,
    pub instance: u32,
    pub attribute: u32,
}

/// What modules said last, to tell only what changes.
#[derive(Default)]
pub(super) struct Modules(Vec<Module>);

#[derive(Default)]
struct Module {
    /// `None` is the host itself.
    place: Option<Place>,
    vendor: Option<u16>,
    device_type: Option<u16>,
    told: [Option<&'static str>; WHATS],
}

/// Kinds of states.
const WHATS: usize = 4;
const MODE: usize = 0;
const KEY: usize = 1;
const ALARM: usize = 2;
const SAFETY: usize = 3;
const NAMES: [&str; WHATS] = ["mode", "key", "alarm", "safety-state"];

impl Modules {
    /// The answer to a question, which was carried out.
    pub(super) fn answered(
        &mut self,
        question: Question,
        place: Option<Place>,
        data: &[u8],
        out: &mut Output,
    ) {
        let said_in = match question.class {
            names::IDENTITY if question.instance == 1 => "Identity object",
            TCP_IP_INTERFACE if question.instance > 0 => "TCP/IP Interface object",
            ETHERNET_LINK if question.instance > 0 => "Ethernet Link object",
            LOGIX_PROGRAM if question.instance == 1 => "Logix program name",
            SAFETY_SUPERVISOR if question.instance > 0 => "Safety Supervisor object",
            _ => return,
        };
        let mut said = Said::default();
        // What stands before the damage was said.
        let read = attributes(question, data, &mut said);
        debug_assert!(read.is_err() || said.count <= ATTRIBUTES_MAX);
        self.tell(place, said_in, said, out);
    }

    /// An answer to List Identity, which has the attributes of the host.
    pub(super) fn listed(&mut self, data: &[u8], out: &mut Output) {
        let mut said = Said::default();
        if all(names::IDENTITY, data, &mut said).is_ok() {
            self.tell(None, "List Identity", said, out);
        }
    }

    fn tell(&mut self, place: Option<Place>, said_in: &'static str, said: Said, out: &mut Output) {
        let subject = Subject::sender_at(place);
        out.identity(subject, said_in, said.facts);
        let known = self.0.iter().position(|module| module.place == place);
        if known.is_none() && self.0.len() < MODULES_MAX {
            self.0.push(Module { place, ..Module::default() });
        }
        let at = known.unwrap_or(self.0.len().saturating_sub(1));
        let Some(module) = self.0.get_mut(at).filter(|module| module.place == place) else {
            return out.limit("cip-modules");
        };
        module.vendor = said.vendor.or(module.vendor);
        module.device_type = said.device_type.or(module.device_type);
        let mut states = [None; WHATS];
        if let Some(status) = said.status {
            [states[MODE], states[KEY], states[ALARM]] = module.meaning(status);
        }
        states[SAFETY] = said.safety;
        for ((what, now), before) in NAMES.iter().zip(states).zip(&mut module.told) {
            let Some(now) = now.filter(|now| *before != Some(now)) else { continue };
            // That nothing is wrong is news where something was.
            let news = (*what, now) != ("alarm", "no") || before.is_some();
            *before = Some(now);
            if news {
                out.state(subject, what, now);
            }
        }
    }
}

impl Module {
    /// Mode, key and fault in a status word (Volume 1, 5-2.2.1.5). Of controllers of Rockwell bits
    /// 4 to 7 are their mode, and 12 and 13 the key.
    fn meaning(&self, status: u16) -> [Option<&'static str>; 3] {
        const ROCKWELL: u16 = 1;
        /// Programmable logic controller (Volume 1, chapter 6).
        const CONTROLLER: u16 = 0x0e;
        let controller = self.device_type == Some(CONTROLLER);
        let mode = match status >> 4 & 0x0f {
            6 if controller => Some("run"),
            7 if controller => Some("program"),
            _ => None,
        };
        let key = match status >> 12 & 3 {
            1 => Some("run"),
            2 => Some("program"),
            3 => Some("remote"),
            _ => None,
        };
        let key = key.filter(|_| controller && self.vendor == Some(ROCKWELL));
        let alarm = match status >> 8 & 0x0f {
            0 => "no",
            1..=3 => "minor fault",
            _ => "major fault",
        };
        [mode, key, Some(alarm)]
    }
}

/// What attributes of one answer say.
#[derive(Default)]
struct Said {
    facts: Vec<(&'static str, String)>,
    vendor: Option<u16>,
    device_type: Option<u16>,
    status: Option<u16>,
    safety: Option<&'static str>,
    count: usize,
}

fn attributes(question: Question, data: &[u8], said: &mut Said) -> Result<(), Short> {
    let Question { service, class, attribute, .. } = question;
    match service {
        GET_ALL => all(class, data, said),
        GET_SINGLE => said.take(class, attribute, &mut Reader::new(data)),
        GET_LIST => {
            let mut r = Reader::new(data);
            for _ in 0..usize::from(r.le16()?).min(ATTRIBUTES_MAX) {
                let (attribute, status) = (r.le16()?, r.le16()?);
                if status == 0 {
                    said.take(class, u32::from(attribute), &mut r)?;
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The attributes that an answer to Get_Attributes_All begins with.
fn all(class: u32, data: &[u8], said: &mut Said) -> Result<(), Short> {
    let last = match class {
        names::IDENTITY => 7,
        TCP_IP_INTERFACE => 6,
        ETHERNET_LINK => 3,
        _ => 0,
    };
    let mut r = Reader::new(data);
    (1..=last).try_for_each(|attribute| said.take(class, attribute, &mut r))
}

impl Said {
    fn take(&mut self, class: u32, attribute: u32, r: &mut Reader<'_>) -> Result<(), Short> {
        self.count = self.count.saturating_add(1);
        match class {
            names::IDENTITY => self.identity(attribute, r),
            TCP_IP_INTERFACE => self.interface(attribute, r),
            ETHERNET_LINK => self.link(attribute, r),
            LOGIX_PROGRAM if attribute == 1 => {
                let name = string(r)?;
                // Rockwell's names are letters, digits and underscores.
                let word = |octet: &u8| octet.is_ascii_alphanumeric() || *octet == b'_';
                if name.iter().all(word) {
                    self.facts.push(("plc_name", text::lossy(name)));
                }
                Ok(())
            }
            SAFETY_SUPERVISOR if attribute == 11 => {
                self.safety = safety_state(r.u8()?);
                Ok(())
            }
            _ => Err(Short { needed: 1 }),
        }
    }

    /// Volume 1, 5-2.2.1.
    fn identity(&mut self, attribute: u32, r: &mut Reader<'_>) -> Result<(), Short> {
        match attribute {
            1 => {
                let vendor = r.le16()?;
                self.vendor = Some(vendor);
                let name = names::vendor(vendor).unwrap_or_default();
                self.facts.push(("vendor", name.to_owned()));
                self.facts.push(("vendor_id", vendor.to_string()));
            }
            2 => {
                let device_type = r.le16()?;
                self.device_type = Some(device_type);
                self.facts.push(("device_type", device_type.to_string()));
            }
            3 => self.facts.push(("product_code", r.le16()?.to_string())),
            4 => {
                let (major, minor) = (r.u8()?, r.u8()?);
                // The first bit of the major revision is reserved.
                self.facts.push(("firmware", format!("{}.{minor:03}", major & 0x7f)));
            }
            5 => self.status = Some(r.le16()?),
            6 => self.facts.push(("serial", format!("{:08x}", r.le32()?))),
            7 => {
                let octets = usize::from(r.u8()?);
                let name = String::from_utf8_lossy(r.bytes(octets)?).into_owned();
                self.facts.push(("model", name));
            }
            // State, heartbeat interval; configuration's check value; language.
            8 | 10 => r.skip(1)?,
            9 => r.skip(2)?,
            11 => r.skip(3)?,
            _ => return Err(Short { needed: 1 }),
        }
        Ok(())
    }

    /// Volume 2, 5-4.3.2.
    fn interface(&mut self, attribute: u32, r: &mut Reader<'_>) -> Result<(), Short> {
        match attribute {
            1..=3 => r.skip(4)?,
            4 => {
                let words = usize::from(r.le16()?);
                r.skip(words.saturating_mul(2))?;
            }
            5 => {
                let mut address = || r.le32().map(std::net::Ipv4Addr::from_bits);
                let (ip, _mask, gateway) = (address()?, address()?, address()?);
                let _name_servers = (address()?, address()?);
                for (path, address) in [("ip", ip), ("gateway", gateway)] {
                    if !address.is_unspecified() {
                        self.facts.push((path, address.to_string()));
                    }
                }
                self.facts.push(("domain", text::lossy(string(r)?)));
            }
            6 => self.facts.push(("hostname", text::lossy(string(r)?))),
            7 => r.skip(6)?,
            8 | 10 => r.skip(1)?,
            9 => r.skip(8)?,
            _ => return Err(Short { needed: 1 }),
        }
        Ok(())
    }

    /// Volume 2, 5-5.3.2.
    fn link(&mut self, attribute: u32, r: &mut Reader<'_>) -> Result<(), Short> {
        match attribute {
            1 | 2 | 6 => r.skip(4)?,
            3 => {
                let mac: [u8; 6] = r.array()?;
                if mac != [0; 6] {
                    self.facts.push(("mac", Mac(mac).to_string()));
                }
            }
            4 => r.skip(44)?,
            5 => r.skip(48)?,
            7..=9 => r.skip(1)?,
            10 => {
                let octets = usize::from(r.u8()?);
                r.skip(octets)?;
            }
            _ => return Err(Short { needed: 1 }),
        }
        Ok(())
    }
}

/// STRING: its length, and octets to an even number (which some leave out at the end).
fn string<'a>(r: &mut Reader<'a>) -> Result<&'a [u8], Short> {
    let octets = usize::from(r.le16()?);
    let found = r.bytes(octets)?;
    if octets % 2 == 1 && !r.is_empty() {
        r.skip(1)?;
    }
    Ok(found)
}

/// Attribute 11 of the safety supervisor.
const fn safety_state(number: u8) -> Option<&'static str> {
    Some(match number {
        1 => "self-testing",
        2 => "idle",
        3 => "self-test exception",
        4 => "executing",
        5 => "abort",
        6 => "critical fault",
        7 => "configuring",
        8 => "waiting for its network number",
        51 => "waiting for its network number with torque permitted",
        52 => "executing with torque permitted",
        _ => return None,
    })
}
