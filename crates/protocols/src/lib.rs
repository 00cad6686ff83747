//! One folder per protocol: bytes to messages to observations.
//!
//! Read [`seam`] first: what a protocol is. [`output`] is where dissectors put what they
//! understood. [`REGISTRY`] is the list; a protocol that is not in it does not exist. Not here:
//! flows, reassembly, addresses of the peers (the sensor adds them). Invariant: nothing here
//! panics, loops without progress or grows without a limit on bytes from outside.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::indexing_slicing))]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

pub mod output;
pub mod seam;

// plain ones, described instead of programmed
pub mod declared;

// shared between protocols
mod ber;
mod eap;
mod gss;
mod sql;
mod standby;
mod text;

// protocols
pub mod amqp;
pub mod ams;
pub mod arp;
pub mod atg;
pub mod bacnet;
pub mod bare_tcp;
pub mod browser;
pub mod bsap;
pub mod c1222;
pub mod canopen;
pub mod cdp;
pub mod cnip;
pub mod coap;
pub mod codesys;
pub mod cotp;
pub mod dcerpc;
pub mod dhcp;
pub mod dhcpv6;
pub mod dicom;
pub mod dlms;
pub mod dnp3;
pub mod dns;
pub mod dtp;
pub mod eapol;
pub mod egd;
pub mod enip;
pub mod ethercat;
pub mod ethersio;
pub mod fins;
pub mod fox;
pub mod ftp;
pub mod genisys;
pub mod goose;
pub mod hart_ip;
pub mod hl7;
pub mod hsrp;
pub mod http;
pub mod icmp;
pub mod icmpv6;
pub mod iec104;
pub mod ifix;
pub mod igmp;
pub mod kerberos;
pub mod knxip;
pub mod ldap;
pub mod lldp;
pub mod llmnr;
pub mod mdns;
pub mod melsec;
pub mod mms;
pub mod modbus;
pub mod modbus_rtu;
pub mod mqtt;
pub mod mrp;
pub mod mysql;
pub mod nbns;
pub mod ntlmssp;
pub mod ntp;
pub mod opcua;
pub mod pn_dcp;
pub mod pn_io;
pub mod postgresql;
pub mod powerlink;
pub mod prp;
pub mod ptp;
pub mod quic;
pub mod r_goose;
pub mod radius;
pub mod rdp;
pub mod roc_plus;
pub mod rtps;
pub mod s7comm;
pub mod s7plus;
pub mod sbus;
pub mod sel_fast;
pub mod smb;
pub mod smtp;
pub mod snmp;
pub mod srtp;
pub mod ssdp;
pub mod ssh;
pub mod stp;
pub mod suitelink;
pub mod sv;
pub mod synphasor;
pub mod syslog;
pub mod tds;
pub mod telnet;
pub mod tftp;
pub mod tls;
pub mod tns;
pub mod trdp;
pub mod tristation;
pub mod vnc;
pub mod vrrp;
pub mod websocket;
pub mod wsd;
pub mod zigbee;

pub use model::Carrier;
pub use output::{Ends, Group, Message, Observed, Output};
pub use seam::{About, Dissector, Gap, Hint, Malformed, Probe, Progress, Protocol, Segment, Side};

/// Every protocol, in the order in which probes are asked when ports give no hint: strong
/// signatures first, so that weak ones only see what nothing else claimed.
pub static REGISTRY: &[&dyn Protocol] = &[
    &lldp::LLDP,
    &cdp::CDP,
    &pn_dcp::PN_DCP,
    &goose::GOOSE,
    &sv::SV,
    &ptp::PTP,
    &ethercat::ETHERCAT,
    &powerlink::POWERLINK,
    &stp::STP,
    &dtp::DTP,
    &eapol::EAPOL,
    &mrp::MRP,
    &prp::PRP,
    &bacnet::BACNET,
    &ams::AMS,
    &fins::FINS,
    &hart_ip::HART_IP,
    &knxip::KNXIP,
    &cnip::CNIP,
    &tristation::TRISTATION,
    &trdp::TRDP,
    &r_goose::R_GOOSE,
    &fox::FOX,
    &atg::ATG,
    &melsec::MELSEC,
    &roc_plus::ROC_PLUS,
    &bsap::BSAP,
    &srtp::SRTP,
    &sbus::SBUS,
    &ethersio::ETHERSIO,
    &egd::EGD,
    &icmpv6::ICMPV6,
    &igmp::IGMP,
    &vrrp::VRRP,
    &hsrp::HSRP,
    &suitelink::SUITELINK,
    &codesys::CODESYS,
    &sel_fast::SEL_FAST,
    &ifix::IFIX,
    &canopen::CANOPEN,
    &zigbee::ZIGBEE,
    &dhcp::DHCP,
    &dhcpv6::DHCPV6,
    &snmp::SNMP,
    &ssh::SSH,
    &http::HTTP,
    &tls::TLS,
    &ssdp::SSDP,
    &wsd::WSD,
    &smb::SMB,
    &dcerpc::DCERPC,
    &pn_io::PN_IO,
    &kerberos::KERBEROS,
    &opcua::OPCUA,
    &ldap::LDAP,
    &mqtt::MQTT,
    &amqp::AMQP,
    &rtps::RTPS,
    &quic::QUIC,
    &dicom::DICOM,
    &radius::RADIUS,
    &vnc::VNC,
    &hl7::HL7,
    &tds::TDS,
    &tns::TNS,
    &mysql::MYSQL,
    &postgresql::POSTGRESQL,
    &smtp::SMTP,
    &ftp::FTP,
    &dns::DNS,
    &mdns::MDNS,
    &llmnr::LLMNR,
    &nbns::NBNS,
    &browser::BROWSER,
    &syslog::SYSLOG,
    &ntp::NTP,
    &dnp3::DNP3,
    &iec104::IEC104,
    &synphasor::SYNPHASOR,
    &c1222::C1222,
    &dlms::DLMS,
    &cotp::COTP,
    &enip::ENIP,
    &genisys::GENISYS,
    &modbus::MODBUS,
    &tftp::TFTP,
    &coap::COAP,
    &modbus_rtu::MODBUS_RTU,
    &telnet::TELNET,
    &bare_tcp::BARE_TCP,
];
