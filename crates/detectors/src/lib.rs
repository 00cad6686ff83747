//! From observations to findings: one file per detector, listed in [`REGISTRY`].
//!
//! Read [`seam`] first, then [`detection`]: how observations reach the watches. [`baseline`] is
//! what is normal, [`findings`] joins equal facts. Not here: reading packets (`protocols`), who
//! the hosts are (`inventory`). Invariant: findings follow from the observations alone, in their
//! order, with the same code for a live interface, a file and a test.

pub mod attack;
pub mod baseline;
pub mod detection;
pub mod evidence;
pub mod findings;
pub mod limits;
pub mod object;
pub mod rules;
pub mod seam;

// shared between detectors
mod act;
mod conversation;
mod named;
mod watched;
mod window;

// parts of detectors
mod desktop_guessing;
mod held_connections;
mod sounding;

// detectors
mod address_flood;
mod address_server;
mod amplification;
mod arp_conflict;
mod bridge_root;
mod clock_change;
mod clock_source;
mod command_flood;
mod configuration_change;
mod controller_mode;
mod credentials;
mod device_claim;
mod device_restart;
mod device_search;
mod device_silent;
mod device_trouble;
mod domain_attack;
mod executable_transfer;
mod file_encryption;
mod firmware_update;
mod gateway_takeover;
mod generated_host;
mod hidden_data;
mod icmp_channel;
mod identity_change;
mod internet_peer;
mod kerberos_abuse;
mod name_poisoning;
mod name_tunnel;
mod new_asset;
mod new_client;
mod new_link;
mod new_operation;
mod new_writer;
mod open_shell;
mod packet_flood;
mod password_guessing;
mod program_transfer;
mod program_upload;
mod protocol_violation;
mod reconnaissance;
mod refused_requests;
mod remote_execution;
mod ring_open;
mod router_flood;
mod scan;
mod service_exploit;
mod service_flood;
mod sign_in_relay;
mod smb_exploit;
mod stalled_requests;
mod substation;
mod web_attack;
mod wrong_protocol;
mod zone_transfer;

pub use baseline::Baseline;
pub use detection::Detection;
pub use findings::{Draft, Findings};
pub use seam::{About, Detector, Kind, Phase, Site, Watch};

/// Every detector, in the order in which they see an observation.
pub static REGISTRY: &[&Detector] = &[
    &new_asset::NEW_ASSET,
    &new_link::NEW_LINK,
    &new_client::NEW_CLIENT,
    &new_writer::NEW_WRITER,
    &new_operation::NEW_OPERATION,
    &address_server::ADDRESS_SERVER,
    &internet_peer::INTERNET_PEER,
    &program_transfer::PROGRAM_TRANSFER,
    &program_upload::PROGRAM_UPLOAD,
    &firmware_update::FIRMWARE_UPDATE,
    &controller_mode::CONTROLLER_MODE,
    &device_restart::DEVICE_RESTART,
    &configuration_change::CONFIGURATION_CHANGE,
    &clock_change::CLOCK_CHANGE,
    &protocol_violation::PROTOCOL_VIOLATION,
    &refused_requests::REFUSED_REQUESTS,
    &credentials::CREDENTIALS,
    &password_guessing::PASSWORD_GUESSING,
    &sign_in_relay::SIGN_IN_RELAY,
    &scan::SCAN,
    &device_search::DEVICE_SEARCH,
    &device_claim::DEVICE_CLAIM,
    &arp_conflict::ARP_CONFLICT,
    &wrong_protocol::WRONG_PROTOCOL,
    &command_flood::COMMAND_FLOOD,
    &service_flood::SERVICE_FLOOD,
    &stalled_requests::STALLED_REQUESTS,
    &packet_flood::PACKET_FLOOD,
    &amplification::AMPLIFICATION,
    &icmp_channel::ICMP_CHANNEL,
    &hidden_data::HIDDEN_DATA,
    &substation::SUBSTATION,
    &ring_open::RING_OPEN,
    &bridge_root::BRIDGE_ROOT,
    &clock_source::CLOCK_SOURCE,
    &gateway_takeover::GATEWAY_TAKEOVER,
    &device_trouble::DEVICE_TROUBLE,
    &device_silent::DEVICE_SILENT,
    &identity_change::IDENTITY_CHANGE,
    &rules::SITE_RULE,
    &remote_execution::REMOTE_EXECUTION,
    &domain_attack::DOMAIN_ATTACK,
    &kerberos_abuse::KERBEROS_ABUSE,
    &smb_exploit::SMB_EXPLOIT,
    &executable_transfer::EXECUTABLE_TRANSFER,
    &file_encryption::FILE_ENCRYPTION,
    &web_attack::WEB_ATTACK,
    &name_tunnel::NAME_TUNNEL,
    &name_poisoning::NAME_POISONING,
    &router_flood::ROUTER_FLOOD,
    &address_flood::ADDRESS_FLOOD,
    &reconnaissance::RECONNAISSANCE,
    &generated_host::GENERATED_HOST,
    &open_shell::OPEN_SHELL,
    &service_exploit::SERVICE_EXPLOIT,
    &zone_transfer::ZONE_TRANSFER,
];

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
