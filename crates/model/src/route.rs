//! The way to a device over bridges, as a CIP path has it: port and link address of each hop
//! (CIP Networks Library Volume 1, C-1.4.1).
//!
//! Not here: other segments of a path. Invariant: a route is whole and has one form only; a hop
//! that there is no room for is refused.

use crate::Place;
use std::{fmt, net::Ipv4Addr, str::FromStr};

/// Room for a slot and an address of IP five times; a name of a host takes its letters.
const ROUTE_OCTETS_MAX: usize = 38;
/// The port to the rack's backplane.
const BACKPLANE: u16 = 1;
/// The port to Ethernet of most bridges, which need not be said.
const ETHERNET: u16 = 2;
/// Port numbers from here on stand in two octets of their own.
const PORT_BEHIND: u8 = 0x0f;

/// No hop is the host itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Route {
    used: u8,
    /// A hop: port in the lower four bits of an octet, form of the link in the upper; the link.
    octets: [u8; ROUTE_OCTETS_MAX],
}

impl Default for Route {
    fn default() -> Self {
        Route { used: 0, octets: [0; ROUTE_OCTETS_MAX] }
    }
}

/// Where a port leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Link<'a> {
    /// A slot or a node.
    Number(u8),
    Ip(Ipv4Addr),
    /// Any other: a host by its name, mostly.
    Octets(&'a [u8]),
}

impl<'a> Link<'a> {
    const NUMBER: u8 = 0;
    const IP: u8 = 1;
    const OCTETS: u8 = 2;

    fn of(octets: &'a [u8]) -> Link<'a> {
        match octets {
            [number] => Link::Number(*number),
            // An address written in another way than it is shown stays as it was.
            octets => match str::from_utf8(octets).ok().and_then(|text| text.parse().ok()) {
                Some(ip) => Link::Ip(ip),
                None => Link::Octets(octets),
            },
        }
    }
}

impl Route {
    /// The host itself.
    pub const fn is_here(&self) -> bool {
        self.used == 0
    }

    /// Goes on through a port; says whether there was room to. Where not, the route is as before.
    #[must_use]
    pub fn hop(&mut self, port: u16, link: &[u8]) -> bool {
        let mut longer = *self;
        let (form, fits) = match Link::of(link) {
            Link::Number(_) => (Link::NUMBER, true),
            Link::Ip(_) => (Link::IP, true),
            Link::Octets(octets) => (Link::OCTETS, octets.len() <= ROUTE_OCTETS_MAX),
        };
        let short = u8::try_from(port).ok().filter(|port| *port < PORT_BEHIND);
        let fits = fits
            && longer.push(&[form << 4 | short.unwrap_or(PORT_BEHIND)])
            && (short.is_some() || longer.push(&port.to_be_bytes()))
            && match Link::of(link) {
                Link::Number(number) => longer.push(&[number]),
                Link::Ip(ip) => longer.push(&ip.octets()),
                Link::Octets(octets) => longer.push(&[octets.len() as u8]) && longer.push(octets),
            };
        if fits {
            *self = longer;
        }
        fits
    }

    /// This way, and on from there; none where that is too long.
    pub fn then(mut self, on: &Route) -> Option<Route> {
        let fits = self.push(on.octets.get(..usize::from(on.used))?);
        fits.then_some(self)
    }

    /// Where it leads to: a rack's slot is one, however it was told.
    pub fn place(self) -> Option<Place> {
        let mut hops = self.hops();
        match (hops.next()?, hops.next()) {
            ((0..=BACKPLANE, Link::Number(slot)), None) => Some(Place::Slot(slot.into())),
            _ => Some(Place::Route(self)),
        }
    }

    fn push(&mut self, octets: &[u8]) -> bool {
        let used = usize::from(self.used);
        let Some(end) = used.checked_add(octets.len()) else { return false };
        let Some(room) = self.octets.get_mut(used..end) else { return false };
        room.copy_from_slice(octets);
        self.used = end as u8;
        true
    }

    fn hops(&self) -> impl Iterator<Item = (u16, Link<'_>)> {
        let mut rest = self.octets.get(..usize::from(self.used)).unwrap_or_default();
        std::iter::from_fn(move || {
            let (head, mut behind) = rest.split_first()?;
            let mut port = u16::from(head & PORT_BEHIND);
            if head & PORT_BEHIND == PORT_BEHIND {
                let (octets, on) = behind.split_first_chunk()?;
                (port, behind) = (u16::from_be_bytes(*octets), on);
            }
            let link;
            (link, rest) = match (head >> 4, behind) {
                (Link::NUMBER, [number, on @ ..]) => (Link::Number(*number), on),
                (Link::IP, [a, b, c, d, on @ ..]) => (Link::Ip([*a, *b, *c, *d].into()), on),
                (Link::OCTETS, [length, on @ ..]) => {
                    let (octets, on) = on.split_at_checked(usize::from(*length))?;
                    (Link::Octets(octets), on)
                }
                _ => return None,
            };
            Some((port, link))
        })
    }

    /// `backplane 3, 10.1.2.3, port 2 address 5`.
    pub(crate) fn for_people(&self) -> String {
        let words = |(port, link): (u16, Link<'_>)| match (port, link) {
            (BACKPLANE, Link::Number(slot)) => format!("backplane {slot}"),
            (port, Link::Number(node)) => format!("port {port} address {node}"),
            (ETHERNET, link) => link.to_string(),
            (port, link) => format!("port {port} {link}"),
        };
        self.hops().map(words).collect::<Vec<_>>().join(", ")
    }
}

/// Letters of hosts' names as they are, all else in hexadecimal: it comes from the wire.
impl fmt::Display for Link<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |octet: &u8| octet.is_ascii_alphanumeric() || b"-._:".contains(octet);
        match self {
            Link::Number(number) => write!(f, "{number}"),
            Link::Ip(ip) => write!(f, "{ip}"),
            // What looks like a number is none.
            Link::Octets(octets)
                if octets.iter().all(plain) && !octets.iter().all(u8::is_ascii_digit) =>
            {
                octets.iter().try_for_each(|octet| write!(f, "{}", char::from(*octet)))
            }
            Link::Octets(octets) => {
                f.write_str("#")?;
                octets.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
            }
        }
    }
}

/// Port and link of each hop: `1/3,2/10.1.2.3,1/0`.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (port, link)) in self.hops().enumerate() {
            let between = if at == 0 { "" } else { "," };
            write!(f, "{between}{port}/{link}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Route({self})")
    }
}

/// Not the text of a route, or of one that is too long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoRoute;

impl FromStr for Route {
    type Err = NoRoute;

    fn from_str(text: &str) -> Result<Self, NoRoute> {
        let mut route = Route::default();
        for hop in text.split(',').filter(|_| !text.is_empty()) {
            let (port, link) = hop.split_once('/').ok_or(NoRoute)?;
            let port = port.parse().map_err(|_| NoRoute)?;
            let octets = match (link.strip_prefix('#'), link.parse::<u8>()) {
                (Some(hex), _) => octets_of(hex)?,
                (None, Ok(number)) => vec![number],
                (None, Err(_)) => link.as_bytes().to_vec(),
            };
            if !route.hop(port, &octets) {
                return Err(NoRoute);
            }
        }
        // One form only, so that two texts are two ways.
        if route.to_string() == text { Ok(route) } else { Err(NoRoute) }
    }
}

pub(crate) fn octets_of(hex: &str) -> Result<Vec<u8>, NoRoute> {
    let (pairs, []) = hex.as_bytes().as_chunks::<2>() else { return Err(NoRoute) };
    let octet = |pair: &[u8; 2]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    pairs.iter().map(octet).collect::<Option<_>>().ok_or(NoRoute)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(hops: &[(u16, &[u8])], exact: &str, for_people: &str) {
        let mut route = Route::default();
        assert!(hops.iter().all(|(port, link)| route.hop(*port, link)), "{exact}");
        assert_eq!((route.to_string(), route.for_people()), (exact.into(), for_people.into()));
        assert_eq!(exact.parse(), Ok(route));
    }

    #[test]
    fn a_route_is_read_as_it_was_told() {
        check(&[], "", "");
        check(&[(1, &[3])], "1/3", "backplane 3");
        let far: [(u16, &[u8]); 3] = [(1, &[3]), (2, b"192.168.1.5"), (1, &[0])];
        check(&far, "1/3,2/192.168.1.5,1/0", "backplane 3, 192.168.1.5, backplane 0");
        check(&[(2, &[5]), (18, &[7])], "2/5,18/7", "port 2 address 5, port 18 address 7");
        check(&[(3, b"10.1.2.3")], "3/10.1.2.3", "port 3 10.1.2.3");
        check(&[(2, b"mixer-4.plant")], "2/mixer-4.plant", "mixer-4.plant");
        // Other forms are other links.
        check(&[(2, b"17")], "2/#3137", "#3137");
        check(&[(2, b"")], "2/#", "#");
        check(&[(2, b"a,1/{0}")], "2/#612c312f7b307d", "#612c312f7b307d");
        check(&[(2, b"010.1.2.3")], "2/010.1.2.3", "010.1.2.3");
    }

    #[test]
    fn a_slot_is_a_slot_and_all_else_a_way() {
        let place = |text: &str| text.parse::<Route>().expect("a route").place();
        assert_eq!(place(""), None);
        assert_eq!(place("1/3"), Some(Place::Slot(3)));
        for way in ["2/5", "1/3,1/4", "2/10.1.2.3"] {
            assert_eq!(place(way), Some(Place::Route(way.parse().expect("a route"))));
        }
    }

    #[test]
    fn what_is_too_long_is_refused_and_nothing_is_cut() {
        let mut route = Route::default();
        let hops = (0..40).take_while(|slot| route.hop(1, &[*slot])).count();
        assert_eq!(hops, ROUTE_OCTETS_MAX / 2);
        let before = route;
        assert!(!route.hop(700, b"10.1.2.3"));
        assert_eq!(route, before);
        assert!(!Route::default().hop(2, &[b'a'; 300]));
        let short: Route = "1/3".parse().expect("a route");
        assert_eq!(route.then(&short), None);
        assert_eq!(short.then(&short), "1/3,1/3".parse().ok());
        for text in ["1", "1/", "x/3", "1/#1", "1/#zz", "1/3,", "1/03", "2/#61", "2/a b"] {
            assert_eq!(text.parse::<Route>(), Err(NoRoute), "{text}");
        }
    }
}
