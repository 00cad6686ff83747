//! Sources of devices against independent servers, with a tap that proves they only read.

mod common;

use common::{
    NOON, Place, STRICT,
    peers::{Peer, tap},
};
use std::{fs, path::Path};
use vault::{SnapshotId, State};

/// The restored content of one path of a snapshot.
fn restored(place: &Place, snapshot: SnapshotId, path: &str) -> Vec<u8> {
    let target = place.at("restored");
    place.unlocked().restore(&snapshot, &target, Some(Path::new(path)), NOON).unwrap();
    fs::read(target.join(path.trim_start_matches('/'))).unwrap()
}

#[test]
fn modbus_registers_are_read_and_nothing_but_read_functions_is_sent() {
    let Some(peer) = Peer::start("modbus", "pymodbus", &[]) else { return };
    let (port, sent) = tap(peer.port);
    let place = Place::with_vault(STRICT);
    let source = format!(
        "modbus:127.0.0.1:{port}?unit=1&holding=0-149&input=5&coil=0-9&discrete=3-4&pause_ms=0"
    );
    let report = place.backup(&[&source], 1);
    assert_eq!(report.errors, []);
    assert_eq!(report.state, State::Complete);
    let folder = format!("/@modbus/127.0.0.1:{port}/unit-1");
    let snapshot = report.snapshot.unwrap();
    let text = restored(&place, snapshot, &format!("{folder}/registers.csv"));
    let text = String::from_utf8(text).unwrap();
    let rows: Vec<&str> = text.lines().collect();
    assert_eq!(rows.len(), 1 + 10 + 2 + 150 + 1);
    // pymodbus counts its blocks from 1, the wire from 0: register n holds 7 n mod 1000.
    for row in ["coil,0,1", "coil,1,0", "coil,9,1", "discrete,3,1", "holding,149,43", "input,5,35"]
    {
        assert!(rows.contains(&row), "{row} in {text}");
    }
    let identity = restored(&place, snapshot, &format!("{folder}/identity.csv"));
    let identity = String::from_utf8(identity).unwrap();
    assert!(identity.contains("vendor,\"Northbrook Instruments\""), "{identity}");
    let mut functions = Vec::new();
    for bytes in sent.lock().unwrap().iter() {
        let mut rest = &bytes[..];
        while let Some(function) = rest.get(7) {
            functions.push(*function);
            rest = &rest[6 + usize::from(u16::from_be_bytes([rest[4], rest[5]]))..];
        }
    }
    functions.sort_unstable();
    functions.dedup();
    assert_eq!(functions, [1, 2, 3, 4, 43]);
}

#[test]
fn modbus_addresses_that_are_not_there_are_faults_and_the_rest_is_kept() {
    let Some(peer) = Peer::start("modbus", "pymodbus", &[]) else { return };
    let place = Place::with_vault(STRICT);
    let source = format!("modbus:127.0.0.1:{}?unit=1&holding=190-220&pause_ms=0", peer.port);
    let report = place.backup(&[&source], 1);
    assert_eq!(report.state, State::Partial);
    assert_eq!(report.errors.len(), 1);
    assert_eq!(report.errors[0].error, "holding 200 to 220: exception 2: illegal data address");
    let path = format!("/@modbus/127.0.0.1:{}/unit-1/registers.csv", peer.port);
    let text = restored(&place, report.snapshot.unwrap(), &path);
    assert_eq!(String::from_utf8(text).unwrap().lines().count(), 1 + 10);
}

#[test]
fn a_device_that_does_not_answer_is_a_fault_and_the_other_sources_are_kept() {
    let place = Place::with_vault(STRICT);
    let plant = place.at("plant");
    common::plant(&plant);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let files = format!("files:{}", plant.display());
    let report = place.backup(&[&files, &format!("modbus:127.0.0.1:{port}?holding=0")], 1);
    assert_eq!((report.state, report.entries_stored, report.errors.len()), (State::Partial, 6, 1));
    assert!(report.errors[0].error.contains("refused"), "{}", report.errors[0].error);
}

#[test]
fn two_devices_behind_one_address_lie_in_two_folders() {
    let place = Place::with_vault(STRICT);
    // A port that nobody listens at, of TCP and of UDP.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let sources = ["cip:A", "cip:A?slot=2", "bacnet:A", "bacnet:A?device=7", "ads:A"]
        .into_iter()
        .chain(["ads:A?net=5.1.2.3.1.1", "ads:A?net=127.0.0.1.1.1&ams_port=852"])
        .map(|source| source.replace('A', &closed.to_string()))
        .collect::<Vec<_>>();
    let report = place.backup(&sources.iter().map(String::as_str).collect::<Vec<_>>(), 1);
    let shown = |text: &str| text.replace(&closed.to_string(), "A");
    let faults = report.errors.iter().map(|f| format!("{} {}", shown(&f.source), shown(&f.path)));
    assert_eq!(
        faults.collect::<Vec<_>>(),
        [
            "cip:A /@cip/A/identity.csv",
            "cip:A?slot=2 /@cip/A/slot-2/identity.csv",
            "bacnet:A /@bacnet/A/objects.csv",
            "bacnet:A?device=7 /@bacnet/A/device-7/objects.csv",
            "ads:A?ams_port=851 /@ads/A/port-851",
            "ads:A?ams_port=851&net=5.1.2.3.1.1 /@ads/A/net-5.1.2.3.1.1/port-851",
            "ads:A?ams_port=852 /@ads/A/port-852",
        ]
    );
}

#[test]
fn s7_blocks_are_uploaded_and_no_job_but_reading_ones_is_sent() {
    let Some(peer) = Peer::start("s7", "snap7", &[]) else { return };
    let (port, sent) = tap(peer.port);
    let place = Place::with_vault(STRICT);
    let report = place.backup(&[&format!("s7:127.0.0.1:{port}?pause_ms=0")], 1);
    assert_eq!(report.errors, []);
    let folder = format!("/@s7/127.0.0.1:{port}/rack-0-slot-2");
    let snapshot = report.snapshot.unwrap();
    for (name, size) in [("DB1", 100_u8), ("DB7", 200)] {
        let block = restored(&place, snapshot, &format!("{folder}/blocks/{name}.mc7"));
        assert_eq!(block[36..], (0..size).map(|n| n % 251).collect::<Vec<_>>(), "{name}");
    }
    // One that takes three fragments.
    let block = restored(&place, snapshot, &format!("{folder}/blocks/DB9.mc7"));
    assert_eq!(block.len(), 36 + 1_200);
    let identity = restored(&place, snapshot, &format!("{folder}/identity.csv"));
    let identity = String::from_utf8(identity).unwrap();
    assert!(identity.contains("0011,1,\"6ES7 315-2EH14-0AB0\""), "{identity}");
    // (ROSCTR, first parameter byte, user data group and function) of every S7 request.
    let mut asked = std::collections::BTreeSet::new();
    for bytes in sent.lock().unwrap().iter() {
        let mut rest = &bytes[..];
        while rest.len() > 4 {
            let (frame, after) = rest.split_at(usize::from(u16::from_be_bytes([rest[2], rest[3]])));
            if frame.get(7) == Some(&0x32) {
                let user = if frame[8] == 7 { (frame[22] & 15, frame[23]) } else { (0, 0) };
                asked.insert((frame[8], frame[17], user));
            }
            rest = after;
        }
    }
    let jobs = [0x1d, 0x1e, 0x1f, 0xf0].map(|function| (1, function, (0, 0)));
    let lists = [(7, 0, (3, 2)), (7, 0, (4, 1))];
    assert_eq!(asked.into_iter().collect::<Vec<_>>(), [&jobs[..], &lists[..]].concat());
}

#[test]
fn cip_identity_is_read_and_nothing_else_is_asked() {
    let Some(peer) = Peer::start("cip", "cpppo", &[]) else { return };
    let (port, sent) = tap(peer.port);
    let place = Place::with_vault(STRICT);
    let report = place.backup(&[&format!("cip:127.0.0.1:{port}")], 1);
    assert_eq!(report.errors, []);
    let path = format!("/@cip/127.0.0.1:{port}/identity.csv");
    let text = restored(&place, report.snapshot.unwrap(), &path);
    let text = String::from_utf8(text).unwrap();
    for row in ["list,vendor,1", "object,product_name,\"1756-L61/B LOGIX5561\""] {
        assert!(text.lines().any(|line| line == row), "{row} in {text}");
    }
    let bytes = sent.lock().unwrap().concat();
    let mut commands = Vec::new();
    let mut rest = &bytes[..];
    while rest.len() >= 24 {
        commands.push(rest[0]);
        let length = usize::from(u16::from_le_bytes([rest[2], rest[3]]));
        if rest[0] == 0x6f {
            assert_eq!(rest[24 + length - 6..24 + length], [1, 2, 0x20, 1, 0x24, 1]);
        }
        rest = &rest[24 + length..];
    }
    assert_eq!(commands, [0x63, 0x65, 0x6f]);
}
