//! What this client can ask an OPC UA server, as octets (OPC 10000-4, 5; OPC 10000-6, 5.2).
//!
//! Not here: how a message is protected and cut. Invariant: [`Request`] is all that can leave.
//! Besides finding, opening and closing it has browse and read; there is no write, no call, no
//! subscription, nothing that changes nodes.

use super::{
    security::Mode,
    types::{NodeId, put_bytes, put_string},
};
use crate::limits::OPCUA_MESSAGE_BYTES_MAX;
use std::time::Duration;

/// What can be asked: names are those of the services (OPC 10000-4, 5).
pub enum Request<'a> {
    GetEndpoints { url: &'a str },
    OpenSecureChannel { renew: bool, mode: Mode, nonce: &'a [u8] },
    CreateSession { url: &'a str, own: Option<Own<'a>> },
    ActivateSession { proof: Proof<'a>, policy: &'a str, user: &'a User },
    Browse { nodes: &'a [NodeId] },
    BrowseNext { point: &'a [u8] },
    Read { wanted: &'a [(NodeId, u32)] },
    CloseSession,
    CloseSecureChannel,
}

/// Who asks for a session on a protected channel.
pub struct Own<'a> {
    pub uri: &'a str,
    pub certificate: &'a [u8],
    pub nonce: &'a [u8],
}

/// A signature with the name of its algorithm; none where there is nothing to sign with.
pub type Proof<'a> = Option<(&'static str, &'a [u8])>;

/// Who logs in (OPC 10000-4, 7.40); secrets are protected already.
pub enum User {
    Anonymous,
    Named { name: String, password: Vec<u8>, algorithm: &'static str },
    Certified { certificate: Vec<u8>, algorithm: &'static str, signature: Vec<u8> },
}

/// References of one node in one answer, at most; the rest comes from a point on.
const REFERENCES_AT_ONCE: u32 = 1_000;

/// How long a channel is asked for.
pub const LIFETIME: Duration = Duration::from_secs(3_600);

impl Request<'_> {
    /// Number of the request's encoding and of its answer's (OPC 10000-6, A.3).
    pub fn ids(&self) -> (u32, u32) {
        match self {
            Self::GetEndpoints { .. } => (428, 431),
            Self::OpenSecureChannel { .. } => (446, 449),
            Self::CloseSecureChannel => (452, 455),
            Self::CreateSession { .. } => (461, 464),
            Self::ActivateSession { .. } => (467, 470),
            Self::CloseSession => (473, 476),
            Self::Browse { .. } => (527, 530),
            Self::BrowseNext { .. } => (533, 536),
            Self::Read { .. } => (631, 634),
        }
    }

    /// The whole message: its number, the request header, what it asks.
    pub fn encode(&self, session: &NodeId, number: u32) -> Vec<u8> {
        let mut out = Vec::new();
        NodeId::standard(self.ids().0).encode(&mut out);
        session.encode(&mut out);
        // No time, the request's number, no diagnostics, no audit entry, five seconds, nothing
        // additional.
        out.extend([0; 8]);
        out.extend(number.to_le_bytes());
        out.extend([0; 4]);
        put_bytes(&mut out, None);
        out.extend(5_000_u32.to_le_bytes());
        out.extend([0, 0, 0]);
        self.body(&mut out);
        out
    }

    /// What follows the request header.
    fn body(&self, out: &mut Vec<u8>) {
        match self {
            Self::GetEndpoints { url } => {
                put_string(out, url);
                // No languages, endpoints of any profile.
                [(); 2].iter().for_each(|()| put_bytes(out, None));
            }
            Self::OpenSecureChannel { renew, mode, nonce } => {
                // Protocol 0, issue or renew, the mode, the nonce where there is one, an hour.
                let words = [0, u32::from(*renew), *mode as u32];
                words.iter().for_each(|word| out.extend(word.to_le_bytes()));
                put_bytes(out, Some(*nonce).filter(|nonce| !nonce.is_empty()));
                let lifetime = u32::try_from(LIFETIME.as_millis()).expect("an hour");
                out.extend(lifetime.to_le_bytes());
            }
            Self::CreateSession { url, own } => create_session(url, own.as_ref(), out),
            Self::ActivateSession { proof, policy, user } => {
                activate_session(*proof, policy, user, out);
            }
            Self::Browse { nodes } => browse(nodes, out),
            Self::BrowseNext { point } => {
                out.push(0);
                out.extend(1_u32.to_le_bytes());
                put_bytes(out, Some(point));
            }
            Self::Read { wanted } => read(wanted, out),
            // Subscriptions are to be deleted; there are none.
            Self::CloseSession => out.push(1),
            Self::CloseSecureChannel => {}
        }
    }
}

fn create_session(url: &str, own: Option<&Own<'_>>, out: &mut Vec<u8>) {
    put_string(out, own.map_or("urn:spandrel:backup", |own| own.uri));
    put_string(out, "urn:spandrel");
    // The application's name, text only; a client; no gateway, profile or addresses.
    out.push(2);
    put_string(out, "Spandrel backup");
    out.extend(1_u32.to_le_bytes());
    [(); 3].iter().for_each(|()| put_bytes(out, None));
    put_bytes(out, None);
    put_string(out, url);
    put_string(out, "backup");
    put_bytes(out, own.map(|own| own.nonce));
    put_bytes(out, own.map(|own| own.certificate));
    // The session ends two minutes after the last request.
    out.extend(120_000_f64.to_le_bytes());
    out.extend(OPCUA_MESSAGE_BYTES_MAX.to_le_bytes());
}

fn activate_session(proof: Proof<'_>, policy: &str, user: &User, out: &mut Vec<u8>) {
    put_proof(proof, out);
    // No software certificates, no locales.
    [(); 2].iter().for_each(|()| put_bytes(out, None));
    let mut token = Vec::new();
    put_string(&mut token, policy);
    let mut users_proof = None;
    let kind = match user {
        User::Anonymous => 321,
        User::Named { name, password, algorithm } => {
            put_string(&mut token, name);
            put_bytes(&mut token, Some(password));
            let algorithm = algorithm.as_bytes();
            put_bytes(&mut token, Some(algorithm).filter(|name| !name.is_empty()));
            324
        }
        User::Certified { certificate, algorithm, signature } => {
            put_bytes(&mut token, Some(certificate));
            users_proof = Some((*algorithm, &signature[..]));
            327
        }
    };
    NodeId::standard(kind).encode(out);
    out.push(1);
    put_bytes(out, Some(&token));
    put_proof(users_proof, out);
}

/// A `SignatureData` (OPC 10000-4, 7.36).
fn put_proof(proof: Proof<'_>, out: &mut Vec<u8>) {
    put_bytes(out, proof.map(|(algorithm, _)| algorithm.as_bytes()));
    put_bytes(out, proof.map(|(_, signature)| signature));
}

fn browse(nodes: &[NodeId], out: &mut Vec<u8>) {
    // No view. What a large folder has beyond the most does not fit into any message with some.
    NodeId::standard(0).encode(out);
    out.extend([0; 8 + 4]);
    // Asked for alone it may take a whole message: a server out of points has no other way.
    let most = if nodes.len() == 1 { 0 } else { REFERENCES_AT_ONCE };
    out.extend(most.to_le_bytes());
    out.extend(u32::try_from(nodes.len()).expect("a batch is small").to_le_bytes());
    for node in nodes {
        node.encode(out);
        // Both directions, references of any type, nodes of any class, all of the answer.
        out.extend(2_u32.to_le_bytes());
        NodeId::standard(0).encode(out);
        out.push(1);
        out.extend(0_u32.to_le_bytes());
        out.extend(0x3f_u32.to_le_bytes());
    }
}

fn read(wanted: &[(NodeId, u32)], out: &mut Vec<u8>) {
    // Any age: the server need not ask the device below it. No time stamps.
    out.extend(f64::from(i32::MAX).to_le_bytes());
    out.extend(3_u32.to_le_bytes());
    out.extend(u32::try_from(wanted.len()).expect("a batch is small").to_le_bytes());
    for (node, attribute) in wanted {
        node.encode(out);
        out.extend(attribute.to_le_bytes());
        put_bytes(out, None);
        out.extend(0_u16.to_le_bytes());
        put_bytes(out, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever protects a message, this is what can stand in it: the match has no other arm.
    #[test]
    fn no_request_changes_anything() {
        let (user, nonce) = (User::Anonymous, [0; 32]);
        let all = [
            Request::GetEndpoints { url: "opc.tcp://plc" },
            Request::OpenSecureChannel { renew: true, mode: Mode::Sign, nonce: &nonce },
            Request::CreateSession { url: "opc.tcp://plc", own: None },
            Request::ActivateSession { proof: None, policy: "anonymous", user: &user },
            Request::Browse { nodes: &[] },
            Request::BrowseNext { point: &[] },
            Request::Read { wanted: &[] },
            Request::CloseSession,
            Request::CloseSecureChannel,
        ];
        let mut emitted = Vec::new();
        for request in &all {
            match request {
                Request::GetEndpoints { .. }
                | Request::OpenSecureChannel { .. }
                | Request::CreateSession { .. }
                | Request::ActivateSession { .. }
                | Request::Browse { .. }
                | Request::BrowseNext { .. }
                | Request::Read { .. }
                | Request::CloseSession
                | Request::CloseSecureChannel => {}
            }
            let message = request.encode(&NodeId::standard(0), 1);
            assert_eq!(message[..3], [2, 0, 0], "a numeric identifier of namespace 0");
            emitted.push(u32::from_le_bytes(message[3..7].try_into().unwrap()));
        }
        assert_eq!(emitted, [428, 446, 461, 467, 527, 533, 631, 473, 452]);
    }
}
