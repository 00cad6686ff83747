//! Makers by what their texts begin with, and by their numbers at IANA.
//!
//! Not here: makers of software that runs on others' devices, such as net-snmp, Microsoft and
//! VMware. Invariant: a beginning ends with a word.

/// In small letters: how texts begin, whose they are, and whether the words are the maker's name
/// only. A longer beginning stands before one that it begins with.
const BEGINNINGS: &[(&str, &str, bool)] = &[
    ("siemens", "Siemens", true),
    ("simatic", "Siemens", false),
    ("scalance", "Siemens", false),
    ("sinumerik", "Siemens", false),
    ("ruggedcom", "Siemens", false),
    ("hirschmann automation and control", "Hirschmann", true),
    ("hirschmann", "Hirschmann", true),
    ("moxahttp", "Moxa", true),
    ("moxa", "Moxa", true),
    ("nport", "Moxa", false),
    ("mgate", "Moxa", false),
    ("westermo", "Westermo", true),
    ("cisco systems, inc.", "Cisco", true),
    ("cisco-ios", "Cisco", true),
    ("cisco", "Cisco", true),
    ("stratix", "Rockwell Automation", false),
    ("rockwell automation", "Rockwell Automation", true),
    ("allen-bradley", "Rockwell Automation", true),
    ("a-b www", "Rockwell Automation", true),
    ("phoenix contact", "Phoenix Contact", true),
    ("mguard", "Phoenix Contact", false),
    ("fl mguard", "Phoenix Contact", false),
    ("fl switch", "Phoenix Contact", false),
    ("apc web/snmp management card", "APC", true),
    ("axis", "Axis", true),
    ("hikvision-webs", "Hikvision", true),
    ("dnvrs-webs", "Hikvision", true),
    ("app-webs", "Hikvision", true),
    ("hikvision", "Hikvision", true),
    ("dahua", "Dahua", true),
    ("hewlett-packard", "HP", true),
    ("hpe-ilo-server", "HPE", true),
    ("hp-ilo-server", "HPE", true),
    ("hp-ilo", "HPE", true),
    ("hp http server", "HP", true),
    ("hp laserjet", "HP", false),
    ("hp officejet", "HP", false),
    ("hp color laserjet", "HP", false),
    ("integrated lights-out", "HPE", false),
    ("procurve", "HPE", false),
    ("aruba", "HPE Aruba", true),
    ("idrac", "Dell", false),
    ("zebra technologies", "Zebra", true),
    ("zebra", "Zebra", true),
    ("brother", "Brother", true),
    ("lexmark_web_server", "Lexmark", true),
    ("lexmark", "Lexmark", true),
    ("kyocera", "Kyocera", true),
    ("ricoh", "Ricoh", true),
    ("canon http server", "Canon", true),
    ("canon", "Canon", true),
    ("xerox", "Xerox", true),
    ("konica minolta", "Konica Minolta", true),
    ("juniper networks, inc.", "Juniper Networks", true),
    ("mikrotik routeros", "MikroTik", true),
    ("mikrotik", "MikroTik", true),
    ("routeros", "MikroTik", true),
    ("fortigate", "Fortinet", false),
    ("palo alto networks", "Palo Alto Networks", true),
    ("extremexos", "Extreme Networks", true),
    ("huawei", "Huawei", true),
    ("dgs-", "D-Link", false),
    ("des-", "D-Link", false),
    ("eki-", "Advantech", false),
    ("advantech", "Advantech", true),
    ("schneider electric", "Schneider Electric", true),
    ("schneider-web", "Schneider Electric", true),
    ("connexium", "Schneider Electric", false),
    ("modicon", "Schneider Electric", false),
    ("wago", "WAGO", true),
    ("beckhoff", "Beckhoff", true),
    ("lantronix", "Lantronix", true),
    ("digi connect", "Digi International", false),
    ("red lion controls", "Red Lion", true),
    ("sel-", "Schweitzer Engineering Laboratories", false),
    ("meinberg", "Meinberg", true),
    ("lantime", "Meinberg", false),
    ("eaton", "Eaton", true),
    ("abb", "ABB", true),
    ("weidmueller", "Weidmüller", true),
    ("synology", "Synology", true),
    ("polycom", "Polycom", true),
    ("ubiquiti", "Ubiquiti", true),
    ("unifi", "Ubiquiti", false),
    ("samsung", "Samsung", true),
];

/// IANA, Private Enterprise Numbers: makers of devices.
const NUMBERS: &[(u32, &str)] = &[
    (9, "Cisco"),
    (11, "HP"),
    (43, "3Com"),
    (95, "Rockwell Automation"),
    (171, "D-Link"),
    (207, "Allied Telesis"),
    (232, "HPE"),
    (244, "Lantronix"),
    (248, "Hirschmann"),
    (253, "Xerox"),
    (318, "APC"),
    (332, "Digi International"),
    (367, "Ricoh"),
    (368, "Axis"),
    (476, "Vertiv"),
    (534, "Eaton"),
    (553, "GarrettCom"),
    (641, "Lexmark"),
    (674, "Dell"),
    (850, "Tripp Lite"),
    (890, "Zyxel"),
    (1248, "Epson"),
    (1347, "Kyocera"),
    (1588, "Brocade"),
    (1602, "Canon"),
    (1890, "Red Lion"),
    (1916, "Extreme Networks"),
    (1966, "Perle Systems"),
    (1991, "Brocade"),
    (2011, "Huawei"),
    (2356, "LANCOM Systems"),
    (2435, "Brother"),
    (2606, "Rittal"),
    (2636, "Juniper Networks"),
    (3097, "WatchGuard"),
    (3181, "Microsens"),
    (3808, "CyberPower"),
    (3833, "Schneider Electric"),
    (4196, "Siemens"),
    (4329, "Siemens"),
    (4346, "Phoenix Contact"),
    (4526, "Netgear"),
    (5597, "Meinberg"),
    (5624, "Extreme Networks"),
    (5940, "Red Lion"),
    (6027, "Dell"),
    (6486, "Alcatel-Lucent Enterprise"),
    (6574, "Synology"),
    (7367, "DrayTek"),
    (8691, "Moxa"),
    (8741, "SonicWall"),
    (10297, "Advantech"),
    (10456, "Planet"),
    (10642, "Zebra"),
    (10876, "Supermicro"),
    (11256, "Stormshield"),
    (11863, "TP-Link"),
    (12356, "Fortinet"),
    (13576, "WAGO"),
    (13742, "Raritan"),
    (14823, "HPE Aruba"),
    (14988, "MikroTik"),
    (15004, "RuggedCom"),
    (15450, "Phoenix Contact"),
    (16177, "Westermo"),
    (18334, "Konica Minolta"),
    (20540, "Red Lion"),
    (21108, "Harting"),
    (21701, "Mobotix"),
    (24681, "QNAP"),
    (25053, "Ruckus"),
    (25461, "Palo Alto Networks"),
    (25506, "H3C"),
    (30065, "Arista"),
    (39165, "Hikvision"),
    (41112, "Ubiquiti"),
    (47196, "HPE"),
];

/// Whose text it is, and what stands behind the maker's name.
pub(super) fn by_beginning(text: &str) -> Option<(&'static str, &str)> {
    let found = BEGINNINGS.iter().find(|(beginning, _, _)| begins(text, beginning))?;
    let (beginning, maker, is_name) = *found;
    let rest = if is_name { text.get(beginning.len()..)? } else { text };
    let gaps = [' ', ',', '-', ':', '/', ';'];
    let rest = rest.trim_start_matches(gaps);
    // What a company is by law is no part of a model.
    let form = ["AG ", "Inc. ", "GmbH ", "Ltd. "].iter().find(|form| rest.starts_with(**form));
    let rest = form.map_or(rest, |form| rest.get(form.len()..).unwrap_or_default());
    Some((maker, rest.trim_start_matches(gaps)))
}

fn begins(text: &str, beginning: &str) -> bool {
    let Some((start, rest)) = text.split_at_checked(beginning.len()) else { return false };
    let whole = !beginning.ends_with(char::is_alphanumeric) || !rest.starts_with(is_word);
    start.eq_ignore_ascii_case(beginning) && whole
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric()
}

pub(super) fn by_number(number: &str) -> Option<&'static str> {
    let number: u32 = number.parse().ok()?;
    let at = NUMBERS.binary_search_by_key(&number, |(known, _)| *known).ok()?;
    NUMBERS.get(at).map(|(_, maker)| *maker)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_in_order_and_no_beginning_hides_a_longer_one() {
        assert!(NUMBERS.is_sorted_by(|a, b| a.0 < b.0));
        for (at, (beginning, _, _)) in BEGINNINGS.iter().enumerate() {
            let hidden =
                BEGINNINGS.iter().skip(at + 1).find(|(later, _, _)| begins(later, beginning));
            assert_eq!(hidden, None, "{beginning}");
            assert_eq!(*beginning, beginning.to_lowercase());
        }
    }

    #[test]
    fn a_maker_is_named_by_whole_words_and_by_its_number() {
        assert_eq!(by_beginning("MOXA EDS-408A"), Some(("Moxa", "EDS-408A")));
        assert_eq!(by_beginning("SIEMENS AG SCALANCE X"), Some(("Siemens", "SCALANCE X")));
        assert_eq!(by_beginning("Cisco Systems, Inc. IP Phone"), Some(("Cisco", "IP Phone")));
        assert_eq!(by_beginning("SEL-3620 Gateway").map(|(maker, _)| maker.len()), Some(35));
        assert_eq!((by_beginning("abbey road"), by_beginning("a Moxa")), (None, None));
        assert_eq!((by_number("248"), by_number("8072")), (Some("Hirschmann"), None));
    }
}
