//! What got no name, as lines of JSON: between whom, and the first octets of both sides.
//!
//! For who writes a protocol, or asks somebody else to. Invariant: a file is written only where
//! somebody asked for it, with at most 64 octets of each side.

use anyhow::{Context as _, Result};
use model::Endpoint;
use sensor::Unnamed;
use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

pub fn create(path: &Path) -> Result<BufWriter<File>> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(BufWriter::new(file))
}

pub fn write(out: &mut impl Write, file: &str, unnamed: &[Unnamed]) -> std::io::Result<()> {
    for one in unnamed {
        let [client, server] = &one.said;
        let row = serde_json::json!({
            "file": file,
            "frame": one.frame,
            "transport": one.transport,
            "client": end(&one.client),
            "server": end(&one.server),
            "port": one.server.port,
            "client_said": hex(client),
            "server_said": hex(server),
        });
        writeln!(out, "{row}")?;
    }
    out.flush()
}

fn end(end: &Endpoint) -> Option<String> {
    let ip = end.ip.map(|ip| ip.to_string());
    ip.or_else(|| end.mac.map(|mac| mac.to_string()))
}

fn hex(octets: &[u8]) -> Option<String> {
    let digits = octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
    (!digits.is_empty()).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_that_said_nothing_is_null() {
        let end =
            Endpoint { mac: None, ip: Some([192, 0, 2, 1].into()), port: Some(9), vlan: None };
        let said = [vec![0xab, 1], Vec::new()];
        let one = Unnamed { transport: "tcp".into(), frame: 3, client: end, server: end, said };
        let mut out = Vec::new();
        write(&mut out, "x.pcap", &[one]).expect("a Vec");
        let row: serde_json::Value = serde_json::from_slice(&out).expect("a line of JSON");
        assert_eq!(row["client_said"], "ab01");
        assert!(row["server_said"].is_null());
        assert_eq!((&row["port"], &row["frame"]), (&9.into(), &3.into()));
    }
}
