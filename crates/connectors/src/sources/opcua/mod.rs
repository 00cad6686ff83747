//! `opcua:HOST[:PORT][?user=NAME&pin=SHA256&values=no]`: the address space of an OPC UA server,
//! with its values, as one NodeSet2 document.
//!
//! Nodes of namespace 0 are the standard's own and are left out, but for what refers to them. The
//! strongest endpoint that both sides know is taken; a password is not sent where others can read
//! it. Invariant: every node reached is in the document, and each whose attributes or value could
//! not be read is named in a fault or in `bad-values.csv`.

mod channel;
mod client;
mod endpoint;
mod nodeset;
mod request;
mod security;
mod status;
mod types;
mod walk;

use super::{Context, Kind, Unusable, link::quoted, login, pace::Pause, place::NetworkPlace};
use client::{Client, Credentials, Way};
use nodeset::Node;
use security::{Mode, Policy, Signer, Trust};
use status::status_text;
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io,
    path::{Path, PathBuf},
};
use types::{DataValue, Item, NodeId};
use vault::{Offer, Source};
use walk::walk;

/// Attributes of one read; fewer when the server wants fewer.
const READ_ATTRIBUTES: usize = 100;

const ROOT: NodeId = NodeId::standard(84);
const NAMESPACE_ARRAY: NodeId = NodeId::standard(2255);

/// What the server is: variables of its build information (OPC 10000-5, 6.3.1).
const IDENTITY: [(&str, u32); 5] = [
    ("product", 2261),
    ("product_uri", 2262),
    ("manufacturer", 2263),
    ("software_version", 2264),
    ("build", 2265),
];

/// Attributes (OPC 10000-4, 5.10.1 and OPC 10000-6, A.1).
const VALUE: u32 = 13;

pub struct OpcUa;

pub const OPC_UA: OpcUa = OpcUa;

impl Kind for OpcUa {
    fn name(&self) -> &'static str {
        "opcua"
    }

    fn form(&self) -> &'static str {
        "HOST[:PORT][?user=NAME&pin=SHA256&trust=first&policy=NAME&mode=NAME&values=no]"
    }

    fn open(&self, text: &str, context: &Context) -> Result<Box<dyn Source>, Unusable> {
        match Server::parse(text, context) {
            Ok(server) => Ok(Box::new(server)),
            Err(why) => Err(Unusable::place(self, text, why)),
        }
    }
}

const OPTIONS: [&str; 10] = [
    "user",
    "user_certificate",
    "user_key",
    "pin",
    "trust",
    "expired",
    "policy",
    "mode",
    "values",
    "pause_ms",
];

struct Server {
    place: NetworkPlace,
    pause: Pause,
    values: bool,
    policy: Option<Policy>,
    mode: Option<Mode>,
    trust: Trust,
    take_expired: bool,
    context: Context,
}

impl Server {
    fn parse(text: &str, context: &Context) -> Result<Self, String> {
        let place = NetworkPlace::parse(text, 4_840, &OPTIONS)?;
        let pause = place.pause()?;
        let option = |name: &str| place.options.get(name).map(String::as_str);
        let values = yes_or_no("values", option("values"), true)?;
        let take_expired = yes_or_no("expired", option("expired"), false)?;
        let policy =
            named("policy", option("policy"), Policy::of_name, &Policy::ALL.map(Policy::name))?;
        let mode = named("mode", option("mode"), Mode::of_name, &Mode::ALL.map(Mode::name))?;
        let trust = match (option("pin"), option("trust")) {
            (None, None) => Trust::Unsaid,
            (Some(pin), None) => Trust::pinned(pin)
                .ok_or_else(|| format!("pin={pin} is no SHA-256 fingerprint of 64 digits"))?,
            (None, Some("first")) => Trust::First,
            (None, Some(other)) => return Err(format!("trust={other} is not first")),
            (Some(_), Some(_)) => return Err("pin and trust do not go together".to_owned()),
        };
        let certificate = option("user_certificate").is_some();
        if certificate != option("user_key").is_some() {
            return Err("user_certificate and user_key go together".to_owned());
        }
        if certificate && option("user").is_some() {
            return Err("a user has a password or a certificate".to_owned());
        }
        let context = context.clone();
        Ok(Self { pause, values, policy, mode, trust, take_expired, context, place })
    }

    fn credentials(&self) -> io::Result<Credentials> {
        let option = |name: &str| self.place.options.get(name);
        if let (Some(certificate), Some(key)) = (option("user_certificate"), option("user_key")) {
            let signer = Signer::of_files(Path::new(certificate), Path::new(key))?;
            return Ok(Credentials::Certified(Box::new(signer)));
        }
        let Some(user) = option("user") else { return Ok(Credentials::Anonymous) };
        let secrets = self.context.secrets.as_deref();
        let found = login::find(secrets, &self.place.host, Some(user))?;
        let missing = || io::Error::other(format!("no password of {user} in --secrets"));
        Ok(Credentials::Named(found.ok_or_else(missing)?))
    }

    fn client(&self) -> io::Result<Client> {
        let (address, kept) = (self.place.address(), self.context.kept().join("opcua"));
        Client::open(&Way {
            address: &address,
            policy: self.policy,
            mode: self.mode,
            trust: &self.trust,
            take_expired: self.take_expired,
            credentials: &self.credentials()?,
            kept: &kept,
            pause: self.pause,
        })
    }
}

fn yes_or_no(name: &str, text: Option<&str>, default: bool) -> Result<bool, String> {
    match text {
        None => Ok(default),
        Some("yes") => Ok(true),
        Some("no") => Ok(false),
        Some(other) => Err(format!("{name}={other} is neither yes nor no")),
    }
}

/// One of the standard's own names.
fn named<T>(
    name: &str,
    text: Option<&str>,
    of_name: impl Fn(&str) -> Option<T>,
    all: &[&str],
) -> Result<Option<T>, String> {
    let Some(text) = text else { return Ok(None) };
    of_name(text).map(Some).ok_or_else(|| format!("{name}={text} is not one of {}", all.join(", ")))
}

impl Source for Server {
    fn name(&self) -> String {
        format!("opcua:{}", self.place.address())
    }

    fn device(&self) -> Option<String> {
        Some(self.place.host.clone())
    }

    fn offer(&mut self, offer: &mut Offer) {
        let folder = PathBuf::from("/@opcua").join(self.place.address());
        if let Err(error) = self.read(&folder, offer) {
            offer.fault(&folder, error.to_string());
        }
    }
}

impl Server {
    fn read(&self, folder: &Path, offer: &mut Offer) -> io::Result<()> {
        let mut client = self.client()?;
        let security = folder.join("security.csv");
        if let Some(warning) = client.talked.warning(self.policy == Some(Policy::None)) {
            offer.warn(&security, warning);
        }
        offer.bytes(security, client.talked.to_string().into_bytes());
        offer.bytes(folder.join("identity.csv"), identity(&mut client)?.into_bytes());
        let namespaces = namespaces(&mut client)?;
        let document = folder.join("nodeset.xml");
        let mut nodes = walk(&mut client, &mut |why| offer.fault(&document, why))?;
        describe(&mut client, &mut nodes, &mut |why| offer.fault(&document, why))?;
        if self.values {
            let bad = read_values(&mut client, &mut nodes, &mut |why| offer.fault(&document, why))?;
            offer.bytes(folder.join("bad-values.csv"), bad.into_bytes());
        }
        offer.bytes(document, nodeset::document(&namespaces, &nodes).into_bytes());
        Ok(())
    }
}

fn identity(client: &mut Client) -> io::Result<String> {
    let wanted: Vec<_> = IDENTITY.iter().map(|(_, id)| (NodeId::standard(*id), VALUE)).collect();
    let mut text = String::from("attribute,value\n");
    for ((name, _), found) in IDENTITY.iter().zip(client.read(&wanted)?) {
        if let Some(Item::Text(Some(value))) = found.value.items.first() {
            writeln!(text, "{name},{}", quoted(value)).expect("to a string");
        }
    }
    Ok(text)
}

/// The addresses of namespaces 1 and up.
fn namespaces(client: &mut Client) -> io::Result<Vec<String>> {
    let found = client.read(&[(NAMESPACE_ARRAY, VALUE)])?;
    let items = found.into_iter().flat_map(|found| found.value.items).skip(1);
    let text = |item| match item {
        Item::Text(text) => text.unwrap_or_default(),
        _ => String::new(),
    };
    Ok(items.map(text).collect())
}

/// Reads the attributes that each node has by its class.
fn describe(
    client: &mut Client,
    nodes: &mut BTreeMap<NodeId, Node>,
    fault: &mut dyn FnMut(String),
) -> io::Result<()> {
    let wanted: Vec<(NodeId, u32)> = nodes
        .iter()
        .flat_map(|(id, node)| {
            nodeset::attributes(node.class).iter().map(|attribute| (id.clone(), *attribute))
        })
        .collect();
    for batch in wanted.chunks(READ_ATTRIBUTES) {
        let found = in_parts(batch, &mut |part| client.read(part))?;
        for ((id, attribute), found) in batch.iter().zip(found) {
            let optional = nodeset::is_optional(*attribute);
            if found.is_usable() && !found.value.is_null() {
                let node = nodes.get_mut(id).expect("it was asked for");
                node.attributes.insert(*attribute, found.value);
            } else if !found.is_usable() && !optional {
                let why = status_text(found.status);
                fault(format!("{id}: attribute {attribute}: {why}"));
            }
        }
    }
    Ok(())
}

/// Values of the variables that may be read; the others as rows of CSV, with the reason.
fn read_values(
    client: &mut Client,
    nodes: &mut BTreeMap<NodeId, Node>,
    fault: &mut dyn FnMut(String),
) -> io::Result<String> {
    let mut bad = String::from("node,status\n");
    let readable = nodes.iter().filter(|(_, node)| node.has_value());
    let wanted: Vec<(NodeId, u32)> = readable.map(|(id, _)| (id.clone(), VALUE)).collect();
    for batch in wanted.chunks(READ_ATTRIBUTES) {
        let found = in_parts(batch, &mut |part| client.read(part))?;
        for ((id, _), DataValue { value, status }) in batch.iter().zip(found) {
            let node = nodes.get_mut(id).expect("it was asked for");
            if status & 0x8000_0000 == 0 {
                node.value = Some(value).filter(|value| !value.is_null());
            } else if status >> 16 == 0x801f {
                fault(format!("{id}: its value: {}", status_text(status)));
            } else {
                let (id, why) = (quoted(&id.to_string()), quoted(&status_text(status)));
                writeln!(bad, "{id},{why}").expect("to a string");
            }
        }
    }
    Ok(bad)
}

/// Asks for all of `wanted`, in halves when the server finds it too much.
fn in_parts<W, F>(
    wanted: &[W],
    ask: &mut dyn FnMut(&[W]) -> io::Result<Vec<F>>,
) -> io::Result<Vec<F>> {
    match ask(wanted) {
        Err(error) if wanted.len() > 1 && error.kind() == io::ErrorKind::Other => {
            let (first, second) = wanted.split_at(wanted.len() / 2);
            let mut found = in_parts(first, ask)?;
            found.extend(in_parts(second, ask)?);
            Ok(found)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_says_how_it_is_talked_to_in_words_that_are_known() {
        let print = "A0:".repeat(31) + "a0";
        let server = Server::parse(
            &format!("plc?user=eva&pin={print}&policy=Basic256Sha256&mode=Sign&expired=yes"),
            &Context::default(),
        );
        let server = server.unwrap();
        assert_eq!(server.trust, Trust::Pinned(vault::Sha256([0xa0; 32])));
        assert_eq!(
            (server.policy, server.mode, server.take_expired),
            (Some(Policy::Basic256Sha256), Some(Mode::Sign), true)
        );
        for (bad, why) in [
            ("plc?pin=12", "no SHA-256"),
            ("plc?trust=always", "not first"),
            ("plc?policy=Basic256", "Aes256_Sha256_RsaPss"),
            ("plc?mode=sign", "SignAndEncrypt"),
            ("plc?values=maybe", "neither yes nor no"),
            ("plc?user_key=/k", "go together"),
            ("plc?user=eva&user_key=/k&user_certificate=/c", "password or a certificate"),
        ] {
            let said = Server::parse(bad, &Context::default()).err().unwrap();
            assert!(said.contains(why), "{said}");
        }
    }
}
