//! Hosts that pass sign-ins on to other servers, and servers that ask for them as attack tools do.
//!
//! Who signs in by NTLM answers a challenge of eight octets that the server drew ([MS-NLMP],
//! 2.2.1.2). Who stands between hands out the challenge it was given by another server, and gives
//! that one the answer. Not here: what is done with the sign-in. Invariant: two servers that gave
//! the same challenge are no relay unless one was the client of the other.

use crate::{
    About, Detector, Draft, Findings, Kind, Phase, Site, Watch, watched::Watched,
    window::apart_secs,
};
use model::{Address, Detail, Object, Observation, OperationClass, Severity, Time};

pub static SIGN_IN_RELAY: Detector = Detector {
    about: About {
        id: "sign-in-relay",
        title: "Sign-in that somebody passes on to another server",
        engine: model::Engine::Anomaly,
        why: "Who passes a sign-in on needs no password: the other server takes him for the person \
              or machine that signed in. From an office to an engineering station this is one of \
              the shortest ways, and nobody who signs in notices.",
        techniques: &["T1557", "T0830", "T0859"],
        false_positives: "Load balancers and proxies that end connections and pass NTLM on \
                          unchanged, where nothing was learned of them.",
        runbook: "Find the host in the middle; unless it is a proxy of yours, disconnect it.\n\
                  Look at what was done on the server it passed the sign-in on to, from then on.\n\
                  Treat the account as used by somebody else: end its sessions, change its \
                  password, and that of the machine if it was one.\n\
                  Find out how the host was lured there: look for findings of poisoned names.\n\
                  Let servers demand signed sessions (SMB, LDAP) and channel binding.",
        sees: &[Kind::Operation],
    },
    watch: || Box::new(SignInRelay { challenged: Watched::new(SPAN_SECS) }),
    #[cfg(test)]
    cases,
};

/// Name of the operation.
const CHALLENGE: &str = "NTLM challenge";
/// A challenge is answered at once, or passed on at once.
const SPAN_SECS: i64 = 60;
/// The challenge that Responder and Metasploit give unless told otherwise: with it tables of
/// passwords can be made beforehand.
const OF_TOOLS: &str = "1122334455667788";

struct SignInRelay {
    /// By challenge.
    challenged: Watched<Box<str>, Challenged>,
}

/// Who gave a challenge to whom.
#[derive(Clone, Copy)]
struct Challenged {
    server: Address,
    client: Address,
    protocol: &'static str,
    port: u16,
    at: Time,
}

impl Watch for SignInRelay {
    fn wants(&self, _: &str, class: OperationClass) -> bool {
        class == OperationClass::Authenticate
    }

    fn see(&mut self, o: &Observation, site: &Site<'_>, out: &mut Findings) {
        let Detail::Operation(operation) = &o.detail else { return };
        let Object::Name { name, .. } = &operation.object else { return };
        let (Some(server), Some(client)) = (o.from.address(), o.to.address()) else { return };
        if operation.function_name != CHALLENGE {
            return;
        }
        if &**name == OF_TOOLS {
            return tell_tool(o, server, client, out);
        }
        let port = o.from.port.unwrap_or_default();
        let now = Challenged { server, client, protocol: o.protocol, port, at: o.at };
        let before = self.challenged.of(name.clone(), o.at, || now);
        let before = std::mem::replace(before, now);
        let host = |address| site.inventory.asset_of(&address).ok_or(address);
        let same = |a, b| a == b || host(a) == host(b);
        if same(before.server, server) || apart_secs(o.at, before.at) > SPAN_SECS {
            return;
        }
        // Frames may come out of order: which of the two was first says nothing.
        let (asked, passed) = if same(before.client, server) {
            (before, now)
        } else if same(client, before.server) {
            (now, before)
        } else {
            return;
        };
        let key = (asked.client, asked.server, asked.protocol, asked.port);
        if site.phase == Phase::Learnt && site.baseline.knows_link(&key) {
            return;
        }
        tell_relay(o, (asked, passed), out);
    }

    fn dropped(&self) -> u64 {
        self.challenged.dropped()
    }
}

/// `asked` is what the relay was challenged with, `passed` what it challenged the client with.
fn tell_relay(o: &Observation, (asked, passed): (Challenged, Challenged), out: &mut Findings) {
    let (relay, target, victim) = (passed.server, asked.server, passed.client);
    let back = victim == target;
    let raised = out.raise(&SIGN_IN_RELAY.about, (relay, victim, target), o, || {
        let (title, others) = if back {
            ("{0} passes the sign-in of {1} back to it", vec![victim])
        } else {
            ("{0} passes the sign-in of {1} on to {2}", vec![victim, target])
        };
        Draft::by(relay, others, Severity::High, title).because(format!(
            "It challenged {{1}} ({}) with the eight octets with which {target} challenged it \
             ({}): the answer of the one signs it in at the other. Servers draw their challenges \
             at random.",
            passed.protocol, asked.protocol
        ))
    });
    if let Some(open) = raised {
        open.proof_of("latest", o);
    }
}

fn tell_tool(o: &Observation, server: Address, client: Address, out: &mut Findings) {
    let raised = out.raise(&SIGN_IN_RELAY.about, ("tool", server), o, || {
        let title = "{0} asks for sign-ins as programs do that collect them";
        Draft::by(server, [client], Severity::High, title).because(format!(
            "It challenges clients with {OF_TOOLS}, as Responder and Metasploit do. Servers draw \
             their challenges at random; with a known one the password can be found from the \
             answer by tables made beforehand."
        ))
    });
    let Some(open) = raised else { return };
    open.names(client);
    open.proof_of("latest", o);
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, exchange, host, of, operation, port, seen};
    use model::{Direction, Operation};
    let says = |at: i64, (server, client): (u8, u8), protocol, challenge: &str| {
        let object = Object::Name { area: "challenge", name: challenge.into() };
        let operation = operation(OperationClass::Authenticate, 2);
        let (direction, function_name) = (Direction::Response, CHALLENGE);
        let operation = Operation { direction, function_name, object, ..operation };
        let ends = (port(host(server), 445), port(host(client), 50_000));
        of(protocol, seen(at, ends.0, ends.1, Detail::Operation(operation)))
    };
    let smb = |at, ends, challenge| says(at, ends, "smb", challenge);
    let relayed = || vec![smb(0, (20, 66), "a1"), says(40, (66, 10), "http", "a1")];
    let mut late = relayed();
    late.reverse();
    let proxy = || exchange(0, port(host(66), 50_000), port(host(20), 445), "smb");
    vec![
        Case::fires("passed on", relayed()),
        Case::fires("passed on, frames out of order", late),
        Case::fires("passed back", vec![smb(0, (10, 66), "a1"), smb(30, (66, 10), "a1")]),
        Case::fires("of a tool", vec![smb(0, (66, 10), OF_TOOLS), smb(9, (66, 11), OF_TOOLS)]),
        Case::silent("a proxy that was learned", relayed()).after(vec![proxy()]),
        Case::silent("other challenges", vec![smb(0, (20, 66), "a1"), smb(40, (66, 10), "a2")]),
        Case::silent("twice on a mirror", vec![smb(0, (20, 10), "a1"), smb(0, (20, 10), "a1")]),
        Case::silent(
            "two servers with the same made-up challenge",
            vec![smb(0, (20, 10), "00"), smb(9, (30, 11), "00")],
        ),
        Case::silent("long after", vec![smb(0, (20, 66), "a1"), smb(90_000, (66, 10), "a1")]),
    ]
}
