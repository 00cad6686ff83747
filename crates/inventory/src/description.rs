//! Which facts of an address are its own, and what a name it looked for tells of its own.
//!
//! Invariant: nothing is made up: every answer is one of the facts.

use crate::record::Known;
use std::collections::BTreeSet;

/// Controllers of Rockwell's Logix family by catalogue number: `1756-L83E/B`, `5069-L306ER`.
pub(crate) fn is_logix(model: &str) -> bool {
    let Some((family, rest)) = model.split_once('-') else { return false };
    let known = ["1756", "1768", "1769", "1789", "1794", "5069", "5370", "5380"];
    known.contains(&family) && rest.starts_with('L')
}

/// Fact: a name it looked for by PROFINET DCP.
pub(crate) const SEARCHED_NAME: &str = "searched_station_name";

/// Fact: the name of another, which told it this address by PROFINET DCP or was given it.
pub(crate) const OTHERS_NAME: &str = "other_station_name";

/// A PROFINET device that starts looks whether its own name is taken (IEC 61158-6-10, DCP
/// identify with the name as filter); a controller looks for all its devices. So the only name
/// somebody looks for is its own, as long as nothing better is known and nobody else has it: a
/// controller may have but one device.
pub(crate) fn name_looked_for(known: &[Known]) -> Option<Known> {
    let mut searched = known.iter().filter(|k| k.path == SEARCHED_NAME);
    let only = searched.next()?;
    let of_another = |k: &Known| k.path == OTHERS_NAME && k.value == only.value;
    let named = known.iter().any(|k| k.path == "station_name" || of_another(k));
    (searched.next().is_none() && !named).then(|| Known { path: "station_name", ..only.clone() })
}

/// The facts of the device itself. Units behind a Modbus gateway answer under its address with
/// identities of their own: where several makers do, none of them made the gateway.
pub(crate) fn own_facts(known: &[Known]) -> Vec<Known> {
    const IDENTITY: &[&str] = &["vendor", "model", "product_code", "firmware", "serial"];
    let by_unit = |k: &&Known| k.protocol == "modbus" && IDENTITY.contains(&k.path);
    let makers: BTreeSet<&str> =
        known.iter().filter(by_unit).filter(|k| k.path == "vendor").map(|k| &*k.value).collect();
    let gateway = makers.len() > 1;
    known.iter().filter(|k| !(gateway && by_unit(k))).cloned().collect()
}
