//! One conversation in DCE/RPC, over TCP or over a named pipe: contexts, calls, log-ons.
//!
//! Invariant: an answer carries the operation of the request it belongs to, or none.

use super::{
    DCERPC_BIND_GROUP, DCERPC_GROUP, SERVICE_CREATED_GROUP, arguments, interfaces,
    limits::{CALLS_MAX, CONTEXTS_MAX, PIPE_OCTETS_MAX},
    wire::{
        ALTER, ALTER_ACK, AUTH3, BIND, BIND_ACK, BIND_NAK, Call, Context, FAULT, Header, Order,
        REQUEST, RESPONSE, Uuid, call, contexts, refused, trailer,
    },
};
use crate::{Output, Side, gss, output::Op};
use model::{Authentication, OperationClass, Scalar, Subject};
use std::collections::VecDeque;

#[derive(Default)]
pub struct Session {
    contexts: Vec<Context>,
    calls: VecDeque<Asked>,
    /// Octets of a PDU not yet whole, of a pipe, by side.
    parts: [Vec<u8>; 2],
    /// Who proved himself last, until a first answer tells the outcome.
    user: Option<Box<str>>,
    /// What was opened of a print server last is one of its printers.
    printer: bool,
}

struct Asked {
    call: u32,
    operation: u16,
    interface: Option<Uuid>,
    opc_server: Option<&'static str>,
}

impl Session {
    /// Octets written to or read from a pipe: PDUs, whole or in parts.
    pub fn pipe(&mut self, side: Side, bytes: &[u8], out: &mut Output) {
        let Some(part) = self.parts.get_mut(side as usize) else { return };
        let mut pending = std::mem::take(part);
        let mut rest = if pending.is_empty() {
            bytes
        } else {
            pending.extend_from_slice(bytes);
            &pending
        };
        while let Some(Ok(header)) = Header::parse(rest) {
            let Some((pdu, behind)) = rest.split_at_checked(usize::from(header.length)) else {
                break;
            };
            self.pdu(&header, pdu, out);
            rest = behind;
        }
        let keep = matches!(Header::parse(rest), None | Some(Ok(_)));
        if keep && rest.len() <= PIPE_OCTETS_MAX && !rest.is_empty() {
            let kept = rest.to_vec();
            if let Some(part) = self.parts.get_mut(side as usize) {
                *part = kept;
            }
        }
    }

    /// Transactions waiting for lost octets are void.
    pub fn gap(&mut self, from: Side) {
        self.calls.clear();
        if let Some(part) = self.parts.get_mut(from as usize) {
            part.clear();
        }
    }

    /// One whole PDU.
    pub fn pdu(&mut self, header: &Header, pdu: &[u8], out: &mut Output) {
        match header.kind {
            REQUEST => self.request(header, pdu, out),
            RESPONSE | FAULT => self.answer(header, pdu, out),
            kind => {
                out.count(&DCERPC_GROUP, [Scalar::Number(u64::from(kind)), Scalar::Null]);
                match kind {
                    BIND | ALTER => self.bind(header, pdu, out),
                    BIND_ACK | ALTER_ACK => self.bound(header, pdu, out),
                    BIND_NAK => {
                        let op = Op::response(OperationClass::Session, u32::from(kind), "bind");
                        out.operation(op.refused(0, "bind rejected"));
                    }
                    _ => {}
                }
            }
        }
        if matches!(header.kind, BIND | BIND_ACK | ALTER | ALTER_ACK | AUTH3)
            && let Some(trailer) = trailer(header, pdu)
        {
            /// Counts are comparable with those of Wireshark, which looks into tokens at the
            /// levels connect, integrity and privacy, and not at this one.
            const PACKET_LEVEL: u8 = 4;
            let counted = out.messages.len();
            self.authenticate(trailer.token, out);
            if trailer.level == PACKET_LEVEL {
                out.messages.truncate(counted);
            }
        }
    }

    fn authenticate(&mut self, token: &[u8], out: &mut Output) {
        if let Some(gss::Token::Ntlm(message)) = gss::observe(token, out)
            && let Some(user) = message.account()
        {
            self.user = Some(user);
        }
    }

    fn bind(&mut self, header: &Header, pdu: &[u8], out: &mut Output) {
        let offered = contexts(pdu, header.order);
        let mut last = None;
        for context in &offered {
            let uuid = context.interface.to_string();
            if last != Some(context.interface) {
                last = Some(context.interface);
                let op = Op::request(OperationClass::Session, u32::from(header.kind), "bind");
                let name = interfaces::find(context.interface).map_or(&*uuid, |i| i.name);
                out.operation(op.named("interface", name));
            }
            out.count(&DCERPC_BIND_GROUP, [Scalar::Text(uuid.into())]);
            self.contexts.retain(|c| c.id != context.id);
            if self.contexts.len() < CONTEXTS_MAX {
                self.contexts.push(*context);
            } else {
                out.limit("dcerpc-contexts");
            }
        }
    }

    fn bound(&mut self, header: &Header, pdu: &[u8], out: &mut Output) {
        /// "Proposed transfer syntaxes not supported": what 64-bit and feature negotiation get.
        const TRANSFER_SYNTAX: u16 = 2;
        let failed = refused(pdu, header.order);
        let op = Op::response(OperationClass::Session, u32::from(header.kind), "bind");
        match failed.iter().find(|(_, reason)| !matches!(*reason, 0 | TRANSFER_SYNTAX)) {
            Some((_, reason)) => {
                out.operation(op.refused(u32::from(*reason), "interface not supported"));
            }
            None => out.operation(op.done()),
        }
    }

    fn interface(&self, context: u16) -> Option<Uuid> {
        self.contexts.iter().find(|c| c.id == context).map(|c| c.interface)
    }

    fn request(&mut self, header: &Header, pdu: &[u8], out: &mut Output) {
        let Ok(call) = call(header, pdu) else {
            let says = "a request shorter than its header";
            return out.violation("dcerpc-request-cut-short", says, "C706, 12.6.4.9");
        };
        let number = Scalar::Number(u64::from(call.operation));
        out.count(&DCERPC_GROUP, [Scalar::Number(u64::from(REQUEST)), number]);
        let interface = self.interface(call.context);
        if header.is_first() {
            let opc_server = self.requested(interface, &call, header.order, out);
            if self.calls.len() >= CALLS_MAX {
                out.limit("dcerpc-calls");
                self.calls.pop_front();
            }
            let operation = call.operation;
            self.calls.push_back(Asked { call: header.call, operation, interface, opc_server });
        }
    }

    /// Tells a request, and which OPC Classic server it starts.
    fn requested(
        &mut self,
        interface: Option<Uuid>,
        call: &Call<'_>,
        order: Order,
        out: &mut Output,
    ) -> Option<&'static str> {
        let known = interface.and_then(interfaces::find);
        let number = u32::from(call.operation);
        let Some(known) = known else {
            let op = Op::request(OperationClass::Other, number, "call");
            out.operation(match interface {
                Some(uuid) => op.named("interface", &uuid.to_string()),
                None => op,
            });
            return None;
        };
        let (class, name) = known.operation(call.operation);
        let mut named = arguments::request(known.uuid, call, order);
        named.in_turn(&mut self.printer);
        let op = Op::request(class, number, named.operation.unwrap_or(name));
        if named.name.is_empty() {
            out.operation(op.named("interface", known.name));
        } else {
            out.operation(op.named(named.area, &named.name));
        }
        if let Some(service) = named.service_created {
            out.count(&SERVICE_CREATED_GROUP, [Scalar::Text(service.into())]);
        }
        named.opc_server
    }

    fn answer(&mut self, header: &Header, pdu: &[u8], out: &mut Output) {
        let at = self.calls.iter().position(|c| c.call == header.call);
        let asked = at.and_then(|at| self.calls.get(at));
        let known = asked.filter(|a| a.interface.is_some());
        let number = known.map_or(Scalar::Null, |a| Scalar::Number(u64::from(a.operation)));
        out.count(&DCERPC_GROUP, [Scalar::Number(u64::from(header.kind)), number]);
        let Ok(call) = call(header, pdu) else { return };
        if let Some(asked) = asked
            && header.is_last()
        {
            answered(asked, header, &call, out);
        }
        if header.is_last()
            && let Some(at) = at
        {
            self.calls.remove(at);
        }
        self.outcome(header, &call, out);
    }

    /// The first answer after a log-on tells whether it was accepted.
    fn outcome(&mut self, header: &Header, call: &Call<'_>, out: &mut Output) {
        /// ERROR_ACCESS_DENIED and its NCA name.
        const DENIED: [u32; 2] = [5, 0x1c01_0003];
        let accepted = header.kind == RESPONSE;
        if !accepted && !DENIED.contains(&call.status) {
            return;
        }
        if let Some(user) = self.user.take() {
            out.authentication(Authentication {
                user: Some(user),
                accepted: Some(accepted),
                clear_text: false,
                default_password: false,
                method: "ntlm",
            });
        }
    }
}

fn answered(asked: &Asked, header: &Header, call: &Call<'_>, out: &mut Output) {
    let known = asked.interface.and_then(interfaces::find);
    let number = u32::from(asked.operation);
    let (class, name) =
        known.map_or((OperationClass::Other, "call"), |i| i.operation(asked.operation));
    let op = Op::response(class, number, name);
    let op = known.map_or(op.clone(), |i| op.named("interface", i.name));
    if header.kind == FAULT {
        return out.operation(op.refused(call.status, "fault"));
    }
    let resolver = matches!(name, "ServerAlive2" | "ResolveOxid2");
    if resolver && let Some(host) = arguments::bindings_host(call.stub, header.order) {
        out.attribute(Subject::Sender, "DCOM bindings", ("hostname", &host), 85);
    }
    // Microsoft's interfaces return a status behind all other arguments.
    let status = call.stub.last_chunk::<4>().filter(|_| !call.sealed && known.is_some());
    let status = status.map(|s| match header.order {
        Order::Little => u32::from_le_bytes(*s),
        Order::Big => u32::from_be_bytes(*s),
    });
    match status {
        None | Some(0) => {
            if let Some(server) = asked.opc_server {
                out.attribute(Subject::Sender, "DCOM activation", ("opc_server", server), 85);
            }
            out.operation(op.done());
        }
        Some(status) => out.operation(op.refused(status, status_name(status))),
    }
}

/// [MS-ERREF], 2.2 and 2.3, as far as intruders meet them.
fn status_name(status: u32) -> &'static str {
    match status {
        5 | 0xc000_0022 | 0x8007_0005 => "access denied",
        0xc000_006d => "log-on failure",
        0xc000_0064 => "no such user",
        0xc000_0388 => "downgrade detected",
        0x8004_0154 => "class not registered",
        0x8008_0005 => "server did not start",
        _ => "error",
    }
}
