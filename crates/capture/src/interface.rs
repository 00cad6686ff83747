//! Listening to an interface.
//!
//! Not here: what packets mean. Invariant: every packet the kernel dropped is counted; VLAN tags
//! that the card took out are back in the packet.

use crate::{
    OpenError,
    limits::{BLOCK_BYTES, BLOCK_TIMEOUT_MS, BLOCKS, PACKET_BYTES_MAX},
    ring::{Ring, Slot},
    socket,
};
use std::{fs, io, os::fd::OwnedFd};
use wire::LinkType;

#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// Shares packets with other sockets of the same number by symmetric flow hash.
    pub fanout: Option<u16>,
}

/// A packet, until the next one.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Nanoseconds since 1970 UTC, of the kernel's clock.
    pub at_nanos: i64,
    /// Octets on the wire.
    pub wire_len: u32,
    pub data: &'a [u8],
}

pub struct Interface {
    // Before the socket: memory is given back before the ring it belongs to goes.
    ring: Ring,
    fd: OwnedFd,
    link: LinkType,
    dropped: u64,
    scratch: Vec<u8>,
}

impl Interface {
    /// Listens to all that passes the interface.
    pub fn open(interface: &str, settings: Settings) -> Result<Interface, OpenError> {
        let fail = |doing: &'static str| {
            move |source: io::Error| OpenError::System {
                interface: interface.to_owned(),
                doing,
                source,
            }
        };
        let fd = socket::open().map_err(|error| match error.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => {
                OpenError::Rights { interface: interface.to_owned() }
            }
            _ => fail("opening a packet socket")(error),
        })?;
        let index = socket::index_of(interface).map_err(|_| OpenError::Unknown {
            interface: interface.to_owned(),
            known: interfaces().join(", "),
        })?;
        let version = libc::tpacket_versions::TPACKET_V3 as libc::c_int;
        socket::set(&fd, libc::PACKET_VERSION, &version).map_err(fail("asking for TPACKET_V3"))?;
        let request = libc::tpacket_req3 {
            tp_block_size: u32_of(BLOCK_BYTES),
            tp_block_nr: u32_of(BLOCKS),
            tp_frame_size: u32_of(PACKET_BYTES_MAX),
            tp_frame_nr: u32_of(BLOCK_BYTES / PACKET_BYTES_MAX * BLOCKS),
            tp_retire_blk_tov: BLOCK_TIMEOUT_MS,
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        socket::set(&fd, libc::PACKET_RX_RING, &request).map_err(fail("making the ring"))?;
        let ring = Ring::map(&fd).map_err(fail("mapping the ring"))?;
        // A mirror port carries frames for others.
        let promiscuous = libc::packet_mreq {
            mr_ifindex: index,
            mr_type: libc::PACKET_MR_PROMISC as u16,
            mr_alen: 0,
            mr_address: [0; 8],
        };
        socket::set(&fd, libc::PACKET_ADD_MEMBERSHIP, &promiscuous)
            .map_err(fail("switching to promiscuous"))?;
        socket::bind(&fd, index).map_err(|error| match error.raw_os_error() {
            Some(libc::ENETDOWN) => OpenError::Down { interface: interface.to_owned() },
            _ => fail("binding")(error),
        })?;
        if let Some(group) = settings.fanout {
            let kind = libc::PACKET_FANOUT_HASH | libc::PACKET_FANOUT_FLAG_ROLLOVER;
            let value = u32::from(group) | (kind << 16);
            socket::set(&fd, libc::PACKET_FANOUT, &value).map_err(fail("joining the fanout"))?;
        }
        let hardware = socket::hardware(&fd).map_err(fail("asking for its kind"))?;
        let link = link_type(hardware)
            .ok_or_else(|| OpenError::Kind { interface: interface.to_owned(), hardware })?;
        Ok(Interface { ring, fd, link, dropped: 0, scratch: Vec::new() })
    }

    pub fn link(&self) -> LinkType {
        self.link
    }

    /// Gives what has come to `take`; waits for `timeout_ms` at most when nothing has. An error
    /// means the interface is gone.
    pub fn read(&mut self, timeout_ms: i32, take: &mut impl FnMut(Seen<'_>)) -> io::Result<()> {
        let scratch = &mut self.scratch;
        let mut give = |slot: Slot<'_>| {
            let (at_nanos, wire_len) = (slot.at_nanos, slot.wire_len);
            match slot.vlan {
                None => take(Seen { at_nanos, wire_len, data: slot.data }),
                Some(tag) => {
                    insert_tag(scratch, slot.data, tag);
                    take(Seen { at_nanos, wire_len: wire_len.saturating_add(4), data: scratch });
                }
            }
        };
        if !self.ring.read(&mut give) && socket::wait(&self.fd, timeout_ms)? {
            while self.ring.read(&mut give) {}
        }
        Ok(())
    }

    /// Packets the kernel dropped since this was opened.
    pub fn dropped(&mut self) -> io::Result<u64> {
        self.dropped = self.dropped.saturating_add(socket::take_drops(&self.fd)?);
        Ok(self.dropped)
    }
}

fn u32_of(size: usize) -> u32 {
    u32::try_from(size).expect("limits of the ring are small")
}

/// The packet with its tag behind the two addresses (IEEE 802.1Q-2018, 9.3).
fn insert_tag(into: &mut Vec<u8>, data: &[u8], (control, protocol): (u16, u16)) {
    const ADDRESSES: usize = 12;
    into.clear();
    let (head, rest) = data.split_at_checked(ADDRESSES).unwrap_or((data, &[]));
    into.extend_from_slice(head);
    if head.len() == ADDRESSES {
        into.extend_from_slice(&protocol.to_be_bytes());
        into.extend_from_slice(&control.to_be_bytes());
    }
    into.extend_from_slice(rest);
}

/// Names of the machine's interfaces, sorted.
fn interfaces() -> Vec<String> {
    let entries = fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// What packets of this hardware type begin with (include/uapi/linux/if_arp.h), where it is known.
fn link_type(hardware: u16) -> Option<LinkType> {
    match hardware {
        libc::ARPHRD_ETHER | libc::ARPHRD_LOOPBACK => Some(LinkType::Ethernet),
        libc::ARPHRD_NONE
        | ARPHRD_RAWIP
        | libc::ARPHRD_TUNNEL
        | libc::ARPHRD_TUNNEL6
        | libc::ARPHRD_SIT
        | libc::ARPHRD_PPP => Some(LinkType::RawIp),
        _ => None,
    }
}

/// Of modems; `libc` does not have it.
const ARPHRD_RAWIP: u16 = 519;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tag_goes_behind_the_addresses() {
        let frame = *b"ddddddssssss\x08\x00rest";
        let mut tagged = Vec::new();
        insert_tag(&mut tagged, &frame, (0x2014, 0x8100));
        assert_eq!(tagged, b"ddddddssssss\x81\x00\x20\x14\x08\x00rest");
        insert_tag(&mut tagged, b"short", (1, 0x8100));
        assert_eq!(tagged, b"short");
    }

    #[test]
    fn an_interface_of_another_kind_is_not_taken_for_ethernet() {
        assert_eq!(link_type(1), Some(LinkType::Ethernet));
        assert_eq!(link_type(65_534), Some(LinkType::RawIp));
        // CAN, and Wi-Fi in monitor mode.
        assert_eq!((link_type(280), link_type(803)), (None, None));
    }

    #[test]
    fn interface_that_is_none_names_those_there_are() {
        match Interface::open("none-such0", Settings::default()) {
            Err(OpenError::Unknown { known, .. }) => assert!(known.contains("lo"), "{known}"),
            // Without the right to capture that is what it says first.
            Err(OpenError::Rights { .. }) => {}
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("there is no such interface"),
        }
    }

    #[test]
    fn loopback_is_heard_where_it_may_be() {
        let mut heard = match Interface::open("lo", Settings::default()) {
            Ok(interface) => interface,
            Err(OpenError::Rights { .. }) => return,
            Err(other) => panic!("{other}"),
        };
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
        let address = socket.local_addr().expect("an address");
        let marker = b"spandrel hears itself";
        let mut found = false;
        for _ in 0..40 {
            socket.send_to(marker, address).expect("sent");
            let mut look = |seen: Seen<'_>| {
                found |= seen.data.windows(marker.len()).any(|part| part == marker);
                assert!(seen.at_nanos > 1_600_000_000_000_000_000 && seen.wire_len >= 42);
            };
            heard.read(100, &mut look).expect("loopback does not go away");
            if found {
                break;
            }
        }
        assert!(found, "the packet is seen within 4 s");
        assert_eq!(heard.dropped().expect("counts"), 0);
    }
}
