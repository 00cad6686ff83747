//! What lies between a server and the vault: the base backup and the log since, below the vault.
//!
//! A segment is a file that grows; how far all of it is on disk stands in `state.json`, written
//! last. Invariant: after a crash at any moment the log goes on at the position in `state.json`;
//! what was written beyond it is cut off, so nothing is there twice and nothing is left out.

use super::{super::super::link::malformed, Lsn};
use model::Time;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// Gaps that are remembered, and changes of the timeline.
const GAPS_MAX: usize = 100;
const SWITCHES_MAX: usize = 100;

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct State {
    /// The server's own identifier: another one is another database.
    pub system: String,
    pub timeline: u32,
    pub segment_bytes: u64,
    /// From here the log is there without a gap.
    pub log_from: Lsn,
    /// Up to here.
    pub received: Lsn,
    pub received_at: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
    /// Where the log was broken, newest last.
    #[serde(default)]
    pub gaps: Vec<Gap>,
    /// When the server went on on a new timeline, newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub switches: Vec<Switch>,
}

/// A base backup that the log continues.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Base {
    pub folder: String,
    pub timeline: u32,
    /// Where replaying begins, and before which it is not consistent.
    pub start: Lsn,
    pub end: Lsn,
    pub taken_at: Time,
}

/// A break: from the first position to the second nothing can be restored.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Gap {
    pub from: Lsn,
    pub to: Lsn,
    pub last_received_at: Time,
    pub found_at: Time,
    pub why: String,
}

/// Where the log went on on a new timeline: a standby was promoted, or a server was restored.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Switch {
    pub timeline: u32,
    pub at: Lsn,
    pub found_at: Time,
}

pub struct Spool {
    pub folder: PathBuf,
    pub state: Option<State>,
    /// The segment being written.
    open: Option<(PathBuf, File)>,
}

impl Spool {
    /// Opens the spool in `folder`, made when it is not there, as it was at the last save.
    pub fn open(folder: PathBuf) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder.join("wal"))?;
        let state = match fs::read(folder.join("state.json")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            read => Some(serde_json::from_slice(&read?).map_err(io::Error::other)?),
        };
        let mut spool = Self { folder, state, open: None };
        spool.cut()?;
        spool.tidy()?;
        Ok(spool)
    }

    /// Cuts off what was written after the last save.
    fn cut(&mut self) -> io::Result<()> {
        let Some(state) = &self.state else { return Ok(()) };
        let last = state.segment(state.received);
        for (name, timeline, number) in self.segments()? {
            let path = self.wal().join(name);
            if timeline > state.timeline || timeline == state.timeline && number > last {
                fs::remove_file(path)?;
            } else if timeline == state.timeline && number == last {
                let file = OpenOptions::new().write(true).open(path)?;
                let length = state.received.0 % state.segment_bytes;
                if file.metadata()?.len() < length {
                    return Err(io::Error::other("the newest segment is shorter than it was"));
                }
                file.set_len(length)?;
            }
        }
        Ok(())
    }

    /// Removes base backups that nothing names any more.
    fn tidy(&self) -> io::Result<()> {
        let current = self.state.as_ref().and_then(|state| state.base.as_ref());
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let is_base = name.starts_with("base-") && !name.starts_with("base-next");
            if is_base && current.is_none_or(|base| base.folder != name) {
                fs::remove_dir_all(self.folder.join(name))?;
            }
        }
        Ok(())
    }

    pub fn wal(&self) -> PathBuf {
        self.folder.join("wal")
    }

    /// Names of segments with timeline and number, in order.
    pub fn segments(&self) -> io::Result<Vec<(String, u32, u64)>> {
        let mut found = Vec::new();
        let Some(state) = &self.state else { return Ok(found) };
        for entry in fs::read_dir(self.wal())? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if let Some((timeline, number)) = state.parse_segment(&name) {
                found.push((name, timeline, number));
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Forgets base and log, and begins with this state.
    pub fn begin(&mut self, state: State) -> io::Result<()> {
        self.open = None;
        for entry in fs::read_dir(self.wal())? {
            fs::remove_file(entry?.path())?;
        }
        self.state = Some(state);
        self.save()?;
        self.tidy()
    }

    /// Adds what came of the log at `at`.
    pub fn append(&mut self, at: Lsn, mut piece: &[u8]) -> io::Result<()> {
        let wal = self.wal();
        let state = self.state.as_mut().ok_or_else(malformed)?;
        let mut position = at;
        while !piece.is_empty() {
            if position != state.received {
                return Err(malformed());
            }
            let inside = state.received.0 % state.segment_bytes;
            let room = usize::try_from(state.segment_bytes - inside).unwrap_or(usize::MAX);
            let (now, rest) = piece.split_at(piece.len().min(room));
            let path = wal.join(state.segment_name(state.segment(state.received)));
            let file = match &mut self.open {
                Some((open, file)) if *open == path => file,
                open => {
                    if let Some((_, full)) = open.take() {
                        full.sync_all()?;
                    }
                    let mut options = OpenOptions::new();
                    let file = options.create(true).append(true).mode(0o600).open(&path)?;
                    &mut open.insert((path, file)).1
                }
            };
            file.write_all(now)?;
            position = Lsn(position.0 + now.len() as u64);
            (state.received, piece) = (position, rest);
        }
        Ok(())
    }

    /// Goes on in another timeline: its first segment holds again what was before it in there.
    pub fn switch(&mut self, timeline: u32, start: Lsn, found_at: Time) -> io::Result<()> {
        if let Some((_, file)) = self.open.take() {
            file.sync_all()?;
        }
        let state = self.state.as_mut().ok_or_else(malformed)?;
        state.timeline = timeline;
        state.switches.push(Switch { timeline, at: start, found_at });
        let surplus = state.switches.len().saturating_sub(SWITCHES_MAX);
        state.switches.drain(..surplus);
        state.received = Lsn(start.0 - start.0 % state.segment_bytes);
        // What a crash between here and the next save left of it.
        let path = self.folder.join("wal").join(state.segment_name(state.segment(state.received)));
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Keeps a history file.
    pub fn keep(&self, timeline: u32, text: &str) -> io::Result<()> {
        replace(&self.wal().join(format!("{timeline:08X}.history")), text.as_bytes())
    }

    /// Puts everything on disk, then says how far that is.
    pub fn save(&mut self) -> io::Result<()> {
        if let Some((_, file)) = &self.open {
            file.sync_all()?;
        }
        File::open(self.wal())?.sync_all()?;
        let state = serde_json::to_vec_pretty(&self.state).expect("it is plain data");
        replace(&self.folder.join("state.json"), &state)
    }

    /// Takes a new base into use and lets go what only the one before needed.
    pub fn adopt(&mut self, base: Base, from: &Path) -> io::Result<()> {
        let state = self.state.as_mut().ok_or_else(malformed)?;
        fs::rename(from, self.folder.join(&base.folder))?;
        File::open(&self.folder)?.sync_all()?;
        let first = base.start.0 / state.segment_bytes;
        state.log_from = state.log_from.max(Lsn(first * state.segment_bytes));
        state.base = Some(base);
        self.save()?;
        self.tidy()?;
        for (name, _, number) in self.segments()? {
            if number < first {
                fs::remove_file(self.wal().join(name))?;
            }
        }
        Ok(())
    }
}

impl State {
    pub fn segment(&self, at: Lsn) -> u64 {
        at.0 / self.segment_bytes
    }

    pub fn segment_name(&self, number: u64) -> String {
        let each = 0x1_0000_0000 / self.segment_bytes;
        format!("{:08X}{:08X}{:08X}", self.timeline, number / each, number % each)
    }

    pub fn parse_segment(&self, name: &str) -> Option<(u32, u64)> {
        if name.len() != 24 || !name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let part = |from: usize| u32::from_str_radix(name.get(from..from + 8)?, 16).ok();
        let each = 0x1_0000_0000 / self.segment_bytes;
        Some((part(0)?, u64::from(part(8)?) * each + u64::from(part(16)?)))
    }

    pub fn gap(&mut self, gap: Gap) {
        self.gaps.push(gap);
        let surplus = self.gaps.len().saturating_sub(GAPS_MAX);
        self.gaps.drain(..surplus);
    }
}

/// Writes a file that is there whole or not at all.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let mut file =
        OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&name)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(name, path)?;
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: u64 = 1 << 20;

    fn state() -> State {
        State {
            system: "7".into(),
            timeline: 1,
            segment_bytes: SEGMENT,
            log_from: Lsn(SEGMENT),
            received: Lsn(SEGMENT),
            received_at: Time::default(),
            base: None,
            gaps: Vec::new(),
            switches: Vec::new(),
        }
    }

    fn lengths(spool: &Spool) -> Vec<(String, u64)> {
        let length = |name: &str| fs::metadata(spool.wal().join(name)).unwrap().len();
        let segments = spool.segments().unwrap().into_iter();
        segments.map(|(name, ..)| (name.clone(), length(&name))).collect()
    }

    #[test]
    fn what_was_not_saved_is_cut_off_and_the_log_goes_on_without_a_gap() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Spool::open(folder.path().join("s")).unwrap();
        let mut spool = open();
        spool.begin(state()).unwrap();
        spool.append(Lsn(SEGMENT), &[7; 1_000]).unwrap();
        spool.save().unwrap();
        // More comes, over the end of the segment, and the process is killed.
        spool.append(Lsn(SEGMENT + 1_000), &vec![8; 1 << 20]).unwrap();
        assert_eq!(lengths(&spool).len(), 2);
        drop(spool);
        let mut spool = open();
        let first = "000000010000000000000001".to_owned();
        assert_eq!(lengths(&spool), [(first.clone(), 1_000)]);
        assert!(spool.append(Lsn(SEGMENT + 999), &[9]).is_err(), "nothing twice");
        assert!(spool.append(Lsn(SEGMENT + 1_001), &[9]).is_err(), "nothing left out");
        spool.append(Lsn(SEGMENT + 1_000), &vec![9; 1 << 20]).unwrap();
        spool.save().unwrap();
        let second = "000000010000000000000002".to_owned();
        assert_eq!(lengths(&open()), [(first, SEGMENT), (second, 1_000)]);
    }

    #[test]
    fn another_timeline_begins_its_segment_again_and_a_base_lets_go_what_was_before() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path().join("s")).unwrap();
        spool.begin(state()).unwrap();
        spool.append(Lsn(SEGMENT), &vec![1; 3 << 20]).unwrap();
        spool.switch(2, Lsn(SEGMENT * 3 + 5), Time::default()).unwrap();
        assert_eq!(spool.state.as_ref().unwrap().received, Lsn(SEGMENT * 3));
        spool.append(Lsn(SEGMENT * 3), &[2; 50]).unwrap();
        spool.save().unwrap();
        let next = folder.path().join("s/base-next");
        fs::create_dir(&next).unwrap();
        let base = Base {
            folder: "base-1".into(),
            timeline: 1,
            start: Lsn(SEGMENT * 3 + 1),
            end: Lsn(SEGMENT * 3 + 2),
            taken_at: Time::default(),
        };
        spool.adopt(base, &next).unwrap();
        let names: Vec<_> = lengths(&spool).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["000000010000000000000003", "000000020000000000000003"]);
        assert!(folder.path().join("s/base-1").exists());
    }
}
