//! `postgres-wal://USER@HOST[:PORT]/[?socket=DIR&base_hours=24&checkpoint=fast&rate_kib=N]`: a
//! PostgreSQL server (13 and later) with its write-ahead log: every backup brings the log up to
//! this moment, so that a backup every few seconds loses no more than those.
//!
//! The role needs LOGIN and REPLICATION and nothing else. The session is one of physical
//! replication, in which the server takes no SQL; it makes no slot. A snapshot holds the newest
//! base backup and all log since: `vault postgres-ready` makes of it a data directory that
//! starts, at its end or at any time in it. Invariant: the log in a snapshot has no gap from its
//! base to its end; one that came about is a fault and a line in `state.json`.

mod base;
pub mod ready;
mod spool;
mod stream;
mod tablespace;

use super::{
    super::{Context, Kind, Unusable, files::meta, link::malformed, login, login::Login, url::Url},
    session::Session,
    tls::{self, Tls},
};
use model::Time;
use serde::{Deserialize, Serialize};
use spool::{Gap, Spool, State, Switch};
use std::{
    fmt, fs,
    fs::File,
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use stream::{Ended, Identity};
use tracing::warn;
use vault::{Meta, Offer, Open, Opened, Source, What};

/// The oldest server: its base backups have a manifest.
const OLDEST: u32 = 130_000;

/// A new base comes after so much log, whatever its age: replaying takes time.
const LOG_BYTES_MAX: u64 = 8 << 30;

/// How often the log is fetched while a backup waits for its first base.
const FETCH_EVERY: Duration = Duration::from_secs(1);

/// Times a base that failed is tried in one backup.
const BASE_TRIES: usize = 2;

/// A newer base that failed is tried again after so long; the one there is serves meanwhile.
const RETRY_AFTER: Duration = Duration::from_secs(3_600);

/// Timelines that may follow each other between two backups.
const SWITCHES_MAX: usize = 64;

/// A position in the log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Lsn(pub u64);

impl Lsn {
    pub fn parse(text: &str) -> Option<Self> {
        let (high, low) = text.split_once('/')?;
        let part = |text| u32::from_str_radix(text, 16).ok();
        Some(Self(u64::from(part(high)?) << 32 | u64::from(part(low)?)))
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

impl From<Lsn> for String {
    fn from(lsn: Lsn) -> Self {
        lsn.to_string()
    }
}

impl TryFrom<String> for Lsn {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("`{text}` is no position of a log"))
    }
}

pub struct PostgresWal;

pub const POSTGRES_WAL: PostgresWal = PostgresWal;

const OPTIONS: [&str; 4] = ["socket", "base_hours", "checkpoint", "rate_kib"];

impl Kind for PostgresWal {
    fn name(&self) -> &'static str {
        "postgres-wal"
    }

    fn form(&self) -> &'static str {
        "//USER@HOST[:PORT]/[?socket=DIR&base_hours=24&checkpoint=fast&rate_kib=N]"
    }

    fn open(&self, text: &str, context: &Context) -> Result<Box<dyn Source>, Unusable> {
        let open = || {
            let url = Url::parse(text, &[&OPTIONS[..], &tls::OPTIONS].concat())?;
            let tls = Tls::of(&url.options, &url.host)?;
            let user = url.user.clone().ok_or("no user before the host")?;
            if url.path != "/" {
                let text = "the log is that of all databases of the server: name none";
                return Err(text.to_owned());
            }
            let number = |name: &str| -> Result<Option<u32>, String> {
                let text = url.options.get(name);
                let parsed = text.map(|text| text.parse().ok().filter(|number| *number > 0));
                parsed.map(|n| n.ok_or(format!("{name} is a number above 0"))).transpose()
            };
            let base_hours = number("base_hours")?.unwrap_or(24);
            let kib_per_s = number("rate_kib")?;
            // The server's own limits of MAX_RATE.
            if kib_per_s.is_some_and(|kib| !(32..=1_048_576).contains(&kib)) {
                return Err("rate_kib is from 32 to 1048576".to_owned());
            }
            let checkpoint = match url.options.get("checkpoint").map(String::as_str) {
                None | Some("spread") => "spread",
                Some("fast") => "fast",
                Some(_) => return Err("checkpoint is spread or fast".to_owned()),
            };
            let context = context.clone();
            Ok(Server { url, user, base_hours, kib_per_s, checkpoint, tls, context })
        };
        match open() {
            Ok(server) => Ok(Box::new(server)),
            Err(why) => Err(Unusable::place(self, text, why)),
        }
    }
}

struct Server {
    url: Url,
    tls: Tls,
    user: String,
    base_hours: u32,
    kib_per_s: Option<u32>,
    checkpoint: &'static str,
    context: Context,
}

impl Source for Server {
    fn name(&self) -> String {
        format!("postgres-wal://{}", self.url.address(5_432))
    }

    fn offer(&mut self, offer: &mut Offer) {
        let folder = PathBuf::from("/@postgres-wal").join(self.url.address(5_432));
        if let Err(error) = self.read(&folder, offer) {
            offer.fault(&folder, error.to_string());
        }
    }
}

impl Server {
    fn login(&self) -> io::Result<Login> {
        let secrets = self.context.secrets.as_deref();
        let login = login::find(secrets, &self.url.host, Some(&self.user))?;
        // A server may let a user of its own machine in without one.
        let none = || Login { user: self.user.clone(), password: String::new() };
        Ok(login.unwrap_or_else(none))
    }

    fn session(&self, login: &Login) -> io::Result<Session> {
        let socket = self.url.options.get("socket").map(|folder| {
            Path::new(folder).join(format!(".s.PGSQL.{}", self.url.port.unwrap_or(5_432)))
        });
        let address = self.url.address(5_432);
        Session::open_replication((&address, socket.as_deref(), &self.tls), login)
    }

    fn read(&self, folder: &Path, offer: &mut Offer) -> io::Result<()> {
        let login = self.login()?;
        let mut session = self.session(&login)?;
        let settings = stream::settings(&mut session)?;
        let setting = |name: &str| {
            let found = settings.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| value.as_str()).unwrap_or_default()
        };
        let version = setting("server_version_num").parse().unwrap_or(0);
        if version < OLDEST {
            let text = format!("version {version} is older than 13; use postgres: instead");
            return Err(io::Error::other(text));
        }
        let segment_bytes = octets(setting("wal_segment_size")).ok_or_else(malformed)?;
        let place = self.url.address(5_432).replace('/', "_");
        let spool = Spool::open(self.context.kept().join("postgres-wal").join(place))?;
        if spool.state.is_none() && setting("wal_keep_size") == "0" {
            let text = "wal_keep_size is 0: the server lets its log go at every checkpoint, also \
                        at that of a base backup; set it, such as to 1GB, and reload";
            return Err(io::Error::other(text));
        }
        let standby = stream::is_standby(&mut session, version)?;
        let (gap, behind) = (None, None);
        let mut following = Following { spool, session, segment_bytes, standby, gap, behind };
        following.catch_up()?;
        self.have_a_base(&mut following, &login, (folder, offer))?;
        let Following { spool, gap, behind, .. } = following;
        if let (Some(has), Some(state)) = (behind, &spool.state) {
            let text = format!(
                "the standby has its log up to {has} only, and up to {} was fetched from it \
                 before: it was set back, or has not replayed yet. Nothing new since {}",
                state.received, state.received_at
            );
            offer.fault(folder, text);
        }
        if let Some(Gap { from, to, last_received_at, why, .. }) = gap {
            let text = format!(
                "the log was broken from {from} to {to}: {why}. From {last_received_at} until the \
                 new base backup no moment can be restored"
            );
            offer.fault(folder, text);
        }
        give(&spool, &settings, folder, offer)
    }

    /// Waits for the first base; a later one is taken beside the backups.
    fn have_a_base(
        &self,
        following: &mut Following,
        login: &Login,
        (folder, offer): (&Path, &mut Offer),
    ) -> io::Result<()> {
        let host = self.url.options.get("socket").map_or(&*self.url.host, String::as_str);
        let port = self.url.port.unwrap_or(5_432);
        let (checkpoint, kib_per_s) = (self.checkpoint, self.kib_per_s);
        let tls = tls::for_libpq(&self.url.options);
        let way = base::Way { host, port, login, checkpoint, kib_per_s, tls };
        let mut tries = 0;
        loop {
            let place = following.spool.folder.clone();
            let is_due = following.base_is_due(self.base_hours);
            let has_one = following.state()?.base.is_some();
            match base::next(&place)? {
                base::Next::Ready => following.adopt()?,
                base::Next::Failed(why) if tries >= BASE_TRIES => {
                    base::forget(&place)?;
                    return Err(io::Error::other(format!("no base backup: {why}")));
                }
                base::Next::Failed(why) if has_one => {
                    if base::began(&place)?.is_some_and(|age| age < RETRY_AFTER) {
                        return Ok(());
                    }
                    offer.fault(folder, format!("no newer base backup: {why}"));
                    base::begin(&place, &way)?;
                }
                base::Next::None | base::Next::Failed(_) if is_due => {
                    tries += 1;
                    base::begin(&place, &way)?;
                }
                base::Next::Running if !has_one => std::thread::sleep(FETCH_EVERY),
                _ => {}
            }
            if has_one && following.state()?.base.is_some() {
                return Ok(());
            }
            following.catch_up()?;
        }
    }
}

/// A session and where its log goes.
struct Following {
    spool: Spool,
    session: Session,
    segment_bytes: u64,
    /// It follows another server.
    standby: bool,
    /// A break that was found in this backup.
    gap: Option<Gap>,
    /// How far a standby is that has less than was fetched from it.
    behind: Option<Lsn>,
}

impl Following {
    fn state(&self) -> io::Result<&State> {
        self.spool.state.as_ref().ok_or_else(malformed)
    }

    /// Fetches the log up to this moment.
    fn catch_up(&mut self) -> io::Result<()> {
        self.behind = None;
        let identity = stream::identify(&mut self.session)?;
        if let Err(why) = self.follow(&identity)? {
            let state = self.state()?;
            if state.base.is_none() && state.system == identity.system {
                // The base on its way needs the log from its own beginning on, not what was
                // before: its checkpoint may have removed that.
                let (gaps, switches) = (state.gaps.clone(), state.switches.clone());
                let begun = State { gaps, switches, ..self.beginning(&identity) };
                self.spool.begin(begun)?;
            } else {
                self.break_off(&identity, why)?;
            }
            if let Err(why) = self.follow(&identity)? {
                return Err(io::Error::other(why));
            }
        }
        let state = self.spool.state.as_mut().ok_or_else(malformed)?;
        if self.behind.is_none() {
            state.received_at = now();
        }
        self.spool.save()
    }

    /// Fetches the log up to `identity`; why what is there cannot be continued.
    fn follow(&mut self, identity: &Identity) -> io::Result<Result<(), String>> {
        match &self.spool.state {
            None => {
                let state = self.beginning(identity);
                self.spool.begin(state)?;
            }
            Some(state) if state.system != identity.system => {
                return Ok(Err("another database stands at this address".to_owned()));
            }
            Some(state) if state.segment_bytes != self.segment_bytes => {
                return Ok(Err("the server cuts its log in another way".to_owned()));
            }
            Some(state) if state.timeline > identity.timeline => {
                return Ok(Err("the server went back to an older timeline".to_owned()));
            }
            Some(_) => {}
        }
        for _ in 0..SWITCHES_MAX {
            let (timeline, from) = (self.state()?.timeline, self.state()?.received);
            let mut until = identity.flushed;
            if timeline < identity.timeline {
                match self.parting(timeline, identity.timeline)? {
                    Some(left) if left < from => {
                        let text = "the server that took over did not have the end of the log";
                        return Ok(Err(text.to_owned()));
                    }
                    Some(left) => until = left,
                    None => return Ok(Err("the new timeline does not come from ours".to_owned())),
                }
            } else if from > until && self.standby {
                // After a start it replays what it had before it hears of more.
                self.behind = Some(until);
                return Ok(Ok(()));
            } else if from > until {
                return Ok(Err("the server was put back to an earlier state".to_owned()));
            } else if from == until {
                return Ok(Ok(()));
            }
            let spool = &mut self.spool;
            let mut take = |at: Lsn, piece: &[u8]| spool.append(at, piece);
            let asked = (timeline, from, until);
            match stream::stream(&mut self.session, asked, &mut take) {
                // A server that does not say itself which timeline comes next.
                Ok(Ended::Reached) if timeline < identity.timeline => {
                    let next = self.following_timeline(timeline, identity.timeline)?;
                    self.go_on(next, until)?;
                }
                Ok(Ended::Reached) => return Ok(Ok(())),
                Ok(Ended::Switched(next, start)) => self.go_on(next, start)?,
                // 58P01: what is asked for is gone.
                Err(error) if error.to_string().contains("58P01") => {
                    return Ok(Err(format!("{error}; raise wal_keep_size")));
                }
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("the server changes its timeline again and again"))
    }

    /// Goes on on a new timeline. A new base is due with it: what was before it is of a server that
    /// is not the same any more.
    fn go_on(&mut self, timeline: u32, at: Lsn) -> io::Result<()> {
        warn!(timeline, %at, "the server goes on on a new timeline; a new base backup is taken");
        self.spool.switch(timeline, at, now())
    }

    /// Keeps the histories up to `newest`; where `timeline` was left, if `newest` comes from it.
    fn parting(&mut self, timeline: u32, newest: u32) -> io::Result<Option<Lsn>> {
        let mut left = None;
        for number in timeline + 1..=newest {
            if let Some(text) = stream::history(&mut self.session, number)? {
                self.spool.keep(number, &text)?;
                left = stream::left_at(&text, timeline).or(left);
            }
        }
        Ok(left)
    }

    /// The timeline that begins where `timeline` was left.
    fn following_timeline(&mut self, timeline: u32, newest: u32) -> io::Result<u32> {
        let text = stream::history(&mut self.session, newest)?.unwrap_or_default();
        let numbers = text.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok());
        Ok(numbers.filter(|number| *number > timeline).min().unwrap_or(newest))
    }

    /// As if the log began with the segment that the server writes now.
    fn beginning(&self, identity: &Identity) -> State {
        let from = Lsn(identity.flushed.0 - identity.flushed.0 % self.segment_bytes);
        State {
            system: identity.system.clone(),
            timeline: identity.timeline,
            segment_bytes: self.segment_bytes,
            log_from: from,
            received: from,
            received_at: now(),
            base: None,
            gaps: Vec::new(),
            switches: Vec::new(),
        }
    }

    /// Begins anew; what was there is let go, the vault's older snapshots have it.
    fn break_off(&mut self, identity: &Identity, why: String) -> io::Result<()> {
        let mut state = self.beginning(identity);
        if let Some(before) = self.spool.state.take() {
            let gap = Gap {
                from: before.received,
                to: state.received,
                last_received_at: before.received_at,
                found_at: now(),
                why,
            };
            (state.gaps, state.switches) = (before.gaps, before.switches);
            state.gap(gap.clone());
            self.gap = Some(gap);
        }
        base::forget(&self.spool.folder)?;
        self.spool.begin(state)
    }

    fn base_is_due(&self, hours: u32) -> bool {
        let Some(state) = &self.spool.state else { return true };
        state.base.as_ref().is_none_or(|base| {
            let age = now().nanos().saturating_sub(base.taken_at.nanos());
            let log = state.received.0.saturating_sub(base.start.0);
            let before = |switch: &Switch| base.taken_at < switch.found_at;
            state.switches.last().is_some_and(before)
                || age > i64::from(hours) * 3_600_000_000_000
                || log > LOG_BYTES_MAX
        })
    }

    /// Takes the finished base into use, when the log reaches from its start beyond its end.
    fn adopt(&mut self) -> io::Result<()> {
        let base = base::finished(&self.spool.folder)?;
        let state = self.state()?;
        if base.start < state.log_from {
            // Taken from a standby, whose base begins at its last restart point.
            let from = Lsn(base.start.0 - base.start.0 % self.segment_bytes);
            let (timeline, old) = (base.timeline, state.clone());
            let again = State { timeline, log_from: from, received: from, base: None, ..old };
            self.spool.begin(again)?;
        }
        self.catch_up()?;
        let state = self.state()?;
        if base.start < state.log_from || base.end > state.received {
            let text = "the log that the base backup needs was gone before it could be fetched; \
                        raise wal_keep_size";
            base::forget(&self.spool.folder)?;
            return Err(io::Error::other(text));
        }
        self.spool.adopt(base, &base::folder(&self.spool.folder))?;
        base::forget(&self.spool.folder)
    }
}

/// `16MB` in octets.
fn octets(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "MB" => 1 << 20,
        "GB" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit).filter(|bytes| bytes.is_power_of_two())
}

fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// Offers what a snapshot holds: base, log, and a word on both.
fn give(
    spool: &Spool,
    settings: &[(&'static str, String)],
    folder: &Path,
    offer: &mut Offer,
) -> io::Result<()> {
    let state = spool.state.as_ref().ok_or_else(malformed)?;
    let base = state.base.as_ref().ok_or_else(malformed)?;
    let mut told = serde_json::to_value(state).expect("it is plain data");
    told["settings"] = settings
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone().into()))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let told = serde_json::to_vec_pretty(&told).expect("it is plain data");
    offer.bytes(folder.join("state.json"), told);
    for entry in fs::read_dir(spool.folder.join(&base.folder))? {
        let entry = entry?;
        let path = folder.join("base").join(entry.file_name());
        offer.entry(path, What::File(Box::new(Kept { path: entry.path() })));
    }
    let (growing, inside) = (state.segment(state.received), state.received.0 % state.segment_bytes);
    for (name, timeline, number) in spool.segments()? {
        let is_growing = timeline == state.timeline && number == growing && inside > 0;
        let shown = if is_growing { format!("{name}.partial") } else { name.clone() };
        let kept = Kept { path: spool.wal().join(name) };
        offer.entry(folder.join("wal").join(shown), What::File(Box::new(kept)));
    }
    for entry in fs::read_dir(spool.wal())? {
        let name = entry?.file_name();
        if Path::new(&name).extension().is_some_and(|extension| extension == "history") {
            let kept = Kept { path: spool.wal().join(&name) };
            offer.entry(folder.join("wal").join(name), What::File(Box::new(kept)));
        }
    }
    Ok(())
}

/// A file of the spool, to which nobody writes while the backup goes on.
struct Kept {
    path: PathBuf,
}

impl Open for Kept {
    fn open(self: Box<Self>) -> io::Result<Opened> {
        let file = File::open(&self.path)?;
        let meta = Meta { mode: 0o600, ..meta(&file.metadata()?) };
        Ok(Opened::new(meta, file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_and_sizes_are_as_the_server_writes_them() {
        assert_eq!(Lsn::parse("1/A0000028"), Some(Lsn(0x1_A000_0028)));
        assert_eq!(Lsn(0x1_A000_0028).to_string(), "1/A0000028");
        assert_eq!(Lsn::parse("12"), None);
        assert_eq!(
            (octets("16MB"), octets("1GB"), octets("17MB")),
            (Some(1 << 24), Some(1 << 30), None)
        );
    }

    #[test]
    fn a_place_names_a_role_and_no_database() {
        let open = |text: &str| POSTGRES_WAL.open(text, &Context::default());
        let name = open("//eva@h/?base_hours=6&checkpoint=fast").map(|source| source.name());
        assert_eq!(name.ok().as_deref(), Some("postgres-wal://h:5432"));
        for bad in ["//h/", "//eva@h/scada", "//eva@h/?rate_kib=1", "//eva@h/?checkpoint=never"] {
            assert!(open(bad).is_err(), "{bad}");
        }
    }
}
