//! Names of the MITRE ATT&CK techniques that findings name.
//!
//! Names are those of ATT&CK v18, ICS and Enterprise, © The MITRE Corporation, used under its terms
//! of use. Not here: descriptions. Invariant: sorted by id; the console has the same names.

const NAMES: &[(&str, &str)] = &[
    ("T0800", "Activate Firmware Update Mode"),
    ("T0801", "Monitor Process State"),
    ("T0802", "Automated Collection"),
    ("T0803", "Block Command Message"),
    ("T0804", "Block Reporting Message"),
    ("T0806", "Brute Force I/O"),
    ("T0812", "Default Credentials"),
    ("T0813", "Denial of Control"),
    ("T0814", "Denial of Service"),
    ("T0816", "Device Restart/Shutdown"),
    ("T0819", "Exploit Public-Facing Application"),
    ("T0821", "Modify Controller Tasking"),
    ("T0822", "External Remote Services"),
    ("T0826", "Loss of Availability"),
    ("T0827", "Loss of Control"),
    ("T0829", "Loss of View"),
    ("T0830", "Adversary-in-the-Middle"),
    ("T0831", "Manipulation of Control"),
    ("T0832", "Manipulation of View"),
    ("T0835", "Manipulate I/O Image"),
    ("T0836", "Modify Parameter"),
    ("T0838", "Modify Alarm Settings"),
    ("T0839", "Module Firmware"),
    ("T0840", "Network Connection Enumeration"),
    ("T0842", "Network Sniffing"),
    ("T0843", "Program Download"),
    ("T0845", "Program Upload"),
    ("T0846", "Remote System Discovery"),
    ("T0848", "Rogue Master"),
    ("T0849", "Masquerading"),
    ("T0855", "Unauthorized Command Message"),
    ("T0856", "Spoof Reporting Message"),
    ("T0857", "System Firmware"),
    ("T0858", "Change Operating Mode"),
    ("T0859", "Valid Accounts"),
    ("T0861", "Point & Tag Identification"),
    ("T0864", "Transient Cyber Asset"),
    ("T0866", "Exploitation of Remote Services"),
    ("T0867", "Lateral Tool Transfer"),
    ("T0868", "Detect Operating Mode"),
    ("T0869", "Standard Application Layer Protocol"),
    ("T0871", "Execution through API"),
    ("T0872", "Indicator Removal on Host"),
    ("T0877", "I/O Image"),
    ("T0878", "Alarm Suppression"),
    ("T0881", "Service Stop"),
    ("T0882", "Theft of Operational Information"),
    ("T0883", "Internet Accessible Device"),
    ("T0884", "Connection Proxy"),
    ("T0885", "Commonly Used Port"),
    ("T0886", "Remote Services"),
    ("T0888", "Remote System Information Discovery"),
    ("T0889", "Modify Program"),
    ("T0890", "Exploitation for Privilege Escalation"),
    ("T0891", "Hardcoded Credentials"),
    ("T0892", "Change Credential"),
    ("T1001", "Data Obfuscation"),
    ("T1003", "OS Credential Dumping"),
    ("T1018", "Remote System Discovery"),
    ("T1021", "Remote Services"),
    ("T1036", "Masquerading"),
    ("T1046", "Network Service Discovery"),
    ("T1047", "Windows Management Instrumentation"),
    ("T1048", "Exfiltration Over Alternative Protocol"),
    ("T1053", "Scheduled Task/Job"),
    ("T1055", "Process Injection"),
    ("T1059", "Command and Scripting Interpreter"),
    ("T1068", "Exploitation for Privilege Escalation"),
    ("T1069", "Permission Groups Discovery"),
    ("T1070", "Indicator Removal"),
    ("T1071", "Application Layer Protocol"),
    ("T1078", "Valid Accounts"),
    ("T1087", "Account Discovery"),
    ("T1095", "Non-Application Layer Protocol"),
    ("T1098", "Account Manipulation"),
    ("T1105", "Ingress Tool Transfer"),
    ("T1110", "Brute Force"),
    ("T1112", "Modify Registry"),
    ("T1135", "Network Share Discovery"),
    ("T1136", "Create Account"),
    ("T1187", "Forced Authentication"),
    ("T1190", "Exploit Public-Facing Application"),
    ("T1207", "Rogue Domain Controller"),
    ("T1210", "Exploitation of Remote Services"),
    ("T1486", "Data Encrypted for Impact"),
    ("T1498", "Network Denial of Service"),
    ("T1499", "Endpoint Denial of Service"),
    ("T1529", "System Shutdown/Reboot"),
    ("T1543", "Create or Modify System Process"),
    ("T1546", "Event Triggered Execution"),
    ("T1547", "Boot or Logon Autostart Execution"),
    ("T1553", "Subvert Trust Controls"),
    ("T1555", "Credentials from Password Stores"),
    ("T1557", "Adversary-in-the-Middle"),
    ("T1558", "Steal or Forge Kerberos Tickets"),
    ("T1568", "Dynamic Resolution"),
    ("T1569", "System Services"),
    ("T1570", "Lateral Tool Transfer"),
    ("T1571", "Non-Standard Port"),
    ("T1572", "Protocol Tunneling"),
    ("T1590", "Gather Victim Network Information"),
];

/// What a technique is called; `None` for one that no detector of ours names.
pub fn technique(id: &str) -> Option<&'static str> {
    let place = NAMES.binary_search_by_key(&id, |(known, _)| known).ok()?;
    NAMES.get(place).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_technique_of_a_detector_has_a_name() {
        assert!(NAMES.is_sorted_by_key(|(id, _)| id));
        for about in crate::REGISTRY.iter().map(|detector| &detector.about) {
            for id in about.techniques {
                assert!(technique(id).is_some(), "{}: {id} has no name", about.id);
            }
        }
        assert_eq!(technique("T9999"), None);
    }

    #[test]
    fn the_console_says_the_same() {
        let console = include_str!("../../../console/src/lib/attack.ts");
        for (id, name) in NAMES {
            assert!(console.contains(&format!("  {id}: '{name}',\n")), "{id} {name}");
        }
        let lines = console.lines().filter(|line| line.starts_with("  T")).count();
        assert_eq!(lines, NAMES.len());
    }
}
