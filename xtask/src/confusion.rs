//! `cargo xtask confusion`: what captures hold, what tshark calls it and what the sensor does.
//!
//! Runs `spandrel pcap` on every capture of a folder and compares the protocols it names with
//! those tshark counted frames of (`expected/NAME.json` beside the captures) and with the name of
//! the capture's folder. Invariant: the page holds names of protocols and counts, nothing else of
//! any capture.

use crate::{bench, options::Options};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Names of tshark, and those of the sensor that mean the same. A name of tshark may mean several
/// protocols of the sensor: one of them is enough.
const SAME: &[(&str, &[&str])] = &[
    ("ams", &["ams"]),
    ("amqp", &["amqp"]),
    ("arp", &["arp"]),
    ("bacapp", &["bacnet"]),
    ("bacnet", &["bacnet"]),
    ("browser", &["browser"]),
    ("bvlc", &["bacnet"]),
    ("c1222", &["c1222"]),
    ("can", &["canopen"]),
    ("cdp", &["cdp"]),
    ("cip", &["cip"]),
    ("cipio", &["cipio"]),
    ("cldap", &["ldap"]),
    ("cnip", &["cnip"]),
    ("coap", &["coap"]),
    ("cotp", &["cotp", "s7comm", "s7comm-plus", "mms"]),
    ("dcerpc", &["dcerpc", "pn_io"]),
    ("dhcp", &["dhcp"]),
    ("dhcpv6", &["dhcpv6"]),
    ("dicom", &["dicom"]),
    ("dnp3", &["dnp3"]),
    ("dns", &["dns"]),
    ("dtp", &["dtp"]),
    ("ecat", &["ethercat"]),
    ("egd", &["egd"]),
    ("enip", &["enip"]),
    ("epl", &["powerlink"]),
    ("esio", &["ethersio"]),
    ("ftp", &["ftp"]),
    ("goose", &["goose"]),
    ("hart_ip", &["hart_ip"]),
    ("hl7", &["hl7"]),
    ("hsrp", &["hsrp"]),
    ("http", &["http"]),
    ("http2", &["http2", "tls"]),
    ("icmp", &["icmp"]),
    ("icmpv6", &["icmpv6"]),
    ("iec60870_104", &["iec104"]),
    ("igmp", &["igmp"]),
    ("kerberos", &["kerberos"]),
    ("knxip", &["knxip"]),
    ("ldap", &["ldap"]),
    ("lldp", &["lldp"]),
    ("llmnr", &["llmnr"]),
    ("mbtcp", &["modbus"]),
    ("mdns", &["mdns"]),
    ("mms", &["mms"]),
    ("mqtt", &["mqtt"]),
    ("nbns", &["nbns"]),
    ("nbss", &["smb"]),
    ("ntp", &["ntp"]),
    ("omron", &["fins"]),
    ("opcua", &["opcua"]),
    ("pgsql", &["postgresql"]),
    ("pn_dcp", &["pn_dcp"]),
    ("pn_io", &["pn_io", "pn_rt", "pn_dcp"]),
    ("pn_rt", &["pn_rt", "pn_dcp"]),
    ("ptp", &["ptp"]),
    ("quic", &["quic"]),
    ("radius", &["radius"]),
    ("rdp", &["rdp"]),
    ("rtps", &["rtps"]),
    ("s7comm", &["s7comm"]),
    ("sbus", &["sbus"]),
    ("smb", &["smb", "browser"]),
    ("smb2", &["smb"]),
    ("smtp", &["smtp"]),
    ("snmp", &["snmp"]),
    ("ssdp", &["ssdp"]),
    ("ssh", &["ssh"]),
    ("stp", &["stp"]),
    ("sv", &["sv"]),
    ("synphasor", &["synphasor"]),
    ("tds", &["tds"]),
    ("telnet", &["telnet"]),
    ("tftp", &["tftp"]),
    ("tls", &["tls"]),
    ("vnc", &["vnc"]),
    ("vrrp", &["vrrp"]),
    ("wpan", &["zigbee"]),
    ("zep", &["zigbee"]),
];

/// Layers of tshark that are no conversation of their own: carriers, encodings, parts of others.
const LAYERS: &[&str] = &[
    "acse",
    "autosar-nm",
    "cimetrics",
    "cipcls",
    "cipcm",
    "cms",
    "comp_data",
    "data",
    "data-text-lines",
    "eap",
    "ecat_mailbox",
    "ecatf",
    "erspan",
    "eth",
    "ethertype",
    "f5ethtrailer",
    "gre",
    "gsm_a.dtap",
    "gss-api",
    "iec60870_asdu",
    "imf",
    "ip",
    "ipcp",
    "ipv6",
    "ipv6.fraghdr",
    "ipv6.hopopts",
    "ipv6.routing",
    "json",
    "lon",
    "llc",
    "media",
    "mime_multipart",
    "modbus",
    "mpls",
    "nbdgm",
    "ntlmssp",
    "null",
    "ocsp",
    "pap",
    "pkcs-1",
    "pkinit",
    "pkix1explicit",
    "pkix1implicit",
    "pn_ptcp",
    "ppp",
    "pres",
    "ses",
    "spnego",
    "spnego-krb5",
    "tcp",
    "tpkt",
    "udp",
    "urlencoded-form",
    "vlan",
    "vxlan",
    "x509ce",
    "x509sat",
    "xml",
    "zbee_aps",
    "zbee_nwk",
    "zbee_zcl",
];

/// Folders that hold more than one protocol, so that their names say nothing.
const MIXED: &[&str] = &["attacks", "it", "mixed"];

/// Names the sensor has for what only carries others.
const CARRIERS: &[&str] = &["ip", "tcp", "udp"];

pub fn run(arguments: &[String]) -> Result<()> {
    let options = Options::read(arguments, &["captures", "binary", "page"])?;
    let folder = Path::new(options.text("captures").unwrap_or("../shared/captures"));
    if !folder.is_dir() {
        println!("confusion SKIPPED: no folder {}; see --captures DIR", folder.display());
        return Ok(());
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let usual = Path::new(&target).join("debug/spandrel");
    let binary = options.text("binary").map_or(usual, PathBuf::from);
    let mut matrix = Matrix::default();
    for (name, path) in bench::captures(folder)? {
        let ours = ours(&binary, &path).with_context(|| format!("{name} is not explained"))?;
        let theirs = theirs(&folder.join("expected").join(format!("{name}.json")))?;
        let folder = name.split(['/', '\\']).next().unwrap_or_default();
        matrix.add(folder, &ours, theirs.as_ref());
    }
    let page = matrix.page();
    match options.text("page") {
        Some(file) => fs::write(file, page).with_context(|| format!("cannot write {file}")),
        None => {
            print!("{page}");
            Ok(())
        }
    }
}

/// What the sensor says of one capture.
struct Ours {
    protocols: BTreeSet<String>,
    named: u64,
    /// Conversations without a name, by what carries them.
    unnamed: BTreeMap<String, u64>,
}

fn ours(binary: &Path, capture: &Path) -> Result<Ours> {
    let command = Command::new(binary).args(["pcap", "--format", "json"]).arg(capture).output();
    let done = command.with_context(|| format!("cannot run {}", binary.display()))?;
    if !done.status.success() {
        bail!("spandrel ended with {}", done.status);
    }
    let report: Value = serde_json::from_slice(&done.stdout).context("its report is no JSON")?;
    let texts = |value: &Value| -> Vec<String> {
        let all = value.as_array().map(Vec::as_slice).unwrap_or_default();
        all.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let rows = |name: &str| report[name].as_array().cloned().unwrap_or_default();
    let mut protocols: BTreeSet<String> =
        rows("assets").iter().flat_map(|asset| texts(&asset["protocols"])).collect();
    let links = rows("links");
    let links: Vec<&str> = links.iter().filter_map(|l| l["protocol"].as_str()).collect();
    protocols.extend(links.iter().map(|p| (*p).to_owned()));
    protocols.retain(|p| !CARRIERS.contains(&p.as_str()));
    let named = links.iter().filter(|p| !CARRIERS.contains(p)).count() as u64;
    let mut unnamed: BTreeMap<String, u64> = BTreeMap::new();
    for (what, count) in report["health"]["unidentified"].as_object().into_iter().flatten() {
        let what = what.split(['/', ' ']).next().unwrap_or_default();
        *unnamed.entry(what.to_owned()).or_default() += count.as_u64().unwrap_or_default();
    }
    Ok(Ours { protocols, named, unnamed })
}

/// Protocols tshark counted frames of; `None` where nothing is expected of a capture.
fn theirs(file: &Path) -> Result<Option<BTreeSet<String>>> {
    let Ok(text) = fs::read_to_string(file) else { return Ok(None) };
    let expected: Value =
        serde_json::from_str(&text).with_context(|| format!("{} is no JSON", file.display()))?;
    let protocols = expected["protocols"].as_object().into_iter().flatten();
    let named = protocols.map(|(name, _)| name.clone());
    Ok(Some(named.filter(|name| !LAYERS.contains(&name.as_str())).collect()))
}

#[derive(Default)]
struct Matrix {
    captures: u64,
    compared: u64,
    folders: BTreeMap<String, Folder>,
    /// By tshark's name: captures in which both see it, in which only tshark does, and what the
    /// sensor names there that tshark does not.
    theirs: BTreeMap<String, Pair>,
    /// By the sensor's name: captures in which tshark names nothing that means it.
    ours_only: BTreeMap<String, u64>,
    unnamed: BTreeMap<String, u64>,
    named: u64,
}

#[derive(Default)]
struct Folder {
    captures: u64,
    named: u64,
    unnamed: u64,
    /// Protocols named in it, by captures.
    protocols: BTreeMap<String, u64>,
}

#[derive(Default)]
struct Pair {
    both: u64,
    tshark_only: u64,
    instead: BTreeMap<String, u64>,
}

impl Matrix {
    fn add(&mut self, folder: &str, ours: &Ours, theirs: Option<&BTreeSet<String>>) {
        self.captures += 1;
        self.named += ours.named;
        let row = self.folders.entry(folder.to_owned()).or_default();
        row.captures += 1;
        row.named += ours.named;
        row.unnamed += ours.unnamed.values().sum::<u64>();
        for protocol in &ours.protocols {
            *row.protocols.entry(protocol.clone()).or_default() += 1;
        }
        for (what, count) in &ours.unnamed {
            *self.unnamed.entry(what.clone()).or_default() += count;
        }
        let Some(theirs) = theirs else { return };
        self.compared += 1;
        let means = |name: &str| SAME.iter().find(|(theirs, _)| *theirs == name).map(|(_, o)| *o);
        let meant: BTreeSet<&str> =
            theirs.iter().filter_map(|n| means(n)).flatten().copied().collect();
        let more: Vec<&String> =
            ours.protocols.iter().filter(|p| !meant.contains(p.as_str())).collect();
        for name in theirs {
            let pair = self.theirs.entry(name.clone()).or_default();
            let seen =
                means(name).is_some_and(|names| names.iter().any(|n| ours.protocols.contains(*n)));
            if seen {
                pair.both += 1;
                continue;
            }
            pair.tshark_only += 1;
            for other in &more {
                *pair.instead.entry((*other).clone()).or_default() += 1;
            }
        }
        for protocol in more {
            *self.ours_only.entry(protocol.clone()).or_default() += 1;
        }
    }

    fn page(&self) -> String {
        let mut page = String::from(
            "# What is taken for what, on captures\n\n\
             Written by `cargo xtask confusion --captures DIR --page docs/confusion.md` after a \
             build of `spandrel`.\nEvery capture of the folder is read by `spandrel pcap`; what it \
             names is compared with the protocols\ntshark 4.0 counts frames of, and with the name \
             of the folder a capture stands in. tshark goes by ports where\nthe sensor goes by \
             what is said, so a difference may be a mistake of either. A protocol is counted once \
             a\ncapture; conversations are links between two assets. The captures themselves are \
             not part of this project.\n\n",
        );
        let unnamed: u64 = self.unnamed.values().sum();
        let both: u64 = self.theirs.values().map(|p| p.both).sum();
        let tshark_only: u64 = self.theirs.values().map(|p| p.tshark_only).sum();
        let _ = writeln!(
            page,
            "{} captures, {} of them compared with tshark. Of what tshark names (a protocol in a \
             capture) the sensor\nnames {both} of {}. It names {} that tshark does not. \
             Conversations named: {}; left without a name: {unnamed}\n({}).\n",
            self.captures,
            self.compared,
            both + tshark_only,
            self.ours_only.values().sum::<u64>(),
            self.named,
            list(&self.unnamed),
        );
        page += "## By folder\n\n| folder | captures | named in them, by captures | conversations \
                 named | unnamed |\n|---|---|---|---|---|\n";
        for (name, row) in &self.folders {
            let mixed = if MIXED.contains(&name.as_str()) { " (several)" } else { "" };
            let protocols = list(&row.protocols);
            let (captures, named, unnamed) = (row.captures, row.named, row.unnamed);
            let _ = writeln!(
                page,
                "| {name}{mixed} | {captures} | {protocols} | {named} | {unnamed} |"
            );
        }
        page += "\n## By tshark's names\n\nWhere the sensor names it too, where it does not, and \
                 what it names in those captures that tshark does not.\n\n\
                 | tshark | both | only tshark | the sensor says there |\n|---|---|---|---|\n";
        for (name, pair) in &self.theirs {
            let instead = list(&pair.instead);
            let _ = writeln!(page, "| {name} | {} | {} | {instead} |", pair.both, pair.tshark_only);
        }
        let _ = writeln!(
            page,
            "\n## Named by the sensor alone\n\nProtocols tshark has no dissector for, or on other \
             ports than it expects: {}.",
            list(&self.ours_only)
        );
        page
    }
}

/// `name count`, most first.
fn list(counts: &BTreeMap<String, u64>) -> String {
    let mut sorted: Vec<(&String, &u64)> = counts.iter().collect();
    sorted.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let words: Vec<String> =
        sorted.iter().map(|(name, count)| format!("`{name}` {count}")).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_alike_is_both_and_the_rest_is_told_apart() {
        let set = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<BTreeSet<_>>();
        let ours = Ours {
            protocols: set(&["modbus", "codesys"]),
            named: 2,
            unnamed: BTreeMap::from([("udp".to_owned(), 1)]),
        };
        let mut matrix = Matrix::default();
        matrix.add("modbus", &ours, Some(&set(&["mbtcp", "rip"])));
        assert_eq!((matrix.theirs["mbtcp"].both, matrix.theirs["mbtcp"].tshark_only), (1, 0));
        assert_eq!((matrix.theirs["rip"].both, matrix.theirs["rip"].tshark_only), (0, 1));
        assert_eq!(list(&matrix.theirs["rip"].instead), "`codesys` 1");
        assert_eq!(list(&matrix.ours_only), "`codesys` 1");
        assert!(matrix.page().contains("| modbus | 1 | `codesys` 1, `modbus` 1 | 2 | 1 |"));
    }
}
