//! Sessions over HTTP, from packets to the finding: Windows remote management, and sign-ins that
//! somebody passes on.
//!
//! Not here: what else HTTP says. Invariant: a request that was refused is no session.

use model::Time;
use sensor::{Fold, Packet, Worker, WorkerSettings};
use wire::LinkType;

/// Address and port.
type End = ([u8; 4], u16);

const CLIENT: End = ([10, 0, 0, 1], 50_000);
const SERVER: End = ([10, 0, 0, 2], 5_985);
const SYN: u8 = 0x02;
const SYN_ACK: u8 = 0x12;
const PUSH_ACK: u8 = 0x18;

/// One connection, segment by segment.
struct Connection {
    ends: [End; 2],
    frames: Vec<Vec<u8>>,
    /// Next sequence numbers of client and server.
    next: [u32; 2],
}

impl Connection {
    fn opened(client: End, server: End) -> Connection {
        let (ends, frames, next) = ([client, server], Vec::new(), [0; 2]);
        let mut connection = Connection { ends, frames, next };
        connection.says(true, SYN, b"");
        connection.next[0] += 1;
        connection.says(false, SYN_ACK, b"");
        connection.next[1] += 1;
        connection
    }

    fn says(&mut self, client: bool, flags: u8, octets: &[u8]) {
        let [own, other] = if client { [0, 1] } else { [1, 0] };
        let [from, to] = [self.ends[own], self.ends[other]];
        let last = |end: End| end.0[3];
        let mut frame = vec![2, 0, 0, 0, 0, last(to), 2, 0, 0, 0, 0, last(from), 8, 0, 0x45, 0];
        frame.extend((octets.len() as u16 + 40).to_be_bytes());
        frame.extend([0, 9, 0, 0, 64, 6, 0, 0]);
        frame.extend(from.0.into_iter().chain(to.0));
        frame.extend(from.1.to_be_bytes().into_iter().chain(to.1.to_be_bytes()));
        frame.extend(self.next[own].to_be_bytes());
        frame.extend(self.next[other].to_be_bytes());
        frame.extend([0x50, flags, 0x20, 0, 0, 0, 0, 0]);
        frame.extend(octets);
        self.frames.push(frame);
        self.next[own] += octets.len() as u32;
    }

    /// A shell is asked for (MS-WSMV, 3.1.4.5), and the answer.
    fn asks(&mut self, sign_in: &str, status: &str) {
        let body = "<s:Envelope><s:Header><a:Action>http://schemas.xmlsoap.org/ws/2004/09/transfer\
                    /Create</a:Action></s:Header><s:Body><rsp:Shell/></s:Body></s:Envelope>";
        let head = format!(
            "POST /wsman?PSVersion=5.1 HTTP/1.1\r\nHost: hist:5985\r\n{sign_in}Content-Type: \
             application/soap+xml;charset=UTF-8\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        self.says(true, PUSH_ACK, format!("{head}{body}").as_bytes());
        let answer = format!(
            "HTTP/1.1 {status}\r\nServer: Microsoft-HTTPAPI/2.0\r\nContent-Length: 0\r\n\r\n"
        );
        self.says(false, PUSH_ACK, answer.as_bytes());
    }

    /// The server asks for a sign-in by NTLM with that challenge (MS-NLMP, 2.2.1.2; the message is
    /// written in Base64 by hand).
    fn challenges(&mut self, nonce: &str) {
        self.says(true, PUSH_ACK, b"GET / HTTP/1.1\r\nHost: hist\r\n\r\n");
        let message = format!("TlRMTVNTUAACAAAAAAAAADAAAAABAAAA{nonce}AAAAAAAAAAAA");
        let answer = format!(
            "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: NTLM {message}\r\nContent-Length: \
             0\r\n\r\n"
        );
        self.says(false, PUSH_ACK, answer.as_bytes());
    }
}

/// Titles of the findings of one detector.
fn found(connections: &[&Connection], detector: &str) -> Vec<String> {
    let mut worker = Worker::new(WorkerSettings::default());
    let frames = connections.iter().flat_map(|connection| &connection.frames);
    for (frame, data) in (1..).zip(frames) {
        let (at, wire_len) = (Time::from_secs(1_000_000 + frame), data.len() as u32);
        let (frame, link) = (frame.unsigned_abs(), LinkType::Ethernet);
        worker.push(&Packet { at, frame, wire_len, link, data });
    }
    worker.finish(1_000, Time::from_secs(1_001_000));
    let mut fold = Fold::new();
    fold.apply(worker.take_events());
    fold.finish();
    let own = fold.findings().into_iter().filter(|f| f.detector == detector);
    own.map(|finding| finding.title).collect()
}

#[test]
fn a_session_of_management_is_found_and_a_refused_one_is_not() {
    let mut session = Connection::opened(CLIENT, SERVER);
    session.asks("", "401 Unauthorized");
    assert!(found(&[&session], "remote-execution").is_empty());
    session.asks("Authorization: Negotiate TlRMTVNTUAAD\r\n", "200 OK");
    session.asks("", "200 OK");
    let told = "10.0.0.1 manages 10.0.0.2 by WinRM";
    assert_eq!(found(&[&session], "remote-execution"), [told]);
}

#[test]
fn a_challenge_that_is_handed_on_is_found_and_one_of_its_own_is_not() {
    let relay = [10, 0, 0, 66];
    let mut outward = Connection::opened((relay, 40_000), SERVER);
    outward.challenges("q83vASNFZ4k");
    let mut inward = Connection::opened(CLIENT, (relay, 80));
    inward.challenges("q83vASNFZ4o");
    assert!(found(&[&outward, &inward], "sign-in-relay").is_empty());
    let mut inward = Connection::opened(CLIENT, (relay, 80));
    inward.challenges("q83vASNFZ4k");
    let told = "10.0.0.66 passes the sign-in of 10.0.0.1 on to 10.0.0.2";
    assert_eq!(found(&[&outward, &inward], "sign-in-relay"), [told]);
}
