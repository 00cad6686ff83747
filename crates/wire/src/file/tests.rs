//! Round trips, byte orders, time resolutions, gzip, damage.

use super::{CaptureReader, OpenError, PcapWriter, PcapngWriter, ReadError};
use crate::link::LinkType;
use std::io::Write;

/// Time, length on the wire, octets.
type Packet = (i64, u32, Vec<u8>);

fn packets(bytes: &[u8]) -> (Vec<Packet>, Option<ReadError>) {
    let mut reader = CaptureReader::open(bytes).expect("a capture");
    let mut found = Vec::new();
    loop {
        match reader.next() {
            Ok(Some(p)) => found.push((p.at_nanos, p.wire_len, p.data.to_vec())),
            Ok(None) => return (found, None),
            Err(error) => return (found, Some(error)),
        }
    }
}

fn sample_pcapng() -> Vec<u8> {
    let mut writer = PcapngWriter::new(Vec::new(), LinkType::Ethernet).expect("a Vec");
    writer.packet(1_500_000_000_123_456_789, b"hello").expect("a Vec");
    writer.packet(1_500_000_001_000_000_000, &[7; 64]).expect("a Vec");
    writer.into_inner()
}

fn sample_pcap() -> Vec<u8> {
    let mut writer = PcapWriter::new(Vec::new(), LinkType::RawIp).expect("a Vec");
    writer.packet(1_500_000_000_123_456_789, 60, b"hello").expect("a Vec");
    writer.packet(1_500_000_001_000_000_000, 64, &[7; 64]).expect("a Vec");
    writer.into_inner()
}

#[test]
fn what_is_written_is_read() {
    for (bytes, wire_len) in [(sample_pcapng(), 5), (sample_pcap(), 60)] {
        let (found, error) = packets(&bytes);
        assert!(error.is_none());
        assert_eq!(found[0], (1_500_000_000_123_456_789, wire_len, b"hello".to_vec()));
        assert_eq!(found.len(), 2);
    }
}

#[test]
fn gzip_is_opened() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&sample_pcapng()).expect("a Vec");
    let (found, error) = packets(&gzip.finish().expect("a Vec"));
    assert_eq!((found.len(), error.is_none()), (2, true));
}

#[test]
fn every_cut_gives_the_packets_before_it() {
    for bytes in [sample_pcapng(), sample_pcap()] {
        for end in 28..bytes.len() {
            let (found, error) = packets(&bytes[..end]);
            assert!(found.len() < 2);
            let truncated = matches!(error, Some(ReadError::Truncated { .. }));
            assert!(truncated || error.is_none(), "{error:?} at {end}");
        }
    }
}

#[test]
fn every_flipped_bit_is_survived() {
    for bytes in [sample_pcapng(), sample_pcap()] {
        let mut damaged = bytes;
        for bit in 0..damaged.len() * 8 {
            damaged[bit / 8] ^= 1 << (bit % 8);
            if let Ok(mut reader) = CaptureReader::open(damaged.as_slice()) {
                while let Ok(Some(_)) = reader.next() {}
            }
            damaged[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn a_text_file_is_no_capture_and_an_empty_one_says_so() {
    assert!(matches!(CaptureReader::open(&b"hello there"[..]), Err(OpenError::NotACapture(_))));
    assert!(matches!(CaptureReader::open(&b""[..]), Err(OpenError::Empty)));
    let error = CaptureReader::open(&[0xd4, 0xc3, 0xb2, 0xa1, 2][..]).err().expect("cut short");
    assert!(matches!(error, OpenError::Damaged(_)));
}

/// Big endian, microseconds, one packet of two octets at 1.000002 s.
#[test]
fn big_endian_microseconds() {
    let mut bytes = vec![0xa1, 0xb2, 0xc3, 0xd4, 0, 2, 0, 4];
    bytes.extend([0; 8]);
    bytes.extend([0, 0, 0xff, 0xff, 0, 0, 0, 1]);
    bytes.extend([0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2, 0xaa, 0xbb]);
    assert_eq!(packets(&bytes).0, [(1_000_002_000, 2, vec![0xaa, 0xbb])]);
}

#[test]
fn a_section_of_another_version_is_stepped_over() {
    let whole = sample_pcapng();
    let (before, _) = packets(&whole);
    let mut other = whole.clone();
    // The major version stands behind the block's type and length and the byte-order magic.
    other[12] = 2;
    let (read, error) = packets(&[&other[..], &whole].concat());
    assert!(error.is_none());
    assert_eq!(read.len(), before.len());
}

#[test]
fn a_block_of_endless_length_is_damage_not_memory() {
    let mut bytes = sample_pcapng();
    let at = bytes.len();
    bytes.extend([6, 0, 0, 0, 0xfc, 0xff, 0xff, 0x7f, 0, 0, 0, 0]);
    let (found, error) = packets(&bytes);
    assert_eq!(found.len(), 2);
    assert!(matches!(error, Some(ReadError::Damaged { offset, .. }) if offset == at as u64));
}

/// Gives one octet after the other, and an error behind them.
struct Trickle<'a>(&'a [u8]);

impl std::io::Read for Trickle<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let (first, rest) = self.0.split_first().ok_or_else(|| std::io::Error::other("gone"))?;
        into[0] = *first;
        self.0 = rest;
        Ok(1)
    }
}

#[test]
fn blocks_that_are_held_do_not_change() {
    let mut writer = PcapWriter::new(Vec::new(), LinkType::Ethernet).expect("a Vec");
    let packet = |number: usize| vec![number as u8; 900 + number % 613];
    for number in 0..3_000 {
        let octets = packet(number);
        writer.packet(number as i64, octets.len() as u32, &octets).expect("a Vec");
    }
    let bytes = writer.into_inner();
    for keep in [1, 7, 3_000] {
        let mut reader = CaptureReader::open(&bytes[..]).expect("a capture");
        let mut held = std::collections::VecDeque::new();
        let mut read = 0;
        while let Some(p) = reader.next().expect("whole") {
            held.push_back((read, p.block.clone(), p.start));
            read += 1;
            if held.len() > keep {
                let (number, block, start) = held.pop_front().expect("there is one");
                let octets = packet(number);
                assert_eq!(block[start..start + octets.len()], octets);
            }
        }
        assert_eq!(read, 3_000);
        for (number, block, start) in held {
            assert_eq!(block[start], number as u8);
        }
    }
}

#[test]
fn what_came_before_an_error_is_given_although_a_block_is_held() {
    let bytes = sample_pcap();
    let mut reader = CaptureReader::open(Trickle(&bytes)).expect("a capture");
    let held = reader.next().expect("whole").expect("there are two").block.clone();
    assert!(reader.next().expect("whole").is_some());
    let error = reader.next().err();
    assert!(matches!(error, Some(ReadError::Io { .. })), "{error:?}");
    assert!(!held.is_empty());
}
