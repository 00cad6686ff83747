//! Windows releases by build, as NTLM, SNMP and others give them.
//!
//! Invariant: one build may be a client and a server release; which of them a host runs, whoever
//! asks has to know.

/// Microsoft's release information pages: build, client release, server release.
const RELEASES: &[(u32, &str, &str)] = &[
    (2_195, "Windows 2000", "Windows 2000 Server"),
    (2_600, "Windows XP", ""),
    (3_790, "Windows XP x64", "Windows Server 2003"),
    (6_000, "Windows Vista", ""),
    (6_001, "Windows Vista SP1", "Windows Server 2008"),
    (6_002, "Windows Vista SP2", "Windows Server 2008 SP2"),
    (6_003, "", "Windows Server 2008 SP2"),
    (7_600, "Windows 7", "Windows Server 2008 R2"),
    (7_601, "Windows 7 SP1", "Windows Server 2008 R2 SP1"),
    (9_200, "Windows 8", "Windows Server 2012"),
    (9_600, "Windows 8.1", "Windows Server 2012 R2"),
    (10_240, "Windows 10 1507", ""),
    (10_586, "Windows 10 1511", ""),
    (14_393, "Windows 10 1607", "Windows Server 2016"),
    (15_063, "Windows 10 1703", ""),
    (16_299, "Windows 10 1709", "Windows Server 1709"),
    (17_134, "Windows 10 1803", "Windows Server 1803"),
    (17_763, "Windows 10 1809", "Windows Server 2019"),
    (18_362, "Windows 10 1903", "Windows Server 1903"),
    (18_363, "Windows 10 1909", "Windows Server 1909"),
    (19_041, "Windows 10 2004", "Windows Server 2004"),
    (19_042, "Windows 10 20H2", "Windows Server 20H2"),
    (19_043, "Windows 10 21H1", ""),
    (19_044, "Windows 10 21H2", ""),
    (19_045, "Windows 10 22H2", ""),
    (20_348, "", "Windows Server 2022"),
    (22_000, "Windows 11 21H2", ""),
    (22_621, "Windows 11 22H2", ""),
    (22_631, "Windows 11 23H2", ""),
    (25_398, "", "Windows Server 23H2"),
    (26_100, "Windows 11 24H2", "Windows Server 2025"),
    (26_200, "Windows 11 25H2", ""),
];

/// The release for clients and that for servers of a build, of which one may be none.
pub fn windows_releases(build: u32) -> Option<(&'static str, &'static str)> {
    let found = RELEASES.iter().find(|(known, _, _)| *known == build);
    found.map(|(_, client, server)| (*client, *server))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_are_listed_once_in_order_and_name_a_release() {
        assert!(RELEASES.is_sorted_by(|a, b| a.0 < b.0));
        assert!(
            RELEASES.iter().all(|(_, client, server)| !client.is_empty() || !server.is_empty())
        );
        assert_eq!(windows_releases(20_348), Some(("", "Windows Server 2022")));
        assert_eq!(windows_releases(1), None);
    }
}
