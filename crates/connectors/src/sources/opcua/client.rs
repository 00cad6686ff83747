//! A session with an OPC UA server that can only read: finds the endpoint, opens the channel, logs
//! in, browses, reads (OPC 10000-4, 5).
//!
//! Invariant: all that is sent is a [`Request`]; on a protected channel the login goes out after
//! the server proved that it has the key of the certificate that is trusted.

use super::{
    super::{link::Fields, link::malformed, login::Login, pace::Pause},
    channel::{Channel, nonce},
    endpoint::{Choice, Endpoint, Who, Wish, choose, endpoints},
    request::{Own, Request, User},
    security::{Certificate, How, Identity, Mode, Policy, Protection, Signer, Trust},
    types::{
        DataValue, Item, NodeId, bytes, count, expanded, localized, node_id, qualified, string,
    },
};
use model::Time;
use std::{
    fmt, io,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

/// Who logs in.
pub enum Credentials {
    Anonymous,
    Named(Login),
    Certified(Box<Signer>),
}

impl Credentials {
    pub fn who(&self) -> Who {
        match self {
            Self::Anonymous => Who::Anonymous,
            Self::Named(_) => Who::Named,
            Self::Certified(_) => Who::Certified,
        }
    }
}

/// How a server is talked to.
pub struct Way<'a> {
    pub address: &'a str,
    pub policy: Option<Policy>,
    pub mode: Option<Mode>,
    pub trust: &'a Trust,
    pub take_expired: bool,
    pub credentials: &'a Credentials,
    /// Where our certificate and those of servers are kept.
    pub kept: &'a Path,
    pub pause: Pause,
}

/// How it was talked to, for the snapshot.
pub struct Talked {
    pub policy: Policy,
    pub mode: Mode,
    pub offered: Vec<String>,
    /// The best protected way in that was offered and not taken, with the server's certificate.
    pub better: Option<(String, Certificate)>,
    /// The server's certificate and why it was taken, where one was looked at.
    pub server: Option<(Certificate, How)>,
}

/// One reference of a node.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Reference {
    pub kind: NodeId,
    pub is_forward: bool,
    pub target: NodeId,
    /// Class of the target (OPC 10000-3, 8.29).
    pub class: u32,
}

/// References found, and the point from which more can be had.
pub struct Browsed {
    pub status: u32,
    pub point: Option<Vec<u8>>,
    pub references: Vec<Reference>,
    /// References to nodes of other servers.
    pub elsewhere: usize,
}

pub struct Client {
    channel: Channel,
    session: NodeId,
    pub talked: Talked,
}

impl Drop for Client {
    fn drop(&mut self) {
        // A server frees a session by itself when its time is over.
        drop(self.channel.ask(&Request::CloseSession, &self.session));
        drop(self.channel.tell(&Request::CloseSecureChannel, &self.session));
    }
}

/// What the server answers to CreateSession.
struct Created {
    session: NodeId,
    nonce: Vec<u8>,
}

impl Client {
    pub fn open(way: &Way<'_>) -> io::Result<Self> {
        let url = format!("opc.tcp://{}", way.address);
        let mut channel = Channel::open(way.address, &url, None, way.pause)?;
        let body = channel.ask(&Request::GetEndpoints { url: &url }, &NodeId::standard(0))?;
        let offered = endpoints(&mut Fields(&body))?;
        let wish = Wish {
            policy: way.policy,
            mode: way.mode,
            who: way.credentials.who(),
            knows_server: way.trust.is_said(way.kept, way.address),
        };
        let choice = choose(&offered, &wish).map_err(io::Error::other)?;
        // Over a channel in clear a secret is protected for whoever has the server's key.
        let server = if choice.mode == Mode::None && choice.secret == Policy::None {
            None
        } else {
            let certificate = Certificate::parse(&choice.endpoint.certificate)?;
            let place = (way.kept, way.address);
            let how = way.trust.check(&certificate, place, (now(), way.take_expired))?;
            Some((certificate, how))
        };
        let url = with_path(&url, &choice.endpoint.url);
        let mut shown = None;
        if let (Some((server, _)), true) = (&server, choice.mode != Mode::None) {
            drop(channel.tell(&Request::CloseSecureChannel, &NodeId::standard(0)));
            let own = Identity::of(way.kept)?;
            shown = Some(own.shown.clone());
            let (policy, mode, server) = (choice.policy, choice.mode, server.clone());
            let protection = Protection { policy, mode, own, server };
            let opened = Channel::open(way.address, &url, Some(protection), way.pause);
            channel = opened.map_err(|error| not_trusted(error, shown.as_deref()))?;
        }
        let better = better(&offered, &choice, &wish);
        let created = create(&mut channel, &url, (&choice, &wish));
        let created = created.map_err(|error| not_trusted(error, shown.as_deref()))?;
        let offered = offered.iter().map(Endpoint::name).collect();
        let (policy, mode) = (choice.policy, choice.mode);
        let talked = Talked { policy, mode, offered, better, server };
        let mut client = Self { channel, session: created.session, talked };
        client.activate(&choice, &created.nonce, way.credentials)?;
        Ok(client)
    }

    /// Logs in: the application by the channel's keys, then the user.
    fn activate(
        &mut self,
        choice: &Choice,
        server_nonce: &[u8],
        credentials: &Credentials,
    ) -> io::Result<()> {
        let server = self.talked.server.as_ref().map(|(certificate, _)| certificate);
        let der = server.map_or(&[][..], |server| &server.der);
        let challenge = [der, server_nonce].concat();
        let user = user(choice, credentials, server, &challenge)?;
        let signature = match self.channel.protection() {
            Some(Protection { policy, own, .. }) => {
                Some((policy.signature_uri(), own.signer.sign(*policy, &challenge)?))
            }
            None => None,
        };
        let proof = signature.as_ref().map(|(name, signature)| (*name, &signature[..]));
        let request = Request::ActivateSession { proof, policy: &choice.token.id, user: &user };
        let activated = self.channel.ask(&request, &self.session);
        activated.map(drop).map_err(|error| match credentials {
            Credentials::Anonymous => error,
            Credentials::Named(login) => {
                io::Error::new(error.kind(), format!("{} is not let in: {error}", login.user))
            }
            Credentials::Certified(_) => {
                let text = format!("the user's certificate is not let in: {error}");
                io::Error::new(error.kind(), text)
            }
        })
    }

    pub fn browse(&mut self, nodes: &[NodeId]) -> io::Result<Vec<Browsed>> {
        let body = self.channel.ask(&Request::Browse { nodes }, &self.session)?;
        browsed(&body, nodes.len())
    }

    pub fn browse_next(&mut self, point: &[u8]) -> io::Result<Browsed> {
        let body = self.channel.ask(&Request::BrowseNext { point }, &self.session)?;
        browsed(&body, 1)?.pop().ok_or_else(malformed)
    }

    pub fn read(&mut self, wanted: &[(NodeId, u32)]) -> io::Result<Vec<DataValue>> {
        let body = self.channel.ask(&Request::Read { wanted }, &self.session)?;
        let mut fields = Fields(&body);
        if count(&mut fields)? != wanted.len() {
            return Err(malformed());
        }
        wanted.iter().map(|_| DataValue::decode(&mut fields, 0)).collect()
    }
}

/// What a source in clear would have been given, had it said by what it knows the server.
fn better(offered: &[Endpoint], choice: &Choice, wish: &Wish) -> Option<(String, Certificate)> {
    let wish = Wish { policy: None, mode: None, who: wish.who, knows_server: true };
    let best = choose(offered, &wish).ok().filter(|best| best.mode > choice.mode)?;
    let certificate = Certificate::parse(&best.endpoint.certificate).ok()?;
    Some((best.endpoint.name(), certificate))
}

/// Has a session made, and on a protected channel the server prove that it has its key and that
/// nobody hid a stronger endpoint of it (OPC 10000-4, 5.7.2).
fn create(
    channel: &mut Channel,
    url: &str,
    (choice, wish): (&Choice, &Wish),
) -> io::Result<Created> {
    let ours = nonce()?;
    let own = channel.protection().map(|protection| {
        let (uri, certificate) = (protection.own.uri(), &protection.own.signer.certificate.der);
        (uri.to_owned(), certificate.clone())
    });
    let asked = own.as_ref().map(|(uri, certificate)| Own { uri, certificate, nonce: &ours });
    let request = Request::CreateSession { url, own: asked };
    let body = channel.ask(&request, &NodeId::standard(0))?;
    let mut fields = Fields(&body);
    node_id(&mut fields)?;
    let session = node_id(&mut fields)?;
    fields.take(8)?;
    let nonce = bytes(&mut fields)?.unwrap_or_default().to_vec();
    let certificate = bytes(&mut fields)?.unwrap_or_default();
    let offered = endpoints(&mut fields)?;
    let (Some(protection), Some((_, own))) = (channel.protection(), own) else {
        return Ok(Created { session, nonce });
    };
    // Signed certificates of software: there are none any more.
    for _ in 0..count(&mut fields)? {
        bytes(&mut fields)?;
        bytes(&mut fields)?;
    }
    let algorithm = string(&mut fields)?.unwrap_or_default();
    let signature = bytes(&mut fields)?.unwrap_or_default();
    let Protection { policy, server, .. } = protection;
    if algorithm != policy.signature_uri() || !certificate.starts_with(&server.der) {
        return Err(malformed());
    }
    server.verify(*policy, &[&own[..], &ours].concat(), signature)?;
    // A server that names fewer now hides nothing that was not offered before.
    if let Ok(best) = choose(&offered, wish)
        && best.strength() > choice.strength()
    {
        let text = format!(
            "the server offers {} and was made to look as if it did not: somebody stands in \
             between",
            best.endpoint.name()
        );
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    Ok(Created { session, nonce })
}

/// The user with his secret protected: a password with the server's nonce, for its key (OPC
/// 10000-4, 7.40.2.2); a certificate by a signature over the server's and that nonce.
fn user(
    choice: &Choice,
    credentials: &Credentials,
    server: Option<&Certificate>,
    challenge: &[u8],
) -> io::Result<User> {
    let policy = choice.secret;
    Ok(match credentials {
        Credentials::Anonymous => User::Anonymous,
        Credentials::Named(Login { user, password }) => {
            let (name, clear) = (user.clone(), password.as_bytes());
            let Some(server) = server.filter(|_| policy != Policy::None) else {
                return Ok(User::Named { name, password: clear.to_vec(), algorithm: "" });
            };
            let nonce = challenge.get(server.der.len()..).unwrap_or_default();
            let length = u32::try_from(clear.len() + nonce.len()).map_err(io::Error::other)?;
            let block = [&length.to_le_bytes(), clear, nonce].concat();
            let password = server.encrypt(policy, &block)?;
            User::Named { name, password, algorithm: policy.encryption_uri() }
        }
        Credentials::Certified(signer) => User::Certified {
            certificate: signer.certificate.der.clone(),
            algorithm: policy.signature_uri(),
            signature: signer.sign(policy, challenge)?,
        },
    })
}

/// Our address of the server with the path that it says it has: its own name for itself may be of
/// no use from here.
fn with_path(url: &str, offered: &str) -> String {
    let rest = offered.strip_prefix("opc.tcp://").unwrap_or_default();
    let path = rest.split_once('/').map(|(_, path)| path).unwrap_or_default();
    if path.is_empty() { url.to_owned() } else { format!("{url}/{path}") }
}

/// Adds what a person must do the first time, when a server refuses our certificate: most say no
/// more than that a check failed, and some hang up.
fn not_trusted(error: io::Error, shown: Option<&Path>) -> io::Error {
    let Some(shown) = shown else { return error };
    if error.kind() == io::ErrorKind::InvalidData {
        return error;
    }
    let said = match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
            "the server hung up at our certificate".to_owned()
        }
        _ => error.to_string(),
    };
    let text = format!(
        "{said}. The server must trust our certificate, which is {}: put it among its trusted \
         clients",
        shown.display()
    );
    io::Error::new(error.kind(), text)
}

fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_secs(i64::try_from(since.as_secs()).unwrap_or_default())
}

impl Talked {
    /// What a person should know when everybody on the way could read along and change what came.
    /// Nothing where the channel is protected, or where somebody said that it need not be.
    pub fn warning(&self, was_said: bool) -> Option<String> {
        if self.mode != Mode::None || was_said {
            return None;
        }
        let Some((name, certificate)) = &self.better else {
            return Some(format!(
                "read in clear, open to whoever is on the way; the server offers no better way \
                 ({}): protect the way there or switch on a security policy at the server; where \
                 clear is right, add policy=None",
                self.offered.join(", ")
            ));
        };
        Some(format!(
            "read in clear, open to whoever is on the way, though the server offers {name}: add \
             pin={} (its certificate's fingerprint: compare it at the server) or trust=first, and \
             have the server trust our certificate",
            certificate.fingerprint()
        ))
    }
}

impl fmt::Display for Talked {
    /// As CSV, the same each time while nothing changes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "attribute,value")?;
        writeln!(f, "policy,{}\nmode,{}", self.policy.name(), self.mode.name())?;
        for offered in &self.offered {
            writeln!(f, "offered,{offered}")?;
        }
        if let Some((server, how)) = &self.server {
            writeln!(f, "server_certificate_sha256,{}", server.fingerprint())?;
            writeln!(f, "server_certificate_from,{}", server.from)?;
            writeln!(f, "server_certificate_until,{}", server.until)?;
            writeln!(f, "server_certificate_trusted,\"{}\"", how.word())?;
        }
        Ok(())
    }
}

fn browsed(body: &[u8], asked: usize) -> io::Result<Vec<Browsed>> {
    let mut fields = Fields(body);
    if count(&mut fields)? != asked {
        return Err(malformed());
    }
    let one = |_| {
        let status = fields.u32()?;
        let point = bytes(&mut fields)?.map(<[u8]>::to_vec).filter(|point| !point.is_empty());
        let (mut references, mut elsewhere) = (Vec::new(), 0);
        for _ in 0..count(&mut fields)? {
            let kind = node_id(&mut fields)?;
            let is_forward = fields.u8()? != 0;
            let target = expanded(&mut fields)?;
            let _: Item = qualified(&mut fields)?;
            let _: Item = localized(&mut fields)?;
            let class = fields.u32()?;
            expanded(&mut fields)?;
            match target {
                Some(target) => references.push(Reference { kind, is_forward, target, class }),
                None => elsewhere += 1,
            }
        }
        Ok(Browsed { status, point, references, elsewhere })
    };
    (0..asked).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_an_endpoint_is_kept_and_its_host_is_ours() {
        let url = "opc.tcp://10.0.0.7:4840";
        assert_eq!(with_path(url, "opc.tcp://plc-7:4840"), url);
        assert_eq!(with_path(url, "opc.tcp://plc-7:4840/UA/Line"), format!("{url}/UA/Line"));
        assert_eq!(with_path(url, "https://plc-7/UA"), url);
    }
}
