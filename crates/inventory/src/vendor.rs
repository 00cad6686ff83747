//! Vendors from MAC addresses: the IEEE registry as the crate `oui-data` packages it.
//!
//! Invariant: a locally administered address names no vendor.

use model::Mac;

// `NAMES` one behind the other and `ENDS` of each; blocks of addresses in order, each with the
// place of its owner's name, in `BLOCKS_24`, `BLOCKS_28` and `BLOCKS_36`.
include!(concat!(env!("OUT_DIR"), "/registry.rs"));

/// The organisation a universally administered address was assigned to. Who numbered an address
/// that devices share made none of them.
pub fn vendor_of(mac: Mac) -> Option<&'static str> {
    if mac.is_local() || !mac.is_host() || is_shared(mac) {
        return None;
    }
    let [a, b, c, d, e, f] = mac.0;
    let address = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
    let owner = |blocks: &[(u64, u32)], bits: u32| {
        let block = address >> (48 - bits);
        let at = blocks.binary_search_by_key(&block, |(block, _)| *block).ok()?;
        Some(blocks.get(at)?.1)
    };
    // Smaller blocks are parts of larger ones, which the registry keeps for itself.
    let place = owner(&BLOCKS_36, 36).or_else(|| owner(&BLOCKS_28, 28));
    let place = place.or_else(|| owner(&BLOCKS_24, 24))? as usize;
    let start = place.checked_sub(1).map_or(Some(0), |before| ENDS.get(before).copied())?;
    let name = NAMES.get(start as usize..*ENDS.get(place)? as usize)?;
    (!name.is_empty()).then_some(name)
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

/// Addresses that several devices share: VRRP (RFC 9568, 7.3), HSRP, with IPv6 in a block of its
/// own (Cisco, Configuring HSRP for IPv6), GLBP.
pub fn is_shared(mac: Mac) -> bool {
    matches!(
        mac.0,
        [0x00, 0x00, 0x5e, 0x00, 0x01 | 0x02, _]
            | [0x00, 0x00, 0x0c, 0x07, 0xac, _]
            | [0x00, 0x00, 0x0c, 0x9f, 0xf0..=0xff, _]
            | [0x00, 0x05, 0x73, 0xa0, 0x00..=0x0f, _]
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
        assert_eq!(vendor_of(Mac([0, 0, 0x5e, 0, 1, 7])), None);
        assert_eq!(vendor_of(Mac([0, 0, 0x0c, 7, 0xac, 1])), None);
        assert_eq!(vendor_of(Mac([0, 5, 0x73, 0xa0, 0, 6])), None);
        assert!(vendor_of(Mac([0, 5, 0x73, 0xa0, 0x10, 6])).is_some());
    }

    #[test]
    fn small_blocks_have_owners_of_their_own() {
        let mut known = 0;
        for block in 0..16u8 {
            // 8c-1f-64 is divided into blocks of 4,096 addresses.
            let owner = vendor_of(Mac([0x8c, 0x1f, 0x64, 0xaf, block << 4, 0]));
            known += usize::from(owner.is_some_and(|owner| !owner.contains("IEEE")));
        }
        assert!(known > 8, "{known}");
    }

    #[test]
    fn every_block_names_whom_the_package_names() {
        for (block, record) in oui_data::OUI_ENTRIES.entries() {
            let first = u64::from_str_radix(&format!("{block:0<12}"), 16).expect("digits");
            let [_, _, mac @ ..] = first.to_be_bytes();
            let expected: Vec<&str> = record.organization().split_whitespace().collect();
            let expected = expected.join(" ");
            let expected = expected.trim_end_matches([',', ' ']);
            let hidden = expected.is_empty() || expected == "Private";
            // A larger block's first address may be a smaller block's.
            let smaller = [7, 9].into_iter().filter(|digits| *digits > block.len());
            let divided = smaller.into_iter().any(|digits| {
                let part = &format!("{block:0<12}")[..digits];
                oui_data::OUI_ENTRIES.contains_key(part)
            });
            let one_device = !Mac(mac).is_local() && Mac(mac).is_host() && !is_shared(Mac(mac));
            if one_device && !divided {
                assert_eq!(vendor_of(Mac(mac)), (!hidden).then_some(expected), "{block}");
            }
        }
    }
}
