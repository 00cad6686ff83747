//! How much a backup disturbs a controller that others ask too. The strict figure is measured by
//! `cargo xtask bench controllers`; here is what holds on any machine, however busy.

mod common;

use common::{Place, STRICT, peers::Peer};
use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{SystemTime, UNIX_EPOCH},
};
use vault::State;

/// The unit numbers by which the controller's log tells the two clients apart.
const PANEL: u8 = 2;
const BACKUP: u8 = 1;

/// One service of the controller: unit, start, end.
fn services(log: &str) -> Vec<(u8, u128, u128)> {
    log.lines()
        .map(|line| {
            let mut words = line.split(' ').map(|word| word.parse::<u128>().unwrap());
            let mut next = || words.next().unwrap();
            (u8::try_from(next()).unwrap(), next(), next())
        })
        .collect()
}

fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()
}

/// Reads ten registers over and over, as a panel does; when each request had been sent.
fn panel(port: u16, stop: &AtomicBool) -> Vec<u128> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut sent = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        stream.write_all(&[0, 1, 0, 0, 0, 6, PANEL, 3, 0, 0, 0, 10]).unwrap();
        sent.push(now());
        stream.read_exact(&mut [0; 9 + 20]).unwrap();
    }
    sent
}

#[test]
fn a_panel_never_waits_for_more_than_one_question_of_a_backup() {
    let place = Place::with_vault(STRICT);
    let log = place.at("log");
    let arguments = ["5", log.to_str().unwrap()];
    let Some(peer) = Peer::start("plc", "pymodbus", &arguments) else { return };
    let stop = Arc::new(AtomicBool::new(false));
    let (port, stopped) = (peer.port, stop.clone());
    let polling = thread::spawn(move || panel(port, &stopped));
    let source = format!("modbus:127.0.0.1:{port}?unit={BACKUP}&holding=0-399&pause_ms=0");
    let report = place.backup(&[&source], 1);
    stop.store(true, Ordering::Relaxed);
    let sent = polling.join().unwrap();
    assert_eq!((report.errors, report.state), (vec![], State::Complete));
    let served = services(&fs::read_to_string(log).unwrap());
    let of = |unit: u8| served.iter().filter(move |service| service.0 == unit);
    // 125 registers at most, 8 at least; and the identification.
    assert!((5..=51).contains(&of(BACKUP).count()), "{}", of(BACKUP).count());
    assert_eq!(of(PANEL).count(), sent.len());
    let mut judged = 0;
    for (sent, (_, start, _)) in sent.iter().zip(of(PANEL)) {
        let waited: Vec<_> = served.iter().filter(|(_, _, to)| to > sent).collect();
        let late = waited.windows(2).take_while(|pair| pair[0].1 < *start);
        // A controller that rests though it was asked: this machine had no time for it.
        if late.into_iter().any(|pair| pair[1].1.saturating_sub(pair[0].2) > 1_000_000) {
            continue;
        }
        // Of one in service when the panel asked, the panel waits for the rest.
        let before = of(BACKUP).filter(|(_, from, to)| to > sent && from < start).count();
        assert!(before <= 1, "{before} questions came first: more than twice the usual time");
        judged += 1;
    }
    assert!(judged > 0, "this machine is too busy to judge anything");
    // And the backup leaves it at least half of the time, though a third while it listens for
    // others.
    let backup: Vec<_> = of(BACKUP).collect();
    let (mut work, mut rest) = (0, 0);
    for pair in backup.windows(2) {
        let (service, pause) = (pair[0].2 - pair[0].1, pair[1].1 - pair[0].2);
        assert!(pause * 2 >= service, "{pause} ns of rest after {service} ns of work");
        (work, rest) = (work + service, rest + pause);
    }
    assert!(rest >= work, "{rest} ns of rest for {work} ns of work");
}

#[test]
fn a_backup_pauses_when_the_controller_slows_down_and_goes_on_when_it_is_well() {
    let place = Place::with_vault(STRICT);
    let log = place.at("log");
    let arguments = ["5", log.to_str().unwrap(), "20", "21", "10"];
    let Some(peer) = Peer::start("plc", "pymodbus", &arguments) else { return };
    let source = format!("modbus:127.0.0.1:{}?unit=1&holding=0-4999&pause_ms=0", peer.port);
    let report = place.backup(&[&source], 1);
    assert_eq!((report.errors, report.state), (vec![], State::Complete));
    let served = services(&fs::read_to_string(log).unwrap());
    assert!(served.len() >= 41, "{}", served.len());
    let rest_after = |n: usize| (served[n + 1].1 - served[n].2) / 1_000_000;
    // Ten times slower for two answers: as long as the first took, then four times that, and no
    // less before it is believed to be well: twice that, but for an answer of which this machine
    // makes one that may have waited for somebody else, which tells nothing.
    assert!(rest_after(20) >= 50, "{} ms", rest_after(20));
    assert!(rest_after(21) >= 200, "{} ms", rest_after(21));
    assert!(rest_after(22) >= 200, "{} ms", rest_after(22));
}
