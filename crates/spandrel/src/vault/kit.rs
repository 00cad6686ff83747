//! A restore kit: the files of a snapshot, what a person does with them, and how to see that it
//! worked, in one archive that every system opens.
//!
//! Nothing here speaks to a controller: a person writes to it with the maker's own tool. The
//! archive is ZIP without compression (APPNOTE 6.3.10, sections 4.3.6 to 4.3.16). Invariant: a
//! kit appears under its name only when every file in it was right.

use super::now;
use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use std::{
    fmt::Write as _,
    fs,
    io::{BufWriter, Write},
    path::Path,
};
use vault::{Onlooker, Sha256, SnapshotId, Unlocked};

/// Bytes of one kit: ZIP without its 64-bit extension ends at 4 GiB.
const KIT_BYTES_MAX: u64 = 1 << 30;
const KIT_FILES_MAX: usize = 60_000;

pub fn make(
    vault: &Unlocked,
    snapshot: &SnapshotId,
    only: Option<&str>,
    to: &Path,
    onlooker: &dyn Onlooker,
) -> Result<Value> {
    let ledger = vault.vault().ledger()?;
    let record = ledger.snapshots.get(snapshot).context("the log does not know this snapshot")?;
    let files = vault.files(snapshot, Path::new(only.unwrap_or("/")))?;
    let bytes: u64 = files.iter().map(|(_, size)| size).sum();
    if files.is_empty() {
        bail!("there is no file in it to put into a kit");
    }
    if bytes > KIT_BYTES_MAX || files.len() > KIT_FILES_MAX {
        bail!(
            "{} files, {bytes} bytes are too much for a kit; restore to a directory",
            files.len()
        );
    }
    let partial = to.with_extension("part");
    let out = fs::File::create(&partial)
        .with_context(|| format!("cannot create {}", partial.display()))?;
    let mut zip = Zip::new(BufWriter::new(out));
    let mut prints = Vec::new();
    for (path, size) in &files {
        let content = vault.content(snapshot, path, usize::MAX)?;
        onlooker.passed(path, *size);
        if content.bytes.len() as u64 != *size {
            bail!("{} cannot be read whole", path.display());
        }
        let hash = Sha256::of(&content.bytes);
        let shown = path.to_string_lossy();
        zip.add(&format!("files{shown}"), &content.bytes)?;
        prints.push(json!({"path": shown, "sha256": hash, "bytes": size}));
    }
    let print = fingerprint(&prints);
    let about = json!({
        "snapshot": snapshot, "asset": record.asset, "taken": record.time,
        "state": record.state, "sources": record.sources, "fingerprint": print,
        "kit_made": now()?, "files": prints,
    });
    zip.add("fingerprints.json", serde_json::to_string_pretty(&about)?.as_bytes())?;
    let text = instructions(&record.asset, &record.sources, snapshot, &print, files.len());
    zip.add("READ-ME-FIRST.txt", text.as_bytes())?;
    zip.finish()?;
    fs::rename(&partial, to).with_context(|| format!("cannot finish {}", to.display()))?;
    Ok(json!({"files": files.len(), "bytes": bytes, "fingerprint": print, "errors": []}))
}

/// One value over all files: SHA-256 over the lines `HASH  PATH`, as `sha256sum` prints them.
fn fingerprint(prints: &[Value]) -> Sha256 {
    let mut lines = String::new();
    for print in prints {
        let text = |name: &str| print[name].as_str().unwrap_or_default();
        writeln!(lines, "{}  {}", text("sha256"), text("path")).expect("writing to a string");
    }
    Sha256::of(lines.as_bytes())
}

fn instructions(
    asset: &str,
    sources: &[String],
    snapshot: &SnapshotId,
    print: &Sha256,
    files: usize,
) -> String {
    let has = |kind: &str| sources.iter().any(|source| source.starts_with(kind));
    let mut steps: Vec<&str> = vec![
        "Ask for a maintenance window; the process must be in a safe state.",
        "Check the files: sha256sum of each must be the one in fingerprints.json.",
    ];
    if has("s7:") {
        steps.push(
            "S7-300/400: files/@s7/.../blocks holds each block as it was read from the CPU. Take \
             the project of the engineering station, compare it block by block, and load it with \
             STEP 7. Blocks go in the order DB, FC, FB, OB; hardware data (SDB) last.",
        );
    }
    if has("modbus:") {
        steps.push(
            "Modbus: registers.csv lists every register. Set the holding registers and coils that \
             are set points or parameters with the maker's tool; inputs are measurements and are \
             not written.",
        );
    }
    if has("cip:") {
        steps.push(
            "EtherNet/IP: the kit holds the identity only. Load the project of the engineering \
             station; revision and serial in the kit show whether it is the same device.",
        );
    }
    if has("opcua:") || has("bacnet:") || has("ads:") {
        steps.push(
            "OPC UA, BACnet, ADS: the kit says what was configured and which values stood. Load \
             the project of the engineering station, then set what differs with the maker's tool.",
        );
    }
    if has("ssh-config:") {
        steps.push(
            "Switch, router, firewall: paste the configuration on its console, not over the \
             network it carries; secrets that were masked have to be set anew.",
        );
    }
    if has("sqlite:") || has("files:") || has("sftp:") || has("ftp:") || has("http") {
        steps.push(
            "Files and databases: stop what uses them, put what is below files/ in its place, give \
             it its owner back, start again.",
        );
    }
    steps.push(
        "Back up again (console: Plans, Run now) and compare with this snapshot: no difference \
         means that it worked.",
    );
    let mut text = format!(
        "Restore kit for {asset}\n\nsnapshot     {snapshot}\nfiles        {files}\nfingerprint  \
         {print}\n\nThis kit writes nothing by itself. A person restores, with the maker's own \
         tool.\n\n"
    );
    for (number, step) in steps.iter().enumerate() {
        writeln!(text, "{}. {step}", number + 1).expect("writing to a string");
    }
    text
}

/// A ZIP archive of stored files.
struct Zip<W> {
    out: W,
    offset: u32,
    directory: Vec<u8>,
    entries: u16,
}

impl<W: Write> Zip<W> {
    fn new(out: W) -> Self {
        Zip { out, offset: 0, directory: Vec::new(), entries: 0 }
    }

    fn add(&mut self, name: &str, content: &[u8]) -> Result<()> {
        let name = name.as_bytes();
        let length = u16::try_from(name.len()).context("a path is too long for a kit")?;
        let size = u32::try_from(content.len()).context("a file is too large for a kit")?;
        // Version 2.0, names in UTF-8 (bit 11), stored, 1 January 1980.
        let mut common = Vec::new();
        for field in [20u16, 1 << 11, 0, 0, 0x21] {
            common.extend_from_slice(&field.to_le_bytes());
        }
        for field in [crc32(content), size, size] {
            common.extend_from_slice(&field.to_le_bytes());
        }
        common.extend_from_slice(&length.to_le_bytes());
        common.extend_from_slice(&0u16.to_le_bytes());
        self.directory.extend_from_slice(b"PK\x01\x02\x14\x03");
        self.directory.extend_from_slice(&common);
        // No comment, disk 0, no internal attributes, a plain file with mode 0600.
        self.directory.extend_from_slice(&[0; 6]);
        self.directory.extend_from_slice(&(0o100_600u32 << 16).to_le_bytes());
        self.directory.extend_from_slice(&self.offset.to_le_bytes());
        self.directory.extend_from_slice(name);
        for part in [b"PK\x03\x04".as_slice(), &common, name, content] {
            self.out.write_all(part).context("cannot write the kit")?;
        }
        let written = 30 + name.len() + content.len();
        let next = u32::try_from(written).ok().and_then(|n| self.offset.checked_add(n));
        self.offset = next.context("the kit is too large")?;
        self.entries = self.entries.checked_add(1).context("the kit has too many files")?;
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        let size = u32::try_from(self.directory.len()).context("the kit has too many files")?;
        let mut end = b"PK\x05\x06\0\0\0\0".to_vec();
        end.extend_from_slice(&self.entries.to_le_bytes());
        end.extend_from_slice(&self.entries.to_le_bytes());
        end.extend_from_slice(&size.to_le_bytes());
        end.extend_from_slice(&self.offset.to_le_bytes());
        end.extend_from_slice(&[0; 2]);
        for part in [&self.directory, &end] {
            self.out.write_all(part).context("cannot write the kit")?;
        }
        self.out.flush().context("cannot write the kit")
    }
}

/// CRC-32 of ISO 3309, as ZIP wants it.
fn crc32(bytes: &[u8]) -> u32 {
    let table: [u32; 256] = std::array::from_fn(|i| {
        (0..8).fold(i as u32, |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    });
    let step = |crc: u32, byte: &u8| crc >> 8 ^ table[usize::from(crc as u8 ^ byte)];
    !bytes.iter().fold(u32::MAX, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_crc_32_comes_out() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn an_archive_has_its_parts_where_its_directory_says() {
        let mut bytes = Vec::new();
        let mut zip = Zip::new(&mut bytes);
        zip.add("files/a.txt", b"hello").expect("written");
        zip.add("b", b"").expect("written");
        zip.finish().expect("written");
        assert_eq!(&bytes[..4], b"PK\x03\x04");
        assert_eq!(&bytes[30..41], b"files/a.txt");
        assert_eq!(&bytes[41..46], b"hello");
        let end = bytes.len() - 22;
        assert_eq!(&bytes[end..end + 4], b"PK\x05\x06");
        let at = u32::from_le_bytes(bytes[end + 16..end + 20].try_into().expect("4 bytes"));
        assert_eq!(&bytes[at as usize..at as usize + 4], b"PK\x01\x02");
        assert_eq!(bytes[end + 10], 2);
    }
}
