//! A tar archive in one form: POSIX ustar, plain files, names in order, one time for all.
//!
//! Not here: what is in it. Invariant: equal files give equal bytes, and [`read`] takes no other
//! form, so that no byte of an archive can change unseen.

use std::collections::BTreeMap;

const BLOCK: usize = 512;

pub type Files = BTreeMap<String, Vec<u8>>;

/// The archive; `None` when a name or a file is too long for the form.
pub fn write(files: &Files, unix_secs: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for (name, content) in files {
        bytes.extend_from_slice(&header(name, content.len(), unix_secs)?);
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    }
    bytes.resize(bytes.len() + 2 * BLOCK, 0);
    Some(bytes)
}

/// The files of an archive that [`write`] made; `Err` says what is odd about it.
pub fn read(bytes: &[u8]) -> Result<Files, &'static str> {
    let (mut files, mut rest, mut time) = (Files::new(), bytes, 0);
    while let Some(header) = rest.get(..BLOCK).filter(|block| block.iter().any(|b| *b != 0)) {
        let name = header.iter().take(100).take_while(|b| **b != 0).copied().collect();
        let name = String::from_utf8(name).map_err(|_| "a name in it is no text")?;
        let size = octal(header.get(124..135)).ok_or("a size in it cannot be read")?;
        time = octal(header.get(136..147)).ok_or("a time in it cannot be read")?;
        let size = usize::try_from(size).map_err(|_| "a file in it is too long")?;
        let padded = size.checked_next_multiple_of(BLOCK).ok_or("a file in it is too long")?;
        let content = rest.get(BLOCK..).and_then(|after| after.get(..size));
        files.insert(name, content.ok_or("it ends within a file")?.to_vec());
        rest = rest.get(BLOCK..).and_then(|after| after.get(padded..)).unwrap_or_default();
    }
    if write(&files, time).as_deref() != Some(bytes) {
        return Err("the archive around the files is not as it was made");
    }
    Ok(files)
}

/// One header (POSIX.1-1988 ustar).
fn header(name: &str, size: usize, unix_secs: u64) -> Option<[u8; BLOCK]> {
    let mut block = [0; BLOCK];
    if name.len() > 100 || size >= 1 << 33 {
        return None;
    }
    let mut put = |at: usize, text: &[u8]| block[at..at + text.len()].copy_from_slice(text);
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, format!("{:011o}\0", unix_secs & 0x1_ffff_ffff).as_bytes());
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Some(block)
}

fn octal(field: Option<&[u8]>) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(field?).ok()?, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_reads_back_and_with_any_changed_byte_is_another_or_none() {
        let content = |n: usize| vec![b'x'; n];
        let files: Files = [("a", 0), ("b/c", 1), ("d", BLOCK), ("e", BLOCK + 1)]
            .map(|(name, n)| (name.to_owned(), content(n)))
            .into();
        let bytes = write(&files, 1_700_000_000).unwrap();
        assert_eq!(read(&bytes).unwrap(), files);
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(read(&changed).map_or(true, |found| found != files), "byte {at}");
        }
        assert!(read(&bytes[..bytes.len() - 1]).is_err());
        assert_eq!(write(&[("n".repeat(101), Vec::new())].into(), 0), None);
    }
}
