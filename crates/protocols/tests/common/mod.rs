//! Fixtures of the registry's tests: small annotated conversations, and a driver that feeds them.
//!
//! A fixture is `src/<protocol>/fixtures/<name>.hex`:
//! ```text
//! # any line may end in a comment
//! tcp 502                 carrier and server port: tcp N, udp N, ethertype 88cc,
//!                         snap 00000c 2000, llc 42, ip 2
//! > 00 01 | 00 00 ...     bytes from the client, one segment; lines of only hex continue it
//! < 00 01 ...             bytes from the server
//! ```
//! Beside it stands `<name>.golden`: what was understood. `UPDATE=1 cargo test -p protocols`
//! rewrites goldens; read them in review.

pub mod identification;

use model::{Endpoint, Mac, Time};
use protocols::{Carrier, Dissector, Output, Progress, Protocol, REGISTRY, Segment, Side};
use std::{fmt::Write, fs, path::Path, path::PathBuf};

pub struct Fixture {
    pub path: PathBuf,
    /// Name of the folder, which is the name of the protocol.
    pub protocol: String,
    pub carrier: Carrier,
    pub port: u16,
    pub segments: Vec<(Side, Vec<u8>)>,
}

pub fn source_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// All fixtures, sorted by path.
pub fn fixtures() -> Vec<Fixture> {
    let mut found = Vec::new();
    for folder in fs::read_dir(source_dir()).expect("the crate has a src folder") {
        let folder = folder.expect("a readable entry").path().join("fixtures");
        let Ok(files) = fs::read_dir(&folder) else { continue };
        for file in files {
            let path = file.expect("a readable entry").path();
            if path.extension().is_some_and(|e| e == "hex") {
                found.push(read(path));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

pub fn protocol(name: &str) -> &'static dyn Protocol {
    *REGISTRY
        .iter()
        .find(|p| p.about().name == name)
        .unwrap_or_else(|| panic!("folder {name} has fixtures but no line in REGISTRY"))
}

fn read(path: PathBuf) -> Fixture {
    let text = fs::read_to_string(&path).expect("a readable fixture");
    let folder = path.parent().and_then(Path::parent).expect("src/<protocol>/fixtures");
    let protocol = folder.file_name().expect("a name").to_string_lossy().into_owned();
    let (mut carrier, mut port, mut segments) = (None, 0, Vec::<(Side, Vec<u8>)>::new());
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        if carrier.is_none() {
            let (c, p) = parse_carrier(line);
            (carrier, port) = (Some(c), p);
        } else if let Some(hex) = line.strip_prefix('>') {
            segments.push((Side::Client, parse_hex(hex)));
        } else if let Some(hex) = line.strip_prefix('<') {
            segments.push((Side::Server, parse_hex(hex)));
        } else {
            segments.last_mut().expect("a segment to continue").1.extend(parse_hex(line));
        }
    }
    let carrier = carrier.unwrap_or_else(|| panic!("{}: no carrier line", path.display()));
    Fixture { path, protocol, carrier, port, segments }
}

fn parse_carrier(line: &str) -> (Carrier, u16) {
    let words: Vec<_> = line.split_whitespace().collect();
    let hex = |i: usize| u32::from_str_radix(words[i], 16).expect("a hexadecimal number");
    match words[0] {
        "tcp" => (Carrier::Tcp, words[1].parse().expect("a port")),
        "udp" => (Carrier::Udp, words[1].parse().expect("a port")),
        "ethertype" => (Carrier::Ethertype(hex(1) as u16), 0),
        "snap" => {
            let [_, a, b, c] = hex(1).to_be_bytes();
            (Carrier::Snap([a, b, c], hex(2) as u16), 0)
        }
        "llc" => (Carrier::Llc(hex(1) as u8), 0),
        "ip" => (Carrier::Ip(words[1].parse().expect("a protocol number")), 0),
        other => panic!("unknown carrier {other}"),
    }
}

fn parse_hex(text: &str) -> Vec<u8> {
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    assert!(digits.len().is_multiple_of(2), "odd number of digits in {text}");
    (0..digits.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&digits[i..i + 2], 16).expect("two digits"))
        .collect()
}

/// Feeds a conversation as the sensor would and returns everything understood, as text.
pub fn drive(fixture: &Fixture, segments: &[(Side, Vec<u8>)]) -> String {
    let mut driver = Driver::new(protocol(&fixture.protocol).open(), fixture);
    for (side, bytes) in segments {
        driver.push(*side, bytes);
    }
    driver.text
}

struct Driver<'f> {
    dissector: Box<dyn Dissector>,
    fixture: &'f Fixture,
    pending: [Vec<u8>; 2],
    gave_up: bool,
    out: Output,
    text: String,
    at: i64,
}

impl<'f> Driver<'f> {
    fn new(dissector: Box<dyn Dissector>, fixture: &'f Fixture) -> Self {
        let out = Output::new(true);
        let pending = [Vec::new(), Vec::new()];
        Driver { dissector, fixture, pending, gave_up: false, out, text: String::new(), at: 0 }
    }

    fn push(&mut self, side: Side, bytes: &[u8]) {
        self.at += 1;
        let stream = self.fixture.carrier == Carrier::Tcp;
        let mut buffer = std::mem::take(&mut self.pending[side as usize]);
        buffer.extend_from_slice(bytes);
        let mut taken = 0;
        while !self.gave_up && (taken < buffer.len() || (!stream && taken == 0)) {
            let rest = &buffer[taken..];
            let step = self.feed(side, rest);
            assert!(step <= rest.len(), "{}: consumed more than there is", self.fixture.protocol);
            taken += step;
            if step == 0 || !stream {
                break;
            }
        }
        if stream {
            self.pending[side as usize] = buffer.split_off(taken);
        }
    }

    /// One call of the dissector; returns the bytes it took.
    fn feed(&mut self, side: Side, bytes: &[u8]) -> usize {
        let client = Endpoint {
            mac: Some(Mac([2, 0, 0, 0, 0, 1])),
            ip: Some([192, 0, 2, 1].into()),
            port: Some(49_152),
            vlan: None,
        };
        let server = Endpoint {
            mac: Some(Mac([2, 0, 0, 0, 0, 2])),
            ip: Some([192, 0, 2, 2].into()),
            port: Some(self.fixture.port),
            vlan: None,
        };
        let (sender, receiver) =
            if side == Side::Client { (client, server) } else { (server, client) };
        let segment = Segment {
            at: Time::from_secs(self.at),
            sender,
            receiver,
            ..Segment::of(bytes, side, self.fixture.carrier)
        };
        self.out.clear();
        let progress = self.dissector.feed(segment, &mut self.out);
        self.write(side, bytes.len());
        match progress {
            Progress::Consumed(n) => n,
            Progress::NeedMore { consumed, needed } => {
                assert!(needed > 0 && consumed <= bytes.len(), "needs bytes it names");
                consumed
            }
            Progress::GiveUp(why) => {
                self.gave_up = true;
                writeln!(self.text, "gives up: {}", why.reason).expect("a String");
                0
            }
        }
    }

    fn write(&mut self, side: Side, length: usize) {
        let arrow = if side == Side::Client { '>' } else { '<' };
        for message in self.out.messages.iter() {
            let keys = message.group.keys.iter().zip(&message.keys);
            let keys: Vec<_> = keys.map(|(name, value)| format!("{name}={value:?}")).collect();
            writeln!(self.text, "{arrow} count {} {}", message.group.name, keys.join(" "))
                .expect("a String");
        }
        for seen in &self.out.observed {
            assert!(seen.span.start <= seen.span.end && seen.span.end <= length, "span in segment");
            writeln!(self.text, "{arrow} {} {:?}", seen.protocol, seen.detail).expect("a String");
        }
    }
}
