//! Where messages end, and what is counted of them.

use super::{HEAD_OCTETS_MAX, HTTP, base64};
use crate::{Carrier, Dissector, Gap, Hint, Output, Probe, Progress, Protocol, Segment, Side};

#[test]
fn base64_of_admin_admin() {
    assert_eq!(base64(b"YWRtaW46YWRtaW4="), b"admin:admin");
}

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
