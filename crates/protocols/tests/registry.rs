//! What every protocol in the registry must keep: goldens, no panic on damage, probes that do
//! not claim what is not theirs.

mod common;

use common::{Fixture, drive, fixtures, protocol};
use protocols::{Hint, Probe, REGISTRY, Side};
use std::{fmt::Write, fs, path::Path};

#[test]
fn every_protocol_cites_its_spec_and_has_a_fixture() {
    let fixtures = fixtures();
    for about in REGISTRY.iter().map(|p| p.about()) {
        assert!(!about.specs.is_empty(), "{} cites no specification", about.name);
        assert!(!about.carriers.is_empty(), "{} has no carrier", about.name);
        let count = fixtures.iter().filter(|f| f.protocol == about.name).count();
        assert!(count > 0, "{} has no fixture", about.name);
    }
}

#[test]
fn names_are_unique() {
    let mut names: Vec<_> = REGISTRY.iter().map(|p| p.about().name).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn every_fixture_gives_its_golden() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut wrong = Vec::new();
    for fixture in fixtures() {
        let got = drive(&fixture, &fixture.segments);
        let golden = fixture.path.with_extension("golden");
        if update {
            fs::write(&golden, &got).expect("a writable fixtures folder");
        } else if fs::read_to_string(&golden).unwrap_or_default() != got {
            wrong.push(format!("{}\n--- got\n{got}", golden.display()));
        }
    }
    assert!(wrong.is_empty(), "UPDATE=1 rewrites them after a look:\n{}", wrong.join("\n"));
}

/// Whose message says it is all that tells who signs in where.
#[test]
fn attempts_to_sign_in_are_said_by_clients_and_their_outcomes_by_servers() {
    for fixture in fixtures() {
        let said = drive(&fixture, &fixture.segments);
        for said in said.lines().filter(|line| line.contains("Authentication(")) {
            let outcome = !said.contains("accepted: None");
            // A community met with silence is refused when its client asks anew.
            let silence = said.contains("accepted: Some(false)") && said.contains("snmp community");
            let from_server = said.starts_with('<');
            assert!(outcome == from_server || silence, "{}: {said}", fixture.path.display());
        }
    }
}

#[test]
fn every_prefix_of_every_fixture_is_survived() {
    for fixture in fixtures() {
        for (i, (side, bytes)) in fixture.segments.iter().enumerate() {
            for length in 0..bytes.len() {
                let mut cut = fixture.segments[..i].to_vec();
                cut.push((*side, bytes[..length].to_vec()));
                drive(&fixture, &cut);
            }
        }
    }
}

#[test]
fn every_flipped_bit_of_every_fixture_is_survived() {
    for fixture in fixtures() {
        let mut damaged = fixture.segments.clone();
        for i in 0..damaged.len() {
            for bit in 0..damaged[i].1.len() * 8 {
                damaged[i].1[bit / 8] ^= 1 << (bit % 8);
                drive(&fixture, &damaged);
                damaged[i].1[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }
}

/// One byte at a time on TCP gives the same as whole segments: no dissector depends on how the
/// peers' stacks cut the stream.
#[test]
fn segmentation_does_not_change_what_is_counted() {
    let counts = |text: &str| -> Vec<String> {
        text.lines().filter(|l| l.contains(" count ")).map(str::to_owned).collect()
    };
    for fixture in fixtures().iter().filter(|f| f.carrier == protocols::Carrier::Tcp) {
        let whole = drive(fixture, &fixture.segments);
        let bytewise: Vec<(Side, Vec<u8>)> = fixture
            .segments
            .iter()
            .flat_map(|(side, bytes)| bytes.iter().map(|b| (*side, vec![*b])))
            .collect();
        let pieces = drive(fixture, &bytewise);
        assert_eq!(counts(&pieces), counts(&whole), "{}", fixture.path.display());
    }
}

#[test]
fn own_probe_matches_and_no_other_does() {
    let mut wrong = Vec::new();
    for fixture in fixtures() {
        let own = protocol(&fixture.protocol);
        let Some((side, head)) = fixture.segments.first() else { continue };
        let hint = Hint { carrier: fixture.carrier, port: true, from: *side, missing: 0 };
        if !matched(own.probe(head, hint)) {
            wrong.push(format!("{} does not know its own", fixture.path.display()));
        }
        wrong.extend(claims_of_others(&fixture, *side, head));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn claims_of_others(fixture: &Fixture, side: Side, head: &[u8]) -> Vec<String> {
    let hint = Hint { carrier: fixture.carrier, port: false, from: side, missing: 0 };
    let all = REGISTRY.iter().copied().chain(protocols::declared::all());
    let others = all.filter(|p| p.about().name != fixture.protocol);
    let others = others.filter(|p| p.about().carriers.contains(&fixture.carrier));
    others
        .filter(|p| matched(p.probe(head, hint)))
        .map(|p| format!("{} claims {}", p.about().name, fixture.path.display()))
        .collect()
}

fn matched(probe: Probe) -> bool {
    matches!(probe, Probe::Match | Probe::MatchServer | Probe::MatchClient)
}

/// docs/protocols.md says what the registry says: `UPDATE=1 cargo test -p protocols` rewrites it.
#[test]
fn the_documented_protocols_are_those_of_the_registry() {
    same_page("protocols.md", documentation());
}

/// docs/identification.md says what the probes say of the fixtures of others.
#[test]
fn the_documented_mistakes_are_those_the_probes_make() {
    same_page("identification.md", common::identification::page());
}

#[track_caller]
fn same_page(name: &str, wanted: String) {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&page, wanted).expect("a writable docs folder");
    } else {
        let there = fs::read_to_string(&page).unwrap_or_default();
        assert!(there == wanted, "docs/{name} is old: UPDATE=1 cargo test -p protocols");
    }
}

fn documentation() -> String {
    let all = REGISTRY.iter().copied().chain(protocols::declared::all());
    let mut abouts: Vec<_> = all.map(|p| p.about()).collect();
    abouts.sort_by_key(|a| (a.title.to_lowercase(), a.name));
    let mut text = format!(
        "# Protocols the sensor reads\n\n\
         {} protocols. Each is recognised by what is said, on any port; \
         the usual ports are a hint.\n\
         This page is made from the registry by its tests; how to add one is in\n\
         [protocols-howto.md](protocols-howto.md).\n\n\
         | protocol | in data | over | usual ports | what is read | by |\n\
         |---|---|---|---|---|---|\n",
        abouts.len()
    );
    for about in abouts {
        let carriers: Vec<_> = about.carriers.iter().map(|c| carrier(*c)).collect();
        let ports: Vec<_> = about.ports.iter().map(ToString::to_string).collect();
        let cells = [
            about.title.to_owned(),
            format!("`{}`", about.name),
            carriers.join(", "),
            ports.join(", "),
            about.depth.to_owned(),
            about.specs.join("; "),
        ];
        writeln!(text, "| {} |", cells.map(|c| c.replace('|', "/")).join(" | ")).expect("a String");
    }
    text
}

fn carrier(carrier: protocols::Carrier) -> String {
    use protocols::Carrier;
    match carrier {
        Carrier::Tcp => "TCP".to_owned(),
        Carrier::Udp => "UDP".to_owned(),
        Carrier::Ethertype(0x000c) => "CAN".to_owned(),
        Carrier::Ethertype(0x00f6) => "IEEE 802.15.4".to_owned(),
        Carrier::Ethertype(number) => format!("EtherType {number:04x}"),
        Carrier::Snap([a, b, c], pid) => format!("SNAP {a:02x}{b:02x}{c:02x} {pid:04x}"),
        Carrier::Llc(sap) => format!("LLC {sap:02x}"),
        Carrier::Ip(number) => format!("IP {number}"),
    }
}
