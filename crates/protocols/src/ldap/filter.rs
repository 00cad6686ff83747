//! What a search looks for (RFC 4511, 4.5.1.7), as far as it is what whoever attacks a domain
//! looks for.
//!
//! Not here: every other filter. Invariant: parts that are negated say nothing, and a filter that
//! cannot be read says no more than what stood before.

use crate::ber::{Ber, Element};

/// Kinds of filters (4.5.1): their tags.
const AND: u8 = 0xa0;
const OR: u8 = 0xa1;
const EQUALITY: u8 = 0xa3;
const SUBSTRINGS: u8 = 0xa4;
const PRESENT: u8 = 0x87;
const EXTENSIBLE: u8 = 0xa9;

const DEPTH_MAX: usize = 8;
const PARTS_MAX: usize = 64;

/// LDAP_MATCHING_RULE_BIT_AND ([MS-ADTS], 3.1.1.3.4.4.1).
const BIT_AND: &[u8] = b"1.2.840.113556.1.4.803";
/// Of userAccountControl ([MS-ADTS], 2.2.16).
const NO_PREAUTHENTICATION: &[u8] = b"4194304";
const TRUSTED_FOR_DELEGATION: &[u8] = b"524288";

/// What is looked for, worst first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Sought {
    /// Passwords that are kept in the directory.
    Passwords,
    /// Accounts that get a ticket without proof of their password.
    Unproved,
    /// Accounts whose tickets for services are made with their password.
    Services,
    /// Hosts and accounts that may act in the name of others.
    Delegation,
    /// Accounts that are or were protected as administrators.
    Administrators,
    /// Who has which rights on many objects.
    Rights,
}

impl Sought {
    /// The attribute it is known by.
    pub(super) fn attribute(self) -> &'static str {
        match self {
            Sought::Unproved | Sought::Delegation => "userAccountControl",
            Sought::Passwords => "password of a host or service",
            Sought::Services => "servicePrincipalName",
            Sought::Administrators => "adminCount",
            Sought::Rights => "nTSecurityDescriptor",
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Sought::Passwords => "search for passwords",
            Sought::Rights => "search for rights",
            Sought::Unproved => "search for accounts without pre-authentication",
            Sought::Services => "search for accounts of services",
            Sought::Delegation => "search for delegation",
            Sought::Administrators => "search for administrators",
        }
    }
}

/// Reads a search request behind its base object.
pub(super) fn sought(mut request: Ber<'_>) -> Option<Sought> {
    /// wholeSubtree.
    const SUBTREE: &[u8] = &[2];
    let everywhere = request.element().ok()?.contents == SUBTREE;
    // Aliases, size, time, types only.
    for _ in 0..4 {
        request.element().ok()?;
    }
    let mut parts = PARTS_MAX;
    let filter = request.element().ok()?;
    let found = part(filter, DEPTH_MAX, &mut parts);
    let rights = || everywhere && is_of_kinds(filter, DEPTH_MAX) && asks_rights(request);
    found.or_else(|| rights().then_some(Sought::Rights))
}

/// Are the attributes asked for those that say who may do what?
fn asks_rights(mut request: Ber<'_>) -> bool {
    let Ok(attributes) = request.expect(0x30) else { return false };
    let mut attributes = Ber::new(attributes);
    for _ in 0..PARTS_MAX {
        let Ok(attribute) = attributes.octets() else { return false };
        if attribute.eq_ignore_ascii_case(b"nTSecurityDescriptor") {
            return true;
        }
    }
    false
}

/// Does it look for objects of whole kinds, such as all users, and for none by its name?
fn is_of_kinds(filter: Element<'_>, depth: usize) -> bool {
    const KINDS: &[&[u8]] = &[b"objectClass", b"objectCategory", b"sAMAccountType"];
    let Some(left) = depth.checked_sub(1) else { return false };
    let mut inner = Ber::new(filter.contents);
    let is_kind = |name: &[u8]| KINDS.iter().any(|kind| name.eq_ignore_ascii_case(kind));
    match filter.tag {
        AND | OR => {
            let mut any = false;
            while let Ok(element) = inner.element() {
                if !is_of_kinds(element, left) {
                    return false;
                }
                any = true;
            }
            any
        }
        EQUALITY => inner.octets().is_ok_and(is_kind),
        PRESENT => is_kind(filter.contents),
        _ => false,
    }
}

fn part(filter: Element<'_>, depth: usize, parts: &mut usize) -> Option<Sought> {
    let left = depth.checked_sub(1)?;
    *parts = parts.checked_sub(1)?;
    let mut inner = Ber::new(filter.contents);
    match filter.tag {
        AND | OR => {
            let mut worst: Option<Sought> = None;
            while let Ok(element) = inner.element() {
                let found = part(element, left, parts);
                worst = worst.into_iter().chain(found).min();
            }
            worst
        }
        EQUALITY => {
            let (attribute, value) = (inner.octets().ok()?, inner.octets().ok()?);
            let is = attribute.eq_ignore_ascii_case(b"adminCount") && value == b"1";
            is.then_some(Sought::Administrators)
        }
        PRESENT if is_password(filter.contents) => Some(Sought::Passwords),
        PRESENT => is_service(filter.contents).then_some(Sought::Services),
        // "*/*" is as good as any.
        SUBSTRINGS => {
            let (attribute, texts) = (inner.octets().ok()?, inner.expect(0x30).ok()?);
            let mut texts = Ber::new(texts);
            let (only, more) = (texts.element().ok()?, texts.element().is_ok());
            let any = !more && only.contents == b"/";
            (any && is_service(attribute)).then_some(Sought::Services)
        }
        EXTENSIBLE => extensible(inner),
        _ => None,
    }
}

fn is_service(attribute: &[u8]) -> bool {
    attribute.eq_ignore_ascii_case(b"servicePrincipalName")
}

/// Of Windows LAPS and its forerunner ([MS-ADA2], msLAPS-*; ms-Mcs-AdmPwd), and of accounts that
/// manage their own password ([MS-ADA2], msDS-ManagedPassword).
fn is_password(attribute: &[u8]) -> bool {
    const PASSWORDS: &[&[u8]] = &[
        b"ms-Mcs-AdmPwd",
        b"msLAPS-Password",
        b"msLAPS-EncryptedPassword",
        b"msDS-ManagedPassword",
    ];
    PASSWORDS.iter().any(|name| attribute.eq_ignore_ascii_case(name))
}

fn extensible(mut assertion: Ber<'_>) -> Option<Sought> {
    let (mut rule, mut attribute, mut value) = (&[][..], &[][..], &[][..]);
    while let Ok(element) = assertion.element() {
        match element.tag {
            0x81 => rule = element.contents,
            0x82 => attribute = element.contents,
            0x83 => value = element.contents,
            _ => {}
        }
    }
    if rule != BIT_AND || !attribute.eq_ignore_ascii_case(b"userAccountControl") {
        return None;
    }
    match value {
        NO_PREAUTHENTICATION => Some(Sought::Unproved),
        TRUSTED_FOR_DELEGATION => Some(Sought::Delegation),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
        let mut bytes = vec![tag, contents.len() as u8];
        bytes.extend(contents);
        bytes
    }

    fn equality(attribute: &[u8], value: &[u8]) -> Vec<u8> {
        element(EQUALITY, &[element(4, attribute), element(4, value)].concat())
    }

    fn bits(value: &[u8]) -> Vec<u8> {
        let parts = [(0x81, BIT_AND), (0x82, b"userAccountControl".as_slice()), (0x83, value)];
        element(EXTENSIBLE, &parts.map(|(tag, contents)| element(tag, contents)).concat())
    }

    #[track_caller]
    fn check(filter: &[u8], expect: Option<Sought>) {
        let head = [10, 1, 2, 10, 1, 0, 2, 1, 0, 2, 1, 0, 1, 1, 0];
        let request = [&head[..], filter, &[0x30, 0]].concat();
        assert_eq!(sought(Ber::new(&request)), expect);
    }

    #[test]
    fn rights_on_all_users_are_looked_for_and_those_on_one_are_not() {
        let of = |scope: u8, filter: &[u8], attribute: &[u8]| {
            let head = [10, 1, scope, 10, 1, 0, 2, 1, 0, 2, 1, 0, 1, 1, 0];
            let attributes = element(0x30, &[element(4, b"cn"), element(4, attribute)].concat());
            sought(Ber::new(&[&head[..], filter, &attributes].concat()))
        };
        let rights = b"ntSecurityDescriptor".as_slice();
        let users = equality(b"samAccountType", b"805306368");
        let groups = element(PRESENT, b"objectClass");
        let both = element(OR, &[users.clone(), groups].concat());
        assert_eq!(of(2, &both, rights), Some(Sought::Rights));
        assert_eq!(of(2, &both, b"mail"), None);
        assert_eq!(of(0, &both, rights), None);
        assert_eq!(of(2, &equality(b"cn", b"hmi1"), rights), None);
        assert_eq!(of(2, &element(AND, &[users, equality(b"cn", b"x")].concat()), rights), None);
    }

    #[test]
    fn filters_of_tools_are_known_and_those_of_programs_are_not() {
        let services = element(PRESENT, b"servicePrincipalName");
        let user = equality(b"samAccountType", b"805306368");
        check(&element(AND, &[user.clone(), services.clone()].concat()), Some(Sought::Services));
        let any = element(
            SUBSTRINGS,
            &[element(4, b"servicePrincipalName"), element(0x30, &element(0x81, b"/"))].concat(),
        );
        check(&any, Some(Sought::Services));
        check(
            &element(AND, &[services.clone(), bits(b"4194304")].concat()),
            Some(Sought::Unproved),
        );
        check(&element(PRESENT, b"ms-MCS-AdmPwd"), Some(Sought::Passwords));
        check(&element(PRESENT, b"ms-Mcs-AdmPwdExpirationTime"), None);
        check(&bits(b"524288"), Some(Sought::Delegation));
        check(&equality(b"ADMINCOUNT", b"1"), Some(Sought::Administrators));
        // Who is switched off, one service by its name, and what is left out.
        check(&bits(b"2"), None);
        check(&equality(b"servicePrincipalName", b"HOST/hmi1"), None);
        check(&element(AND, &[user, element(0xa2, &services)].concat()), None);
        check(&element(PRESENT, b"objectClass"), None);
    }

    #[test]
    fn depth_and_parts_are_bounded() {
        let mut deep = element(PRESENT, b"servicePrincipalName");
        for _ in 0..DEPTH_MAX {
            deep = element(AND, &deep);
        }
        check(&deep, None);
        let many = element(PRESENT, b"cn").repeat(20);
        check(&element(OR, &many), None);
        check(&[AND, 0x7f, PRESENT], None);
    }
}
