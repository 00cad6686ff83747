//! The one message of VRRP: the master's advertisement.
//!
//! Invariant: as many addresses as it counts, or it is none.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use wire::{Reader, Short};

/// RFC 9568, 5.2.2: the only type there is.
pub const ADVERTISEMENT: u8 = 1;
/// RFC 2338, 5.3.6: a password in the message. RFC 3768 took it back; routers still offer it.
pub const AUTHENTICATION_TEXT: u8 = 1;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Advertisement<'a> {
    pub version: u8,
    pub kind: u8,
    /// Number of the virtual router.
    pub router: u8,
    /// 255 is for the owner of the addresses, 0 for a master that gives up (RFC 9568, 5.2.4).
    pub priority: u8,
    /// Version 2 only.
    pub authentication: u8,
    pub every_ms: u32,
    pub checksum: u16,
    /// The virtual addresses one behind the other, each of `width` octets.
    pub addresses: &'a [u8],
    pub width: u8,
    /// What stands behind the addresses: in version 2 the password, else nothing.
    pub rest: &'a [u8],
}

impl<'a> Advertisement<'a> {
    /// RFC 3768, 5.1; RFC 9568, 5.1. `v6`: it came by IPv6.
    pub fn parse(bytes: &'a [u8], v6: bool) -> Result<Advertisement<'a>, Short> {
        let mut r = Reader::new(bytes);
        let (first, router, priority, count) = (r.u8()?, r.u8()?, r.u8()?, r.u8()?);
        let (version, kind) = (first >> 4, first & 0x0f);
        let [high, low] = r.array()?;
        let (authentication, every_ms) = if version == 2 {
            (high, u32::from(low).saturating_mul(1_000))
        } else {
            // Twelve bits, in hundredths of a second.
            (0, u32::from(u16::from_be_bytes([high & 0x0f, low])).saturating_mul(10))
        };
        let checksum = r.be16()?;
        let width: u8 = if v6 { 16 } else { 4 };
        let addresses = r.bytes(usize::from(count).saturating_mul(usize::from(width)))?;
        Ok(Advertisement {
            version,
            kind,
            router,
            priority,
            authentication,
            every_ms,
            checksum,
            addresses,
            width,
            rest: r.rest(),
        })
    }

    pub fn emit(&self) -> Vec<u8> {
        let count = self.addresses.chunks(usize::from(self.width.max(1))).count();
        let head = [self.version << 4 | self.kind, self.router, self.priority, count as u8];
        let interval = if self.version == 2 {
            [self.authentication, (self.every_ms / 1_000) as u8]
        } else {
            (((self.every_ms / 10) & 0x0fff) as u16).to_be_bytes()
        };
        let checksum = self.checksum.to_be_bytes();
        [&head[..], &interval, &checksum, self.addresses, self.rest].concat()
    }

    /// The virtual addresses, in order.
    pub fn virtual_addresses(&self) -> impl Iterator<Item = IpAddr> + use<'a> {
        self.addresses.chunks(usize::from(self.width.max(1))).filter_map(|octets| {
            let v4 = || <[u8; 4]>::try_from(octets).ok().map(|o| IpAddr::V4(Ipv4Addr::from(o)));
            let v6 = || <[u8; 16]>::try_from(octets).ok().map(|o| IpAddr::V6(Ipv6Addr::from(o)));
            v4().or_else(v6)
        })
    }
}

/// RFC 3768, 5.3.8: over the message alone; RFC 9568, 5.2.8: with the addresses of its packet,
/// which some leave out with IPv4.
pub fn checksum_holds(version: u8, bytes: &[u8], ends: Option<(IpAddr, IpAddr)>) -> bool {
    const PROTOCOL: u32 = 112;
    let message = sum(bytes);
    let alone = fold(message) == 0xffff;
    match ends {
        Some(_) if version == 2 => alone,
        Some((IpAddr::V4(from), IpAddr::V4(to))) => {
            let pseudo = sum(&from.octets()).saturating_add(sum(&to.octets()));
            let length = (bytes.len() as u32).saturating_add(PROTOCOL);
            alone || fold(message.saturating_add(pseudo).saturating_add(length)) == 0xffff
        }
        Some((IpAddr::V6(from), IpAddr::V6(to))) => {
            let pseudo = sum(&from.octets()).saturating_add(sum(&to.octets()));
            let length = (bytes.len() as u32).saturating_add(PROTOCOL);
            fold(message.saturating_add(pseudo).saturating_add(length)) == 0xffff
        }
        _ => true,
    }
}

fn sum(bytes: &[u8]) -> u32 {
    bytes.chunks(2).fold(0, |sum: u32, pair| {
        let [high, low] = [pair.first(), pair.get(1)].map(|octet| octet.copied().unwrap_or(0));
        sum.saturating_add(u32::from(u16::from_be_bytes([high, low])))
    })
}

fn fold(sum: u32) -> u32 {
    let once = (sum & 0xffff).saturating_add(sum >> 16);
    (once & 0xffff).saturating_add(once >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(
            (v6, old) in (any::<bool>(), any::<bool>()).prop_map(|(v6, old)| (v6, old && !v6)),
            (router, priority, checksum) in any::<(u8, u8, u16)>(),
            interval in 0u32..256,
            addresses in prop::collection::vec(any::<[u8; 16]>(), 0..8),
        ) {
            let width: u8 = if v6 { 16 } else { 4 };
            let addresses: Vec<u8> = addresses
                .iter()
                .flat_map(|address| address[..usize::from(width)].to_vec())
                .collect();
            let advertisement = Advertisement {
                version: if old { 2 } else { 3 },
                kind: ADVERTISEMENT,
                router,
                priority,
                authentication: u8::from(old),
                every_ms: if old { interval * 1_000 } else { interval * 10 },
                checksum,
                addresses: &addresses,
                width,
                rest: if old { b"password" } else { &[] },
            };
            let bytes = advertisement.emit();
            prop_assert_eq!(Advertisement::parse(&bytes, v6), Ok(advertisement));
            let count = addresses.len() / usize::from(width);
            prop_assert_eq!(advertisement.virtual_addresses().count(), count);
        }
    }

    #[test]
    fn over_ipv6_the_checksum_is_over_the_addresses_as_well() {
        let mut bytes = vec![0x31, 1, 100, 1, 0, 100, 0x6d, 0xf7, 0xfe, 0x80];
        bytes.extend([0; 13]);
        bytes.push(1);
        let ends =
            |from: &str| Some((from.parse().expect("IPv6"), "ff02::12".parse().expect("IPv6")));
        assert!(checksum_holds(3, &bytes, ends("fe80::2")));
        assert!(!checksum_holds(3, &bytes, ends("fe80::3")));
        let said = Advertisement::parse(&bytes, true).expect("an advertisement");
        assert_eq!(said.virtual_addresses().next(), "fe80::1".parse().ok());
        assert_eq!((said.every_ms, said.router, said.priority), (1_000, 1, 100));
    }
}
