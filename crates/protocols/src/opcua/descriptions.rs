//! Applications, endpoints, users and build information (OPC 10000-4, 7; OPC 10000-5, 12).
//!
//! Invariant: passwords are compared with those vendors ship and dropped.

use super::types::{Decoder, NodeId};
use crate::{Malformed, Output};
use model::{Authentication, Subject};

type Read<T> = Result<T, Malformed>;

/// ApplicationDescription (OPC 10000-4, 7.2).
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Application {
    pub uri: String,
    pub product: String,
    pub name: String,
    pub kind: u32,
}

impl Application {
    pub fn read(d: &mut Decoder<'_>) -> Read<Application> {
        let (uri, product) = (d.string()?, d.string()?);
        let (name, kind) = (d.localized()?, d.u32()?);
        d.octets()?;
        d.octets()?;
        d.strings()?;
        Ok(Application { uri, product, name, kind })
    }

    pub fn tell(self, subject: Subject, said_in: &'static str, out: &mut Output) {
        let kind = match self.kind {
            0 => "server",
            1 => "client",
            2 => "client and server",
            3 => "discovery server",
            _ => "",
        };
        let facts = [
            ("opcua_application", self.name),
            ("opcua_application_uri", self.uri),
            ("opcua_product_uri", self.product),
            ("opcua_application_type", kind.to_owned()),
        ];
        out.identity(subject, said_in, facts);
    }
}

/// Servers found (5.4.2): the first is who answers, or stands for it; the others it offers.
pub fn servers(d: &mut Decoder<'_>, out: &mut Output) -> Read<()> {
    const SAID_IN: &str = "OPC UA FindServers";
    const OFFERS_MAX: usize = 16;
    for i in 0..d.count()?.min(1 + OFFERS_MAX) {
        let application = Application::read(d)?;
        if i == 0 {
            application.tell(Subject::Sender, SAID_IN, out);
            continue;
        }
        let offers = format!("{} {}", application.uri, application.product);
        out.attribute(Subject::Sender, SAID_IN, ("opcua_offers", &offers), 80);
    }
    Ok(())
}

/// RegisteredServer (7.32): a server says to a discovery server what it is.
pub fn registered(d: &mut Decoder<'_>, out: &mut Output) -> Read<()> {
    let (uri, product) = (d.string()?, d.string()?);
    let mut name = String::new();
    for _ in 0..d.count()? {
        let said = d.localized()?;
        if name.is_empty() {
            name = said;
        }
    }
    let kind = d.u32()?;
    Application { uri, product, name, kind }.tell(Subject::Sender, "OPC UA RegisterServer", out);
    Ok(())
}

/// Endpoints (7.14): what the server is, and how it may be talked to.
pub fn endpoints(d: &mut Decoder<'_>, said_in: &'static str, out: &mut Output) -> Read<()> {
    let mut security = Vec::new();
    let mut tokens = Vec::new();
    for i in 0..d.count()? {
        d.octets()?;
        let application = Application::read(d)?;
        if i == 0 {
            application.tell(Subject::Sender, said_in, out);
        }
        d.octets()?;
        let mode = mode(d.u32()?);
        let way = format!("{} {mode}", policy(&d.string()?));
        if !security.contains(&way) && security.len() < 16 {
            security.push(way);
        }
        for _ in 0..d.count()? {
            d.octets()?;
            let token = token(d.u32()?);
            if !tokens.contains(&token) {
                tokens.push(token);
            }
            for _ in 0..3 {
                d.octets()?;
            }
        }
        d.octets()?;
        d.u8()?;
    }
    security.sort_unstable();
    let facts = [("opcua_security", security.join(", ")), ("opcua_users", tokens.join(", "))];
    out.identity(Subject::Sender, said_in, facts);
    Ok(())
}

/// The last part of a security policy's URI (OPC 10000-7).
pub fn policy(uri: &str) -> &str {
    uri.rsplit('#').next().unwrap_or_default()
}

/// MessageSecurityMode (7.20).
pub fn mode(number: u32) -> &'static str {
    match number {
        1 => "None",
        2 => "Sign",
        3 => "SignAndEncrypt",
        _ => "Invalid",
    }
}

/// UserTokenType (7.42).
fn token(number: u32) -> &'static str {
    match number {
        0 => "anonymous",
        1 => "user name",
        2 => "certificate",
        3 => "issued token",
        _ => "unknown",
    }
}

/// Who activates a session (ActivateSession, 5.6.3; user identity tokens, 7.41).
pub fn user(kind: &NodeId, body: &[u8], plain_channel: bool) -> Option<Authentication> {
    let (user, method, password) = match kind.standard()? {
        321 => (Some("anonymous".into()), "opcua anonymous", None),
        324 => {
            let mut d = Decoder::new(body);
            d.octets().ok()?;
            let user = d.string().ok()?;
            let password = d.octets().ok()?;
            let plain = d.octets().ok()?.is_empty() && plain_channel;
            (Some(user.into_boxed_str()), "opcua user name", plain.then_some(password))
        }
        327 => (None, "opcua certificate", None),
        940 => (None, "opcua issued token", None),
        _ => return None,
    };
    let known: [&[u8]; 8] =
        [b"admin", b"password", b"1234", b"12345", b"user", b"operator", b"secret", b""];
    Some(Authentication {
        user,
        accepted: None,
        clear_text: password.is_some(),
        default_password: password.is_some_and(|p| known.contains(&p)),
        method,
    })
}

/// BuildInfo (OPC 10000-5, 12.4): the server's own product, version and maker.
pub fn build(d: &mut Decoder<'_>, out: &mut Output) -> Read<()> {
    let product_uri = d.string()?;
    let (maker, product, version, number) = (d.string()?, d.string()?, d.string()?, d.string()?);
    let facts = [
        ("opcua_product_uri", product_uri),
        ("vendor", maker),
        ("model", product),
        ("firmware", version),
        ("build", number),
    ];
    out.identity(Subject::Sender, "OPC UA BuildInfo", facts);
    Ok(())
}

/// ServerStatusDataType (12.10): state and build.
pub fn server_status(body: &[u8], out: &mut Output) -> Read<()> {
    let mut d = Decoder::new(body);
    d.skip(16)?;
    server_state(u64::from(d.u32()?), out);
    build(&mut d, out)
}

/// ServerState (12.6).
pub fn server_state(state: u64, out: &mut Output) {
    let name = match state {
        0 => "run",
        1 => "failed",
        2 => "no configuration",
        3 => "suspended",
        4 => "shutdown",
        5 => "test",
        6 => "communication fault",
        _ => "unknown",
    };
    out.state(Subject::Sender, "mode", name);
}

/// Single variables of BuildInfo and ServerStatus in the standard's address space (OPC 10000-6,
/// annex A): the fact each is.
pub fn standard_fact(number: u32) -> Option<&'static str> {
    Some(match number {
        2_261 => "model",
        2_262 => "opcua_product_uri",
        2_263 => "vendor",
        2_264 => "firmware",
        2_265 => "build",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Detail;

    fn text(said: &str) -> Vec<u8> {
        [&(said.len() as u32).to_le_bytes()[..], said.as_bytes()].concat()
    }

    fn named(said: &str) -> Vec<u8> {
        [&[2][..], &text(said)].concat()
    }

    fn told(out: &Output) -> Vec<(&'static str, String)> {
        let identities = out.observed.iter().filter_map(|seen| match &seen.detail {
            Detail::Identity(identity) => Some(&identity.attributes),
            _ => None,
        });
        identities.flatten().map(|a| (a.path, a.value.to_string())).collect()
    }

    #[test]
    fn a_discovery_server_offers_others() {
        let application = |uri: &str| {
            let nothing = [0xff; 4];
            let said = [text(uri), text("urn:maker"), named("Name"), vec![0; 4]].concat();
            [&said[..], &nothing, &nothing, &nothing].concat()
        };
        let list = [vec![2, 0, 0, 0], application("urn:own"), application("urn:other")].concat();
        let mut out = Output::new(false);
        assert_eq!(servers(&mut Decoder::new(&list), &mut out), Ok(()));
        let told = told(&out);
        assert!(told.contains(&("opcua_application_uri", "urn:own".to_owned())), "{told:?}");
        assert!(told.contains(&("opcua_offers", "urn:other urn:maker".to_owned())), "{told:?}");
        assert!(!told.iter().any(|(path, value)| *path != "opcua_offers" && value == "urn:other"));
    }

    #[test]
    fn a_server_that_registers_says_what_it_is() {
        let names = [vec![2, 0, 0, 0], named("Line 1"), named("Linie 1")].concat();
        let server = [text("urn:own"), text("urn:maker"), names, vec![0; 4]].concat();
        let mut out = Output::new(false);
        assert_eq!(registered(&mut Decoder::new(&server), &mut out), Ok(()));
        let expected = [
            ("opcua_application", "Line 1"),
            ("opcua_application_uri", "urn:own"),
            ("opcua_product_uri", "urn:maker"),
            ("opcua_application_type", "server"),
        ];
        assert_eq!(told(&out), expected.map(|(path, value)| (path, value.to_owned())));
    }
}
