//! Hardware addresses made up to fill the tables of switches.
//!
//! Not here: those that ask for addresses of DHCP (`service_flood`). Invariant: cards of a vendor
//! and addresses that hosts choose for themselves never count.

use crate::{
    About, Detector, Draft, Findings, Kind, Site, Watch, watched::Watched, window::Lately,
};
use inventory::vendor;
use model::{Address, Detail, Mac, Observation, Severity};

pub static ADDRESS_FLOOD: Detector = Detector {
    about: About {
        id: "address-flood",
        title: "Flood of made-up hardware addresses",
        engine: model::Engine::Anomaly,
        why: "A switch whose table of addresses is full sends what it forwards to every port: who \
              fills it reads along, and slow devices drown in what is not for them.",
        techniques: &["T0842", "T0814", "T1557"],
        false_positives: "Load tests, traffic whose hardware addresses were made anonymous.",
        runbook: "Find the switch port at which these addresses were learned and close it.\n\
                  Clear the tables of the switches, and look what was sent meanwhile.\n\
                  Limit how many addresses a port of a host may have (port security).",
        sees: &[Kind::Presence],
    },
    watch: || Box::new(AddressFlood { cards: Watched::new(SPAN_SECS) }),
    #[cfg(test)]
    cases,
};

/// Senders that nobody made, first seen within the span. Programs that fill tables draw addresses
/// by chance: half of these are of no vendor and not of those that hosts choose (IEEE 802, 8.4).
const CARDS_MIN: usize = 60;
const SPAN_SECS: i64 = 10;

struct AddressFlood {
    /// By VLAN.
    cards: Watched<Option<u16>, Lately<Mac>>,
}

impl Watch for AddressFlood {
    fn see(&mut self, o: &Observation, _: &Site<'_>, out: &mut Findings) {
        let Detail::Presence = o.detail else { return };
        let made_up =
            |mac: &Mac| mac.is_host() && !mac.is_local() && vendor::vendor_of(*mac).is_none();
        let Some(mac) = o.from.mac.filter(made_up) else { return };
        let cards = self.cards.of(o.from.vlan, o.at, Lately::default);
        let count = cards.see(mac, o.at, SPAN_SECS);
        if count < CARDS_MIN {
            return;
        }
        let first = cards.first(o.at);
        let raised = out.raise(&ADDRESS_FLOOD.about, o.from.vlan, o, || {
            let title = "Hardware addresses are made up to fill switches, {0} among them";
            Draft::about(vec![Address::Mac(mac)], Severity::Medium, title).because(format!(
                "{CARDS_MIN} or more senders with hardware addresses of no vendor came up within \
                 {SPAN_SECS} s; real cards have one."
            ))
        });
        let Some(open) = raised else { return };
        open.spans(first, o.at);
        cards.iter().take(8).for_each(|mac| open.names(Address::Mac(*mac)));
        const _: () = assert!(SPAN_SECS == 10, "the words below say so");
        open.proof_count("cards", (first, o.at), (count as u64, "senders in the newest 10 s"));
    }

    fn dropped(&self) -> u64 {
        self.cards.dropped()
    }
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, host, presence};
    use model::Endpoint;
    let from = |at: i64, mac: [u8; 6]| presence(at, Endpoint { mac: Some(Mac(mac)), ..host(9) });
    let many = |first: [u8; 3], apart: i64| {
        (0..200u8).map(move |i| from(i64::from(i) * apart, [first[0], first[1], first[2], 1, 2, i]))
    };
    let nobody = [0x98, 0x76, 0x54];
    vec![
        Case::fires("addresses of nobody", many(nobody, 20).collect()),
        Case::silent("the same over an hour", many(nobody, 18_000).collect()),
        Case::silent("cards of a vendor", many([0x00, 0x1b, 0x1b], 20).collect()),
        Case::silent("telephones that choose their own", many([0x9a, 0x76, 0x54], 20).collect()),
    ]
}
