//! TCP conversations: handshake, sequence numbers, acknowledgments, retransmission, end.
//!
//! A conversation is driven from one side of the table: the actor of the client says what is
//! asked and answered, and this file makes the segments of both ends. Not a TCP stack: nothing
//! waits for a packet. Invariant: segments of a conversation are made in time order, so every
//! acknowledgment number is exactly what its sender has received.

use super::{
    HostId, MICROSECOND, MILLISECOND, Nanos, Net, Stack,
    frame::{self, ACK, FIN, PSH, RST, SYN},
};
use crate::limits;

/// Payload bytes in a segment at most; also what the handshake announces.
const SEGMENT_BYTES_MAX: usize = 1_460;

/// Who sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum From {
    Client,
    Server,
}

/// An open conversation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Conn(usize);

#[derive(Clone, Debug)]
struct Conversation {
    /// Client, server.
    hosts: [HostId; 2],
    ports: [u16; 2],
    next: [u32; 2],
    free_at: Nanos,
}

#[derive(Default)]
pub struct Table {
    slots: Vec<Option<Conversation>>,
    free: Vec<usize>,
}

/// One question and its answer on a conversation.
#[derive(Clone, Debug)]
pub struct Call {
    pub request: Vec<u8>,
    /// Empty when nothing is answered.
    pub response: Vec<u8>,
    /// Time the server works on it beyond its usual latency.
    pub work: Nanos,
}

impl Call {
    pub fn new(request: Vec<u8>, response: Vec<u8>) -> Self {
        Call { request, response, work: 0 }
    }
}

const fn syn_options(stack: Stack) -> &'static [u8] {
    match stack {
        // MSS 1460, NOP, window scale 8, NOP, NOP, SACK permitted.
        Stack::Windows => &[2, 4, 5, 0xb4, 1, 3, 3, 8, 1, 1, 4, 2],
        // MSS 1460, NOP, NOP, SACK permitted, NOP, window scale 7: time stamps are off.
        Stack::Linux => &[2, 4, 5, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7],
        // MSS 1460, NOP, window scale 6, NOP, NOP, SACK permitted, end.
        Stack::Apple => &[2, 4, 5, 0xb4, 1, 3, 3, 6, 1, 1, 4, 2, 0, 0, 0, 0],
        Stack::Embedded | Stack::Cisco => &[2, 4, 5, 0xb4],
    }
}

const fn scales(stack: Stack) -> bool {
    matches!(stack, Stack::Windows | Stack::Linux | Stack::Apple)
}

impl Net {
    fn conversation(&self, conn: Conn) -> &Conversation {
        self.conversations.slots[conn.0].as_ref().expect("closed conversations are not used")
    }

    /// When the conversation is free for the next call.
    pub fn free_at(&self, conn: Conn) -> Nanos {
        self.conversation(conn).free_at
    }

    /// Opens a conversation to `port`, with handshake.
    pub fn open(&mut self, client: HostId, server: HostId, port: u16, at: Nanos) -> Conn {
        let source_port = self.ephemeral_port(client);
        self.open_from(client, source_port, server, port, at)
    }

    fn open_from(
        &mut self,
        client: HostId,
        source_port: u16,
        server: HostId,
        port: u16,
        at: Nanos,
    ) -> Conn {
        let table = &mut self.conversations;
        let slot = table.free.pop().unwrap_or_else(|| {
            table.slots.push(None);
            table.slots.len() - 1
        });
        assert!(slot < limits::CONVERSATIONS_MAX, "an actor leaves conversations open");
        let conn = Conn(slot);
        let next = [self.rng.u32(), self.rng.u32()];
        let hosts = [client, server];
        let ports = [source_port, port];
        self.conversations.slots[slot] = Some(Conversation { hosts, ports, next, free_at: at });
        let at = self.segment(conn, From::Client, at, SYN, &[]);
        let at = at + self.latency(server) / 2;
        let at = self.segment(conn, From::Server, at, SYN | ACK, &[]);
        let at = at + self.jitter(90 * MICROSECOND);
        let at = self.segment(conn, From::Client, at, ACK, &[]);
        self.set_free(conn, at + 50 * MICROSECOND);
        conn
    }

    fn set_free(&mut self, conn: Conn, at: Nanos) {
        if let Some(conversation) = &mut self.conversations.slots[conn.0] {
            conversation.free_at = conversation.free_at.max(at);
        }
    }

    /// Makes one segment and advances its sender. Returns when it passes the mirror.
    fn segment(&mut self, conn: Conn, from: From, at: Nanos, flags: u8, load: &[u8]) -> Nanos {
        let c = self.conversation(conn).clone();
        let (me, peer) = if from == From::Client { (0, 1) } else { (1, 0) };
        let (link, at) = self.route(c.hosts[me], c.hosts[peer], at);
        let destination = self.host(c.hosts[peer]).ip;
        let ip = self.ip_header(c.hosts[me], destination);
        let (mine, other) = (self.host(c.hosts[me]).stack, self.host(c.hosts[peer]).stack);
        let window =
            if flags & SYN == 0 && scales(mine) && scales(other) { 1_026 } else { mine.window() };
        let options = if flags & SYN == 0 { &[][..] } else { syn_options_to(mine, other, from) };
        let header = frame::Tcp {
            ports: (c.ports[me], c.ports[peer]),
            sequence: c.next[me],
            acknowledgment: if flags & ACK == 0 { 0 } else { c.next[peer] },
            flags,
            window,
            options,
        };
        self.raw(at, frame::tcp(link, ip, header, load));
        let used = load.len() as u32 + u32::from(flags & (SYN | FIN) != 0);
        if let Some(conversation) = &mut self.conversations.slots[conn.0] {
            conversation.next[me] = conversation.next[me].wrapping_add(used);
        }
        at
    }

    /// Data of one direction, cut in segments, acknowledged every second one. Returns the time of
    /// the last segment.
    fn burst(&mut self, conn: Conn, from: From, mut at: Nanos, bytes: &[u8]) -> Nanos {
        let other = if from == From::Client { From::Server } else { From::Client };
        let count = bytes.chunks(SEGMENT_BYTES_MAX).len();
        for (i, part) in bytes.chunks(SEGMENT_BYTES_MAX).enumerate() {
            let last = i + 1 == count;
            let flags = if last { ACK | PSH } else { ACK };
            let before = self.sent(conn, from);
            at = self.segment(conn, from, at, flags, part);
            if last && self.rng.unit() < self.loss {
                at = self.again(conn, from, (at, before), (flags, part));
            }
            if !last {
                at += 13 * MICROSECOND;
            }
            if i % 2 == 1 && !last {
                at = self.segment(conn, other, at + 40 * MICROSECOND, ACK, &[]);
                at += 30 * MICROSECOND;
            }
        }
        at
    }

    fn sent(&self, conn: Conn, from: From) -> u32 {
        self.conversation(conn).next[usize::from(from == From::Server)]
    }

    /// The segment was lost behind the mirror: its sender repeats it when its timer runs out.
    fn again(
        &mut self,
        conn: Conn,
        from: From,
        (at, sequence): (Nanos, u32),
        (flags, load): (u8, &[u8]),
    ) -> Nanos {
        self.retransmissions += 1;
        let me = usize::from(from == From::Server);
        if let Some(conversation) = &mut self.conversations.slots[conn.0] {
            conversation.next[me] = sequence;
        }
        let timeout = self.jitter(280 * MILLISECOND);
        self.segment(conn, from, at + timeout, flags, load)
    }

    /// Asks and answers, one after the other. Returns when the last answer passed.
    pub fn exchange(&mut self, conn: Conn, at: Nanos, calls: &[Call]) -> Nanos {
        let [client, server] = self.conversation(conn).hosts;
        let mut at = at.max(self.conversation(conn).free_at);
        let mut unacknowledged = None;
        for call in calls {
            if !call.request.is_empty() {
                at = self.burst(conn, From::Client, at, &call.request);
                unacknowledged = Some(From::Server);
            }
            if !call.response.is_empty() {
                let ready = at + self.latency(server) + call.work;
                let patience = self.host(server).stack.delayed_ack();
                if unacknowledged == Some(From::Server) && ready - at > patience {
                    self.segment(conn, From::Server, at + patience, ACK, &[]);
                }
                at = self.burst(conn, From::Server, ready, &call.response);
                unacknowledged = Some(From::Client);
                if call.response.len() > 2 * SEGMENT_BYTES_MAX {
                    at = self.segment(conn, From::Client, at + 60 * MICROSECOND, ACK, &[]);
                    unacknowledged = None;
                }
            }
            self.set_free(conn, at);
            at += self.jitter(250 * MICROSECOND);
        }
        let done = self.conversation(conn).free_at;
        if let Some(who) = unacknowledged {
            let host = if who == From::Client { client } else { server };
            let patience = self.host(host).stack.delayed_ack();
            let acked = self.segment(conn, who, done + patience, ACK, &[]);
            self.set_free(conn, acked + 20 * MICROSECOND);
        }
        done
    }

    /// One call, for brevity.
    pub fn call(&mut self, conn: Conn, at: Nanos, request: Vec<u8>, response: Vec<u8>) -> Nanos {
        self.exchange(conn, at, &[Call::new(request, response)])
    }

    /// Something the server says unasked.
    pub fn push(&mut self, conn: Conn, at: Nanos, bytes: Vec<u8>) -> Nanos {
        self.exchange(conn, at, &[Call::new(Vec::new(), bytes)])
    }

    /// An ordinary end, begun by the client.
    pub fn close(&mut self, conn: Conn, at: Nanos) -> Nanos {
        let [_, server] = self.conversation(conn).hosts;
        let at = at.max(self.conversation(conn).free_at) + 30 * MICROSECOND;
        let at = self.segment(conn, From::Client, at, FIN | ACK, &[]);
        let at = at + self.latency(server) / 2;
        let at = self.segment(conn, From::Server, at, FIN | ACK, &[]);
        let at = self.segment(conn, From::Client, at + 80 * MICROSECOND, ACK, &[]);
        self.forget(conn);
        at
    }

    /// The client gives up with a reset.
    pub fn reset(&mut self, conn: Conn, at: Nanos) -> Nanos {
        let at = at.max(self.conversation(conn).free_at) + 30 * MICROSECOND;
        let at = self.segment(conn, From::Client, at, RST | ACK, &[]);
        self.forget(conn);
        at
    }

    fn forget(&mut self, conn: Conn) {
        self.conversations.slots[conn.0] = None;
        self.conversations.free.push(conn.0);
    }

    /// A connection attempt to a closed port: answered by a reset.
    pub fn refused(&mut self, client: HostId, server: HostId, port: u16, at: Nanos) -> Nanos {
        self.attempt(client, server, port, at, Some(RST | ACK))
    }

    /// A SYN scanner's probe of an open port: reset as soon as it answers.
    pub fn half_open(&mut self, client: HostId, server: HostId, port: u16, at: Nanos) -> Nanos {
        self.attempt(client, server, port, at, Some(SYN | ACK))
    }

    /// A connection attempt nobody answers.
    pub fn unanswered(&mut self, client: HostId, server: HostId, port: u16, at: Nanos) -> Nanos {
        self.attempt(client, server, port, at, None)
    }

    fn attempt(
        &mut self,
        client: HostId,
        server: HostId,
        port: u16,
        at: Nanos,
        answer: Option<u8>,
    ) -> Nanos {
        let ports = [self.ephemeral_port(client), port];
        let next = [self.rng.u32(), if answer == Some(RST | ACK) { 0 } else { self.rng.u32() }];
        let hosts = [client, server];
        let table = &mut self.conversations;
        table.slots.push(Some(Conversation { hosts, ports, next, free_at: at }));
        let conn = Conn(table.slots.len() - 1);
        let mut at = self.segment(conn, From::Client, at, SYN, &[]);
        if let Some(flags) = answer {
            let answered = at + self.latency(server) / 2;
            at = self.segment(conn, From::Server, answered, flags, &[]);
            if flags & SYN != 0 {
                at = self.segment(conn, From::Client, at + 50 * MICROSECOND, RST, &[]);
            }
        }
        self.conversations.slots.pop();
        at
    }
}

/// A SYN's options are its sender's; a server offers scaling only to who offered it.
fn syn_options_to(mine: Stack, other: Stack, from: From) -> &'static [u8] {
    if from == From::Server && !scales(other) {
        return syn_options(Stack::Embedded);
    }
    syn_options(mine)
}
