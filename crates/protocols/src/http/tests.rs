//! Where messages end, and what is counted of them.

use super::{HEAD_OCTETS_MAX, HTTP};
use crate::{Carrier, Dissector, Gap, Hint, Output, Probe, Progress, Protocol, Segment, Side};

/// Gives octets of one side to a reader, as they came, and tells the groups counted.
fn feed(reader: &mut dyn Dissector, from: Side, bytes: &[u8], missing: usize) -> Vec<&'static str> {
    let (mut out, mut at) = (Output::default(), 0);
    let mut groups = Vec::new();
    while at < bytes.len() {
        let segment = Segment { missing, ..Segment::of(&bytes[at..], from, Carrier::Tcp) };
        out.clear();
        let Progress::Consumed(taken) = reader.feed(segment, &mut out) else { panic!("a wait") };
        groups.extend(out.messages.iter_mut().map(|message| message.group.name));
        at += taken;
    }
    groups
}

const POST: &[u8] = b"POST /x HTTP/1.1\r\nHost: plc\r\nContent-Length: 6\r\n\r\nabc";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc";

#[test]
fn a_message_is_counted_where_its_body_ends() {
    let mut reader = HTTP.open();
    assert!(feed(&mut *reader, Side::Client, POST, 0).is_empty());
    assert_eq!(feed(&mut *reader, Side::Client, b"def", 0), ["http_request", "http_host"]);
    assert!(feed(&mut *reader, Side::Server, OK, 0).is_empty());
    let rest = b"defHTTP/1.1 304 Not Modified\r\n\r\n";
    assert_eq!(feed(&mut *reader, Side::Server, rest, 0), ["http_status", "http_status"]);
}

#[test]
fn an_end_that_was_lost_or_cut_off_is_not_awaited() {
    let mut reader = HTTP.open();
    assert_eq!(feed(&mut *reader, Side::Server, OK, 9), ["http_status"]);
    let mut reader = HTTP.open();
    assert!(feed(&mut *reader, Side::Server, OK, 0).is_empty());
    reader.gap(Gap { from: Side::Server, bytes: Some(3) });
    assert_eq!(feed(&mut *reader, Side::Server, OK, 0), ["http_status"]);
}

#[test]
fn a_long_chunk_hides_nothing_behind_it() {
    let mut reader = HTTP.open();
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let size = format!("{:x}\r\n", HEAD_OCTETS_MAX * 2);
    assert!(feed(&mut *reader, Side::Server, &[head, size.as_bytes()].concat(), 0).is_empty());
    assert!(feed(&mut *reader, Side::Server, &[b'x'; HEAD_OCTETS_MAX], 0).is_empty());
    assert!(feed(&mut *reader, Side::Server, &[b'x'; HEAD_OCTETS_MAX], 0).is_empty());
    let end = b"\r\n0\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(feed(&mut *reader, Side::Server, end, 0), ["http_status", "http_status"]);
}

#[test]
fn a_hole_within_a_body_leaves_its_end_where_it_was() {
    let mut reader = HTTP.open();
    let long = b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n";
    assert!(feed(&mut *reader, Side::Server, long, 0).is_empty());
    reader.gap(Gap { from: Side::Server, bytes: Some(880) });
    let rest = [&[b'x'; 20][..], b"HTTP/1.1 204 No Content\r\n\r\n"].concat();
    assert_eq!(feed(&mut *reader, Side::Server, &rest, 0), ["http_status", "http_status"]);
    // Of an end that is not known, the next message begins where one can.
    reader.gap(Gap { from: Side::Server, bytes: Some(5) });
    assert!(feed(&mut *reader, Side::Server, b"a body of any length", 0).is_empty());
    let next = b"HTTP/1.1 204 No Content\r\n\r\n";
    assert_eq!(feed(&mut *reader, Side::Server, next, 0), ["http_status"]);
}

#[test]
fn a_request_that_the_capture_cut_is_known_by_its_port_and_counted() {
    let line = b"GET /a/very/long/path/of/a/page/that";
    let hint = Hint { carrier: Carrier::Tcp, port: true, from: Side::Client, missing: 0 };
    assert_eq!(HTTP.probe(line, hint), Probe::MatchClient);
    assert_eq!(HTTP.probe(line, Hint { port: false, ..hint }), Probe::NeedMore);
    let mut reader = HTTP.open();
    assert_eq!(feed(&mut *reader, Side::Client, line, 400), ["http_request"]);
}

/// What requests and answers are called, of a client with this address.
fn told(messages: &[(Side, String)]) -> Vec<&'static str> {
    let (mut reader, mut names) = (HTTP.open(), Vec::new());
    let sender = model::Endpoint { ip: Some([10, 1, 1, 10].into()), ..model::Endpoint::default() };
    for (from, text) in messages {
        let (mut out, mut at) = (Output::default(), 0);
        while at < text.len() {
            let bytes = &text.as_bytes()[at..];
            let segment = Segment { sender, ..Segment::of(bytes, *from, Carrier::Tcp) };
            let Progress::Consumed(taken) = reader.feed(segment, &mut out) else {
                panic!("a wait")
            };
            at += taken;
        }
        names.extend(out.observed.iter().filter_map(|seen| match &seen.detail {
            model::Detail::Operation(operation) => Some(operation.function_name),
            _ => None,
        }));
    }
    names
}

fn post(path: &str, headers: &str, body: &str) -> (Side, String) {
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\n{headers}Content-Length: {length}\r\n");
    (Side::Client, format!("{head}\r\n{body}"))
}

#[test]
fn a_program_that_a_host_is_to_run_for_nobody_is_told_apart() {
    let runs = "<p:ExecuteShellCommand_INPUT><p:command>id</p:command>";
    let unsigned = "command without sign-in";
    assert!(told(&[post("/wsman", "", runs)]).contains(&unsigned));
    let signed = "Authorization: Basic YTpi\r\n";
    assert!(!told(&[post("/wsman", signed, runs)]).contains(&unsigned));
    assert!(!told(&[post("/wsman", signed, ""), post("/wsman", "", runs)]).contains(&unsigned));
    assert!(!told(&[post("/other", "", runs)]).contains(&unsigned));
}

#[test]
fn management_is_known_by_its_path_and_by_being_accepted() {
    let answered = |path, status: &str| {
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        let told = told(&[post(path, "", "x"), (Side::Server, answer)]);
        told.contains(&"WinRM request")
    };
    assert!(answered("/wsman", "200 OK") && answered("/wsman?PSVersion=5.1", "200 OK"));
    assert!(!answered("/wsman", "401 Unauthorized"));
    assert!(!answered("/wsman/SubscriptionManager/WEC", "200 OK"));
    assert!(!answered("/wsman/subscriptions/7A1C", "200 OK"));
}

#[test]
fn a_subscription_for_somebody_elsewhere_is_told_apart() {
    let subscribed = |callback: &str| {
        let head = format!("SUBSCRIBE /e HTTP/1.1\r\nHost: a\r\nCALLBACK: {callback}\r\n\r\n");
        told(&[(Side::Client, head)]).contains(&"subscription for a third host")
    };
    assert!(subscribed("<http://203.0.113.7:80/x>"));
    assert!(subscribed("<http://10.1.1.10/x><http://203.0.113.7/x>"));
    assert!(!subscribed("<http://10.1.1.10:5000/x>") && !subscribed("<http://10.1.2.9/x>"));
    assert!(!subscribed("<http://panel.plant/x>") && !subscribed(""));
}

#[test]
fn words_in_a_body_are_shown_whole_or_in_chunks() {
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let body = "ip=127.0.0.1%3Bcat+/etc/passwd";
    assert!(told(&[post("/ping", form, body)]).contains(&"words of a program"));
    assert!(!told(&[post("/ping", form, "ip=127.0.0.1")]).contains(&"words of a program"));
    let head =
        format!("POST /ping HTTP/1.1\r\nHost: a\r\n{form}Transfer-Encoding: chunked\r\n\r\n");
    let chunks = format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    assert!(told(&[(Side::Client, chunks)]).contains(&"words of a program"));
}

/// What a conversation is called in the end, and what became of each piece.
fn pieces(all: &[(Side, &[u8])]) -> (Option<&'static str>, bool) {
    let mut reader = HTTP.open();
    let (mut name, mut whole) = (None, true);
    for (from, bytes) in all {
        let mut rest = *bytes;
        while !rest.is_empty() {
            let mut out = Output::default();
            let progress = reader.feed(Segment::of(rest, *from, Carrier::Tcp), &mut out);
            name = out.refined.or(name);
            let Progress::Consumed(taken) = progress else {
                whole = false;
                break;
            };
            rest = &rest[taken..];
        }
    }
    (name, whole)
}

#[test]
fn the_second_version_is_known_by_its_preface_and_by_the_upgrade() {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let settings = b"\0\0\0\x04\0\0\0\0\0";
    let hint = Hint { carrier: Carrier::Tcp, port: false, from: Side::Client, missing: 0 };
    assert_eq!(HTTP.probe(preface, hint), Probe::MatchClient);
    let direct: [(Side, &[u8]); 2] = [(Side::Client, preface), (Side::Server, settings)];
    assert_eq!(pieces(&direct), (Some("http2"), true));
    let asks = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n";
    let answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let upgrade: [(Side, &[u8]); 3] =
        [(Side::Client, asks), (Side::Server, answer), (Side::Client, preface)];
    assert_eq!(pieces(&upgrade), (Some("http2"), true));
}
