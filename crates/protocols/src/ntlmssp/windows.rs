//! Windows releases by version and build, as NTLM gives them.
//!
//! Invariant: one build may be a client and a server release; both are named where the message
//! does not tell, and a build that is not in the table is named by its number.

use super::Version;

/// Microsoft's release information pages: build, client release, server release.
const RELEASES: &[(u16, &str, &str)] = &[
    (6_001, "Windows Vista SP1", "Windows Server 2008"),
    (6_002, "Windows Vista SP2", "Windows Server 2008 SP2"),
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
];

/// The release of a version. Samba and other implementations send 6.1 with build 0.
pub fn product(version: Version) -> String {
    let Version { major, minor, build } = version;
    match (major, minor, build) {
        (_, _, 0) => String::new(),
        (5, 0, _) => "Windows 2000".to_owned(),
        (5, 1, _) => "Windows XP".to_owned(),
        (5, 2, _) => "Windows Server 2003 or XP x64".to_owned(),
        _ => match RELEASES.iter().find(|(known, _, _)| *known == build) {
            Some((_, client, "")) => (*client).to_owned(),
            Some((_, "", server)) => (*server).to_owned(),
            Some((_, client, server)) => format!("{client} or {server}"),
            None => format!("Windows {major}.{minor} build {build}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(major: u8, minor: u8, build: u16, expect: &str) {
        assert_eq!(product(Version { major, minor, build }), expect);
    }

    #[test]
    fn a_build_shared_by_client_and_server_names_both() {
        check(10, 0, 17_763, "Windows 10 1809 or Windows Server 2019");
        check(10, 0, 20_348, "Windows Server 2022");
        check(10, 0, 60_000, "Windows 10.0 build 60000");
        check(6, 1, 0, "");
    }
}
