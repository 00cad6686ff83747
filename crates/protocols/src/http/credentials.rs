//! Who signs in: the Authorization headers of HTTP (RFC 7617, RFC 7616, RFC 4559).
//!
//! Invariant: a password is compared with vendors' defaults on the spot and never kept.

use super::head::Head;
use crate::{Output, gss, text};

/// What a request said of who makes it.
pub(super) struct Credentials {
    pub(super) user: Option<Box<str>>,
    pub(super) clear_text: bool,
    pub(super) default_password: bool,
    pub(super) method: &'static str,
}

/// RFC 7617: `Basic` carries user and password in base64. Others keep the secret.
pub(super) fn credentials(head: &Head<'_>) -> Option<Credentials> {
    let header = head.header("authorization").or_else(|| head.header("proxy-authorization"))?;
    let (scheme, rest) = text::word(header);
    if scheme.eq_ignore_ascii_case(b"basic") {
        let pair = text::lossy(&base64(rest));
        let (user, password) = pair.split_once(':').unwrap_or((&pair, ""));
        let known = ["admin", "password", "1234", "12345", "root", "user", "default", ""];
        return Some(Credentials {
            user: Some(user.into()),
            clear_text: true,
            default_password: known.contains(&password.to_ascii_lowercase().as_str()),
            method: "http basic",
        });
    }
    // Their first messages prove nothing, and are answered with 401 all the same.
    if scheme.eq_ignore_ascii_case(b"ntlm") || scheme.eq_ignore_ascii_case(b"negotiate") {
        return None;
    }
    let digest = scheme.eq_ignore_ascii_case(b"digest");
    let (user, method) =
        if digest { (digest_user(rest), "http digest") } else { (None, "http token") };
    Some(Credentials { user, clear_text: false, default_password: false, method })
}

/// RFC 7616, 3.4: the user's name, or its digest, between quotes.
fn digest_user(parameters: &[u8]) -> Option<Box<str>> {
    const NAME: &[u8] = b"username=\"";
    let at = parameters.windows(NAME.len()).position(|w| w.eq_ignore_ascii_case(NAME))?;
    let rest = parameters.get(at.checked_add(NAME.len())?..)?;
    let name = rest.get(..rest.iter().position(|b| *b == b'"')?)?;
    Some(text::lossy(name).into())
}

/// RFC 4559: `Negotiate` and `NTLM` carry a GSS token in base64. Returns who proves himself.
pub(super) fn token(header: &[u8], out: &mut Output) -> Option<Credentials> {
    let (scheme, rest) = text::word(header);
    if !scheme.eq_ignore_ascii_case(b"negotiate") && !scheme.eq_ignore_ascii_case(b"ntlm") {
        return None;
    }
    let (user, method) = match gss::observe(&base64(rest), out)? {
        gss::Token::Ntlm(message) => (Some(message.account()?), "ntlm"),
        gss::Token::Kerberos(_) => (None, "kerberos"),
    };
    Some(Credentials { user, clear_text: false, default_password: false, method })
}

/// RFC 4648, 4; anything that is not of the alphabet ends it.
pub(super) fn base64(text: &[u8]) -> Vec<u8> {
    /// Tickets with large authorization data are the longest.
    const TOKEN_LETTERS_MAX: usize = 32 * 1024;
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0u32, 0u32);
    for letter in text.iter().take(TOKEN_LETTERS_MAX) {
        let value = match letter {
            b'A'..=b'Z' => letter.wrapping_sub(b'A'),
            b'a'..=b'z' => letter.wrapping_sub(b'a').wrapping_add(26),
            b'0'..=b'9' => letter.wrapping_sub(b'0').wrapping_add(52),
            b'+' => 62,
            b'/' => 63,
            _ => break,
        };
        bits = bits << 6 | u32::from(value);
        count = count.saturating_add(6);
        if count >= 8 {
            count = count.saturating_sub(8);
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_admin_admin() {
        assert_eq!(base64(b"YWRtaW46YWRtaW4="), b"admin:admin");
    }
}
