//! Frames as mirrors and captures deliver them, and damage done to them.

use crate::{Layer, LinkType, Transport, decode, transport};

/// Ethernet, 802.1Q 20, IPv4 10.0.0.1 > 10.0.0.2, TCP 49152 > 502 with "hi" and six octets of
/// padding.
const TAGGED: &[u8] = &[
    0, 0x1b, 0x1b, 1, 2, 3, 0, 0x80, 0xf4, 4, 5, 6, 0x81, 0, 0, 20, 8, 0, 0x45, 0, 0, 42, 0, 1,
    0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0xc0, 0, 1, 0xf6, 0, 0, 0, 1, 0, 0, 0, 2, 0x50,
    0x18, 0xff, 0xff, 0, 0, 0, 0, b'h', b'i', 0, 0, 0, 0, 0, 0,
];

/// ERSPAN II around the frame above without its tag would be long; GRE around IPv4 shows the same.
fn gre_around(inner: &[u8]) -> Vec<u8> {
    let total = (20 + 4 + inner.len()) as u16;
    let mut bytes = vec![0x45, 0];
    bytes.extend(total.to_be_bytes());
    bytes.extend([0, 9, 0, 0, 64, 47, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
    bytes.extend([0, 0, 8, 0]);
    bytes.extend(inner);
    bytes
}

#[test]
fn padding_is_no_payload_and_the_vlan_is_kept() {
    let frame = decode(LinkType::Ethernet, TAGGED);
    assert_eq!(frame.vlans.as_slice(), [20]);
    let Layer::Ip(ip) = frame.layer else { panic!("IP") };
    let Transport::Tcp(tcp) = transport(ip.protocol, ip.payload) else { panic!("TCP") };
    assert_eq!((tcp.source, tcp.destination, tcp.payload), (49_152, 502, &b"hi"[..]));
    assert_eq!(ip.missing, 0);
}

#[test]
fn a_snapped_packet_says_what_is_missing() {
    let frame = decode(LinkType::Ethernet, &TAGGED[..59]);
    let Layer::Ip(ip) = frame.layer else { panic!("IP") };
    assert_eq!(ip.missing, 1);
}

#[test]
fn a_tunnel_keeps_its_outer_addresses() {
    let bytes = gre_around(&TAGGED[18..60]);
    let frame = decode(LinkType::RawIp, &bytes);
    let outer = frame.outer.expect("a tunnel");
    assert_eq!(outer.0.to_string(), "192.0.2.1");
    let Layer::Ip(ip) = frame.layer else { panic!("IP") };
    assert_eq!(ip.source.to_string(), "10.0.0.1");
}

/// UDP from port 50000 to `port`, around a tunnel's header and what is inside.
fn udp_around(port: u16, header: &[u8], inner: &[u8]) -> Vec<u8> {
    let octets = (8 + header.len() + inner.len()) as u16;
    let mut bytes = vec![0x45, 0];
    bytes.extend((20 + octets).to_be_bytes());
    bytes.extend([0, 9, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, 0xc3, 0x50]);
    bytes.extend(port.to_be_bytes());
    bytes.extend(octets.to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(header);
    bytes.extend(inner);
    bytes
}

#[test]
fn the_first_piece_of_a_tunnels_packet_is_opened_and_the_second_is_not() {
    let mut bytes = gre_around(&TAGGED[18..60]);
    bytes.truncate(64);
    (bytes[3], bytes[6]) = (64, 0x20);
    let frame = decode(LinkType::RawIp, &bytes);
    let Layer::Ip(ip) = frame.layer else { panic!("IP") };
    assert_eq!(
        (ip.source.to_string().as_str(), ip.missing, frame.in_pieces),
        ("10.0.0.1", 2, true)
    );
    (bytes[6], bytes[7]) = (0, 1);
    let Layer::Ip(ip) = decode(LinkType::RawIp, &bytes).layer else { panic!("IP") };
    assert_eq!((ip.protocol, ip.fragment), (47, None));
}

#[test]
fn geneve_and_l2tp_are_opened_and_their_control_messages_are_not() {
    let packet = &TAGGED[18..60];
    // Geneve with four octets of options around a frame; L2TP with length and sequence, and
    // with an offset of two, around PPP.
    let geneve = [1, 0, 0x65, 0x58, 0, 0, 7, 0, 0, 0, 0x80, 0];
    let l2tp = [0x48, 2, 0, 56, 0, 1, 0, 2, 0, 0, 0, 0, 0xff, 3, 0, 0x21];
    let padded = [2, 2, 0, 1, 0, 2, 0, 2, 0, 0, 0, 0x21];
    for bytes in [
        udp_around(6081, &geneve, &TAGGED[..60]),
        udp_around(1701, &l2tp, packet),
        udp_around(1701, &padded, packet),
    ] {
        let frame = decode(LinkType::RawIp, &bytes);
        let Layer::Ip(ip) = frame.layer else { panic!("IP") };
        assert_eq!((ip.source.to_string().as_str(), frame.outer.is_some()), ("10.0.0.1", true));
    }
    let control = [0xc8, 2, 0, 20, 0, 1, 0, 0, 0, 0, 0, 0];
    let bytes = udp_around(1701, &control, &[0x80, 8, 0, 0, 0, 0, 0, 1]);
    let frame = decode(LinkType::RawIp, &bytes);
    let Layer::Ip(ip) = frame.layer else { panic!("IP") };
    assert_eq!((ip.protocol, frame.outer), (17, None));
}

#[test]
fn serial_lines_and_macsec_without_encryption_are_read() {
    let packet = &TAGGED[18..60];
    let addresses = |link, bytes: &[u8]| match decode(link, bytes).layer {
        Layer::Ip(ip) => Some(ip.source.to_string()),
        _ => None,
    };
    let serial = [&[0x0f, 0, 8, 0][..], packet].concat();
    assert_eq!(addresses(LinkType::Other(104), &serial).as_deref(), Some("10.0.0.1"));
    // With and without the channel's identifier, and encrypted.
    for (flags, channel, read) in [(0x20, 8, true), (0x00, 0, true), (0x2c, 8, false)] {
        let tag = [&[0x88, 0xe5, flags, 0, 0, 0, 0, 1][..], &vec![7; channel], &[8, 0]].concat();
        let secured = [&TAGGED[..12], &tag, packet, &[0xcc; 16]].concat();
        assert_eq!(addresses(LinkType::Ethernet, &secured).is_some(), read, "{flags:02x}");
    }
}

#[test]
fn a_tunnel_around_nonsense_is_not_opened() {
    let bytes = gre_around(&[0xff; 30]);
    let frame = decode(LinkType::RawIp, &bytes);
    let Layer::Ip(ip) = frame.layer else { panic!("IP") };
    assert_eq!((ip.protocol, frame.outer), (47, None));
}

#[test]
fn every_prefix_and_every_flipped_bit_is_survived() {
    let links = [
        LinkType::Ethernet,
        LinkType::RawIp,
        LinkType::Null,
        LinkType::LinuxCooked,
        LinkType::LinuxCooked2,
        LinkType::Ppp,
    ];
    let tunnel = gre_around(&TAGGED[18..60]);
    for link in links {
        for sample in [TAGGED, &tunnel] {
            for end in 0..sample.len() {
                decode(link, &sample[..end]);
            }
            let mut damaged = sample.to_vec();
            for bit in 0..damaged.len() * 8 {
                damaged[bit / 8] ^= 1 << (bit % 8);
                decode(link, &damaged);
                damaged[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }
}

#[test]
fn tags_nested_without_end_stop() {
    let mut bytes = vec![0; 12];
    for _ in 0..100 {
        bytes.extend([0x81, 0, 0, 1]);
    }
    let frame = decode(LinkType::Ethernet, &bytes);
    assert_eq!(frame.malformed, Some("headers-nested-too-deep"));
    assert_eq!(frame.vlans.as_slice().len(), crate::limits::VLANS_MAX);
}

#[test]
fn address_resolution_of_any_link_is_told_and_addresses_where_they_are_ethernets() {
    let arp = |hardware: u8, octets: u8| {
        let mut bytes = vec![0xff; 12];
        bytes.extend([8, 6, 0, hardware, 8, 0, octets, 4, 0, 2]);
        for last in [1, 2] {
            bytes.extend((0..octets).map(|octet| octet * 2));
            bytes.extend([10, 0, 0, last]);
        }
        bytes
    };
    for (hardware, octets, mac) in [(1, 6, [0, 2, 4, 6, 8, 10]), (32, 20, [0; 6])] {
        let bytes = arp(hardware, octets);
        let Layer::Arp(arp) = decode(LinkType::Ethernet, &bytes).layer else { panic!("ARP") };
        assert_eq!((arp.opcode, arp.sender_mac), (2, mac));
        assert_eq!(arp.target_ip.to_string(), "10.0.0.2");
    }
    let whole = arp(32, 20);
    let short = decode(LinkType::Ethernet, &whole[..60]);
    assert_eq!(short.malformed, Some("headers-cut-short"));
}

#[test]
fn frames_of_a_can_bus_come_under_their_linux_number() {
    let data = [0, 0, 7, 0x33, 1, 0, 0, 0, 0];
    match decode(LinkType::from_number(227), &data).layer {
        Layer::Ethernet { ethertype: 0x000c, payload } => assert_eq!(payload, data),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_routers_mirror_and_a_controllers_tunnel_are_opened() {
    let frame = &TAGGED[..60];
    // TZSP with a field of two octets and padding; CAPWAP around Ethernet, and around IEEE 802.11
    // with its control octets in both orders, from the access point and to it.
    let tzsp = [1, 0, 0, 1, 0x0a, 2, 9, 9, 0, 1];
    let capwap = |native: u8| [0u8, 0x10, 0x02 | native, 0, 0, 0, 0, 0];
    let wireless = |control: [u8; 2]| {
        let addresses = [[2, 0, 0, 0, 0, 9], [2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]].concat();
        let snap = [0, 0, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0];
        [&control[..], &[0, 0], &addresses, &snap, &TAGGED[18..60]].concat()
    };
    for bytes in [
        udp_around(37_008, &tzsp, frame),
        udp_around(5_247, &capwap(0), frame),
        udp_around(5_247, &capwap(1), &wireless([0x08, 0x01])),
        udp_around(5_247, &capwap(1), &wireless([0x02, 0x08])),
    ] {
        let frame = decode(LinkType::RawIp, &bytes);
        let Layer::Ip(ip) = frame.layer else { panic!("IP") };
        assert_eq!((ip.source.to_string().as_str(), frame.outer.is_some()), ("10.0.0.1", true));
    }
    // Kept alive, and a frame that manages: the packet around stands as it is.
    let mut keep_alive = capwap(0);
    keep_alive[3] = 0x08;
    for bytes in
        [udp_around(5_247, &keep_alive, frame), udp_around(5_247, &capwap(1), &wireless([0x80, 0]))]
    {
        assert!(decode(LinkType::RawIp, &bytes).outer.is_none());
    }
}

#[test]
fn tags_before_the_ethertype_are_passed_over() {
    let packet = &TAGGED[16..60];
    for tag in [
        &[0xf1, 0xc1, 0, 0, 0, 7][..],
        &[0x89, 0x09, 1, 1, 0, 1, 0, 9],
        &[0x89, 0x3f, 0, 0, 0, 0, 0, 0],
        &[[0x88, 0xe7, 0, 0, 0, 9].as_slice(), &TAGGED[..12]].concat(),
    ] {
        let bytes = [&TAGGED[..12], tag, packet].concat();
        let frame = decode(LinkType::Ethernet, &bytes);
        assert!(matches!(frame.layer, Layer::Ip(_)), "{tag:02x?}");
    }
}

#[test]
fn a_numbered_frame_has_two_octets_of_control() {
    for (control, expected) in [(&[3u8][..], &[0x0e, 0][..]), (&[2, 4], &[0x0e, 0])] {
        let bytes = [&TAGGED[..12], &[0, 6, 0xf0, 0xf0], control, &[0x0e, 0, 9, 9]].concat();
        let Layer::Llc { payload, .. } = decode(LinkType::Ethernet, &bytes).layer else {
            panic!("LLC")
        };
        assert!(payload.starts_with(expected), "{payload:02x?}");
    }
}
