//! Protection plans that suit this server: what really is there to back up.
//!
//! Not here: carrying them out. Invariant: a plan names only what this server can reach.

use super::historian;
use crate::settings::File;
use lab::actors::modbus::UNITS;
use serde_json::{Value, json};
use std::path::Path;

/// The control plane's own state, and of the lab what can be reached.
pub fn suggested(file: &File, data: &Path) -> Vec<Value> {
    let mut plans = vec![own(data)];
    if file.lab.enabled {
        plans.push(json!({
            "name": "Lab historian",
            "subject": "Lab historian",
            "sources": [format!("sqlite:{}", historian(data).display())],
            "every_minutes": 15, "rpo_minutes": 60, "verify_days": 1, "verify_level": 2,
        }));
    }
    if file.lab.enabled && file.lab.modbus_port > 0 {
        plans.extend(controllers(file.lab.modbus_port));
    }
    if file.lab.enabled && file.lab.s7_port > 0 {
        plans.extend(mixing(file.lab.s7_port));
    }
    plans
}

/// Recovery plans that suit, as name and text: the control plane's own state, the lab's historian.
pub fn suggested_recovery(file: &File, data: &Path) -> Vec<(String, String)> {
    let filled = |name: &str, text: &str, database: &Path| {
        let path = toml::Value::from(database.display().to_string()).to_string();
        (name.to_owned(), text.replace("@DATABASE@", &path))
    };
    let own = include_str!("recovery/control-plane.toml");
    let mut plans = vec![filled("Control plane", own, &data.join("spandrel.db"))];
    if file.lab.enabled {
        let text = include_str!("recovery/historian.toml");
        plans.push(filled("Lab historian", text, &historian(data)));
    }
    plans
}

/// Assets, findings, users and the certificates that browsers and sensors trust.
fn own(data: &Path) -> Value {
    let place = |name: &str| data.join(name).display().to_string();
    json!({
        "name": "Control plane",
        "subject": "Control plane",
        "sources": [format!("sqlite:{}", place("spandrel.db")), format!("files:{}", place("tls"))],
        "every_minutes": 360, "rpo_minutes": 1_440, "verify_days": 7, "verify_level": 2,
    })
}

/// The simulated controllers whose registers the lab serves. Their own addresses exist on no
/// network, so each plan names the lab's port instead of `{ip}`.
fn controllers(port: u16) -> Vec<Value> {
    let (hosts, _) = lab::plant::hosts();
    let units = UNITS.iter().zip(1..).filter(|(unit, _)| unit.server.starts_with("plc-"));
    let plan = |(unit, number): (&lab::actors::modbus::Unit, u32)| {
        let last = unit.registers - 1;
        // Not every controller says its name on the wire; its address is seen.
        let host = hosts.iter().find(|host| host.name == unit.server)?;
        Some(json!({
            "name": format!("Registers of {}", unit.server),
            "filter": format!("ip eq \"{}\"", host.ip),
            "sources": [format!("modbus:127.0.0.1:{port}?unit={number}&holding=0-{last}")],
            "every_minutes": 60, "rpo_minutes": 240, "on_change": true, "debounce_s": 10,
            "verify_days": 1, "verify_level": 2,
        }))
    };
    units.filter_map(plan).collect()
}

/// The program of the one controller whose program the lab serves.
fn mixing(port: u16) -> Option<Value> {
    let (hosts, _) = lab::plant::hosts();
    let host = hosts.iter().find(|host| host.name == lab::actors::controllers::MIXING)?;
    Some(json!({
        "name": format!("Program of {}", host.name),
        "filter": format!("ip eq \"{}\"", host.ip),
        "sources": [format!("s7:127.0.0.1:{port}?rack=0&slot=2")],
        "every_minutes": 60, "rpo_minutes": 240, "on_change": true, "debounce_s": 10,
        "verify_days": 1, "verify_level": 2,
    }))
}
