//! What carries a protocol or a conversation.

use serde::Serialize;

/// What stands below a message: with the ends and their ports it tells conversations apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Carrier {
    Tcp,
    Udp,
    /// Directly on Ethernet II with this EtherType.
    Ethertype(u16),
    /// IEEE 802.2 SNAP with this OUI and protocol id.
    Snap([u8; 3], u16),
    /// IEEE 802.2 LLC with this destination SAP.
    Llc(u8),
    /// Directly on IP with this protocol number.
    Ip(u8),
}

impl Carrier {
    /// `tcp`, `udp`, `icmp`, `ip` or `ethernet`.
    pub fn transport(self) -> &'static str {
        match self {
            Carrier::Tcp => "tcp",
            Carrier::Udp => "udp",
            Carrier::Ip(1 | 58) => "icmp",
            Carrier::Ip(_) => "ip",
            Carrier::Ethertype(_) | Carrier::Snap(..) | Carrier::Llc(_) => "ethernet",
        }
    }

    /// With the server's port, for people.
    pub fn shown(self, port: Option<u16>) -> String {
        match (self, port) {
            (Carrier::Tcp | Carrier::Udp, Some(port)) => format!("{}/{port}", self.transport()),
            (Carrier::Ethertype(kind), _) => format!("ethertype 0x{kind:04x}"),
            (Carrier::Llc(sap), _) => format!("llc 0x{sap:02x}"),
            (Carrier::Snap([a, b, c], pid), _) => {
                format!("snap {a:02x}{b:02x}{c:02x} 0x{pid:04x}")
            }
            (Carrier::Ip(protocol), _) => format!("{} {protocol}", self.transport()),
            (Carrier::Tcp | Carrier::Udp, None) => self.transport().to_owned(),
        }
    }
}
