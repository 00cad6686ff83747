//! Files that people write for this program: settings, rules, protocols.
//!
//! Not here: what stands in them. Invariant: a name that was mistyped costs neither all memory nor
//! an endless wait: a device, a pipe or a file of another size is told, and not read.

use std::{
    fs::File,
    io::{Error, Read as _, Result},
    path::Path,
};

/// The octets of a file that has `mib_max` at most.
pub fn read(path: &Path, mib_max: u64) -> Result<Vec<u8>> {
    let wrong = |why: String| Err(Error::other(why));
    // Looked at first: to open a pipe waits for who writes.
    if !std::fs::metadata(path)?.is_file() {
        return wrong("it is no regular file".to_owned());
    }
    let (mut octets, max) = (Vec::new(), mib_max << 20);
    File::open(path)?.take(max + 1).read_to_end(&mut octets)?;
    if octets.len() as u64 > max {
        return wrong(format!("it has more than {mib_max} MiB; another file was meant"));
    }
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_wrote_by_hand_is_not_read() {
        let dir = tempfile::tempdir().expect("a directory");
        let says = |path: &Path| read(path, 1).expect_err("refused").to_string();
        assert_eq!(says(Path::new("/dev/zero")), "it is no regular file");
        assert_eq!(says(dir.path()), "it is no regular file");
        let file = dir.path().join("large.toml");
        std::fs::write(&file, vec![b'#'; 1 << 20]).expect("room");
        assert_eq!(read(&file, 1).expect("just fits").len(), 1 << 20);
        std::fs::write(&file, vec![b'#'; (1 << 20) + 1]).expect("room");
        assert_eq!(says(&file), "it has more than 1 MiB; another file was meant");
    }
}
