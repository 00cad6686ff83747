//! Who talks to whom: each actor is one habit of one device.
//!
//! Invariant: an actor draws its random numbers from a stream of its own, so adding one does not
//! change what the others do.

pub mod building;
pub mod controllers;
mod fieldbus;
pub mod modbus;
mod network;
pub mod office;
pub mod rockwell;
mod telecontrol;

use crate::{
    net::{SECOND, tcp::Call},
    speak::text,
    world::{Actor, World},
};

/// Everybody of an ordinary day.
pub fn cast(world: &mut World) -> Vec<Actor> {
    let mut all = Vec::new();
    all.extend(network::actors(world));
    all.extend(fieldbus::actors(world));
    all.extend(controllers::actors(world));
    all.extend(rockwell::actors(world));
    all.extend(modbus::actors(world));
    all.extend(telecontrol::actors(world));
    all.extend(building::actors(world));
    all.extend(office::actors(world));
    all
}

/// A secure shell session, the ordinary way to manage a host.
fn secure_shell(world: &mut World, ends: (&str, &str), at: i64) -> i64 {
    let (client, server) = (world.net.find(ends.0), world.net.find(ends.1));
    let mut rng = world.rng(&format!("ssh {} {} {at}", ends.0, ends.1));
    let conn = world.net.open(client, server, 22, at);
    let banner: &[u8] = match ends.1 {
        "core-sw-01" => b"SSH-2.0-Cisco-1.25\r\n",
        _ => b"SSH-2.0-OpenSSH_8.4p1\r\n",
    };
    let keys = text::ssh_keys(&mut rng);
    let [begin, reply, fresh] = keys;
    let calls = [
        Call::new(text::SSH_CLIENT.into(), banner.to_vec()),
        Call::new(text::ssh_proposal(&mut rng), text::ssh_proposal(&mut rng)),
        Call::new(begin, reply),
        Call::new([fresh, text::ssh_sealed(&mut rng, 2)].concat(), text::ssh_sealed(&mut rng, 2)),
        Call::new(text::ssh_sealed(&mut rng, 4), text::ssh_sealed(&mut rng, 11)),
    ];
    let done = world.net.exchange(conn, at, &calls);
    world.net.close(conn, done + 9 * SECOND)
}
