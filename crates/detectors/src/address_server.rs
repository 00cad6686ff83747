//! Hosts that give out addresses, name servers or routes, and did not while the site was learned;
//! and without learning those that give out addresses no server has to give.
//!
//! Seen by DHCP, DHCPv6 and router advertisements. Not here: floods of them (`router_flood`,
//! `service_flood`). Invariant: who served while the site was learned, from any of its addresses,
//! is never told; of servers that make themselves up by the dozen only the first are.

use crate::{
    About, Detector, Draft, Findings, Kind, Phase, Site, Watch, baseline::Few, evidence,
    watched::Watched, window::Lately,
};
use model::{Address, Detail, Direction, Object, Observation, OperationClass, Severity};
use std::{
    net::{IpAddr, Ipv6Addr},
    sync::OnceLock,
};

pub static ADDRESS_SERVER: Detector = Detector {
    about: About {
        id: "address-server",
        title: "New DHCP server or IPv6 router",
        engine: model::Engine::Policy,
        why: "Who gives hosts their addresses also tells them their router and name server. A \
              second one that answers faster puts itself into the middle of their connections, or \
              cuts them off.",
        techniques: &["T1557", "T0830"],
        false_positives: "A standby that takes over, a replaced server or router, a router for \
                          homes or a laptop that shares its connection, put in by mistake.",
        runbook: "Ask whether the host is to give out addresses or routes.\n\
                  If it is a planned server or its standby, accept the finding.\n\
                  If not, find its switch port by its MAC address and close it; let hosts that it \
                  answered ask anew.\n\
                  Let switches pass such messages from ports of servers only (DHCP snooping, \
                  RFC 7610; RA guard, RFC 6105).",
        sees: &[Kind::Operation, Kind::Identity],
    },
    watch: || {
        let lately = Watched::new(SPAN_SECS);
        Box::new(AddressServer { lately, dhcp: OnceLock::new(), dhcpv6: OnceLock::new() })
    },
    #[cfg(test)]
    cases,
};

/// New servers of one kind that are told within the span; more are one flood.
const NEW_MAX: usize = 8;
const SPAN_SECS: i64 = 600;
const ALL_NODES: Address = Address::Ip(IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1)));

struct AddressServer {
    /// By protocol: who is new.
    lately: Watched<&'static str, Lately<Address>>,
    /// Who served while the site was learned; `None` where not all were kept.
    dhcp: OnceLock<Option<Few<Address>>>,
    dhcpv6: OnceLock<Option<Few<Address>>>,
}

impl Watch for AddressServer {
    fn wants(&self, protocol: &str, _: OperationClass) -> bool {
        matches!(protocol, "dhcp" | "dhcpv6")
    }

    fn see(&mut self, o: &Observation, site: &Site<'_>, out: &mut Findings) {
        let Some(server) = o.from.address().filter(Address::is_host) else { return };
        if let Some(given) = link_local_lease(o) {
            return tell_link_local(o, server, given, out);
        }
        if site.phase != Phase::Learnt {
            return;
        }
        match &o.detail {
            Detail::Operation(operation) => {
                let gives = operation.direction == Direction::Response
                    && matches!(operation.function_name, "offer" | "ack" | "advertise" | "reply");
                if gives && let Some(severity) = self.new_server(o, server, site) {
                    self.tell(o, server, severity, site, out);
                }
            }
            Detail::Identity(identity) if identity.message == "router advertisement" => {
                // While its name was learned it told all nodes something of this protocol.
                let key = (server, ALL_NODES, "icmpv6", 0);
                if o.protocol != "icmpv6" || site.baseline.knows_link(&key) {
                    return;
                }
                // Who only says which networks there are is not sent anything.
                let grave = identity
                    .attributes
                    .iter()
                    .any(|a| &*a.value == "default router" || a.path == "advertised_name_server");
                let severity = if grave { Severity::Medium } else { Severity::Low };
                self.tell(o, server, severity, site, out);
            }
            _ => {}
        }
    }

    fn dropped(&self) -> u64 {
        self.lately.dropped()
    }
}

impl AddressServer {
    /// How grave it is that this host serves; `None` where it is known to.
    fn new_server(&self, o: &Observation, server: Address, site: &Site<'_>) -> Option<Severity> {
        let learned = if o.protocol == "dhcp" { &self.dhcp } else { &self.dhcpv6 };
        let learned = learned.get_or_init(|| site.baseline.servers_over(o.protocol)).as_ref()?;
        let asset = site.inventory.asset_of(&server);
        let same = |known: &Address| {
            *known == server || (asset.is_some() && site.inventory.asset_of(known) == asset)
        };
        if learned.iter().any(same) {
            return None;
        }
        // Leases may be longer than the learning was.
        Some(if learned.is_empty() { Severity::Low } else { Severity::Medium })
    }

    fn tell(
        &mut self,
        o: &Observation,
        server: Address,
        severity: Severity,
        site: &Site<'_>,
        out: &mut Findings,
    ) {
        let lately = self.lately.of(o.protocol, o.at, Lately::default);
        if lately.see(server, o.at, SPAN_SECS) > NEW_MAX {
            return;
        }
        // One host may give out any number of its own addresses as those of servers.
        let host = o.from.mac.filter(|mac| mac.is_host()).map_or(server, Address::Mac);
        let raised = out.raise(&ADDRESS_SERVER.about, (o.protocol, host), o, || {
            let (title, does) = match o.protocol {
                "dhcp" => ("{0} acts as a DHCP server", "It gives out addresses by DHCP"),
                "dhcpv6" => ("{0} acts as a DHCPv6 server", "It answers by DHCPv6"),
                _ => ("{0} acts as an IPv6 router", "It says by ICMPv6 that it is a router"),
            };
            Draft::by(server, o.to.address().filter(Address::is_host), severity, title).because(
                format!(
                    "{does}, and did not in {} of learning. Hosts take their router and name \
                     server from it.",
                    site.baseline.watched_words()
                ),
            )
        });
        let Some(open) = raised else { return };
        open.at_least(severity);
        open.names(server);
        let learned = if o.protocol == "dhcp" { self.dhcp.get() } else { self.dhcpv6.get() };
        if let (true, Some(Some(known))) = (open.is_new() && o.protocol != "icmpv6", learned) {
            // Clients ask groups, which are no servers.
            let mut known: Vec<_> = known.iter().filter(|one| one.is_host()).collect();
            known.sort();
            let says = format!("servers of {} until then: {}", o.protocol, known.len());
            let members = known.into_iter().map(Address::to_string);
            open.proof("learned", evidence::learned(says, members));
        }
    }
}

/// A link-local address that a DHCPv6 server gives. Hosts make those themselves (RFC 4862, 5.3), so
/// no server has a reason to; who only wants to be a host's name server gives what disturbs least.
fn link_local_lease(o: &Observation) -> Option<&str> {
    let Detail::Operation(operation) = &o.detail else { return None };
    let gives = operation.direction == Direction::Response
        && o.protocol == "dhcpv6"
        && matches!(operation.function_name, "advertise" | "reply");
    let Object::Name { name, .. } = &operation.object else { return None };
    let ip: Ipv6Addr = name.parse().ok().filter(|_| gives)?;
    ip.is_unicast_link_local().then_some(name)
}

fn tell_link_local(o: &Observation, server: Address, given: &str, out: &mut Findings) {
    let host = o.from.mac.filter(|mac| mac.is_host()).map_or(server, Address::Mac);
    let raised = out.raise(&ADDRESS_SERVER.about, ("link-local", host), o, || {
        let title = "{0} makes itself the name server of hosts by DHCPv6";
        let client = o.to.address().filter(Address::is_host);
        Draft::by(server, client, Severity::High, title).because(format!(
            "It gave out {given}, an address that each host makes itself and no DHCPv6 server \
             gives. Programs that put themselves into the middle do it, since with the address \
             come name servers of their own."
        ))
    });
    let Some(open) = raised else { return };
    open.names(server);
    if let Some(client) = o.to.address().filter(Address::is_host) {
        open.names(client);
    }
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, exchange, host, of, operation, port, seen};
    use model::{Attribute, Endpoint, Identity, Operation, Outcome, Subject};
    let answers = |at: i64, server: u8, protocol, function_name| {
        let (direction, outcome) = (Direction::Response, Outcome::Done);
        let operation = operation(OperationClass::Session, 2);
        let operation = Operation { direction, outcome, function_name, ..operation };
        let ends = (port(host(server), 67), port(host(255), 68));
        of(protocol, seen(at, ends.0, ends.1, Detail::Operation(operation)))
    };
    let leases = |at: i64, name: &str| {
        let mut o = answers(at, 30, "dhcpv6", "advertise");
        if let Detail::Operation(operation) = &mut o.detail {
            operation.object = Object::Name { area: "address", name: name.into() };
        }
        o
    };
    let offers = |at: i64, server: u8| answers(at, server, "dhcp", "offer");
    let served = |server: u8| exchange(0, port(host(10), 68), port(host(server), 67), "dhcp");
    let Address::Ip(all) = ALL_NODES else { unreachable!("an IP address") };
    let nodes = Endpoint { ip: Some(all), ..Endpoint::default() };
    let says = |at: i64, router: u8, path, value: &str| {
        let attributes = vec![Attribute { path, value: value.into(), confidence: 90 }];
        let (subject, message) = (Subject::Sender, "router advertisement");
        let detail = Detail::Identity(Identity { subject, message, attributes });
        of("icmpv6", seen(at, host(router), nodes, detail))
    };
    let router = |at: i64, who: u8| says(at, who, "ipv6_role", "default router");
    let routed = |who: u8| exchange(0, host(who), nodes, "icmpv6");
    vec![
        Case::fires("a second server", vec![offers(1, 30), offers(9, 30)]).after(vec![served(20)]),
        Case::fires("the first server", vec![offers(1, 30)]).after(vec![routed(20)]),
        Case::fires("DHCPv6", vec![answers(1, 30, "dhcpv6", "advertise")])
            .after(vec![served(30), served(20)]),
        Case::fires("mitm6", vec![leases(1, "fe80::10:1:1:9")]),
        Case::silent("a lease", vec![leases(1, "2001:db8::9"), leases(2, "fd00::9")]),
        Case::fires("a second router", vec![router(1, 30)]).after(vec![routed(20)]),
        Case::silent("the learned server", vec![offers(1, 20)]).after(vec![served(20)]),
        Case::silent("the learned router", vec![router(1, 20)]).after(vec![routed(20)]),
        Case::silent("refuses an address", vec![answers(1, 30, "dhcp", "nak")])
            .after(vec![served(20)]),
        Case::silent("two servers and nothing learned", vec![offers(1, 30), offers(2, 20)]),
        Case {
            raises: NEW_MAX,
            ..Case::fires("a flood", (30..90).map(|who| router(i64::from(who), who)).collect())
                .after(vec![routed(20)])
        },
    ]
}
