//! What was told and has not arrived yet, in files of a folder, one a segment.
//!
//! Segments are numbered on from what lies there, whatever the clock says. A file is a row of
//! `length | CRC-32 | octets`, numbers little-endian, of four octets: first the segment's head,
//! then its batches. The sensor writes at places, which its confinement allows; another process
//! reads, sends, and removes what has arrived. Not here: threads, clocks. Invariant: the folder
//! stays within its bound by dropping the oldest whole files, and what was dropped is named.

use crate::limits::{FRAME_OCTETS_MAX, SEGMENT_OCTETS};
use model::{Insight, Time};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

const SUFFIX: &str = ".told";
const LOCK: &str = "lock";

/// What a segment begins with.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Head {
    pub hello: Insight,
    pub segment: u32,
    /// When it began, by the sensor's clock.
    pub at: Time,
    /// Batches of it that are not told again, as the other end has them.
    #[serde(default)]
    pub passed: u64,
}

impl Head {
    /// When the sensor's run began.
    pub fn run(&self) -> Option<Time> {
        match &self.hello {
            Insight::Hello { started_at, .. } => Some(*started_at),
            _ => None,
        }
    }
}

/// The end that writes.
pub struct Spool {
    folder: PathBuf,
    octets_max: u64,
    hello: Insight,
    next_segment: u32,
    file: Option<Writing>,
    /// Held as long as this sensor writes.
    _lock: File,
}

struct Writing {
    file: File,
    octets: u64,
    /// Octets with which it ends.
    enough: u64,
}

/// Files of a folder, oldest first: their segments, their paths.
pub struct Shelf(pub Vec<(u32, PathBuf)>);

impl Shelf {
    pub fn list(folder: &Path) -> io::Result<Shelf> {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let number = name.and_then(|name| name.strip_suffix(SUFFIX)?.parse().ok());
            files.extend(number.map(|segment| (segment, path)));
        }
        files.sort();
        Ok(Shelf(files))
    }

    /// Removes what lies before that segment.
    pub fn remove_before(folder: &Path, segment: u32) -> io::Result<()> {
        let files = Shelf::list(folder)?.0;
        files
            .into_iter()
            .filter(|(s, _)| *s < segment)
            .try_for_each(|(_, path)| if_there(fs::remove_file(path)))
    }
}

/// Both ends take files away, each what it has no use for: one that is gone was to go.
fn if_there<T: Default>(done: io::Result<T>) -> io::Result<T> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(T::default()),
        done => done,
    }
}

fn octets_of(path: &Path) -> io::Result<u64> {
    if_there(fs::metadata(path).map(|meta| meta.len()))
}

impl Spool {
    /// `hello` begins the run. Fails where another sensor writes to the folder.
    pub fn open(folder: &Path, hello: Insight, octets_max: u64) -> io::Result<Spool> {
        let lock = File::create(folder.join(LOCK))?;
        if lock.try_lock().is_err() {
            return Err(io::Error::other("another sensor writes to it"));
        }
        let next_segment = match Shelf::list(folder)?.0.last() {
            None => 0,
            Some((last, path)) => last.checked_add(1).ok_or_else(|| {
                io::Error::other(format!("remove {}: no number comes behind it", path.display()))
            })?,
        };
        let folder = folder.to_owned();
        Ok(Spool { folder, octets_max, hello, next_segment, file: None, _lock: lock })
    }

    /// Begins a segment with the batches that tell all rows. Gives from when to when what had not
    /// arrived was dropped to make room.
    pub fn begin(&mut self, batches: &[Vec<u8>], now: Time) -> io::Result<Option<(Time, Time)>> {
        self.file = None;
        let first: u64 = batches.iter().map(|batch| batch.len() as u64 + 8).sum();
        let enough = SEGMENT_OCTETS.max(8 * first).min(self.octets_max / 4);
        let lost = self.make_room(first.saturating_add(enough), now)?;
        let segment = self.next_segment;
        let path = self.folder.join(format!("{segment:010}{SUFFIX}"));
        let file = File::create(&path)?;
        let mut writing = Writing { file, octets: 0, enough: first + enough };
        self.next_segment = segment.saturating_add(1);
        let head = Head { hello: self.hello.clone(), segment, at: now, passed: 0 };
        let written = serde_json::to_vec(&head).map_err(io::Error::from).and_then(|head| {
            writing.put(&head)?;
            batches.iter().try_for_each(|batch| writing.put(batch))
        });
        match written {
            Ok(()) => self.file = Some(writing),
            // The disk is full: half a segment helps nobody.
            Err(error) => {
                fs::remove_file(path)?;
                return Err(error);
            }
        }
        Ok(lost)
    }

    /// Writes a batch. Where it fails, the segment has ended.
    pub fn put(&mut self, batch: &[u8]) -> io::Result<()> {
        let written = match &mut self.file {
            Some(file) => file.put(batch),
            None => Err(io::Error::other("no segment has begun")),
        };
        if written.is_err() {
            self.file = None;
        }
        written
    }

    /// Shall the next batch begin a segment?
    pub fn is_due(&self) -> bool {
        self.file.as_ref().is_none_or(|file| file.octets >= file.enough)
    }

    fn make_room(&self, octets: u64, now: Time) -> io::Result<Option<(Time, Time)>> {
        let files = Shelf::list(&self.folder)?.0;
        let mut total = octets;
        for (_, path) in &files {
            total = total.saturating_add(octets_of(path)?);
        }
        let mut lost: Option<(Time, Time)> = None;
        let mut files = files.into_iter().peekable();
        while total > self.octets_max
            && let Some((_, path)) = files.next()
        {
            let began = |path: &Path| Tape::open(path).ok()?.head().ok()?.map(|head| head.at);
            let from = began(&path).unwrap_or(now);
            let until = files.peek().and_then(|(_, next)| began(next)).unwrap_or(now);
            lost = Some(lost.map_or((from, until), |(first, _)| (first, until)));
            total = total.saturating_sub(octets_of(&path)?);
            if_there(fs::remove_file(path))?;
        }
        Ok(lost)
    }
}

impl Writing {
    fn put(&mut self, octets: &[u8]) -> io::Result<()> {
        let length = u32::try_from(octets.len()).map_err(io::Error::other)?;
        let mut record = Vec::with_capacity(octets.len() + 8);
        record.extend_from_slice(&length.to_le_bytes());
        record.extend_from_slice(&crc32(octets).to_le_bytes());
        record.extend_from_slice(octets);
        self.file.write_all_at(&record, self.octets)?;
        self.octets += record.len() as u64;
        Ok(())
    }
}

/// The end that reads one file.
pub struct Tape {
    file: File,
    at: u64,
}

impl Tape {
    pub fn open(path: &Path) -> io::Result<Tape> {
        Ok(Tape { file: File::open(path)?, at: 0 })
    }

    /// The head; the first to be asked for.
    pub fn head(&mut self) -> io::Result<Option<Head>> {
        let record = self.batch()?;
        Ok(record.map(|octets| serde_json::from_slice(&octets)).transpose()?)
    }

    /// The next batch that is there as a whole. What a crash left half written never is; nor are
    /// zeros, which a file system may leave at the end of a file after a power cut: they read as a
    /// batch of no octets, and none is put.
    pub fn batch(&mut self) -> io::Result<Option<Vec<u8>>> {
        let left = self.file.metadata()?.len().saturating_sub(self.at);
        let mut front = [0; 8];
        if left < front.len() as u64 {
            return Ok(None);
        }
        self.file.read_exact_at(&mut front, self.at)?;
        let [a, b, c, d, e, f, g, h] = front;
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        if length == 0 || length > FRAME_OCTETS_MAX || left - 8 < length as u64 {
            return Ok(None);
        }
        let mut octets = vec![0; length];
        self.file.read_exact_at(&mut octets, self.at + 8)?;
        if crc32(&octets) != u32::from_le_bytes([e, f, g, h]) {
            return Ok(None);
        }
        self.at += 8 + length as u64;
        Ok(Some(octets))
    }
}

/// CRC-32 of ISO 3309, as Ethernet has it.
fn crc32(octets: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut index = 0;
        while index < 256 {
            let (mut rest, mut bit) = (index as u32, 0);
            while bit < 8 {
                rest = if rest & 1 == 1 { rest >> 1 ^ 0xedb8_8320 } else { rest >> 1 };
                bit += 1;
            }
            table[index] = rest;
            index += 1;
        }
        table
    };
    let step = |crc: u32, octet: &u8| TABLE[usize::from(crc as u8 ^ octet)] ^ crc >> 8;
    !octets.iter().fold(!0, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(run: i64) -> Insight {
        Insight::Hello {
            version: 1,
            sensor: "s".to_owned(),
            interface: "eth1".to_owned(),
            started_at: Time(run),
            replay: false,
        }
    }

    fn batches(path: &Path) -> Vec<Vec<u8>> {
        let mut tape = Tape::open(path).expect("there");
        tape.head().expect("readable").expect("whole");
        std::iter::from_fn(|| tape.batch().expect("readable")).collect()
    }

    #[test]
    fn the_checksum_is_the_known_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn what_is_put_is_read_and_half_a_batch_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut spool = Spool::open(folder.path(), hello(5), 1 << 30).expect("opens");
        assert!(Spool::open(folder.path(), hello(6), 1 << 30).is_err(), "one sensor a folder");
        assert!(spool.is_due() && spool.put(b"x").is_err());
        assert_eq!(spool.begin(&[b"all".to_vec()], Time(7)).expect("room"), None);
        spool.put(b"more").expect("room");
        let (segment, path) = Shelf::list(folder.path()).expect("a folder").0.remove(0);
        assert_eq!(segment, 0);
        assert_eq!(batches(&path), [b"all".to_vec(), b"more".to_vec()]);
        let octets = fs::read(&path).expect("there");
        for cut in 0..octets.len() {
            fs::write(&path, &octets[..cut]).expect("room");
            let mut tape = Tape::open(&path).expect("there");
            let head = tape.head().expect("readable");
            let whole = head.is_some() && tape.batch().expect("readable").is_some();
            assert!(!whole || tape.batch().expect("readable").is_none());
        }
        fs::write(&path, [&octets[..], &[0; 4_096]].concat()).expect("room");
        assert_eq!(batches(&path), [b"all".to_vec(), b"more".to_vec()]);
        fs::write(&path, [0; 4_096]).expect("room");
        assert_eq!(Tape::open(&path).expect("there").head().expect("readable"), None);
        let mut wrong = octets.clone();
        *wrong.last_mut().expect("some") ^= 1;
        fs::write(&path, wrong).expect("room");
        assert_eq!(batches(&path), [b"all".to_vec()]);
    }

    #[test]
    fn behind_the_last_number_there_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join(format!("{}{SUFFIX}", u32::MAX)), b"").expect("room");
        let error = Spool::open(folder.path(), hello(5), 1 << 30).err().expect("no number");
        assert!(error.to_string().contains("4294967295.told"), "{error}");
    }

    #[test]
    fn a_full_spool_drops_the_oldest_and_names_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut spool = Spool::open(folder.path(), hello(5), 40_000).expect("opens");
        let mut lost = Vec::new();
        for now in (0..40).map(Time::from_secs) {
            if spool.is_due() {
                lost.extend(spool.begin(&[vec![1; 100]], now).expect("room"));
            }
            spool.put(&[2; 5_000]).expect("room");
            let files = Shelf::list(folder.path()).expect("a folder").0;
            let total: u64 =
                files.iter().map(|(_, path)| fs::metadata(path).expect("there").len()).sum();
            assert!(total <= 40_000, "{total} octets lie in the folder");
        }
        assert_eq!(lost.first(), Some(&(Time(0), Time::from_secs(2))));
        assert!(lost.windows(2).all(|pair| pair[0].1 == pair[1].0), "without holes: {lost:?}");
        Shelf::remove_before(folder.path(), u32::MAX).expect("removes");
        assert!(Shelf::list(folder.path()).expect("a folder").0.is_empty());
    }

    #[test]
    fn what_the_other_end_takes_away_meanwhile_keeps_no_segment_from_beginning() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut spool = Spool::open(folder.path(), hello(5), 40_000).expect("opens");
        spool.begin(&[vec![1; 30_000]], Time(0)).expect("room");
        // In the list, and gone when it is looked at.
        let gone = folder.path().join("0000000000.told");
        fs::remove_file(&gone).expect("there");
        std::os::unix::fs::symlink(folder.path().join("nowhere"), &gone).expect("room");
        spool.begin(&[vec![1; 30_000]], Time(1)).expect("room");
        assert_eq!(Shelf::list(folder.path()).expect("a folder").0.len(), 1);
        Shelf::remove_before(folder.path(), u32::MAX).expect("removes");
    }

    #[test]
    fn a_disk_that_takes_nothing_leaves_no_half_segment() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut spool = Spool::open(folder.path(), hello(5), 1 << 20).expect("opens");
        spool.folder = folder.path().join("gone");
        assert!(spool.begin(&[], Time(0)).is_err());
        assert!(spool.is_due());
    }
}
