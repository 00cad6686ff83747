//! What in the octets of a request is shown to who judges attacks: words that exploits are made
//! of, with what stands around them.
//!
//! Not a judgement: most of these words have a harmless use as well. Invariant: of a body no more
//! than its last few hundred octets is kept, and only until its request is over.

use super::head::Head;
use crate::text;

/// Octets of a body that are searched.
const TEXT_OCTETS_MAX: usize = 8 * 1024;
/// Octets shown before and behind a word.
const AROUND: usize = 128;
/// Words shown of one piece of a body; the first ones say enough.
const SHOWN_MAX: usize = 8;

/// In small letters, as they are read behind percent signs.
const WORDS: &[&str] = &[
    "%{",
    "`",
    "$(",
    "' or",
    "'or'",
    "' and",
    "' ||",
    "or 1=1",
    "union select",
    "union all select",
    "xp_cmdshell",
    "classloader",
    "java.lang.",
    "getruntime()",
    "freemarker.",
    "#_memberaccess",
    "/etc/passwd",
    "/etc/shadow",
    "win.ini",
    "cmd.exe",
    "/bin/",
    "wget ",
    "curl ",
    "busybox",
    "call_user_func_array",
    "eval(base64_decode",
    "auto_prepend_file",
    "allow_url_include",
    "executeshellcommand",
    "executescript",
];

/// The text of one request's body, as far as it is searched.
#[derive(Default)]
pub(super) struct Text {
    /// Is the body of a kind that people or programs write as text?
    wanted: bool,
    searched: usize,
    /// What was searched last.
    tail: Vec<u8>,
}

impl Text {
    /// The body that follows a head. One of no stated kind may be anything, text as well.
    pub(super) fn of(head: &Head<'_>) -> Text {
        let kind = head.text("content-type").to_ascii_lowercase();
        let written = ["form", "json", "xml", "text"].iter().any(|word| kind.contains(word));
        Text { wanted: kind.is_empty() || written, ..Text::default() }
    }

    /// More octets of it; gives what stands around each word that is in them, or reaches into
    /// them. What stood at the end of those before is shown again, with what stands behind it.
    pub(super) fn more(&mut self, body: &[u8]) -> Vec<String> {
        /// Three octets for each that is shown, where all is written with percent signs.
        const TAIL_OCTETS: usize = AROUND * 4;
        let room = TEXT_OCTETS_MAX.saturating_sub(self.searched);
        let body = body.get(..room.min(body.len())).unwrap_or_default();
        if !self.wanted || body.is_empty() {
            return Vec::new();
        }
        self.searched = self.searched.saturating_add(body.len());
        let before = self.tail.len();
        let octets = [&self.tail[..], body].concat();
        let seen = if before == TAIL_OCTETS { AROUND } else { 0 };
        let shown = around(&plain(&octets), seen);
        let rest = octets.len().saturating_sub(TAIL_OCTETS);
        self.tail = octets.get(rest..).unwrap_or_default().to_vec();
        shown
    }
}

/// Words in the text behind its first `seen` octets.
fn around(plain: &[u8], seen: usize) -> Vec<String> {
    let small = plain.to_ascii_lowercase();
    let mut shown = Vec::new();
    let mut at = seen;
    while shown.len() < SHOWN_MAX {
        let rest = small.get(at..).unwrap_or_default();
        let first = |word: &&str| rest.windows(word.len()).position(|w| w == word.as_bytes());
        let Some(found) = WORDS.iter().filter_map(first).min() else { break };
        let place = at.saturating_add(found);
        let end = place.saturating_add(AROUND).min(plain.len());
        let start = place.saturating_sub(AROUND);
        // A line's end tells a script from a value, and is lost where texts are cleaned.
        shown.push(text::lossy(plain.get(start..end).unwrap_or_default()).replace('\n', "\\n"));
        at = end;
    }
    shown
}

/// With percent signs and plus signs taken back, once.
fn plain(text: &[u8]) -> Vec<u8> {
    let hex = |b: u8| char::from(b).to_digit(16);
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        let coded = match (byte, behind) {
            (b'%', [high, low, after @ ..]) => {
                hex(*high).zip(hex(*low)).map(|(high, low)| (high << 4 | low, after))
            }
            _ => None,
        };
        match coded {
            Some((value, after)) => {
                out.push(value as u8);
                rest = after;
            }
            None => out.push(if byte == b'+' { b' ' } else { byte }),
        }
    }
    out
}

/// Codings of RFC 9110, 8.4.1 and its registry that clients offer.
const CODINGS: &[&[u8]] = &[
    b"*",
    b"br",
    b"compress",
    b"deflate",
    b"exi",
    b"gzip",
    b"identity",
    b"sdch",
    b"x-compress",
    b"x-gzip",
    b"zstd",
];

/// A list of codings with an empty element (RFC 9110, 5.6.1.1 forbids to send one) behind one that
/// nobody knows. Of clients that only end their list with a comma all codings are known.
pub(super) fn empty_coding(head: &Head<'_>) -> Option<String> {
    let list = head.header("accept-encoding")?;
    let mut unknown = false;
    for element in list.split(|b| *b == b',').map(<[u8]>::trim_ascii) {
        let coding = element.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
        if element.is_empty() && unknown {
            return Some(text::lossy(list));
        }
        unknown |= !coding.is_empty() && !CODINGS.iter().any(|c| coding.eq_ignore_ascii_case(c));
    }
    None
}

/// A header or cookie whose value begins as functions of a shell do.
pub(super) fn shell_function(head: &[u8]) -> Option<String> {
    const SHOWN: usize = 128;
    let begins = |w: &[u8]| matches!(w, [b' ' | b'=' | b':', b'(', b')', b' ', b'{', ..]);
    let at = head.windows(6).position(begins)?;
    let text = head.get(at.saturating_add(1)..).unwrap_or_default();
    let end = text.iter().position(|b| matches!(b, b'\r' | b'\n')).unwrap_or(text.len());
    Some(text::lossy(text.get(..end.min(SHOWN)).unwrap_or_default()))
}

/// `${...}` and what stands around it, plain or with percent signs.
pub(super) fn expression(bytes: &[u8]) -> Option<String> {
    shown_from(bytes, |w| w.starts_with(b"${") || w.eq_ignore_ascii_case(b"%24%7b"))
}

/// `%{...}` in a header: frameworks that evaluate such an expression evaluate what a header says.
pub(super) fn header_expression(headers: &[u8]) -> Option<String> {
    shown_from(headers, |w| w.starts_with(b"%{") || w.eq_ignore_ascii_case(b"%25%7b"))
}

fn shown_from(bytes: &[u8], begins: impl Fn(&[u8]) -> bool) -> Option<String> {
    let at = bytes.windows(6).position(begins)?;
    let text = bytes.get(at..).unwrap_or_default();
    Some(text::lossy(text.get(..AROUND.min(text.len())).unwrap_or_default()))
}

/// Windows, Linux and Java programs by their first octets.
pub(super) fn is_executable(body: &[u8]) -> bool {
    let windows = body.starts_with(b"MZ") && body.len() >= 64;
    windows || body.starts_with(b"\x7fELF") || body.starts_with(&[0xca, 0xfe, 0xba, 0xbe])
}

/// Where a UPnP subscription (UPnP Device Architecture 1.1, 4.1.2) wants its events: the hosts
/// of its callbacks that are addresses.
pub(super) fn callbacks(value: &[u8]) -> Vec<std::net::IpAddr> {
    const CALLBACKS_MAX: usize = 8;
    let value = text::lossy(value);
    let urls = value.split('<').skip(1).filter_map(|part| part.split_once('>'));
    let hosts = urls.filter_map(|(url, _)| {
        let rest = url.trim().split_once("://")?.1;
        let authority = rest.split(['/', '?']).next()?;
        let host = match authority.strip_prefix('[') {
            Some(inner) => inner.split(']').next()?,
            None => authority.split(':').next()?,
        };
        host.parse().ok()
    });
    hosts.take(CALLBACKS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::head;

    fn text_of(kind: &str) -> Text {
        let head = format!("POST /x HTTP/1.1\r\nContent-Type: {kind}\r\n\r\n");
        Text::of(&head::parse(head.as_bytes()).expect("a head"))
    }

    #[test]
    fn words_of_a_body_are_shown_with_what_stands_around_them() {
        let form = b"class.module.classLoader.resources.suffix=.jsp";
        let shown = text_of("application/x-www-form-urlencoded").more(form);
        assert_eq!(shown, ["class.module.classLoader.resources.suffix=.jsp"]);
        let coded = b"ip=127.0.0.1%3Bcat%20%2Fetc%2Fpasswd";
        assert_eq!(text_of("text/plain").more(coded), ["ip=127.0.0.1;cat /etc/passwd"]);
        assert!(text_of("image/png").more(form).is_empty());
        assert!(text_of("application/json").more(b"{\"speed\": 12, \"unit\": \"m/s\"}").is_empty());
    }

    #[test]
    fn a_word_that_comes_in_two_pieces_is_shown_whole_and_late_ones_not_at_all() {
        let mut text = text_of("text/xml");
        assert!(text.more(&[b'x'; 2_000]).is_empty());
        assert!(text.more(b"<a>/etc/pas").is_empty());
        let shown = text.more(b"swd</a>");
        assert!(matches!(&shown[..], [one] if one.ends_with("<a>/etc/passwd</a>")), "{shown:?}");
        assert!(
            text_of("text/xml").more(&[&[b'x'; 9_000], &b"/etc/passwd"[..]].concat()).is_empty()
        );
    }

    #[test]
    fn an_empty_coding_counts_behind_an_unknown_one() {
        let of = |list: &str| {
            let head = format!("GET / HTTP/1.1\r\nAccept-Encoding: {list}\r\n\r\n");
            empty_coding(&head::parse(head.as_bytes()).expect("a head")).is_some()
        };
        assert!(of("doar-e, ftw, imo, ,") && of("doar-e,"));
        assert!(!of("gzip, deflate,") && !of("gzip;q=1.0, , br") && !of("doar-e") && !of(""));
    }

    #[test]
    fn callbacks_are_read_as_addresses() {
        let two = callbacks(b"<http://203.0.113.7:80/x><http://[2001:db8::1]:80/>");
        let said: Vec<_> = two.iter().map(std::net::IpAddr::to_string).collect();
        assert_eq!(said, ["203.0.113.7", "2001:db8::1"]);
        assert!(
            callbacks(b"<http://panel.plant:80/>").is_empty() && callbacks(b"<http:").is_empty()
        );
    }
}
