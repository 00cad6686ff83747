//! Windows hosts and domains asked for their accounts, groups and sessions, and for accounts that
//! can be attacked.

use crate::{
    About, Detector, Draft, Findings, Kind, Phase, Site, Watch,
    domain_attack::{is_backup_key, reads_secret},
    named::{Sign, Signs, asks, name_of},
    watched::Watched,
    window::Lately,
};
use model::{Address, Detail, Direction, Observation, Operation, OperationClass, Severity};

pub static RECONNAISSANCE: Detector = Detector {
    about: About {
        id: "account-reconnaissance",
        title: "Accounts and sessions looked for",
        engine: model::Engine::Malware,
        why: "Who knows which accounts are administrators, and on which hosts they are signed in, \
              knows where to go next. Programs that draw that map ask every host.",
        techniques: &["T1087", "T1069", "T1135", "T1136", "T1098", "T1003", "T1558", "T1046"],
        false_positives: "Inventory of the site's own administrators, management of users at a \
                          domain controller, programs that look after the directory.",
        runbook: "Ask who works at the source. If it is the site's inventory, mute the finding \
                  for it.\n\
                  If not, isolate the source: what it asked for is the map of an attack.\n\
                  Look at the hosts it asked for sign-ins that came afterwards.",
        sees: &[Kind::Operation],
    },
    watch: || {
        let signs = Signs {
            about: &RECONNAISSANCE.about,
            protocols: &["dcerpc", "ldap"],
            signs: SIGNS,
            habits: true,
        };
        let (hosts, kinds) = (Watched::new(HOSTS_SECS), Watched::new(KINDS_SECS));
        Box::new(Reconnaissance { signs, hosts, kinds })
    },
    #[cfg(test)]
    cases,
};

/// Hosts that one client asked who is signed in there, within the span.
const HOSTS_MIN: usize = 5;
const HOSTS_SECS: i64 = 600;
/// Kinds of lists that one client asked one host for, within the span.
const KINDS_MIN: usize = 3;
const KINDS_SECS: i64 = 120;

/// Who is signed in at a host, or an administrator of it.
const AT_HOSTS: &[&str] =
    &["NetrSessionEnum", "NetrWkstaUserEnum", "SamrGetMembersInAlias", "OpenUsers"];

/// Lists of a kind ([MS-SAMR], 3.1.5; [MS-SRVS], 3.1.4).
const LISTS: &[(&str, &[&str])] = &[
    (
        "users",
        &[
            "SamrEnumerateUsersInDomain",
            "SamrQueryDisplayInformation",
            "SamrQueryDisplayInformation2",
            "SamrQueryDisplayInformation3",
        ],
    ),
    ("groups", &["SamrEnumerateGroupsInDomain"]),
    ("aliases", &["SamrEnumerateAliasesInDomain"]),
    ("sessions", &["NetrSessionEnum", "NetrWkstaUserEnum"]),
    ("shares", &["NetrShareEnum", "NetrShareEnumSticky"]),
    ("trusts", &["LsarEnumerateTrustedDomains"]),
    ("domains", &["SamrEnumerateDomainsInSamServer"]),
    ("what is known of users", &["SamrQueryInformationUser", "SamrQueryInformationUser2"]),
];
/// Who manages one account asks for the last two as well, and does not list the others; all three
/// of one host are a walk through its accounts, one by one.
const WALK: [usize; 3] = [0, LISTS.len() - 2, LISTS.len() - 1];

struct Reconnaissance {
    signs: Signs,
    /// By client: whom it asked who is there.
    hosts: Watched<Address, Lately<Address>>,
    /// By client and server: places in [`LISTS`].
    kinds: Watched<(Address, Address), Lately<usize>>,
}

impl Watch for Reconnaissance {
    fn wants(&self, protocol: &str, _: OperationClass) -> bool {
        self.signs.wants(protocol, OperationClass::Browse) || protocol == "dcerpc"
    }

    fn see(&mut self, o: &Observation, site: &Site<'_>, out: &mut Findings) {
        let Detail::Operation(operation) = &o.detail else { return };
        if self.is_told(o, operation, out) {
            return;
        }
        self.signs.see(o, site, out);
        if o.protocol != "dcerpc" || operation.direction == Direction::Response {
            return;
        }
        let (Some(client), Some(server)) = (o.from.address(), o.to.address()) else { return };
        let port = o.to.port.unwrap_or_default();
        let knows = |port| site.baseline.knows_link(&(client, server, o.protocol, port));
        match site.phase {
            Phase::Learning => return,
            Phase::Learnt if knows(port) || knows(0) => return,
            _ => {}
        }
        let name = operation.function_name;
        if AT_HOSTS.contains(&name) {
            self.at_hosts(o, (client, server), out);
        }
        if let Some(kind) = LISTS.iter().position(|(_, names)| names.contains(&name)) {
            self.lists(o, (client, server), kind, out);
        }
    }

    fn dropped(&self) -> u64 {
        self.hosts.dropped() + self.kinds.dropped()
    }
}

impl Reconnaissance {
    /// The first password of an account that the same host made belongs to that finding.
    fn is_told(&self, o: &Observation, operation: &Operation, out: &mut Findings) -> bool {
        if o.protocol != "dcerpc" || !asks(operation, PASSWORDS_SET) {
            return false;
        }
        let (Some(client), Some(server)) = (o.from.address(), o.to.address()) else { return false };
        let (about, key) = (&RECONNAISSANCE.about, (MAKES_ACCOUNT, client, server));
        let draft = || Draft::between(o, Severity::Medium, MAKES_ACCOUNT);
        out.known(about, key).is_some() && out.raise(about, key, o, draft).is_some()
    }

    fn at_hosts(
        &mut self,
        o: &Observation,
        (client, server): (Address, Address),
        out: &mut Findings,
    ) {
        let hosts = self.hosts.of(client, o.at, Lately::default);
        if hosts.see(server, o.at, HOSTS_SECS) < HOSTS_MIN {
            return;
        }
        let raised = out.raise(&RECONNAISSANCE.about, ("hosts", client), o, || {
            let title = "{0} asks many hosts who is signed in there";
            Draft::by(client, [server], Severity::Medium, title)
                .because(format!(
                    "{HOSTS_MIN} or more hosts within {HOSTS_SECS} s: a map of where \
                     administrators can be met."
                ))
                .techniques(&["T1087", "T1069"])
        });
        let Some(open) = raised else { return };
        hosts.iter().take(8).for_each(|host| open.names(*host));
    }

    fn lists(
        &mut self,
        o: &Observation,
        (client, server): (Address, Address),
        kind: usize,
        out: &mut Findings,
    ) {
        let kinds = self.kinds.of((client, server), o.at, Lately::default);
        kinds.see(kind, o.at, KINDS_SECS);
        let lists = kinds.iter().filter(|kind| !WALK[1..].contains(kind)).count();
        let walks = WALK.iter().all(|step| kinds.iter().any(|kind| kind == step));
        if lists < KINDS_MIN && !walks {
            return;
        }
        let mut words: Vec<_> = kinds.iter().map(|kind| LISTS[*kind].0).collect();
        words.sort_unstable();
        let raised = out.raise(&RECONNAISSANCE.about, ("lists", client, server), o, || {
            let title = "{0} lists the accounts of {1}";
            Draft::by(client, [server], Severity::Medium, title)
                .because(format!(
                    "It asked for {} within {KINDS_SECS} s, as programs do that look for a way on.",
                    words.join(", ")
                ))
                .techniques(&["T1087", "T1069", "T1135"])
        });
        debug_assert!(raised.is_none_or(|open| open.count() > 0));
    }
}

/// [MS-SAMR], 3.1.5.6.4 and 3.1.5.13.6.
const PASSWORDS_SET: &[&str] = &[
    "SamrSetInformationUser of a password",
    "SamrSetInformationUser2 of a password",
    "SamrSetDSRMPassword",
];
const MAKES_ACCOUNT: &str = "{0} makes an account at {1}";

static SIGNS: &[Sign] = &[
    Sign {
        matches: |o| asks(o, &["SamrCreateUserInDomain", "SamrCreateUser2InDomain"]),
        title: MAKES_ACCOUNT,
        severity: Severity::Medium,
        says: "an account of one's own is a way back; hosts that join a domain make one as well",
        techniques: &["T1136", "T1098"],
    },
    Sign {
        matches: |o| asks(o, &["SamrAddMemberToAlias", "SamrAddMemberToGroup"]),
        title: "{0} puts an account into a group at {1}",
        severity: Severity::Medium,
        says: "the group's rights are the account's from now on",
        techniques: &["T1098"],
    },
    Sign {
        matches: |o| reads_secret(o) && !is_backup_key(name_of(o)),
        title: "{0} reads secrets of {1} (LSA)",
        severity: Severity::Medium,
        says: "passwords of services are kept there",
        techniques: &["T1003"],
    },
    Sign {
        matches: |o| asks(o, PASSWORDS_SET),
        title: "{0} sets the password of an account at {1}",
        severity: Severity::Medium,
        says: "whoever may set a password needs not know the old one: administrators do so for \
               users who forgot theirs, and so does whoever takes an account over",
        techniques: &["T1098"],
    },
    Sign {
        matches: |o| asks(o, &["LsarLookupSids of many accounts"]),
        title: "{0} counts up the accounts of {1}",
        severity: Severity::Medium,
        says: "it asked for the names of so many identifiers in one call as only programs do that \
               try one number after the other",
        techniques: &["T1087", "T1069"],
    },
    Sign {
        matches: |o| asks(o, &["ept_lookup"]),
        title: "{0} asks {1} what it offers by RPC",
        severity: Severity::Low,
        says: "a client asks the endpoint mapper for the one service it wants; who lists all of \
               them looks around",
        techniques: &["T1046"],
    },
    Sign {
        matches: |o| asks(o, &["search for passwords"]),
        title: "{0} looks for passwords in the directory of {1}",
        severity: Severity::Medium,
        says: "the attribute holds the password of a host's administrator or of a service; few \
               may read it, and they know which host they need it of",
        techniques: &["T1003", "T1087"],
    },
    Sign {
        matches: |o| asks(o, &["search for rights"]),
        title: "{0} reads who has which rights from the directory of {1}",
        severity: Severity::Low,
        says: "it asked for the rights on many accounts at once, as programs do that look for a \
               way through the domain",
        techniques: &["T1087", "T1069"],
    },
    Sign {
        matches: |o| asks(o, &["search for accounts without pre-authentication"]),
        title: "{0} looks for accounts at {1} that need no proof of their password",
        severity: Severity::Medium,
        says: "for such an account anybody gets a ticket by which its password can be guessed \
               elsewhere (AS-REP roasting)",
        techniques: &["T1087", "T1558"],
    },
    Sign {
        matches: |o| asks(o, &["search for accounts of services"]),
        title: "{0} looks for accounts of services at {1}",
        severity: Severity::Medium,
        says: "for each of them it may then ask for a ticket by which its password can be guessed \
               elsewhere (Kerberoasting)",
        techniques: &["T1087", "T1558"],
    },
    Sign {
        matches: |o| asks(o, &["search for delegation", "search for administrators"]),
        title: "{0} looks for accounts with great rights at {1}",
        severity: Severity::Low,
        says: "who is an administrator, and who may act in the name of others, is where a way \
               through the domain leads",
        techniques: &["T1087", "T1069"],
    },
];

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, called, host, port};
    let of = |at: i64, name, server: u8| {
        let to = port(host(server), 445);
        Observation { to, ..called(at, "dcerpc", name) }
    };
    let sessions = |hosts: std::ops::Range<u8>| {
        hosts.map(|i| of(i64::from(i) * 1_000, "NetrSessionEnum", i)).collect()
    };
    let lists = |apart: i64| {
        let names = [
            "SamrEnumerateUsersInDomain",
            "SamrEnumerateGroupsInDomain",
            "SamrEnumerateAliasesInDomain",
        ];
        let one = |(i, name): (usize, &&'static str)| of(i as i64 * apart, name, 20);
        names.iter().enumerate().map(one).collect()
    };
    let walk = |names: &[&'static str]| {
        names.iter().enumerate().map(|(i, name)| of(i as i64 * 50, name, 20)).collect()
    };
    let (domains, users) = ("SamrEnumerateDomainsInSamServer", "SamrEnumerateUsersInDomain");
    let searches =
        |name| vec![of(0, name, 20)].into_iter().map(|o| Observation { protocol: "ldap", ..o });
    vec![
        Case::fires("Kerberoasting", searches("search for accounts of services").collect()),
        Case::fires("accounts one by one", walk(&[domains, users, "SamrQueryInformationUser2"])),
        Case::silent(
            "one account",
            walk(&[domains, "SamrQueryInformationUser2", "NetrShareEnum", "NetrSessionEnum"]),
        ),
        Case::fires("services listed", vec![of(0, "ept_lookup", 20)]),
        Case::silent("one service looked for", vec![of(0, "ept_map", 20)]),
        Case::silent("any search", searches("search").collect()),
        Case::fires("passwords of hosts", searches("search for passwords").collect()),
        Case::fires("a password is set", vec![of(0, "SamrSetInformationUser2 of a password", 20)]),
        Case::silent("a description is set", vec![of(0, "SamrSetInformationUser2", 20)]),
        Case::silent("one's own password", vec![of(0, "SamrUnicodeChangePasswordUser2", 20)]),
        Case::fires("identifiers", vec![of(0, "LsarLookupSids of many accounts", 20)]),
        Case::silent("names of a few", vec![of(0, "LsarLookupSids", 20)]),
        Case::fires("sessions of many hosts", sessions(30..40)),
        Case::fires("lists of accounts", lists(1_000)),
        Case::fires("an account is made", vec![of(0, "SamrCreateUser2InDomain", 20)]),
        Case::silent("one file server asked for its sessions", sessions(30..32)),
        Case::silent("lists over a day", lists(4 * 3_600_000)),
    ]
}
