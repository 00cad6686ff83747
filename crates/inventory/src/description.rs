//! Which facts of an address are its own, and what a name it looked for tells of its own.
//!
//! Invariant: nothing is made up: every answer is one of the facts.

use crate::{
    record::{Behaviour, Known},
    texts,
};
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
    let own = known.iter().filter(|k| !(gateway && by_unit(k))).cloned();
    own.map(|k| match (k.path, texts::common_name(&k.value)) {
        ("os", Some(name)) => Known { value: name.into(), ..k },
        _ => k,
    })
    .collect()
}

/// What a call by COTP means in the words of S7, where it was MMS that followed: its clients call
/// with the same octets.
pub(crate) fn drop_of_s7(known: &mut Vec<Known>, behaviour: &Behaviour) {
    const OF_S7: &[&str] = &["s7_connects_as", "rack", "slot"];
    let Behaviour { served, asked, told, .. } = behaviour;
    let spoken = || served.keys().chain(told.keys()).chain(asked.keys().map(|(p, _)| p));
    let of_s7 = spoken().any(|protocol| protocol.starts_with("s7comm"));
    if !of_s7 && spoken().any(|protocol| *protocol == "mms") {
        known.retain(|k| k.protocol != "cotp" || !OF_S7.contains(&k.path));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Time;

    fn known(path: &'static str, protocol: &'static str, text: &str) -> Known {
        let (message, confidence, first) = ("", 90, Time::default());
        Known { path, value: text.into(), protocol, message, confidence, first }
    }

    #[test]
    fn who_speaks_mms_is_not_said_to_connect_as_in_s7() {
        let left = |protocols: &[&'static str]| {
            let mut behaviour = Behaviour::default();
            protocols.iter().for_each(|protocol| behaviour.served(protocol, 1));
            let role = known("s7_connects_as", "cotp", "operator panel");
            let mut facts = vec![role, known("rack", "cotp", "0"), known("rack", "cip", "1")];
            drop_of_s7(&mut facts, &behaviour);
            facts.len()
        };
        assert_eq!((left(&["mms"]), left(&["mms", "s7comm"]), left(&[])), (1, 3, 3));
    }

    #[test]
    fn versions_of_windows_are_called_as_people_do() {
        let named = |os| own_facts(&[known("os", "smb", os)])[0].value.to_string();
        assert_eq!(named("Windows 5.1"), "Windows XP");
        assert_eq!(named("Windows 5.0"), "Windows 2000");
        assert_eq!(named("Windows 2002 Service Pack 3 2600"), "Windows XP SP3");
        assert_eq!(named("Windows 2002 2600"), "Windows XP");
        assert_eq!(named("Windows 2000 2195"), "Windows 2000 2195");
        assert_eq!(named("Windows 10 1511"), "Windows 10 1511");
    }
}
