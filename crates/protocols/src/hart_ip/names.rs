//! HART commands, response codes, units and manufacturers.

use model::OperationClass as Class;

/// Universal commands (HCF_SPEC-127), then those of common practice (HCF_SPEC-151).
pub(super) const fn command(number: u16) -> (Class, &'static str) {
    match number {
        0 => (Class::Browse, "read unique identifier"),
        1 => (Class::Read, "read primary variable"),
        2 => (Class::Read, "read loop current and percent of range"),
        3 => (Class::Read, "read dynamic variables and loop current"),
        6 => (Class::Configure, "write polling address"),
        7 => (Class::Diagnose, "read loop configuration"),
        8 => (Class::Diagnose, "read dynamic variable classifications"),
        9 => (Class::Read, "read device variables with status"),
        11 => (Class::Browse, "read unique identifier by tag"),
        12 => (Class::Diagnose, "read message"),
        13 => (Class::Diagnose, "read tag, descriptor, date"),
        14 => (Class::Diagnose, "read primary variable transducer information"),
        15 => (Class::Diagnose, "read device information"),
        16 => (Class::Diagnose, "read final assembly number"),
        17 => (Class::Configure, "write message"),
        18 => (Class::Configure, "write tag, descriptor, date"),
        19 => (Class::Configure, "write final assembly number"),
        20 => (Class::Diagnose, "read long tag"),
        21 => (Class::Browse, "read unique identifier by long tag"),
        22 => (Class::Configure, "write long tag"),
        _ => common_practice(number),
    }
}

const fn common_practice(number: u16) -> (Class, &'static str) {
    match number {
        33 => (Class::Read, "read device variables"),
        34 => (Class::Configure, "write damping value"),
        35 => (Class::Configure, "write range values"),
        36 => (Class::Configure, "set upper range value"),
        37 => (Class::Configure, "set lower range value"),
        38 => (Class::Configure, "reset configuration changed flag"),
        39 => (Class::Configure, "EEPROM control"),
        40 => (Class::Write, "enter or exit fixed current mode"),
        41 => (Class::Diagnose, "perform self test"),
        42 => (Class::Reset, "perform device reset"),
        43 => (Class::Configure, "set primary variable zero"),
        44 => (Class::Configure, "write primary variable units"),
        45 => (Class::Configure, "trim loop current zero"),
        46 => (Class::Configure, "trim loop current gain"),
        47 => (Class::Configure, "write transfer function"),
        48 => (Class::Diagnose, "read additional device status"),
        49 => (Class::Configure, "write transducer serial number"),
        50 => (Class::Diagnose, "read dynamic variable assignments"),
        51 => (Class::Configure, "write dynamic variable assignments"),
        52 => (Class::Configure, "set device variable zero"),
        53 => (Class::Configure, "write device variable units"),
        54 => (Class::Diagnose, "read device variable information"),
        55 => (Class::Configure, "write device variable damping"),
        56 => (Class::Configure, "write device variable transducer serial number"),
        57 => (Class::Diagnose, "read unit tag, descriptor, date"),
        58 => (Class::Configure, "write unit tag, descriptor, date"),
        59 => (Class::Configure, "write number of response preambles"),
        60 => (Class::Read, "read analog channel and percent of range"),
        61 => (Class::Read, "read dynamic variables and primary analog channel"),
        62 => (Class::Read, "read analog channels"),
        63 => (Class::Diagnose, "read analog channel information"),
        64 => (Class::Configure, "write analog channel additional damping"),
        65 => (Class::Configure, "write analog channel range values"),
        66 => (Class::Write, "enter or exit fixed analog channel mode"),
        67 | 68 => (Class::Configure, "trim analog channel"),
        69 => (Class::Configure, "write analog channel transfer function"),
        70 => (Class::Diagnose, "read analog channel endpoint values"),
        71 => (Class::Configure, "lock device"),
        72 => (Class::Diagnose, "squawk"),
        73 => (Class::Browse, "find device"),
        74 => (Class::Browse, "read I/O system capabilities"),
        75 => (Class::Browse, "poll sub-device"),
        76 => (Class::Diagnose, "read lock device state"),
        77 => (Class::Other, "send command to sub-device"),
        78 => (Class::Other, "read aggregated commands"),
        79 => (Class::Write, "write device variable"),
        80 | 81 => (Class::Diagnose, "read device variable trim points"),
        82 => (Class::Configure, "write device variable trim point"),
        83 => (Class::Configure, "reset device variable trim"),
        84 => (Class::Browse, "read sub-device identity summary"),
        85 => (Class::Diagnose, "read I/O channel statistics"),
        86 => (Class::Diagnose, "read sub-device statistics"),
        87 => (Class::Configure, "write I/O system master mode"),
        88 => (Class::Configure, "write I/O system retry count"),
        89 => (Class::TimeSync, "set real-time clock"),
        90 => (Class::Diagnose, "read real-time clock"),
        91..=119 => trends_and_bursts(number),
        512 => (Class::Diagnose, "read country code"),
        513 => (Class::Configure, "write country code"),
        768..=838 => wireless(number),
        128..=253 | 64_768..=65_021 => (Class::Other, "device specific command"),
        _ => (Class::Other, "command"),
    }
}

const fn trends_and_bursts(number: u16) -> (Class, &'static str) {
    match number {
        91 => (Class::Diagnose, "read trend configuration"),
        92 => (Class::Configure, "write trend configuration"),
        93 => (Class::Read, "read trend"),
        94 | 95 => (Class::Diagnose, "read communication statistics"),
        96 => (Class::Diagnose, "read synchronous action"),
        97 => (Class::Configure, "configure synchronous action"),
        98 => (Class::Diagnose, "read command action"),
        99 => (Class::Configure, "configure command action"),
        101 => (Class::Diagnose, "read sub-device to burst message map"),
        102 => (Class::Configure, "map sub-device to burst message"),
        103 | 104 | 107..=109 => (Class::Configure, "write burst mode"),
        105 => (Class::Diagnose, "read burst mode configuration"),
        106 => (Class::Configure, "flush delayed responses"),
        110 => (Class::Read, "read all dynamic variables"),
        111 | 112 => (Class::ProgramDownload, "transfer service"),
        113 => (Class::Configure, "catch device variable"),
        114 => (Class::Diagnose, "read caught device variable"),
        115 => (Class::Diagnose, "read event notification summary"),
        116..=119 => (Class::Configure, "write event notification"),
        _ => (Class::Other, "command"),
    }
}

/// What sets up a wireless network and who is in it (HCF_SPEC-155).
const fn wireless(number: u16) -> (Class, &'static str) {
    match number {
        768 => (Class::Configure, "write join key"),
        769 => (Class::Diagnose, "read join status"),
        771 => (Class::Configure, "force join"),
        772 => (Class::Diagnose, "read join mode configuration"),
        773 => (Class::Configure, "write network id"),
        774 => (Class::Diagnose, "read network id"),
        775 => (Class::Configure, "write network tag"),
        776 => (Class::Diagnose, "read network tag"),
        _ => (Class::Other, "wireless command"),
    }
}

/// Single-definition and usual command-specific response codes (HCF_SPEC-307).
pub(super) const fn response(code: u8) -> &'static str {
    match code {
        2 => "invalid selection",
        3 => "parameter too large",
        4 => "parameter too small",
        5 => "too few data bytes received",
        6 => "device-specific command error",
        7 => "in write protect mode",
        16 => "access restricted",
        17 => "invalid device variable index",
        18 => "invalid units code",
        32 => "busy",
        33 => "delayed response initiated",
        34 => "delayed response running",
        35 => "delayed response dead",
        36 => "delayed response conflict",
        60 => "payload too long",
        64 => "command not implemented",
        65 => "response truncated",
        // What the others mean is for each command to say.
        _ => "command-specific error",
    }
}

/// Engineering units (HCF_SPEC-183, table 2), the usual ones.
pub(super) const fn unit(code: u8) -> Option<&'static str> {
    match code {
        0..=35 => pressure_flow_temperature(code),
        36..=69 => quantity(code),
        _ => rate_density_and_other(code),
    }
}

const fn pressure_flow_temperature(code: u8) -> Option<&'static str> {
    Some(match code {
        1 => "inH2O",
        2 => "inHg",
        3 => "ftH2O",
        4 => "mmH2O",
        5 => "mmHg",
        6 => "psi",
        7 => "bar",
        8 => "mbar",
        9 => "g/cm²",
        10 => "kg/cm²",
        11 => "Pa",
        12 => "kPa",
        13 => "Torr",
        14 => "atm",
        15 => "ft³/min",
        16 => "gal/min",
        17 => "l/min",
        18 => "imp gal/min",
        19 => "m³/h",
        20 => "ft/s",
        21 => "m/s",
        22 => "gal/s",
        24 => "l/s",
        26 => "ft³/s",
        27 => "ft³/d",
        28 => "m³/s",
        29 => "m³/d",
        32 => "°C",
        33 => "°F",
        34 => "°R",
        35 => "K",
        _ => return None,
    })
}

const fn quantity(code: u8) -> Option<&'static str> {
    Some(match code {
        36 => "mV",
        37 => "Ohm",
        38 => "Hz",
        39 => "mA",
        40 => "gal",
        41 => "l",
        42 => "imp gal",
        43 => "m³",
        44 => "ft",
        45 => "m",
        46 => "bbl",
        47 => "in",
        48 => "cm",
        49 => "mm",
        50 => "min",
        51 => "s",
        52 => "h",
        53 => "d",
        54 => "cSt",
        55 => "cP",
        56 => "µS",
        57 => "%",
        58 => "V",
        59 => "pH",
        60 => "g",
        61 => "kg",
        62 => "t",
        63 => "lb",
        66 => "mS/cm",
        67 => "µS/cm",
        68 => "N",
        _ => return None,
    })
}

const fn rate_density_and_other(code: u8) -> Option<&'static str> {
    Some(match code {
        70 => "g/s",
        71 => "g/min",
        72 => "g/h",
        73 => "kg/s",
        74 => "kg/min",
        75 => "kg/h",
        76 => "kg/d",
        77 => "t/min",
        78 => "t/h",
        79 => "t/d",
        80 => "lb/s",
        81 => "lb/min",
        82 => "lb/h",
        83 => "lb/d",
        91 => "g/cm³",
        92 => "kg/m³",
        94 => "lb/ft³",
        95 => "g/ml",
        96 => "kg/l",
        97 => "g/l",
        101 => "°Brix",
        112 => "ft³",
        113 => "in³",
        119 => "rpm",
        121 => "Nm³/h",
        127 => "kW",
        128 => "kWh",
        130 => "ft³/h",
        131 => "m³/min",
        136 => "gal/h",
        138 => "l/h",
        139 => "ppm",
        143 => "°",
        144 => "rad",
        153 => "pF",
        156 => "dB",
        163 => "kOhm",
        169 => "ppb",
        237 => "MPa",
        _ => return None,
    })
}

/// Manufacturers by their HART number (HCF_SPEC-183, table 8), those met most.
pub(super) const fn manufacturer(id: u16) -> Option<&'static str> {
    Some(match id {
        0x05 | 0x12 | 0x16 | 0x1a => "ABB",
        0x0a => "Brooks Instrument",
        0x11 => "Endress+Hauser",
        0x13 => "Fisher Controls",
        0x14 | 0x3f => "Foxboro",
        0x17 => "Honeywell",
        0x1f => "Micro Motion",
        0x21 | 0x2a | 0x54 | 0x58 => "Siemens",
        0x26 => "Rosemount",
        0x2c => "Toshiba",
        0x2e => "Rosemount Analytical",
        0x36 => "Azbil",
        0x37 => "Yokogawa",
        0x3e => "Smar",
        0x42 => "Samson",
        0x45 => "Krohne",
        0x56 => "Magnetrol",
        0x5d => "Pepperl+Fuchs",
        0x62 => "VEGA",
        0x6b => "WIKA",
        0x6e => "Rotork",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_that_write_are_no_reads() {
        for number in [39, 64, 65, 82, 87, 88, 92, 97, 99, 102, 771, 773, 775] {
            assert_eq!(command(number).0, Class::Configure, "command {number}");
        }
        for number in [80, 81, 85, 86, 91, 94, 96, 98, 101, 105, 769, 774] {
            assert_eq!(command(number).0, Class::Diagnose, "command {number}");
        }
        assert_eq!((command(93).0, command(110).0), (Class::Read, Class::Read));
        assert_eq!(command(200).1, "device specific command");
    }

    #[test]
    fn units_and_manufacturers_have_their_numbers() {
        let units = [19, 17, 75, 59, 119, 237].map(unit);
        let expected = ["m³/h", "l/min", "kg/h", "pH", "rpm", "MPa"].map(Some);
        assert_eq!((units, unit(250)), (expected, None));
        let makers = [0x3e, 0x56, 0x26, 0x01].map(manufacturer);
        assert_eq!(makers, [Some("Smar"), Some("Magnetrol"), Some("Rosemount"), None]);
    }
}
