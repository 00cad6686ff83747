//! What an operation acts on, in the words of its protocol.
//!
//! Not here: what is done to it. Invariant: each part of an address that tells two objects apart
//! is in the words, and a part that means nothing is not.

use model::Object;
use std::net::Ipv4Addr;

/// The object for a person; nothing where the operation's own name says it all.
pub fn says(protocol: &str, object: &Object) -> String {
    match object {
        Object::None => String::new(),
        Object::Range { area, block, first, count } => {
            range(protocol, (area, *block), (*first, *count))
        }
        // The operation's own name says that it is an address.
        Object::Name { area: "ipv4", name } => name.to_string(),
        Object::Name { area, name } => format!("{area} {name}"),
    }
}

/// The address space that units are counted in.
pub fn space(protocol: &str, area: &str, block: u32) -> String {
    match (protocol, area) {
        ("s7comm", "DB" | "DI") | ("pccc", _) => format!("{area}{block}"),
        ("cip", "class") => format!("class 0x{block:02x}"),
        ("ams", "index-group") => format!("index group 0x{block:x}"),
        ("canopen" | "ethercat" | "powerlink", "object") => format!("object 0x{block:04x}"),
        ("c1222", "table") => format!("table {block}"),
        ("zigbee", "cluster") | ("goose" | "sv", _) => format!("{area} 0x{block:04x}"),
        ("bacnet", "private-service") => format!("private service of vendor {block}"),
        ("bacnet", _) if block != 0 => format!("{area} property {block}"),
        ("opcua", "node") => format!("node ns={block}"),
        ("knxip", "property") => format!("property of object type {block}"),
        ("roc_plus", "parameter") => {
            format!("parameter of point type {} number {}", block >> 8, block & 0xff)
        }
        ("pn_io", "record") => {
            format!("record of slot {} subslot {}", block >> 16, block & 0xffff)
        }
        _ => area.to_owned(),
    }
}

fn range(protocol: &str, (area, block): (&str, u32), (first, count): (u32, u32)) -> String {
    let space = || space(protocol, area, block);
    let all = match count {
        0 | 1 => first.to_string(),
        _ => format!("{first}..{}", u64::from(first) + u64::from(count) - 1),
    };
    match (protocol, area) {
        // Whose address ARP asks for, and what a host joins.
        (_, "ipv4" | "multicast group") => Ipv4Addr::from(first).to_string(),
        ("s7comm", "DB" | "DI") if count > 1 => format!("{}, octets {all}", space()),
        ("s7comm", "DB" | "DI") => format!("{}, octet {all}", space()),
        ("s7comm", "szl") => format!("szl 0x{first:04x}"),
        ("pccc", _) => format!("{}:{all}", space()),
        // Instance 0 is the class itself (Volume 1, 4-4.1).
        ("cip", "class") | ("c1222", "table") if first == 0 => space(),
        ("zigbee", "cluster") | ("goose" | "sv", _) => space(),
        ("cip", "class") => format!("{} instance {first}", space()),
        ("c1222", "table") | ("ams", "index-group") => format!("{} offset {all}", space()),
        ("canopen" | "ethercat" | "powerlink", "object") => format!("{} sub {first}", space()),
        ("bacnet", "private-service") => format!("private service {first} of vendor {block}"),
        ("bacnet", _) if block != 0 => format!("{area} {all} property {block}"),
        ("opcua", "node") if block == 0 => format!("node i={first}"),
        ("opcua", "node") => format!("{};i={first}", space()),
        ("knxip", "property") => format!("property {first} of object type {block}"),
        ("knxip", "group") => {
            format!("group {}/{}/{}", first >> 11, first >> 8 & 7, first & 0xff)
        }
        ("knxip", "device") => {
            format!("device {}.{}.{}", first >> 12, first >> 8 & 0xf, first & 0xff)
        }
        ("roc_plus", "parameter") => space().replacen("parameter", &format!("parameter {all}"), 1),
        ("pn_io", "record") => space().replacen("record", &format!("record 0x{first:04x}"), 1),
        ("dnp3", _) => dnp3((area, block), &all, count),
        // The sub-function is what the name of the operation says.
        ("modbus", "diagnostics") => String::new(),
        _ => format!("{area} {all}"),
    }
}

/// The block is the variation: how the objects are written, and of classes which
/// (IEEE 1815-2012, annex A).
fn dnp3((area, variation): (&str, u32), all: &str, count: u32) -> String {
    match area {
        "class" => match variation {
            1..=4 => format!("class {} data", variation - 1),
            _ => "class data".to_owned(),
        },
        // There is one of each, so its index says nothing.
        "time" | "common-time" | "time-delay" | "file" => area.to_owned(),
        _ if count == 0 => format!("every {area}"),
        _ => format!("{area} {all}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(protocol: &str, (area, block): (&'static str, u32), units: (u32, u32), expect: &str) {
        let object = Object::Range { area, block, first: units.0, count: units.1 };
        assert_eq!(says(protocol, &object), expect);
    }

    #[test]
    fn an_address_that_is_asked_for_is_told_as_one() {
        check("arp", ("ipv4", 0), (0xc0a8_0ab6, 1), "192.168.10.182");
    }

    #[test]
    fn a_block_is_told_where_it_means_something() {
        check("s7comm", ("DB", 5), (0, 4), "DB5, octets 0..3");
        check("s7comm", ("DB", 5), (7, 1), "DB5, octet 7");
        check("s7comm", ("M", 0), (10, 1), "M 10");
        check("cip", ("class", 0x8e), (1, 1), "class 0x8e instance 1");
        check("cip", ("class", 0xa1), (0, 1), "class 0xa1");
        check("pccc", ("N", 7), (0, 1), "N7:0");
        check("pccc", ("N", 7), (0, 10), "N7:0..9");
        check("ams", ("index-group", 0x4020), (8, 4), "index group 0x4020 offset 8..11");
        check("canopen", ("object", 0x1017), (0, 1), "object 0x1017 sub 0");
        check("iec104", ("object", 3), (10_010, 1), "object 10010");
        check("c1222", ("table", 23), (16, 1), "table 23 offset 16");
        check("c1222", ("table", 7), (0, 1), "table 7");
        check("zigbee", ("cluster", 0x402), (0, 1), "cluster 0x0402");
        check("bacnet", ("analog-output", 85), (3, 1), "analog-output 3 property 85");
        check("bacnet", ("device", 0), (0, 100), "device 0..99");
        check("opcua", ("node", 2), (7, 1), "node ns=2;i=7");
        check("knxip", ("property", 11), (51, 1), "property 51 of object type 11");
        check("knxip", ("group", 0), (0x0a03, 1), "group 1/2/3");
        check("knxip", ("device", 0), (0x1105, 1), "device 1.1.5");
        check("pn_io", ("record", 1 << 16 | 2), (0x8028, 1), "record 0x8028 of slot 1 subslot 2");
        check("modbus", ("holding-register", 9), (4, 2), "holding-register 4..5");
        check("modbus", ("diagnostics", 9), (4, 1), "");
        let point = "parameter 3..5 of point type 1 number 2";
        check("roc_plus", ("parameter", 0x102), (3, 3), point);
    }

    #[test]
    fn dnp3_names_classes_by_their_number_and_all_as_all() {
        check("dnp3", ("class", 2), (0, 0), "class 1 data");
        check("dnp3", ("class", 1), (0, 0), "class 0 data");
        check("dnp3", ("counter", 0), (0, 0), "every counter");
        check("dnp3", ("counter", 1), (0, 1), "counter 0");
        check("dnp3", ("time-delay", 1), (0, 1), "time-delay");
    }
}
