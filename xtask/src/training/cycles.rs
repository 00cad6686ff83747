//! A substation that speaks in cycles: GOOSE, sampled values, PTP, polls of DNP3 and Modbus.
//!
//! Messages are those of the fixtures with other names and numbers that go on, since a message
//! that says the same number again is treated as disorder. Not here: other messages of these
//! protocols, see `talks`. Invariant: what is altered is found in the fixture, or nothing is made.

use super::{Film, Size};
use crate::fixtures::{ACK, Fixture, SYN, Talk, mac};
use anyhow::{Context, Result};
use protocols::{
    Carrier,
    dnp3::wire::{Application, Control, Link},
};
use std::io::Write;

const PUBLISHERS: u16 = 24;
const STREAMS: u16 = 3;
const OUTSTATIONS: u16 = 12;
const CONTROLLERS: u16 = 6;
/// Samples of a second (IEC 61869-9, 6.902).
const SAMPLES: u32 = 4_000;
/// Messages of a GOOSE publisher between two changes of its data.
const CALM: u32 = 120;

pub(super) fn shoot<W: Write>(fixtures: &[Fixture], size: &Size, film: &mut Film<W>) -> Result<()> {
    let first = |protocol: &str| {
        let fixture = fixtures.iter().find(|fixture| fixture.protocol == protocol);
        let message = fixture.and_then(|fixture| Some(&fixture.segments.first()?.1));
        message.with_context(|| format!("{protocol} has no fixture"))
    };
    let (goose, samples, sync) = (first("goose")?, first("sv")?, first("ptp")?);
    let outstation = |n| Talk::between((300, 40_000 + n), (400 + n, 20_000));
    let controller = |n| Talk::between((301, 41_000 + n), (450 + n, 502));
    let mut outstations: Vec<Talk> = (0..OUTSTATIONS).map(outstation).collect();
    let mut controllers: Vec<Talk> = (0..CONTROLLERS).map(controller).collect();
    for talk in outstations.iter_mut().chain(&mut controllers) {
        film.add(talk.segment(false, SYN, &[]))?;
        film.add(talk.segment(true, SYN | ACK, &[]))?;
        film.add(talk.segment(false, ACK, &[]))?;
    }
    for step in 0..size.steps {
        // All publishers have their turn in three steps.
        for publisher in (0..PUBLISHERS).filter(|n| u32::from(*n) % 3 == step % 3) {
            film.add(publish(goose, publisher, step / 3)?)?;
        }
        film.add(sample(samples, (step % u32::from(STREAMS)) as u16, step / u32::from(STREAMS))?)?;
        if step % 4 == 0 {
            film.add(synchronise(sync, step / 4)?)?;
        }
        if step % 2 == 0 {
            let number = (step / 2) % u32::from(OUTSTATIONS);
            poll(&mut outstations[number as usize], number, step / 24, film)?;
        } else {
            let number = (step / 2) % u32::from(CONTROLLERS);
            read_registers(&mut controllers[number as usize], step / 12, film)?;
        }
    }
    Ok(())
}

/// Writes over the first `mark` and what stands behind it.
fn alter(message: &mut [u8], mark: &[u8], octets: &[u8]) -> Result<()> {
    let place = message.windows(mark.len()).position(|window| window == mark);
    let place = place.with_context(|| format!("the fixture has no {mark:02x?}"))?;
    let room = message.get_mut(place..place + octets.len()).context("the fixture is too short")?;
    room.copy_from_slice(octets);
    Ok(())
}

fn multicast(from: u16, to: [u8; 6], kind: u16, message: &[u8]) -> Vec<u8> {
    [&to[..], &mac(from), &kind.to_be_bytes(), message].concat()
}

/// A GOOSE message of the publisher: `stNum` grows with each change of its data, `sqNum` with each
/// message (IEC 61850-8-1, 18.1.2).
fn publish(fixture: &[u8], publisher: u16, number: u32) -> Result<Vec<u8>> {
    let mut message = fixture.to_vec();
    let letter = b'A' + publisher as u8;
    // Control block, data set and name begin with the feeder.
    for _ in 0..3 {
        alter(&mut message, b"FEEDER1", &[b'F', b'I', b'E', b'L', b'D', letter, b'1'])?;
    }
    let (state, sequence) = (number / CALM, number % CALM);
    let numbers = [0x85, 1, 1 + (state % 120) as u8, 0x86, 1, sequence as u8];
    alter(&mut message, &numbers[..2], &numbers)?;
    alter(&mut message, &[0x83, 1], &[0x83, 1, (state % 2) as u8])?;
    message[1] = letter;
    Ok(multicast(500 + publisher, [1, 0x0c, 0xcd, 1, 0, letter], 0x88b8, &message))
}

/// Sampled values: `smpCnt` counts the samples of a second (IEC 61850-9-2, table 14).
fn sample(fixture: &[u8], stream: u16, number: u32) -> Result<Vec<u8>> {
    let mut message = fixture.to_vec();
    let letter = b'A' + stream as u8;
    let counter = ((number % SAMPLES) as u16).to_be_bytes();
    // Two blocks in one message.
    for unit in *b"12" {
        let mark = [b'B', b'A', b'Y', b'1', b'_', b'M', b'U', unit, 0x82, 2];
        let mut with = [&mark[..], &counter].concat();
        with[3] = letter;
        alter(&mut message, &mark, &with)?;
    }
    message[1] = letter;
    Ok(multicast(540 + stream, [1, 0x0c, 0xcd, 4, 0, letter], 0x88ba, &message))
}

/// A Sync of the clock: `sequenceId` stands 30 octets into the header (IEEE 1588, table 35).
fn synchronise(fixture: &[u8], number: u32) -> Result<Vec<u8>> {
    let mut message = fixture.to_vec();
    let room = message.get_mut(30..32).context("the fixture of ptp is too short")?;
    room.copy_from_slice(&(number as u16).to_be_bytes());
    Ok(multicast(560, [1, 0x1b, 0x19, 0, 0, 0], 0x88f7, &message))
}

/// A poll of all classes and its answer: eight binary inputs, four analog ones (IEEE 1815, annex A:
/// groups 1 and 30, variation 2).
fn poll<W: Write>(talk: &mut Talk, station: u32, number: u32, film: &mut Film<W>) -> Result<()> {
    let (sequence, address) = ((number % 16) as u8, 10 + station as u16);
    let classes = [0x3c, 2, 6, 0x3c, 3, 6, 0x3c, 4, 6, 0x3c, 1, 6];
    let mut values = vec![1, 2, 0, 0, 7];
    values.extend((0..8).map(|bit| if number >> bit & 64 == 0 { 0x01 } else { 0x81 }));
    values.extend([30, 2, 0, 0, 3]);
    for point in 0..4u32 {
        let value = (1_000 * point + number % 50) as u16;
        values.push(1);
        values.extend(value.to_le_bytes());
    }
    let ask = (false, 0x01, None, &classes[..]);
    for (answers, function, indications, objects) in [ask, (true, 0x81, Some(0), &values[..])] {
        let control = 0xc0 | sequence;
        let application = Application { control, function, indications, objects }.emit();
        let user = [&[0xc0 | sequence][..], &application].concat();
        let (to, from) = if answers { (1, address) } else { (address, 1) };
        let frame = Link::emit(Control::user_data(!answers), to, from, &user);
        film.add(talk.frame(Carrier::Tcp, answers, &frame))?;
    }
    film.add(talk.segment(false, ACK, &[]))
}

/// Function 3 and its answer (Modbus Application Protocol V1.1b3, 6.3).
fn read_registers<W: Write>(talk: &mut Talk, number: u32, film: &mut Film<W>) -> Result<()> {
    let [high, low] = (number as u16).to_be_bytes();
    let first = ((number % 4) * 16) as u8;
    film.add(talk.frame(Carrier::Tcp, false, &[high, low, 0, 0, 0, 6, 1, 3, 0, first, 0, 10]))?;
    let mut answer = vec![high, low, 0, 0, 0, 23, 1, 3, 20];
    answer.extend((0..20).map(|octet| (number / 64) as u8 & octet));
    film.add(talk.frame(Carrier::Tcp, true, &answer))?;
    film.add(talk.segment(false, ACK, &[]))
}
