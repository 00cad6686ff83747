//! The protocols' fixtures, and conversations of two hosts made of them.
//!
//! Not here: what the octets mean. Invariant: the same fixtures give the same frames in the same
//! order.

use anyhow::{Context, Result};
use protocols::Carrier;
use std::{fs, path::Path};

/// TCP flags (RFC 9293, 3.1).
pub const FIN: u8 = 0x01;
pub const SYN: u8 = 0x02;
pub const RST: u8 = 0x04;
pub const PSH: u8 = 0x08;
pub const ACK: u8 = 0x10;

pub struct Fixture {
    pub protocol: String,
    pub carrier: Carrier,
    pub port: u16,
    /// From the server, octets.
    pub segments: Vec<(bool, Vec<u8>)>,
}

/// `src/<protocol>/fixtures/*.hex`; the form is described in the tests of `protocols`.
pub fn all(root: &Path) -> Result<Vec<Fixture>> {
    let source = root.join("crates/protocols/src");
    let (mut found, mut paths) = (Vec::new(), Vec::new());
    for folder in fs::read_dir(source).context("cannot list the protocols")?.flatten() {
        let Ok(files) = fs::read_dir(folder.path().join("fixtures")) else { continue };
        paths.extend(
            files.flatten().map(|f| f.path()).filter(|p| p.extension().is_some_and(|e| e == "hex")),
        );
    }
    paths.sort();
    for path in paths {
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path:?}"))?;
        let folder = path.parent().and_then(Path::parent).and_then(Path::file_name);
        let protocol = folder.context("src/<protocol>/fixtures")?.to_string_lossy().into_owned();
        found.push(fixture(protocol, &text).with_context(|| format!("{path:?} is no fixture"))?);
    }
    Ok(found)
}

fn fixture(protocol: String, text: &str) -> Option<Fixture> {
    let mut lines = text
        .lines()
        .map(|l| l.split('#').next().unwrap_or_default().trim())
        .filter(|l| !l.is_empty());
    let words: Vec<&str> = lines.next()?.split_whitespace().collect();
    let hex = |at: usize| u32::from_str_radix(words.get(at)?, 16).ok();
    let (carrier, port) = match *words.first()? {
        "tcp" => (Carrier::Tcp, words.get(1)?.parse().ok()?),
        "udp" => (Carrier::Udp, words.get(1)?.parse().ok()?),
        "ethertype" => (Carrier::Ethertype(hex(1)? as u16), 0),
        "llc" => (Carrier::Llc(hex(1)? as u8), 0),
        "ip" => (Carrier::Ip(words.get(1)?.parse().ok()?), 0),
        "snap" => {
            let [_, a, b, c] = hex(1)?.to_be_bytes();
            (Carrier::Snap([a, b, c], hex(2)? as u16), 0)
        }
        _ => return None,
    };
    let mut segments: Vec<(bool, Vec<u8>)> = Vec::new();
    for line in lines {
        let (rest, server) = match (line.strip_prefix('>'), line.strip_prefix('<')) {
            (Some(rest), _) => (rest, Some(false)),
            (_, Some(rest)) => (rest, Some(true)),
            _ => (line, None),
        };
        if let Some(server) = server {
            segments.push((server, Vec::new()));
        }
        let digits: Vec<u8> = rest.bytes().filter(u8::is_ascii_hexdigit).collect();
        let octets = digits
            .chunks_exact(2)
            .filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        segments.last_mut()?.1.extend(octets);
    }
    Some(Fixture { protocol, carrier, port, segments })
}

/// Two hosts that talk, and where each stands in its stream.
pub struct Talk {
    client: u16,
    server: u16,
    /// Of the client and of the server.
    ports: [u16; 2],
    next: [u32; 2],
}

impl Talk {
    /// Hosts are numbers of their MAC and IPv4 addresses.
    pub fn between((client, client_port): (u16, u16), (server, port): (u16, u16)) -> Talk {
        Talk { client, server, ports: [client_port, port], next: [1_000, 9_000] }
    }

    /// A frame with these octets. No checksums: the sensor does not look at them, since network
    /// cards often fill them in behind the place of capture.
    pub fn frame(&mut self, carrier: Carrier, from_server: bool, octets: &[u8]) -> Vec<u8> {
        let mut frame = self.ethernet(from_server);
        match carrier {
            Carrier::Ethertype(kind) => frame.extend(kind.to_be_bytes()),
            Carrier::Snap(oui, pid) => {
                frame.extend((octets.len() as u16 + 8).to_be_bytes());
                frame.extend([0xaa, 0xaa, 3]);
                frame.extend(oui);
                frame.extend(pid.to_be_bytes());
            }
            Carrier::Llc(sap) => {
                frame.extend((octets.len() as u16 + 3).to_be_bytes());
                frame.extend([sap, sap, 3]);
            }
            Carrier::Tcp => return self.segment(from_server, PSH | ACK, octets),
            Carrier::Udp => {
                let mut header = self.ports_from(from_server);
                header.extend((octets.len() as u16 + 8).to_be_bytes());
                header.extend([0, 0]);
                self.ipv4(from_server, 17, header.len() + octets.len(), &mut frame);
                frame.extend(header);
            }
            Carrier::Ip(protocol) => self.ipv4(from_server, protocol, octets.len(), &mut frame),
        }
        frame.extend(octets);
        frame
    }

    /// A TCP segment; octets, SYN and FIN move the sender's stream on.
    pub fn segment(&mut self, from_server: bool, flags: u8, octets: &[u8]) -> Vec<u8> {
        let mut frame = self.ethernet(from_server);
        self.ipv4(from_server, 6, 20 + octets.len(), &mut frame);
        frame.extend(self.ports_from(from_server));
        let (own, other) = (usize::from(from_server), usize::from(!from_server));
        frame.extend(self.next[own].to_be_bytes());
        frame.extend(self.next[other].to_be_bytes());
        frame.extend([0x50, flags, 0x20, 0, 0, 0, 0, 0]);
        frame.extend(octets);
        let counted = octets.len() as u32 + u32::from(flags & (SYN | FIN) != 0);
        self.next[own] = self.next[own].wrapping_add(counted);
        frame
    }

    fn ends(&self, from_server: bool) -> [u16; 2] {
        if from_server { [self.server, self.client] } else { [self.client, self.server] }
    }

    fn ports_from(&self, from_server: bool) -> Vec<u8> {
        let [client, server] = self.ports.map(u16::to_be_bytes);
        if from_server { [server, client].concat() } else { [client, server].concat() }
    }

    fn ethernet(&self, from_server: bool) -> Vec<u8> {
        let [from, to] = self.ends(from_server).map(mac);
        [to, from].concat()
    }

    fn ipv4(&self, from_server: bool, protocol: u8, octets: usize, frame: &mut Vec<u8>) {
        frame.extend([8, 0, 0x45, 0]);
        frame.extend((20 + octets as u16).to_be_bytes());
        frame.extend([0, 0, 0, 0, 64, protocol, 0, 0]);
        for host in self.ends(from_server) {
            let [high, low] = host.to_be_bytes();
            frame.extend([10, 2, high, low]);
        }
    }
}

/// Locally administered (IEEE 802, 8.4).
pub fn mac(host: u16) -> [u8; 6] {
    let [high, low] = host.to_be_bytes();
    [2, 0, 0, 0, high, low]
}
