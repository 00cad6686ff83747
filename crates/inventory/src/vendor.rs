//! Vendors from MAC addresses: the IEEE registry as the crate `oui-data` packages it.
//!
//! Invariant: a locally administered address names no vendor.

use model::Mac;

/// The organisation a universally administered address was assigned to.
pub fn vendor_of(mac: Mac) -> Option<&'static str> {
    if mac.is_local() || !mac.is_host() {
        return None;
    }
    let [a, b, c, d, e, f] = mac.0;
    let text = format!("{a:02X}{b:02X}{c:02X}{d:02X}{e:02X}{f:02X}");
    let name = oui_data::lookup(&text)?.organization().trim_end_matches([',', ' ']);
    (!name.is_empty() && name != "Private").then_some(name)
}

/// Virtual machines' network cards, by the blocks their makers use for them.
pub fn is_virtual(mac: Mac) -> bool {
    matches!(
        mac.0,
        [0x00, 0x0c, 0x29, ..]
            | [0x00, 0x50, 0x56, ..]
            | [0x00, 0x05, 0x69, ..]
            | [0x08, 0x00, 0x27, ..]
            | [0x00, 0x15, 0x5d, ..]
            | [0x52, 0x54, 0x00, ..]
            | [0x00, 0x16, 0x3e, ..]
    )
}

/// Addresses that several devices share: VRRP (RFC 9568, 7.3), HSRP, GLBP.
pub fn is_shared(mac: Mac) -> bool {
    matches!(
        mac.0,
        [0x00, 0x00, 0x5e, 0x00, 0x01 | 0x02, _]
            | [0x00, 0x00, 0x0c, 0x07, 0xac, _]
            | [0x00, 0x00, 0x0c, 0x9f, 0xf0..=0xff, _]
            | [0x00, 0x07, 0xb4, 0x00, _, _]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_knows_makers_of_controllers() {
        let vendor = vendor_of(Mac([0x00, 0x1b, 0x1b, 1, 2, 3])).expect("registered");
        assert!(vendor.starts_with("Siemens AG"), "{vendor}");
        assert_eq!(vendor_of(Mac([0x02, 0x1b, 0x1b, 1, 2, 3])), None);
    }
}
