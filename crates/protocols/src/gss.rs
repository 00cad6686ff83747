//! GSS-API tokens (RFC 2743, 3.1) and SPNEGO (RFC 4178): which mechanism they carry.
//!
//! Shared by SMB, DCE-RPC, LDAP and HTTP. Invariant: a token that does not parse tells nothing
//! and costs nothing.

use crate::{Output, ber::Ber, kerberos, ntlmssp};

const SPNEGO: &[u8] = &[0x2b, 6, 1, 5, 5, 2];
/// Kerberos 5 (RFC 4121, 4.1) and the number Windows 2000 sent by mistake ([MS-SPNG], 3.1.5.2).
const KERBEROS: [&[u8]; 2] = [
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 1, 2, 2],
    &[0x2a, 0x86, 0x48, 0x82, 0xf7, 0x12, 1, 2, 2],
];

/// What a token said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Token {
    Ntlm(ntlmssp::Message),
    /// The type of a Kerberos message.
    Kerberos(u8),
}

/// Counts and observes what `token` carries.
pub fn observe(token: &[u8], out: &mut Output) -> Option<Token> {
    if ntlmssp::find(token).is_some() {
        return ntlmssp::observe(token, out).map(Token::Ntlm);
    }
    let message = mechanism(token)?;
    kerberos::carried(message, out).map(Token::Kerberos)
}

/// The Kerberos message inside, whatever wraps it.
fn mechanism(token: &[u8]) -> Option<&[u8]> {
    match token.first()? {
        0x60 => {
            let contents = Ber::new(token).expect(0x60).ok()?;
            let mut inner = Ber::new(contents);
            let oid = inner.expect(0x06).ok()?;
            if oid == SPNEGO {
                return negotiation(inner.rest());
            }
            // RFC 4121, 4.1: two octets of token id stand before the message.
            KERBEROS.contains(&oid).then(|| inner.rest().get(2..))?
        }
        0xa0 | 0xa1 => negotiation(token),
        0x6e | 0x6f | 0x7e => Some(token),
        _ => None,
    }
}

/// RFC 4178, 4.2: the token is element 2 of NegTokenInit and of NegTokenResp.
fn negotiation(bytes: &[u8]) -> Option<&[u8]> {
    let choice = Ber::new(bytes).element().ok()?;
    let mut fields = Ber::new(Ber::new(choice.contents).expect(0x30).ok()?);
    while let Ok(field) = fields.element() {
        if field.tag == 0xa2 {
            let token = Ber::new(field.contents).octets().ok()?;
            // An offer inside an offer is nothing anybody sends; do not follow it.
            return if matches!(token.first(), Some(0xa0 | 0xa1)) {
                None
            } else {
                mechanism(token)
            };
        }
    }
    None
}
