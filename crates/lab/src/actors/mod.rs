//! Who talks to whom: each actor is one habit of one device.
//!
//! Invariant: an actor draws its random numbers from a stream of its own, so adding one does not
//! change what the others do.

mod building;
pub mod controllers;
mod fieldbus;
mod modbus;
mod network;
mod office;
mod rockwell;
mod telecontrol;

use crate::world::{Actor, World};

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
