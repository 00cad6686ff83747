//! What each make of device is asked, and what of its answers is noise.
//!
//! Invariant: every command of every profile only shows; nothing of a user's goes into one.

/// How a device takes commands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// A command line with a prompt, in one session.
    Shell,
    /// One command a session, with an exit status.
    Command,
}

pub struct Profile {
    pub name: &'static str,
    pub way: Way,
    /// How prompts end.
    pub prompts: &'static [char],
    /// Sent first: turns paging off, for this session only.
    pub setup: &'static [&'static str],
    pub shows: &'static [Show],
    pub leave: &'static str,
}

/// One command and the file its answer becomes.
pub struct Show {
    pub file: &'static str,
    pub command: &'static str,
    /// A device that refuses it is a fault; what is not required, a row of `not-shown.csv`.
    pub is_required: bool,
}

const fn required(file: &'static str, command: &'static str) -> Show {
    Show { file, command, is_required: true }
}

const fn optional(file: &'static str, command: &'static str) -> Show {
    Show { file, command, is_required: false }
}

/// The command line most switches have.
const SWITCH: &[char] = &['>', '#'];

pub const PROFILES: &[Profile] = &[
    Profile {
        name: "cisco-ios",
        way: Way::Shell,
        prompts: SWITCH,
        setup: &["terminal length 0", "terminal width 0"],
        shows: &[
            required("running-config.txt", "show running-config"),
            optional("startup-config.txt", "show startup-config"),
            optional("version.txt", "show version"),
            optional("vlan.txt", "show vlan brief"),
        ],
        leave: "exit",
    },
    Profile {
        name: "hirschmann-hios",
        way: Way::Shell,
        prompts: SWITCH,
        // Without it the configuration is not shown; it changes the session only.
        setup: &["enable"],
        shows: &[
            required("running-config.txt", "show running-config script"),
            optional("system.txt", "show system info"),
        ],
        leave: "logout",
    },
    Profile {
        name: "scalance",
        way: Way::Shell,
        prompts: SWITCH,
        setup: &[],
        shows: &[
            required("running-config.txt", "show running-config"),
            optional("device.txt", "show device information"),
            optional("versions.txt", "show versions"),
        ],
        leave: "exit",
    },
    Profile {
        name: "ruggedcom-rox",
        way: Way::Shell,
        prompts: SWITCH,
        setup: &[],
        shows: &[
            required("running-config.txt", "show running-config | nomore"),
            optional("version.txt", "show chassis info-summary | nomore"),
        ],
        leave: "exit",
    },
    Profile {
        name: "moxa",
        way: Way::Shell,
        prompts: SWITCH,
        setup: &["terminal length 0"],
        shows: &[
            required("running-config.txt", "show running-config"),
            optional("version.txt", "show version"),
            optional("system.txt", "show system"),
        ],
        leave: "exit",
    },
    Profile {
        name: "westermo-weos",
        way: Way::Shell,
        prompts: &['#', '>'],
        setup: &[],
        shows: &[
            required("running-config.txt", "show running-config"),
            optional("system.txt", "show system-information"),
        ],
        leave: "logout",
    },
    Profile {
        name: "fortigate",
        way: Way::Shell,
        prompts: &['#', '$'],
        setup: &[],
        shows: &[
            required("running-config.txt", "show"),
            optional("system.txt", "get system status"),
        ],
        leave: "exit",
    },
    Profile {
        name: "openwrt",
        way: Way::Command,
        prompts: &[],
        setup: &[],
        shows: &[
            required("running-config.txt", "uci export"),
            optional("release.txt", "cat /etc/openwrt_release"),
            optional("rules.txt", "nft list ruleset"),
        ],
        leave: "",
    },
    Profile {
        name: "linux",
        way: Way::Command,
        prompts: &[],
        setup: &[],
        shows: &[
            required("addresses.txt", "ip address show"),
            required("routes.txt", "ip route show table all"),
            optional("rules.txt", "nft list ruleset"),
            optional("iptables.txt", "iptables-save"),
            optional("interfaces.txt", "cat /etc/network/interfaces"),
            optional("release.txt", "cat /etc/os-release"),
        ],
        leave: "",
    },
];

/// Beginnings of lines that tell who changed it and when. They are kept apart, so that a
/// configuration that did not change is the same text.
const CHANGES: [&str; 7] = [
    "! Last configuration change",
    "! NVRAM config last updated",
    "! No configuration change since",
    "!Time:",
    "## Last commit",
    "# Last modified",
    "! Saved",
];

/// Beginnings of lines that say nothing about the configuration: clocks, uptimes, temperatures.
const NOISE: [&str; 15] = [
    "ntp clock-period",
    "building configuration",
    "current configuration :",
    "using ",
    "system uptime",
    "system up time",
    "operating hours",
    "system date",
    "system time",
    "current temperature",
    "current time",
    "uptime",
    "# generated by iptables-save",
    "# completed on",
    "! generated on",
];

/// A text without noise, and what it says of its last change.
pub fn filter(text: &str) -> (String, String) {
    let (mut kept, mut changes) = (String::new(), String::new());
    for line in text.lines() {
        let lower = line.trim_start().to_ascii_lowercase();
        let is_noise =
            NOISE.iter().any(|start| lower.starts_with(start)) || lower.contains("uptime is ");
        let to = if CHANGES.iter().any(|start| line.starts_with(start)) {
            &mut changes
        } else if is_noise {
            continue;
        } else {
            &mut kept
        };
        to.push_str(line.trim_end());
        to.push('\n');
    }
    (kept, changes)
}

/// Words after which a secret stands.
const SECRETS: [&str; 17] = [
    "password",
    "passwd",
    "secret",
    "community",
    "key-string",
    "key",
    "psksecret",
    "pre-shared-key",
    "passphrase",
    "psk",
    "shared-secret",
    "auth-password",
    "priv-password",
    "md5",
    "sha",
    "des",
    "aes",
];

/// Words between such a word and the secret: how it is encrypted.
const FORMS: [&str; 9] = ["0", "4", "5", "6", "7", "8", "9", "encrypted", "ENC"];

/// A text in which every secret is `<masked>`.
pub fn masked(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        out.push_str(&masked_line(line));
        out.push('\n');
    }
    out
}

fn masked_line(line: &str) -> String {
    let mut out = String::new();
    let mut secret_follows = false;
    for word in line.split_inclusive(' ') {
        let bare = word.trim_end();
        let space = &word[bare.len()..];
        let key = bare.trim_matches(['"', '\'']).to_ascii_lowercase();
        if secret_follows && !bare.is_empty() && !FORMS.contains(&bare) {
            out.push_str("<masked>");
            secret_follows = SECRETS.contains(&key.as_str());
        } else {
            secret_follows |= SECRETS.contains(&key.as_str());
            out.push_str(bare);
        }
        out.push_str(space);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_of_every_profile_only_shows() {
        let shows = ["show", "get", "cat", "ip", "nft list", "uci export", "iptables-save"];
        for profile in PROFILES {
            for Show { command, .. } in profile.shows {
                assert!(shows.iter().any(|word| command.starts_with(word)), "{command}");
                assert!(!command.contains([';', '&', '>', '`', '$']), "{command}");
            }
            let setup = ["terminal length 0", "terminal width 0", "enable"];
            assert!(profile.setup.iter().all(|c| setup.contains(c)), "{}", profile.name);
            assert!(["exit", "logout", ""].contains(&profile.leave));
        }
    }

    #[test]
    fn clocks_are_left_out_and_who_changed_it_is_kept_apart() {
        let text = "Building configuration...\n\nCurrent configuration : 4711 bytes\n!\n\
                    ! Last configuration change at 03:12 UTC by eva\nhostname sw1\n\
                    ntp clock-period 17180\nsw1 uptime is 3 weeks\n";
        let (kept, changes) = filter(text);
        assert_eq!(kept, "\n!\nhostname sw1\n");
        assert_eq!(changes, "! Last configuration change at 03:12 UTC by eva\n");
    }

    #[test]
    fn secrets_are_masked_and_nothing_else() {
        for (line, expected) in [
            ("enable secret 5 $1$abc$def", "enable secret 5 <masked>"),
            (
                "username eva privilege 15 password 7 0822455D0A16",
                "username eva privilege 15 password 7 <masked>",
            ),
            ("snmp-server community plant RO", "snmp-server community <masked> RO"),
            (" set password ENC AK1abc", " set password ENC <masked>"),
            ("\toption key 'wifi1234'", "\toption key <masked>"),
            (" description key switch", " description key <masked>"),
            (" switchport access vlan 10", " switchport access vlan 10"),
            (
                "snmp-server user ops grp v3 auth sha abc priv aes 128 def",
                "snmp-server user ops grp v3 auth sha <masked> priv aes <masked> def",
            ),
        ] {
            assert_eq!(masked_line(line), expected);
        }
    }
}
