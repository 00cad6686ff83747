//! What all fixtures say, between ever other hosts at once.
//!
//! Each conversation begins as TCP does and is said over and over, so that most of the profile is
//! of long ones, as in a plant. Invariant: every fixture is in it as often as any other.

use super::{Film, Size};
use crate::fixtures::{ACK, FIN, Fixture, SYN, Talk};
use anyhow::Result;
use protocols::Carrier;
use std::io::Write;

pub(super) fn shoot<W: Write>(fixtures: &[Fixture], size: &Size, film: &mut Film<W>) -> Result<()> {
    for cast in 0..size.casts {
        let mut talks: Vec<Talk> = (0u16..)
            .zip(fixtures)
            .map(|(number, fixture)| {
                // Some servers for all, and clients that have several conversations.
                let (client, server) = (1_000 + cast * 64 + number % 50, 200 + number);
                Talk::between((client, 49_152 + cast * 256 + number), (server, fixture.port))
            })
            .collect();
        for (talk, _) in over_tcp(&mut talks, fixtures) {
            film.add(talk.segment(false, SYN, &[]))?;
            film.add(talk.segment(true, SYN | ACK, &[]))?;
            film.add(talk.segment(false, ACK, &[]))?;
        }
        for _ in 0..size.rounds {
            for (talk, fixture) in talks.iter_mut().zip(fixtures) {
                round(talk, fixture, film)?;
            }
        }
        for (talk, _) in over_tcp(&mut talks, fixtures) {
            for from_server in [false, true] {
                film.add(talk.segment(from_server, FIN | ACK, &[]))?;
            }
            film.add(talk.segment(false, ACK, &[]))?;
        }
    }
    Ok(())
}

fn over_tcp<'a>(
    talks: &'a mut [Talk],
    fixtures: &'a [Fixture],
) -> impl Iterator<Item = (&'a mut Talk, &'a Fixture)> {
    talks.iter_mut().zip(fixtures).filter(|(_, fixture)| fixture.carrier == Carrier::Tcp)
}

/// All that the fixture says, once; over TCP every other segment is acknowledged alone.
fn round<W: Write>(talk: &mut Talk, fixture: &Fixture, film: &mut Film<W>) -> Result<()> {
    for (place, (from_server, octets)) in fixture.segments.iter().enumerate() {
        film.add(talk.frame(fixture.carrier, *from_server, octets))?;
        if fixture.carrier == Carrier::Tcp && place % 2 == 1 {
            film.add(talk.segment(!from_server, ACK, &[]))?;
        }
    }
    Ok(())
}
