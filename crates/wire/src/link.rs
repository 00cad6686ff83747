//! Link layers and everything between them and the transport: tags, labels, tunnels, IP.
//!
//! `decode` never fails: what cannot be read is a [`Layer::Unknown`] with a name and a reason in
//! [`Frame::malformed`]. Invariant: at most [`NESTING_MAX`] headers are opened, so a frame that
//! nests itself ends.

use crate::{
    frame::{Arp, Frame, Ip, Layer, Vlans},
    ip,
    limits::NESTING_MAX,
    reader::{Reader, Short},
    tunnel, wireless, wrapped,
};
use std::net::{IpAddr, Ipv4Addr};

/// Link types by the numbers of the tcpdump registry.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LinkType {
    Null,
    Ethernet,
    Ppp,
    RawIp,
    Loopback,
    LinuxCooked,
    LinuxCooked2,
    Other(u16),
}

impl LinkType {
    pub const fn from_number(number: u16) -> Self {
        match number {
            0 => Self::Null,
            1 => Self::Ethernet,
            9 | 50 => Self::Ppp,
            12 | 14 | 101 | 228 | 229 => Self::RawIp,
            108 => Self::Loopback,
            113 => Self::LinuxCooked,
            276 => Self::LinuxCooked2,
            other => Self::Other(other),
        }
    }

    pub const fn number(self) -> u16 {
        match self {
            Self::Null => 0,
            Self::Ethernet => 1,
            Self::Ppp => 9,
            Self::RawIp => 101,
            Self::Loopback => 108,
            Self::LinuxCooked => 113,
            Self::LinuxCooked2 => 276,
            Self::Other(other) => other,
        }
    }

    /// Names of link types that are known but not decoded.
    const fn unknown(self) -> &'static str {
        match self {
            Self::Other(215) => "link-type-ieee-802-15-4",
            Self::Other(190) => "link-type-can",
            Self::Other(189 | 186 | 220 | 249) => "link-type-usb",
            _ => "link-type-not-decoded",
        }
    }
}

pub(crate) const ETHERTYPE_IPV4: u16 = 0x0800;
pub(crate) const ETHERTYPE_IPV6: u16 = 0x86dd;
pub(crate) const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERTYPE_RARP: u16 = 0x8035;
pub(crate) const ETHERTYPE_BRIDGE: u16 = 0x6558;
/// `ETH_P_CAN`: a CAN frame in the form of SocketCAN.
pub const ETHERTYPE_CAN: u16 = 0x000c;
/// `ETH_P_IEEE802154`: an IEEE 802.15.4 frame without its checksum.
pub const ETHERTYPE_IEEE802154: u16 = 0x00f6;

/// Link type of serial lines of routers.
const CISCO_HDLC: u16 = 104;

/// Decodes the captured octets of a frame.
pub fn decode(link: LinkType, data: &[u8]) -> Frame<'_> {
    let mut decoder = Decoder::new();
    let mut at = Reader::new(data);
    let layer = match link {
        LinkType::Ethernet => decoder.ethernet(&mut at),
        LinkType::RawIp => decoder.raw_ip(&mut at),
        LinkType::Null | LinkType::Loopback => decoder.loopback(&mut at, link),
        LinkType::LinuxCooked => decoder.cooked(&mut at),
        LinkType::LinuxCooked2 => decoder.cooked2(&mut at),
        LinkType::Ppp => decoder.ppp(&mut at),
        LinkType::Other(CISCO_HDLC) => decoder.cisco_hdlc(&mut at),
        LinkType::Other(number) if wrapped::is_known(number) => {
            wrapped::open(&mut decoder, number, &mut at)
        }
        LinkType::Other(number) if wireless::is_known(number) => {
            wireless::open(&mut decoder, number, &mut at)
        }
        LinkType::Other(number) => {
            Ok(foreign(number, data).unwrap_or(Layer::Unknown(link.unknown())))
        }
    };
    decoder.finish(layer)
}

/// Frames of buses and radios, given as if Ethernet carried them under Linux' number for them.
/// MS/TP comes as Cimetrics' adapters put it on Ethernet.
fn foreign(number: u16, data: &[u8]) -> Option<Layer<'_>> {
    /// Checksum at the end of an IEEE 802.15.4 frame where the link type says there is one.
    const FCS_OCTETS: usize = 2;
    let as_ethertype = |ethertype, payload| Layer::Ethernet { ethertype, payload };
    Some(match number {
        227 => as_ethertype(ETHERTYPE_CAN, data),
        230 => as_ethertype(ETHERTYPE_IEEE802154, data),
        195 => {
            let end = data.len().checked_sub(FCS_OCTETS)?;
            as_ethertype(ETHERTYPE_IEEE802154, data.get(..end)?)
        }
        165 => Layer::Llc {
            dsap: 0xaa,
            ssap: 0xaa,
            control: 3,
            oui: Some([0x00, 0x10, 0x90]),
            pid: Some(1),
            payload: data,
        },
        _ => return None,
    })
}

/// State of decoding one frame from the outside in.
pub(crate) struct Decoder {
    source_mac: Option<[u8; 6]>,
    destination_mac: Option<[u8; 6]>,
    outer_source_mac: Option<[u8; 6]>,
    vlans: Vlans,
    pub(crate) outer: Option<(IpAddr, IpAddr)>,
    malformed: Option<&'static str>,
    in_pieces: bool,
    nesting: usize,
}

pub(crate) type Decoded<'a> = Result<Layer<'a>, Short>;

impl Decoder {
    fn new() -> Self {
        Decoder {
            source_mac: None,
            destination_mac: None,
            outer_source_mac: None,
            vlans: Vlans::default(),
            outer: None,
            malformed: None,
            in_pieces: false,
            nesting: 0,
        }
    }

    fn finish(self, layer: Decoded<'_>) -> Frame<'_> {
        let mut malformed = self.malformed;
        let layer = layer.unwrap_or_else(|_| {
            malformed = malformed.or(Some("headers-cut-short"));
            Layer::Unknown("headers-cut-short")
        });
        Frame {
            source_mac: self.source_mac,
            destination_mac: self.destination_mac,
            outer_source_mac: self.outer_source_mac,
            vlans: self.vlans,
            layer,
            outer: self.outer,
            in_pieces: self.in_pieces,
            malformed,
        }
    }

    pub(crate) fn fail<'a>(&mut self, reason: &'static str) -> Layer<'a> {
        self.malformed = self.malformed.or(Some(reason));
        Layer::Unknown(reason)
    }

    /// Says no when too many headers stand inside each other.
    pub(crate) fn deeper(&mut self) -> bool {
        self.nesting = self.nesting.saturating_add(1);
        self.nesting <= NESTING_MAX
    }

    pub(crate) fn ethernet<'a>(&mut self, at: &mut Reader<'a>) -> Decoded<'a> {
        let destination = at.array::<6>()?;
        let source = at.array::<6>()?;
        self.addresses(source, destination);
        let kind = at.be16()?;
        self.ethertype(kind, at)
    }

    /// Inside a tunnel the inner addresses are those of the hosts.
    #[inline]
    pub(crate) fn addresses(&mut self, source: [u8; 6], destination: [u8; 6]) {
        self.outer_source_mac = self.outer_source_mac.or(self.source_mac);
        (self.source_mac, self.destination_mac) = (Some(source), Some(destination));
    }

    /// IEEE 802.3, 3.2.6: up to 1500 it is a length, from 1536 an EtherType.
    pub(crate) fn ethertype<'a>(&mut self, kind: u16, at: &mut Reader<'a>) -> Decoded<'a> {
        if !self.deeper() {
            return Ok(self.fail("headers-nested-too-deep"));
        }
        match kind {
            ETHERTYPE_IPV4 => ip::v4(self, at),
            ETHERTYPE_IPV6 => ip::v6(self, at),
            ETHERTYPE_ARP | ETHERTYPE_RARP => self.arp(at),
            0x8100 | 0x88a8 | 0x9100 | 0x9200 => {
                self.vlans.push(at.be16()? & 0x0fff);
                let inner = at.be16()?;
                self.ethertype(inner, at)
            }
            // VN-Tag; HSR's path, size and sequence number (IEC 62439-3, 5.6); the sequence number
            // of redundant streams (IEEE 802.1CB, 7.8): four octets, then an EtherType.
            0x8926 | 0x892f | 0xf1c1 => self.tag(4, at),
            // Cisco's security group (CMD); E-tag (IEEE 802.1BR, 7.5).
            0x8909 | 0x893f => self.tag(6, at),
            // A provider's instance tag (IEEE 802.1Q, 9.7), then the customer's frame.
            0x88e7 => {
                at.skip(4)?;
                self.ethernet(at)
            }
            0x8847 | 0x8848 => self.mpls(at),
            0x88e5 => self.macsec(at),
            0x8864 => self.pppoe(at),
            ETHERTYPE_BRIDGE => self.ethernet(at),
            0..=1500 => {
                let length = usize::from(kind).min(at.remaining());
                self.llc(&mut at.sub(length)?)
            }
            ethertype => Ok(Layer::Ethernet { ethertype, payload: at.rest() }),
        }
    }

    /// A tag of so many octets and the EtherType behind it.
    fn tag<'a>(&mut self, octets: usize, at: &mut Reader<'a>) -> Decoded<'a> {
        at.skip(octets)?;
        let inner = at.be16()?;
        self.ethertype(inner, at)
    }

    pub(crate) fn llc<'a>(&mut self, at: &mut Reader<'a>) -> Decoded<'a> {
        // Novell's raw 802.3 puts IPX right behind the length.
        if at.rest().starts_with(&[0xff, 0xff]) {
            return Ok(Layer::Ethernet { ethertype: 0x8137, payload: at.rest() });
        }
        let (dsap, ssap, control) = (at.u8()?, at.u8()?, at.u8()?);
        if (dsap, ssap) == (0xaa, 0xaa) {
            let oui = at.array::<3>()?;
            let pid = at.be16()?;
            if oui == [0, 0, 0] && pid > 1_500 {
                return self.ethertype(pid, at);
            }
            let payload = at.rest();
            return Ok(Layer::Llc { dsap, ssap, control, oui: Some(oui), pid: Some(pid), payload });
        }
        if (dsap, ssap) == (0x06, 0x06) {
            return ip::v4(self, at);
        }
        // IEEE 802.2, 5.2: what is numbered has a second octet of control.
        if control & 3 != 3 && !at.is_empty() {
            at.skip(1)?;
        }
        Ok(Layer::Llc { dsap, ssap, control, oui: None, pid: None, payload: at.rest() })
    }

    /// IEEE 802.1AE-2018, 9: what is protected and not encrypted stands in clear between the tag
    /// and the check value; the rest keeps its EtherType.
    fn macsec<'a>(&mut self, at: &mut Reader<'a>) -> Decoded<'a> {
        const CHECK_OCTETS: usize = 16;
        const CHANNEL: u8 = 0x20;
        const ENCRYPTED: u8 = 0x08;
        const CHANGED: u8 = 0x04;
        let payload = at.rest();
        let [flags, _, _, _, _, _] = at.array::<6>()?;
        if flags & (ENCRYPTED | CHANGED) != 0 {
            return Ok(Layer::Ethernet { ethertype: 0x88e5, payload });
        }
        at.skip(if flags & CHANNEL != 0 { 8 } else { 0 })?;
        let inner = at.be16()?;
        let octets = at.remaining().saturating_sub(CHECK_OCTETS);
        self.ethertype(inner, &mut at.sub(octets)?)
    }

    /// Address and control octets, then an EtherType.
    pub(crate) fn cisco_hdlc<'a>(&mut self, at: &mut Reader<'a>) -> Decoded<'a> {
        at.skip(2)?;
        let kind = at.be16()?;
        self.ethertype(kind, at)
    }

    /// RFC 3032: labels until the bottom of the stack; the payload says what it is by its first
    /// half octet (RFC 4928), else it is Ethernet with or without a control word.
    fn mpls<'a>(&mut self, at: &mut Reader<'a>) -> Decoded<'a> {
        for _ in 0..NESTING_MAX {
            if at.be32()? & 0x100 == 0 {
                continue;
            }
            return match at.peek_u8().map(|b| b >> 4) {
                Some(4) => ip::v4(self, at),
                Some(6) => ip::v6(self, at),
                Some(0) => {
                    at.skip(4)?;
                    self.ethernet(at)
                }
                _ => self.ethernet(at),
            };
        }
        Ok(self.fail("mpls-stack-without-bottom"))
    }

    /// RFC 826, and RFC 903 which has the same form. Addresses are told where they are those of
    /// Ethernet (or IEEE 802) and of IPv4; of other links the message is told without them.
    fn arp<'a>(&mut self, at: &mut Reader<'a>) -> Decoded<'a> {
        let (hardware, protocol) = (at.be16()?, at.be16()?);
        let lengths = [usize::from(at.u8()?), usize::from(at.u8()?)];
        let opcode = at.be16()?;
        let ethernet = matches!(hardware, 1 | 6) && lengths[0] == 6;
        let ipv4 = protocol == ETHERTYPE_IPV4 && lengths[1] == 4;
        let mut pair = || {
            let (hardware, protocol) = (at.bytes(lengths[0])?, at.bytes(lengths[1])?);
            let mac = hardware.first_chunk::<6>().filter(|_| ethernet).copied();
            let ip = protocol.first_chunk::<4>().filter(|_| ipv4).copied();
            let ip = IpAddr::V4(Ipv4Addr::from(ip.unwrap_or_default()));
            Ok((mac.unwrap_or_default(), ip))
        };
        let ((sender_mac, sender_ip), (target_mac, target_ip)) = (pair()?, pair()?);
        Ok(Layer::Arp(Arp { opcode, sender_mac, sender_ip, target_mac, target_ip }))
    }

    pub(crate) fn raw_ip<'a>(&mut self, at: &mut Reader<'a>) -> Decoded<'a> {
        if !self.deeper() {
            return Ok(self.fail("headers-nested-too-deep"));
        }
        match at.peek_u8().map(|b| b >> 4) {
            Some(4) => ip::v4(self, at),
            Some(6) => ip::v6(self, at),
            Some(_) => Ok(self.fail("ip-version-unknown")),
            None => Err(Short { needed: 1 }),
        }
    }

    /// A protocol family in the byte order of the capturing machine, or big endian for loopback.
    fn loopback<'a>(&mut self, at: &mut Reader<'a>, link: LinkType) -> Decoded<'a> {
        let octets = at.array::<4>()?;
        let big = u32::from_be_bytes(octets);
        let swapped = link == LinkType::Null && big > 0xffff;
        let family = if swapped { u32::from_le_bytes(octets) } else { big };
        match family {
            2 => ip::v4(self, at),
            24 | 28 | 30 | 10 => ip::v6(self, at),
            _ => Ok(self.fail("loopback-family-unknown")),
        }
    }

    /// LINKTYPE_LINUX_SLL: packet type, ARPHRD, address length, address, protocol.
    fn cooked<'a>(&mut self, at: &mut Reader<'a>) -> Decoded<'a> {
        at.skip(2)?;
        let (hardware, length) = (at.be16()?, at.be16()?);
        let address = at.array::<8>()?;
        self.cooked_source(length, address);
        let protocol = at.be16()?;
        self.cooked_payload(hardware, protocol, at)
    }

    /// LINKTYPE_LINUX_SLL2: protocol first, then interface, ARPHRD, packet type, address.
    fn cooked2<'a>(&mut self, at: &mut Reader<'a>) -> Decoded<'a> {
        let protocol = at.be16()?;
        at.skip(6)?;
        let hardware = at.be16()?;
        at.skip(1)?;
        let length = u16::from(at.u8()?);
        let address = at.array::<8>()?;
        self.cooked_source(length, address);
        self.cooked_payload(hardware, protocol, at)
    }

    fn cooked_source(&mut self, length: u16, [a, b, c, d, e, f, _, _]: [u8; 8]) {
        if length == 6 {
            self.source_mac = Some([a, b, c, d, e, f]);
        }
    }

    fn cooked_payload<'a>(
        &mut self,
        hardware: u16,
        protocol: u16,
        at: &mut Reader<'a>,
    ) -> Decoded<'a> {
        const ARPHRD_NETLINK: u16 = 824;
        match (hardware, protocol) {
            (ARPHRD_NETLINK, _) => Ok(Layer::Unknown("linux-netlink")),
            (_, 0x0001 | 0x0004) => self.llc(at),
            (_, ETHERTYPE_CAN | ETHERTYPE_IEEE802154) => {
                Ok(Layer::Ethernet { ethertype: protocol, payload: at.rest() })
            }
            (_, 0x0003) => self.ethernet(at),
            (_, protocol) => self.ethertype(protocol, at),
        }
    }

    /// PPPoE session (RFC 2516, 4): version, code, session, length.
    pub(crate) fn pppoe<'a>(&mut self, at: &mut Reader<'a>) -> Decoded<'a> {
        at.skip(4)?;
        let length = usize::from(at.be16()?).min(at.remaining());
        self.ppp(&mut at.sub(length)?)
    }

    /// RFC 1661 and 1662: optional address and control octets, then a protocol of one or two.
    pub(crate) fn ppp<'a>(&mut self, at: &mut Reader<'a>) -> Decoded<'a> {
        if !self.deeper() {
            return Ok(self.fail("headers-nested-too-deep"));
        }
        if at.rest().starts_with(&[0xff, 0x03]) {
            at.skip(2)?;
        }
        let compressed = at.peek_u8().is_some_and(|b| b & 1 == 1);
        let protocol = if compressed { u16::from(at.u8()?) } else { at.be16()? };
        match protocol {
            0x0021 => ip::v4(self, at),
            0x0057 => ip::v6(self, at),
            0x0281 | 0x0283 => self.mpls(at),
            0x00fd => Ok(Layer::Unknown("ppp-compressed")),
            0x8000..=0xffff => Ok(Layer::Unknown("ppp-control")),
            _ => Ok(Layer::Unknown("ppp-other")),
        }
    }

    /// Opens what an IP packet carries when that is a tunnel, else gives the packet itself.
    pub(crate) fn carried<'a>(&mut self, mut ip: Ip<'a>) -> Decoded<'a> {
        if let Some(fragment) = ip.fragment.filter(|_| tunnel::is_tunnel(ip.protocol)) {
            // Around a full frame a tunnel's packet often has two pieces. They are not put
            // together: the first has the headers, which say whose conversation this is, and
            // nearly all of the frame; of the rest is known how long it is.
            (ip.fragment, ip.missing) = (None, ip.missing.max(1));
            if fragment.offset > 0 {
                return Ok(Layer::Ip(ip));
            }
            self.in_pieces = true;
        }
        if ip.fragment.is_some() || !tunnel::is_likely(&ip) {
            return Ok(Layer::Ip(ip));
        }
        let before = (self.source_mac, self.destination_mac, self.vlans, self.outer);
        let outer_source_mac = self.outer_source_mac;
        self.outer = self.outer.or(Some((ip.source, ip.destination)));
        match tunnel::open(self, &ip) {
            Some(Ok(inner)) if !matches!(inner, Layer::Unknown(_)) => Ok(inner),
            _ => {
                (self.source_mac, self.destination_mac, self.vlans, self.outer) = before;
                self.outer_source_mac = outer_source_mac;
                Ok(Layer::Ip(ip))
            }
        }
    }
}

impl<'a> Ip<'a> {
    pub(crate) fn with_payload(mut self, payload: &'a [u8], missing: usize) -> Self {
        (self.payload, self.missing) = (payload, missing);
        self
    }
}
