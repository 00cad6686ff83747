//! What a server offers, and which of it is taken: endpoints and user tokens (OPC 10000-4, 7.14
//! and 7.41).
//!
//! The strongest that both sides know is taken. Invariant: nothing is sent in clear, and no
//! password where others can read it, unless the operator said `policy=None`, or said nothing that
//! is worth protecting.

use super::{
    super::link::Fields,
    security::{Mode, Policy},
    types::{bytes, count, localized, string},
};
use std::io;

/// Who the source is to the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    Anonymous = 0,
    Named = 1,
    Certified = 2,
}

/// A way in for a kind of user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    pub id: String,
    pub kind: u32,
    /// By which its secret is protected; empty for the endpoint's own.
    pub policy: String,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoint {
    pub url: String,
    /// Of the server; it may be missing where nothing needs it.
    pub certificate: Vec<u8>,
    pub mode: u32,
    pub policy: String,
    pub tokens: Vec<Token>,
    transport: String,
}

/// What the operator wants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wish {
    pub policy: Option<Policy>,
    pub mode: Option<Mode>,
    pub who: Who,
    /// There is something to know the server by.
    pub knows_server: bool,
}

/// What is taken, and by which policy the user's secret is protected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Choice {
    pub endpoint: Endpoint,
    pub mode: Mode,
    pub policy: Policy,
    pub token: Token,
    pub secret: Policy,
}

pub fn endpoints(fields: &mut Fields<'_>) -> io::Result<Vec<Endpoint>> {
    (0..count(fields)?).map(|_| endpoint(fields)).collect()
}

fn endpoint(fields: &mut Fields<'_>) -> io::Result<Endpoint> {
    let text = |fields: &mut Fields<'_>| Ok::<_, io::Error>(string(fields)?.unwrap_or_default());
    let url = text(fields)?;
    // The server's description: two names, a text, a type, two names, a list.
    text(fields)?;
    text(fields)?;
    localized(fields)?;
    fields.u32()?;
    text(fields)?;
    text(fields)?;
    for _ in 0..count(fields)? {
        text(fields)?;
    }
    let certificate = bytes(fields)?.unwrap_or_default().to_vec();
    let (mode, policy) = (fields.u32()?, text(fields)?);
    let mut tokens = Vec::new();
    for _ in 0..count(fields)? {
        let (id, kind) = (text(fields)?, fields.u32()?);
        text(fields)?;
        text(fields)?;
        tokens.push(Token { id, kind, policy: text(fields)? });
    }
    let transport = text(fields)?;
    // How strong the server thinks it is: whoever stands in between could say so too.
    fields.u8()?;
    Ok(Endpoint { url, certificate, mode, policy, tokens, transport })
}

impl Endpoint {
    /// As a row of what was offered.
    pub fn name(&self) -> String {
        let policy = self.policy.rsplit('#').next().unwrap_or_default();
        let mode = Mode::of_number(self.mode).map_or("unknown mode", Mode::name);
        if policy == mode { policy.to_owned() } else { format!("{policy} {mode}") }
    }

    fn known(&self) -> Option<(Mode, Policy)> {
        let (mode, policy) = (Mode::of_number(self.mode)?, Policy::of_uri(&self.policy)?);
        let fits = (mode == Mode::None) == (policy == Policy::None);
        let binary = self.transport.is_empty() || self.transport.ends_with("/uatcp-uasc-uabinary");
        (fits && binary).then_some((mode, policy))
    }

    /// The token for `who` whose secret is protected best, and by what; nothing where it would
    /// not be protected and must be.
    fn token(&self, (mode, policy): (Mode, Policy), wish: &Wish) -> Option<(Token, Policy)> {
        let fitting = self.tokens.iter().filter(|token| token.kind == wish.who as u32);
        let by = |token: &Token| {
            if token.policy.is_empty() { Some(policy) } else { Policy::of_uri(&token.policy) }
        };
        let said = wish.policy == Some(Policy::None);
        let protected = |by: Policy| match wish.who {
            Who::Anonymous => true,
            Who::Named => by != Policy::None || mode == Mode::SignAndEncrypt || said,
            // Without a policy there is no signature, which is all that such a token is.
            Who::Certified => by != Policy::None,
        };
        let known = fitting.filter_map(|token| Some((token.clone(), by(token)?)));
        known.filter(|(_, by)| protected(*by)).max_by_key(|(_, by)| *by)
    }
}

impl Choice {
    pub fn strength(&self) -> (Mode, Policy) {
        (self.mode, self.policy)
    }
}

/// The strongest endpoint that fits; else what to tell the operator.
pub fn choose(offered: &[Endpoint], wish: &Wish) -> Result<Choice, String> {
    let mut fitting = Vec::new();
    for endpoint in offered {
        let Some((mode, policy)) = endpoint.known() else { continue };
        let wanted = wish.policy.is_none_or(|wanted| wanted == policy)
            && wish.mode.is_none_or(|wanted| wanted == mode);
        if wanted && let Some((token, secret)) = endpoint.token((mode, policy), wish) {
            let endpoint = endpoint.clone();
            fitting.push(Choice { endpoint, mode, policy, token, secret });
        }
    }
    // Whoever says nothing has nothing to protect, and is not asked for a fingerprint.
    let bare = wish.who == Who::Anonymous && !wish.knows_server;
    let clear = fitting.iter().find(|choice| choice.mode == Mode::None);
    if let (true, None, None, Some(clear)) = (bare, wish.policy, wish.mode, clear) {
        return Ok(clear.clone());
    }
    fitting.retain(|choice| choice.mode != Mode::None || wish.policy == Some(Policy::None));
    fitting.into_iter().max_by_key(Choice::strength).ok_or_else(|| nothing(offered, wish))
}

fn nothing(offered: &[Endpoint], wish: &Wish) -> String {
    let who = match wish.who {
        Who::Anonymous => "nobody without a name",
        Who::Named => "nobody by a password that others cannot read",
        Who::Certified => "nobody by a certificate",
    };
    let names: Vec<_> = offered.iter().map(Endpoint::name).collect();
    let clear = offered.iter().any(|endpoint| endpoint.known() == Some((Mode::None, Policy::None)));
    let word =
        |word: Option<&str>, name| word.map(|word| format!("{name}={word} ")).unwrap_or_default();
    let asked =
        word(wish.policy.map(Policy::name), "policy") + &word(wish.mode.map(Mode::name), "mode");
    let mut text = format!(
        "the server lets in {who} on an endpoint that this source may use; {asked}of those it \
         offers: {}",
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    );
    if clear && wish.policy.is_none() && wish.who != Who::Certified {
        text.push_str(
            ". What is sent in clear others can read and change: where that is right, \
                       add policy=None to the source",
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(mode: Mode, policy: &str, tokens: &[(Who, &str)]) -> Endpoint {
        let uri = |name: &str| {
            if name.is_empty() {
                String::new()
            } else {
                format!("http://opcfoundation.org/UA/SecurityPolicy#{name}")
            }
        };
        let token = |(who, policy): &(Who, &str)| Token {
            id: format!("{who:?}"),
            kind: *who as u32,
            policy: uri(policy),
        };
        Endpoint {
            url: "opc.tcp://plc:4840".into(),
            certificate: Vec::new(),
            mode: mode as u32,
            policy: uri(policy),
            tokens: tokens.iter().map(token).collect(),
            transport: String::new(),
        }
    }

    fn wish(who: Who, knows_server: bool) -> Wish {
        Wish { policy: None, mode: None, who, knows_server }
    }

    #[track_caller]
    fn check(offered: &[Endpoint], wish: &Wish, expected: Result<(&str, Policy), &str>) {
        match (choose(offered, wish), expected) {
            (Ok(choice), Ok((name, secret))) => {
                assert_eq!((choice.endpoint.name().as_str(), choice.secret), (name, secret));
            }
            (Err(why), Err(part)) => assert!(why.contains(part), "{why}"),
            (found, _) => panic!("{found:?}"),
        }
    }

    #[test]
    fn the_strongest_that_both_know_is_taken() {
        use Policy::{Aes256Sha256RsaPss as Strong, Basic256Sha256 as Middle, None as Clear};
        let all = [(Who::Anonymous, "None"), (Who::Named, ""), (Who::Certified, "")];
        let offered = [
            offer(Mode::None, "None", &all),
            offer(Mode::SignAndEncrypt, "Basic256", &all),
            offer(Mode::SignAndEncrypt, "Basic256Sha256", &all),
            offer(Mode::Sign, "Aes256_Sha256_RsaPss", &all),
        ];
        let best = "Basic256Sha256 SignAndEncrypt";
        check(&offered, &wish(Who::Anonymous, true), Ok((best, Clear)));
        check(&offered, &wish(Who::Named, false), Ok((best, Middle)));
        check(&offered, &wish(Who::Certified, true), Ok((best, Middle)));
        // Nothing is said, so nothing is worth a question.
        check(&offered, &wish(Who::Anonymous, false), Ok(("None", Clear)));
        let signed = Wish { mode: Some(Mode::Sign), ..wish(Who::Named, true) };
        check(&offered, &signed, Ok(("Aes256_Sha256_RsaPss Sign", Strong)));
        let clear = Wish { policy: Some(Clear), ..wish(Who::Named, true) };
        check(&offered, &clear, Ok(("None", Clear)));
        check(&[], &clear, Err("offers: none"));
    }

    #[test]
    fn a_password_is_not_sent_in_clear_unless_that_is_said() {
        use Policy::{Basic256Sha256 as Middle, None as Clear};
        let clear = [offer(Mode::None, "None", &[(Who::Named, "None"), (Who::Anonymous, "")])];
        check(&clear, &wish(Who::Named, false), Err("add policy=None"));
        check(&clear, &wish(Who::Anonymous, true), Err("add policy=None"));
        let said = Wish { policy: Some(Clear), ..wish(Who::Named, false) };
        check(&clear, &said, Ok(("None", Clear)));
        // The token's own policy protects it even there, and is preferred.
        let tokens = [(Who::Named, "None"), (Who::Named, "Basic256Sha256")];
        check(&[offer(Mode::None, "None", &tokens)], &said, Ok(("None", Middle)));
        // A signed channel can be read.
        let signed = [offer(Mode::Sign, "Basic256Sha256", &[(Who::Named, "None")])];
        check(&signed, &wish(Who::Named, true), Err("nobody by a password"));
        let old = [offer(Mode::SignAndEncrypt, "Basic256", &[(Who::Named, "")])];
        check(&old, &wish(Who::Named, true), Err("offers: Basic256 SignAndEncrypt"));
    }
}
