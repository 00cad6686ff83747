//! Clients of ours that read address spaces, objects and symbols, against independent servers,
//! with a tap that proves that they only read.

mod common;

use common::{
    Place, STRICT,
    peers::{Peer, datagram_tap, python, tap},
    restored_text,
};
use std::{collections::BTreeSet, fs, process::Command};
use vault::State;

/// Numbers of the requests in what a client sent to an OPC UA server.
fn services(sent: &[Vec<u8>]) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    for bytes in sent {
        let mut rest = &bytes[..];
        while rest.len() > 8 {
            let length = u32::from_le_bytes(rest[4..8].try_into().unwrap());
            let (frame, after) = rest.split_at(usize::try_from(length).unwrap());
            // An opening has the policy's address and two null strings where others have a token.
            let body = match &frame[..3] {
                b"OPN" => 8 + 4 + 4 + 47 + 4 + 4 + 8,
                b"HEL" => {
                    rest = after;
                    continue;
                }
                _ => 8 + 4 + 4 + 8,
            };
            assert_eq!(frame[body], 2, "a numeric identifier in four octets");
            found.insert(u32::from_le_bytes(frame[body + 3..body + 7].try_into().unwrap()));
            rest = after;
        }
    }
    found
}

#[test]
fn an_opc_ua_address_space_comes_whole_and_another_server_takes_it() {
    let Some(peer) = Peer::start("opcua", "asyncua", &[]) else { return };
    let (port, sent) = tap(peer.port);
    let place = Place::with_vault(STRICT);
    let report = place.backup(&[&format!("opcua:127.0.0.1:{port}?pause_ms=0")], 1);
    assert_eq!(report.errors, []);
    assert_eq!((report.state, report.entries_stored), (State::Complete, 4));
    let folder = format!("/@opcua/127.0.0.1:{port}");
    let nodes = restored_text(&place, &report, &format!("{folder}/nodeset.xml"));
    assert!(nodes.contains("<Uri>urn:northbrook:line</Uri>"), "{nodes}");
    let variables = nodes.matches("<UAVariable NodeId=\"ns=2;").count();
    assert_eq!((variables, nodes.matches("<UAObject NodeId=\"ns=2;").count()), (204, 1));
    // Bad is told, not left out.
    let bad = restored_text(&place, &report, &format!("{folder}/bad-values.csv"));
    assert_eq!(bad.lines().count(), 2, "{bad}");
    assert!(bad.contains("\"ns=2;s=press.broken\",\"device failure (0x808b0000)\""), "{bad}");
    let identity = restored_text(&place, &report, &format!("{folder}/identity.csv"));
    assert!(identity.contains("manufacturer,\"FreeOpcUa\""), "{identity}");
    // Endpoints, open and close channel, create, activate and close session, browse, read.
    let mut asked = services(&sent.lock().unwrap());
    // Browse next only where the server cuts its answers.
    asked.remove(&533);
    assert_eq!(asked.into_iter().collect::<Vec<_>>(), [428, 446, 452, 461, 467, 473, 527, 631]);
    // The document means the same to a server that is not ours.
    let file = place.at("nodeset.xml");
    fs::write(&file, &nodes).unwrap();
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/opcua.py");
    let output = Command::new(python()).arg(script).arg("import").arg(file).output().unwrap();
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // Not the array: asyncua reads no lists out of documents.
    let expected = ["speed|1.5|3", "name|press <4>|1", "i=85"];
    assert_eq!(out.lines().collect::<Vec<_>>(), expected, "{err}");
    let list = "<Value><uax:ListOfInt64><uax:Int64>1</uax:Int64><uax:Int64>2</uax:Int64>\
                <uax:Int64>3</uax:Int64></uax:ListOfInt64></Value>";
    assert!(nodes.contains(list), "{nodes}");
}

#[test]
fn bacnet_objects_are_read_one_by_one_and_nothing_is_written() {
    let Some(peer) = Peer::start("bacnet", "bacpypes3", &[]) else { return };
    let (port, sent) = datagram_tap(peer.port);
    let place = Place::with_vault(STRICT);
    let report = place.backup(&[&format!("bacnet:127.0.0.1:{port}?pause_ms=0")], 1);
    assert_eq!(report.errors, []);
    let path = format!("/@bacnet/127.0.0.1:{port}/objects.csv");
    let text = restored_text(&place, &report, &path);
    for row in [
        "device 4711,object-name,\"ahu-1\"",
        "device 4711,vendor-name,\"Northbrook Controls\"",
        "device 4711,firmware-revision,\"2.1\"",
        "analog-input 1,present-value,\"21.5\"",
        "analog-input 1,units,\"62\"",
        "analog-value 39,object-name,\"set point 39\"",
        "analog-value 39,present-value,\"39\"",
    ] {
        assert!(text.lines().any(|line| line == row), "{row} in {text}");
    }
    let names = text.lines().filter(|line| line.contains(",object-name,")).count();
    // The device, its input, its set points.
    assert_eq!(names, 42);
    let asked: BTreeSet<(u8, u8)> = sent
        .lock()
        .unwrap()
        .iter()
        .map(|frame| if frame[6] == 0x10 { (frame[6], frame[7]) } else { (frame[6], frame[9]) })
        .collect();
    // Who-Is as well, as this device does not know the instance that means any.
    assert_eq!(asked.into_iter().collect::<Vec<_>>(), [(0, 12), (0, 14), (16, 8)]);
}

#[test]
fn ads_symbols_and_values_are_uploaded_and_only_reads_are_sent() {
    let Some(peer) = Peer::start("ads", "pyads", &[]) else { return };
    let (port, sent) = tap(peer.port);
    let place = Place::with_vault(STRICT);
    let report = place.backup(&[&format!("ads:127.0.0.1:{port}?pause_ms=0")], 1);
    assert_eq!(report.errors, []);
    let folder = format!("/@ads/127.0.0.1:{port}/port-851");
    let text = |name: &str| restored_text(&place, &report, &format!("{folder}/{name}"));
    let values = "symbol,value\n\"GVL.sState\",\"run\"\n\"MAIN.fSpeed\",\"1.5\"\n\
                  \"MAIN.nCount\",\"-7\"\n";
    assert_eq!(text("values.csv"), values);
    let symbols = text("symbols.csv");
    let count = symbols.lines().find(|line| line.starts_with("\"MAIN.nCount\"")).unwrap();
    assert!(count.starts_with("\"MAIN.nCount\",\"DINT\",4,"), "{symbols}");
    assert!(count.ends_with(",0x8,\"a comment\""), "{symbols}");
    let identity = text("identity.csv");
    assert!(identity.contains("name,\"TestServer\"\nversion,1.2.3\n"), "{identity}");
    // The command of every AMS packet: device information, state, read.
    let mut commands = BTreeSet::new();
    for bytes in sent.lock().unwrap().iter() {
        let mut rest = &bytes[..];
        while rest.len() > 6 {
            commands.insert(u16::from_le_bytes([rest[22], rest[23]]));
            let length = u32::from_le_bytes(rest[2..6].try_into().unwrap());
            rest = &rest[6 + usize::try_from(length).unwrap()..];
        }
    }
    assert_eq!(commands.into_iter().collect::<Vec<_>>(), [1, 2, 4]);
}

#[test]
fn tags_of_a_logix_controller_come_with_types_and_values_and_none_is_written() {
    let Some(peer) = Peer::start("logix", "ethernetip", &[]) else { return };
    let (port, sent) = tap(peer.port);
    let place = Place::with_vault(STRICT);
    let report = place.backup(&[&format!("cip:127.0.0.1:{port}?tags=yes&pause_ms=0")], 1);
    assert_eq!(report.errors, []);
    let folder = format!("/@cip/127.0.0.1:{port}");
    let text = |name: &str| restored_text(&place, &report, &format!("{folder}/{name}"));
    let (tags, types, values) = (text("tags.csv"), text("types.csv"), text("values.csv"));
    // Head, three tags and a hundred.
    assert_eq!((tags.lines().count(), values.lines().count()), (104, 104), "{tags}{values}");
    let recipe: Vec<_> = (0..200).map(|n| n.to_string()).collect();
    for (text, row) in [
        (&tags, "\"Recipe\",\"DINT\",200".to_owned()),
        (&tags, "\"Axis1\",\"Axis\",".to_owned()),
        (&tags, "\"Point099\",\"INT\",".to_owned()),
        (&types, "\"Axis\",\"Position\",\"REAL\",0,0".to_owned()),
        (&types, "\"Axis\",\"Limits\",\"INT\",2,4".to_owned()),
        (&values, "\"Count\",\"-7\"".to_owned()),
        (&values, "\"Point099\",\"99\"".to_owned()),
        (&values, "\"Axis1\",\"{Position=1.5; Limits=-2 3}\"".to_owned()),
        (&values, format!("\"Recipe\",\"{}\"", recipe.join(" "))),
    ] {
        assert!(text.lines().any(|line| line == row), "{row} in {text}");
    }
    // The service of every unconnected message.
    let mut services = BTreeSet::new();
    for bytes in sent.lock().unwrap().iter() {
        let mut rest = &bytes[..];
        while rest.len() >= 24 {
            let length = usize::from(u16::from_le_bytes([rest[2], rest[3]]));
            if rest[0] == 0x6f {
                services.insert(rest[24 + 16]);
            }
            rest = &rest[24 + length..];
        }
    }
    // Attributes, attribute list, template, tag in fragments, symbols.
    assert_eq!(services.into_iter().collect::<Vec<_>>(), [0x01, 0x03, 0x4c, 0x52, 0x55]);
}
