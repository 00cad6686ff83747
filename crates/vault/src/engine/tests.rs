//! The engine as a whole, read back by itself and by rustic_core.

use super::{Archived, Found, Job, Kind, Reading, RusticEngine, Scratch, VaultEngine};
use crate::{
    durable,
    key::VaultKey,
    source::{Entry, Meta, Open, Opened, What},
};
use model::Time;
use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    io::{self, Read},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::Arc,
};
use tempfile::TempDir;

fn repository() -> (TempDir, RusticEngine) {
    let root = tempfile::tempdir().unwrap();
    let key = VaultKey::from_seed([3; 32]);
    let engine = RusticEngine::new(root.path(), &key);
    engine.init(&key, None).unwrap();
    (root, engine)
}

/// A file of the given bytes; with `torn`, reading it fails there.
struct Item {
    meta: Meta,
    bytes: Vec<u8>,
    torn: Option<usize>,
}

impl Open for Item {
    fn open(self: Box<Self>) -> io::Result<Opened> {
        let Self { meta, bytes, torn } = *self;
        let end = torn.unwrap_or(bytes.len());
        let tail = if torn.is_some() { Tail::Fails } else { Tail::Ends };
        let reader = io::Cursor::new(bytes).take(end as u64).chain(tail);
        Ok(Opened::new(meta, reader))
    }
}

enum Tail {
    Ends,
    Fails,
}

impl Read for Tail {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Ends => Ok(0),
            Self::Fails => Err(io::Error::other("input/output error")),
        }
    }
}

fn file(path: impl Into<PathBuf>, bytes: Vec<u8>, torn: Option<usize>) -> Entry {
    let meta = Meta {
        size: bytes.len() as u64,
        mode: 0o640,
        modified: Some(Time::from_secs(1_773_144_000)),
        changed: Some(Time::from_secs(1_773_144_000)),
        inode: 7,
        ..Meta::default()
    };
    let what = What::File(Box::new(Item { meta, bytes, torn }));
    Entry { path: path.into(), source: "test:engine".into(), what }
}

fn archive(engine: &RusticEngine, entries: Vec<Entry>) -> Archived {
    let job = Job {
        asset: "press-4".into(),
        sources: vec!["test:engine".into()],
        time: Time::from_secs(1_773_144_000),
        entries,
        onlooker: Arc::new(()),
    };
    engine.archive(job).unwrap()
}

/// Every file with its content.
fn files(reading: &dyn Reading) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut files, mut scratch) = (BTreeMap::new(), Scratch::default());
    let mut visit = |found| {
        if let Found::Entry { path, kind: Kind::File(chunks), .. } = found {
            let mut content = Vec::new();
            for chunk in chunks {
                content.extend_from_slice(reading.chunk(&chunk, &mut scratch)?);
            }
            files.insert(path, content);
        }
        Ok(())
    };
    reading.walk(&mut visit).unwrap();
    files
}

fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// Small ones by the hundred, some of many chunks, every fifth torn: at its beginning, between
/// chunks or within one.
fn mixture() -> (Vec<Entry>, BTreeMap<PathBuf, Vec<u8>>) {
    let (mut entries, mut expected) = (Vec::new(), BTreeMap::new());
    for number in 0..400_usize {
        let length = if number % 40 == 0 { 2_500_000 + number } else { number * 7 };
        let bytes = match number % 3 {
            0 => noise(number as u64, length),
            1 => format!("tag {number} = {}\n", number / 7).into_bytes().repeat(length / 16),
            _ => vec![number as u8; length],
        };
        let path = PathBuf::from(format!("/plant/{}/{number}", number % 9));
        let torn = (number % 5 == 4).then_some(bytes.len() * (number % 4) / 4);
        if torn.is_none() || bytes.is_empty() {
            expected.insert(path.clone(), bytes.clone());
        }
        entries.push(file(path, bytes, torn));
    }
    let odd = PathBuf::from("/plant").join(OsStr::from_bytes(b"F\xfcllstand \\ \"2\"\n"));
    expected.insert(odd.clone(), b"odd".to_vec());
    entries.push(file(odd, b"odd".to_vec(), None));
    (entries, expected)
}

#[test]
fn what_was_archived_reads_back_and_rustic_finds_it_sound() {
    let (root, engine) = repository();
    let (entries, expected) = mixture();
    let archived = archive(&engine, entries);
    assert_eq!((archived.offered, archived.stored), (401, expected.len() as u64));
    assert_eq!(archived.faults.len() as u64, archived.offered - archived.stored);
    let id = engine.publish(&archived).unwrap();
    assert!(files(&*engine.read(&id).unwrap()) == expected, "content differs");

    let mut options = rustic_core::CheckOptions::default();
    options.read_data = true;
    let repository = engine.repository().unwrap();
    repository.check(options).unwrap().is_ok().unwrap();
    let indexed = repository.to_indexed().unwrap();
    let mut chunks = 0;
    let reading = engine.read(&id).unwrap();
    let mut visit = |found| {
        if let Found::Entry { kind: Kind::File(ids), .. } = found {
            for id in ids {
                let name = rustic_core::DataId::from(super::to_id(&id));
                let theirs = indexed.get_blob_cached(&name.into_inner().into(), BLOB).unwrap();
                let mut scratch = Scratch::default();
                assert!(theirs == reading.chunk(&id, &mut scratch).unwrap());
                chunks += 1;
            }
        }
        Ok(())
    };
    reading.walk(&mut visit).unwrap();
    assert!(chunks > expected.len() - 2);
    assert_eq!(unfinished(root.path()), 0);
}

const BLOB: rustic_core::repofile::BlobType = rustic_core::repofile::BlobType::Data;

#[test]
fn what_is_unchanged_is_not_read_and_what_is_known_is_not_stored() {
    let (_root, engine) = repository();
    let big = noise(5, 12_000_000);
    let first = archive(&engine, vec![file("/a/big", big.clone(), None)]);
    engine.publish(&first).unwrap();
    // The same times, length and inode: its reader, which would fail, is never asked.
    let again = archive(&engine, vec![file("/a/big", big.clone(), Some(0))]);
    assert_eq!((again.stored, again.bytes_read, again.bytes_stored), (1, 0, 0));
    assert_eq!(again.snapshot.tree, first.snapshot.tree);
    let summary = again.snapshot.summary.unwrap();
    assert_eq!((summary.files_unmodified, summary.dirs_unmodified), (1, 2));
    // Its content behind other content: cut at the same places before long.
    let moved = [&b"inserted"[..], &big].concat();
    let moved = archive(&engine, vec![file("/a/moved", moved, None)]);
    assert_eq!(moved.stored, 1);
    assert!(moved.bytes_stored < 8_000_000, "{}", moved.bytes_stored);
}

#[test]
fn a_file_without_both_times_is_read_though_its_length_and_the_other_are_the_same() {
    let time = Some(Time::from_secs(1_773_144_000));
    for (modified, changed) in [(None, None), (time, None), (None, time)] {
        let (_root, engine) = repository();
        let with = |bytes: &[u8]| {
            let bytes = bytes.to_vec();
            let meta = Meta { size: bytes.len() as u64, modified, changed, ..Meta::default() };
            let what = What::File(Box::new(Item { meta, bytes, torn: None }));
            Entry { path: "/@ftp/DB1.dat".into(), source: "test:engine".into(), what }
        };
        engine.publish(&archive(&engine, vec![with(b"before")])).unwrap();
        let id = engine.publish(&archive(&engine, vec![with(b"after!")])).unwrap();
        let found = files(&*engine.read(&id).unwrap());
        assert_eq!(found[Path::new("/@ftp/DB1.dat")], b"after!", "{modified:?} {changed:?}");
    }
}

#[test]
fn a_pack_that_was_not_finished_is_removed_by_the_next_backup() {
    let (root, engine) = repository();
    let left = durable::beside(&root.path().join("data/pack"));
    fs::write(&left, b"begun by a process that was killed").unwrap();
    assert_eq!(unfinished(root.path()), 1);
    archive(&engine, vec![file("/a", b"text".to_vec(), None)]);
    assert_eq!(unfinished(root.path()), 0);
}

#[test]
fn when_a_pack_cannot_be_written_there_is_an_error_and_nothing_left_over() {
    let (root, engine) = repository();
    // A file in the place of a directory makes every rename into it fail, for root as well.
    for number in 0..=255 {
        let path = root.path().join(format!("data/{number:02x}"));
        fs::remove_dir(&path).unwrap();
        fs::write(&path, b"").unwrap();
    }
    let (entries, _) = mixture();
    let job = Job {
        asset: "press-4".into(),
        sources: vec!["test:engine".into()],
        time: Time::from_secs(1_773_144_000),
        entries,
        onlooker: Arc::new(()),
    };
    assert!(engine.archive(job).is_err());
    assert_eq!(unfinished(root.path()), 0);
    assert_eq!(fs::read_dir(root.path().join("index")).unwrap().count(), 0);
}

fn unfinished(root: &Path) -> usize {
    let entries = fs::read_dir(root.join("data")).unwrap().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(".tmp-")).count()
}
