//! What a system description (SNMP sysDescr, LLDP) tells of model and firmware, and which facts
//! of an address are its own.
//!
//! Makers write descriptions as they please, so only shapes seen on devices are read. Invariant:
//! nothing is made up: every answer is a part of the text.

use crate::record::Known;
use std::collections::BTreeSet;

/// Longest part of a description that can be a model, in characters.
const MODEL_CHARS_MAX: usize = 48;

/// The model in a description: `Siemens, SIMATIC NET, MODEL, ...`, or a short first part that is
/// not the name of an operating system.
pub(crate) fn model(description: &str) -> Option<String> {
    let parts: Vec<&str> = description.split(", ").map(str::trim).collect();
    let part = match parts[..] {
        ["Siemens", "SIMATIC NET", model, ..] => model,
        [first, ..] => first,
        [] => return None,
    };
    let lower = part.to_lowercase();
    let system = ["software", "linux", "hardware:", "windows", "ethernet", "version"];
    let fits = !part.is_empty()
        && part.len() <= MODEL_CHARS_MAX
        && part.contains(|c: char| c.is_ascii_digit())
        && !system.iter().any(|s| lower.contains(s));
    fits.then(|| part.to_owned())
}

/// The firmware in a description: behind `FW: Version`, `firmware` or `Version`, or a part such
/// as `HiOS-2S-08.7.03`.
pub(crate) fn firmware(description: &str) -> Option<String> {
    for marker in ["FW: Version ", "firmware ", "Firmware ", "HiOS-", "Version "] {
        let Some(at) = description.find(marker) else { continue };
        let begin = if marker == "HiOS-" { at } else { at + marker.len() };
        let rest = &description[begin..];
        let end = rest.find([',', ';', ' ']).unwrap_or(rest.len());
        let version = &rest[..end];
        if version.contains(|c: char| c.is_ascii_digit()) {
            return Some(version.to_owned());
        }
    }
    None
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_of_switches_tell_model_and_firmware() {
        #[track_caller]
        fn check(description: &str, expected: (Option<&str>, Option<&str>)) {
            let (model, firmware) = (model(description), firmware(description));
            assert_eq!((model.as_deref(), firmware.as_deref()), expected);
        }
        check(
            "Siemens, SIMATIC NET, SCALANCE XC208, 6GK5 208, HW: Version 1, FW: Version V04.03.00",
            (Some("SCALANCE XC208"), Some("V04.03.00")),
        );
        check("MOXA EDS-408A-PN, firmware V3.8", (Some("MOXA EDS-408A-PN"), Some("V3.8")));
        check(
            "Hirschmann BOBCAT Rail Switch BRS40, HiOS-2S-08.7.03",
            (Some("Hirschmann BOBCAT Rail Switch BRS40"), Some("HiOS-2S-08.7.03")),
        );
        check(
            "Cisco IOS Software, C2960 Software (C2960-LANBASEK9-M), Version 15.0(2)SE11, RELEASE",
            (None, Some("15.0(2)SE11")),
        );
        check("Linux web 5.10.0 #1 SMP", (None, None));
    }
}
