//! Windows releases by version and build, as NTLM gives them.
//!
//! Invariant: one build may be a client and a server release; both are named where the message
//! does not tell, and a build that is not in the table is named by its number.

use super::Version;
use model::windows_releases;

/// The release of a version. Samba and other implementations send 6.1 with build 0.
pub fn product(version: Version) -> String {
    let Version { major, minor, build } = version;
    match (major, minor, build) {
        (_, _, 0) => String::new(),
        (5, 0, _) => "Windows 2000".to_owned(),
        (5, 1, _) => "Windows XP".to_owned(),
        (5, 2, _) => "Windows Server 2003 or XP x64".to_owned(),
        _ => match windows_releases(build.into()) {
            Some((client, "")) => client.to_owned(),
            Some(("", server)) => server.to_owned(),
            Some((client, server)) => format!("{client} or {server}"),
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
