//! Which class a client has a remote host start ([MS-DCOM], 2.2.22 and 3.1.2.5.2).
//!
//! Not here: the other properties of an activation. Invariant: a class is told only where the
//! lists that lead to it agree with their counts.

use super::wire::{Order, Uuid};
use ::wire::reader::{Reader, Short};

/// Interfaces that activate: the old one, and that of the system activator.
pub const REMOTE_ACTIVATION: u128 = 0x4d9f4ab8_7d1c_11cf_861e_0020af6e7c57;
pub const SYSTEM_ACTIVATOR: u128 = 0x000001a0_0000_0000_c000_000000000046;

/// A class by its name; those of OPC Classic are servers of process values.
pub struct Class {
    pub id: u128,
    pub name: &'static str,
    pub opc: bool,
}

const fn opc(id: u128, name: &'static str) -> Class {
    Class { id, name, opc: true }
}

const fn other(id: u128, name: &'static str) -> Class {
    Class { id, name, opc: false }
}

/// Program identifiers as the makers register them; of others those that start programs.
static CLASSES: &[Class] = &[
    opc(0x13486d51_4821_11d2_a494_3cb306c10000, "OPC.ServerList"),
    opc(0xf8582cf2_88fb_11d0_b850_00c0f0104305, "Matrikon.OPC.Simulation"),
    opc(0xb3af0bf6_4c0c_4804_a122_6f3b160f4397, "Kepware.KEPServerEX.V5"),
    opc(0x7bc0cc8e_482c_47ca_abdc_0fe7f9c6e729, "Kepware.KEPServerEX.V6"),
    opc(0xa05bb6d5_2f8a_11d1_9bb0_080009d01446, "RSLinx OPC Server"),
    opc(0xb6eacb30_42d5_11d0_9517_0020afaa4b3c, "OPC.SimaticNET"),
    opc(0x75d00bbb_dda5_11d1_b944_9e614d000000, "OPCServer.WinCC"),
    opc(0x3c5702a2_eb8e_11d4_83a4_00105a984cbd, "Intellution.OPCiFIX"),
    other(0x8bc3f05e_d86b_11d0_a075_00c04fb68820, "WbemLevel1Login"),
    other(0x49b2791a_b1ae_4c90_9b8e_e860ba07f889, "MMC20.Application"),
    other(0x9ba05972_f6a8_11cf_a442_00a0c90a8f39, "ShellWindows"),
    other(0xc08afd90_f2a1_11d1_8455_00a0c91f3880, "ShellBrowserWindow"),
    other(0x00024500_0000_0000_c000_000000000046, "Excel.Application"),
];

pub fn find(id: Uuid) -> Option<&'static Class> {
    CLASSES.iter().find(|class| class.id == id.0)
}

/// The class an activation asks for.
pub fn class(interface: u128, operation: u16, stub: &[u8], order: Order) -> Option<Uuid> {
    let mut r = Reader::new(stub);
    match (interface, operation) {
        (REMOTE_ACTIVATION, 0) => {
            orpc_this(&mut r, order).ok()?;
            Uuid::read(&mut r, order).ok()
        }
        (SYSTEM_ACTIVATOR, 3 | 4) => {
            orpc_this(&mut r, order).ok()?;
            if operation == 4 {
                // Outer object, which remote clients have none of.
                r.skip(4).ok()?;
            }
            // Pointer, size of the array, octets of the reference.
            r.skip(12).ok()?;
            of_properties(r.rest()).ok()?
        }
        _ => None,
    }
}

/// ORPCTHIS (2.2.13.3): version, flags, reserved, causality; extensions are not sent.
fn orpc_this(r: &mut Reader<'_>, order: Order) -> Result<(), Short> {
    r.skip(28)?;
    match order.u32(r)? {
        0 => Ok(()),
        _ => Err(Short { needed: 1 }),
    }
}

/// A custom object reference (2.2.18.6) with activation properties: a header that lists the
/// classes and sizes of what follows (2.2.22.1). Serialised little endian by all that send it.
fn of_properties(reference: &[u8]) -> Result<Option<Uuid>, Short> {
    const CUSTOM: [u8; 8] = *b"MEOW\x04\0\0\0";
    /// Headers of a serialised type ([MS-RPCE], 2.2.6).
    const SERIALISED_OCTETS: usize = 16;
    const PROPERTIES_MAX: u32 = 32;
    let order = Order::Little;
    let mut r = Reader::new(reference);
    if r.array::<8>()? != CUSTOM {
        return Ok(None);
    }
    // Interface, class, extension, reserved; size and reserved of the properties.
    r.skip(16 + 16 + 8 + 8)?;
    let blob = r.rest();
    let mut r = Reader::new(blob);
    r.skip(SERIALISED_OCTETS + 4)?;
    let header = r.le32()? as usize;
    r.skip(8)?;
    let count = r.le32()?;
    r.skip(16 + 12)?;
    if count > PROPERTIES_MAX || r.le32()? != count {
        return Ok(None);
    }
    let mut kinds = Vec::new();
    for _ in 0..count {
        kinds.push(Uuid::read(&mut r, order)?);
    }
    if r.le32()? != count {
        return Ok(None);
    }
    let mut at = header;
    for kind in kinds {
        let size = r.le32()? as usize;
        if kind == INSTANTIATION {
            let mut property = Reader::new(blob.get(at..).unwrap_or_default());
            property.skip(SERIALISED_OCTETS)?;
            return Uuid::read(&mut property, order).map(Some);
        }
        at = at.saturating_add(size);
    }
    Ok(None)
}

/// InstantiationInfoData (2.2.22.2.1), which begins with the class.
const INSTANTIATION: Uuid = Uuid(0x000001ab_0000_0000_c000_000000000046);

#[cfg(test)]
mod tests {
    use super::*;

    const SIMULATION: Uuid = Uuid(0xf8582cf2_88fb_11d0_b850_00c0f0104305);

    fn uuid(id: Uuid) -> Vec<u8> {
        let mut octets = Vec::new();
        id.emit(Order::Little, &mut octets);
        octets
    }

    /// Two properties, of which the second instantiates.
    fn created(count_again: u32) -> Vec<u8> {
        let special = Uuid(0x000001b9_0000_0000_c000_000000000046);
        let lists = [
            &2u32.to_le_bytes()[..],
            &uuid(special),
            &uuid(INSTANTIATION),
            &count_again.to_le_bytes(),
            &8u32.to_le_bytes(),
            &40u32.to_le_bytes(),
        ]
        .concat();
        let header = 64 + lists.len() as u32;
        let blob = [
            &[0; 16][..],
            &(header + 48).to_le_bytes(),
            &header.to_le_bytes(),
            &[0; 8],
            &2u32.to_le_bytes(),
            &[0; 28],
            &lists,
            &[0xee; 8],
            &[0; 16],
            &uuid(SIMULATION),
            &[0; 8],
        ]
        .concat();
        let reference = [&b"MEOW\x04\0\0\0"[..], &[0; 48], &blob].concat();
        [&[5, 0, 7, 0][..], &[0; 28], &[0; 4], &[1; 12], &reference].concat()
    }

    #[test]
    fn the_class_stands_in_the_property_that_instantiates() {
        let read = class(SYSTEM_ACTIVATOR, 4, &created(2), Order::Little);
        assert_eq!(read, Some(SIMULATION));
        assert_eq!(find(SIMULATION).map(|class| class.name), Some("Matrikon.OPC.Simulation"));
        assert_eq!(class(SYSTEM_ACTIVATOR, 4, &created(3), Order::Little), None);
        assert_eq!(class(SYSTEM_ACTIVATOR, 5, &created(2), Order::Little), None);
    }

    #[test]
    fn the_old_interface_begins_with_the_class() {
        let stub = [&[5, 0, 7, 0][..], &[0; 28], &uuid(SIMULATION)].concat();
        assert_eq!(class(REMOTE_ACTIVATION, 0, &stub, Order::Little), Some(SIMULATION));
        assert_eq!(class(REMOTE_ACTIVATION, 0, &stub[..40], Order::Little), None);
    }
}
