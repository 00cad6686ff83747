//! The loop: calls, backs up, proves, sends; each beside the others.
//!
//! One thread decides and writes the books; calls, sending and the words of the worker come to it
//! as events. Spans between runs are taken from a clock that only goes on, so setting the host's
//! clock changes nothing while the agent runs; at its start an end that lies in the future counts
//! as one of this moment. Not here: what is due ([`crate::due`]), what an answer means
//! ([`crate::runs`]). Invariant: one job at a time, and it is in the books before it begins.

use crate::{
    Config, Enrolment, Error, Result,
    books::{Books, Key},
    due::{self, Due},
    job::{Job, Running, Word, Worker},
    limits::{
        CALL_PAUSE_MIN, CUT_PAUSE_MAX, PLANS_MAX, PROGRESS_EVERY, SOURCES_MAX, TEXT_CHARS_MAX,
        TOLD_RUNS_MAX,
    },
    line::{CallError, Line},
    runs,
    ship::{HostClock, send},
};
use model::Time;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};
use uplink::host::{Ask, Call, Fault, Plan, Reply, RunKind, RunState, RunTold, Spool};
use vault::{
    Vault,
    site::{Calendar, Clock, Window},
};

/// What comes to the thread that decides.
enum Event {
    /// Of the job with that number.
    Word(u64, Word),
    Called(std::result::Result<Reply, CallError>),
    Sent(std::result::Result<u64, String>),
    Stop,
}

/// Ends the agent from elsewhere.
#[derive(Clone)]
pub struct Stop(Sender<Event>);

impl Stop {
    pub fn now(&self) {
        // It has ended by itself: fine.
        drop(self.0.send(Event::Stop));
    }
}

/// Why the agent ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    Stopped,
    /// The control plane does not know it any more.
    Refused(String),
}

/// A job under way.
struct Under {
    job: u64,
    running: Box<dyn Running>,
    /// None of a clean-up, of which nobody is told.
    run: Option<RunTold>,
    refused: Vec<Fault>,
    level: u8,
}

/// Something that is tried again, later each time.
#[derive(Default)]
struct Tries {
    under_way: bool,
    next: Option<Instant>,
    failures: u32,
}

struct Agent<'a> {
    config: &'a Config,
    enrolment: Enrolment,
    version: String,
    host: String,
    line: Line,
    worker: &'a dyn Worker,
    events: Sender<Event>,
    books: Books,
    /// When the last run of each ended: that instant, and how long ago it was then.
    ended: BTreeMap<Key, (Instant, Duration)>,
    asks: Vec<Ask>,
    jobs: u64,
    under: Option<Under>,
    call: Tries,
    sending: Tries,
    /// Runs whose present state was told.
    told: BTreeSet<u64>,
    telling: Vec<u64>,
    spool: Spool,
    sent: Option<u64>,
}

/// Works until it is stopped, which `ready` is given the means of, or the control plane turns it
/// away.
pub fn work(
    config: &Config,
    (version, host): (&str, &str),
    worker: &dyn Worker,
    ready: impl FnOnce(Stop),
) -> Result<End> {
    let enrolment = Enrolment::read(config)?;
    if enrolment.name.is_empty() {
        let why = "enrolling was begun and not ended; give `spandrel agent enrol` the token again";
        return Err(Error::Refused(why.to_owned()));
    }
    let path = Enrolment::identity(config);
    let identity = std::fs::read_to_string(&path).map_err(crate::file("read", &path))?;
    let line = Line::open(&enrolment.address, &enrolment.authority, &identity)?;
    let now = HostClock.now();
    let books = Books::open(&config.place("books.json"), now)?;
    let (events, heard) = channel();
    ready(Stop(events.clone()));
    let mut agent = Agent {
        ended: books.pasts().map(|(key, past)| (key.clone(), ago(past.at, now))).collect(),
        config,
        enrolment,
        version: version.to_owned(),
        host: host.to_owned(),
        line,
        worker,
        events,
        books,
        asks: Vec::new(),
        jobs: 0,
        under: None,
        call: Tries::default(),
        sending: Tries::default(),
        told: BTreeSet::new(),
        telling: Vec::new(),
        spool: Spool::default(),
        sent: None,
    };
    agent.look_at_spool();
    agent.run(&heard)
}

fn ago(at: Time, now: Time) -> (Instant, Duration) {
    // What lies in the future was written under a clock that was ahead.
    (Instant::now(), Duration::from_nanos(u64::try_from(now.since(at)).unwrap_or(0)))
}

impl Agent<'_> {
    fn run(&mut self, heard: &Receiver<Event>) -> Result<End> {
        let name = &self.enrolment.name;
        tracing::info!(name, address = self.enrolment.address, "agent begins");
        loop {
            let work = self.begin_work()?;
            let call = self.begin_call();
            let sending = self.begin_sending();
            let wait = [work, call, sending].into_iter().flatten().min();
            match heard.recv_timeout(wait.unwrap_or(CUT_PAUSE_MAX)) {
                Ok(Event::Stop) => {
                    self.stop()?;
                    return Ok(End::Stopped);
                }
                Ok(Event::Word(job, word)) => self.hear(job, word)?,
                Ok(Event::Called(Err(CallError::Refused(why)))) => {
                    self.stop()?;
                    return Ok(End::Refused(why));
                }
                Ok(Event::Called(answer)) => self.called(answer)?,
                Ok(Event::Sent(done)) => self.was_sent(done),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => unreachable!("we hold a sender"),
            }
        }
    }

    /// Ends what is under way.
    fn stop(&mut self) -> Result<()> {
        if let Some(mut under) = self.under.take() {
            under.running.end();
            if let Some(mut run) = under.run {
                // Not for good: it is tried again when the agent is back.
                run.state = RunState::Failed;
                run.detail = Some("the agent was stopped while it ran".to_owned());
                self.finish(run)?;
            }
        }
        self.books.write()
    }

    /// Begins what is due; else says how long there is nothing.
    fn begin_work(&mut self) -> Result<Option<Duration>> {
        if self.under.is_some() {
            return Ok(None);
        }
        while let Some(ask) = (!self.asks.is_empty()).then(|| self.asks.remove(0)) {
            if self.begin_asked(&ask)? {
                return Ok(None);
            }
        }
        let (plan, wait) = self.next_backup();
        if let Some((plan, cause)) = plan {
            let run = self.new_run(&plan, RunKind::Backup, cause, None);
            self.begin_backup(&plan, run)?;
            // What could not even begin has an end already: look again at once.
            return Ok(self.under.is_none().then_some(Duration::ZERO));
        }
        if self.begin_proof()? || self.begin_tidying()? {
            return Ok(None);
        }
        Ok(Some(wait))
    }

    /// The plan that has waited longest, or how long none is due.
    fn next_backup(&self) -> (Option<(Plan, &'static str)>, Duration) {
        let mut wait = due::DAY;
        let mut found: Option<(Duration, &Plan, &'static str)> = None;
        for plan in self.books.plans() {
            let since = self.since(plan);
            let past = self.books.past(plan);
            match due::backup(plan, past, since, self.config.every_minutes_min) {
                Due::In(left) => wait = wait.min(left),
                Due::Now { .. } if self.is_quiet(plan) => wait = wait.min(QUIET_LOOK),
                Due::Now { cause } if found.is_none_or(|(most, ..)| since > most) => {
                    found = Some((since, plan, cause));
                }
                Due::Now { .. } => {}
            }
        }
        (found.map(|(_, plan, cause)| (plan.clone(), cause)), wait)
    }

    /// How long ago the last run of a plan ended.
    fn since(&self, plan: &Plan) -> Duration {
        let key = (plan.plan.clone(), plan.target.clone());
        let ended = self.ended.get(&key);
        ended.map_or(Duration::MAX, |(at, before)| at.elapsed().saturating_add(*before))
    }

    fn is_quiet(&self, plan: &Plan) -> bool {
        let spans =
            plan.quiet.iter().filter_map(|span| span_of(&span.days, &span.from, &span.until));
        let own = self.config.quiet.iter().cloned();
        let windows: Vec<Window> =
            own.chain(spans).filter_map(|text| Window::parse(&text)).collect();
        !windows.is_empty() && Calendar(windows).is_open(by_the_wall(HostClock.now()))
    }

    fn new_run(
        &mut self,
        plan: &Plan,
        kind: RunKind,
        cause: &str,
        asked: Option<String>,
    ) -> RunTold {
        RunTold {
            number: self.books.number(),
            asked,
            kind,
            plan: plan.plan.clone(),
            target: plan.target.clone(),
            cause: cause.to_owned(),
            state: RunState::Running,
            started_at: HostClock.now(),
            finished_at: None,
            snapshot: None,
            entry: None,
            entries: 0,
            bytes_read: 0,
            bytes_stored: 0,
            faults: 0,
            detail: None,
            errors: Vec::new(),
            level: None,
        }
    }

    /// Whether a job began.
    fn begin_asked(&mut self, ask: &Ask) -> Result<bool> {
        // Heard twice: it has an account already.
        if self.books.runs().iter().any(|run| run.asked.as_ref() == Some(&ask.run)) {
            return Ok(false);
        }
        let Some(plan) = self.books.plan(&ask.plan, &ask.target).cloned() else { return Ok(false) };
        let run = self.new_run(&plan, RunKind::Backup, "person", Some(ask.run.clone()));
        self.begin_backup(&plan, run)?;
        Ok(self.under.is_some())
    }

    fn begin_backup(&mut self, plan: &Plan, mut run: RunTold) -> Result<()> {
        let most = self.config.spool_mib_max << 20;
        if most > 0 && self.spool.bytes >= most {
            let mib = self.config.spool_mib_max;
            run.state = RunState::Failed;
            run.detail = Some(format!("the vault on the host has reached its {mib} MiB"));
            return self.finish(run);
        }
        let (job, refused) = runs::backup(plan, self.config);
        match job {
            Some(job) => self.begin(&job, Some(run), refused, 0),
            None => {
                runs::refused(&mut run, refused);
                self.finish(run)
            }
        }
    }

    fn begin_proof(&mut self) -> Result<bool> {
        let now = HostClock.now();
        let since = |at: Option<Time>| at.map(|at| ago(at, now).1);
        let due = self.books.plans().iter().find_map(|plan| {
            let past = self.books.past(plan)?;
            let (proven, tried) = (since(past.proven_at), since(past.proof_tried_at));
            let snapshot = due::proof(plan, past, proven, tried)?;
            Some((plan.clone(), snapshot.to_owned()))
        });
        let Some((plan, snapshot)) = due else { return Ok(false) };
        let level = plan.verify_level.clamp(1, 2);
        let mut run = self.new_run(&plan, RunKind::Verify, "schedule", None);
        run.snapshot = Some(snapshot.clone());
        self.begin(&Job::Verify { snapshot, level }, Some(run), Vec::new(), level)?;
        Ok(self.under.is_some())
    }

    /// Once a day what the vault's rules let go is deleted here; not while it is being sent.
    fn begin_tidying(&mut self) -> Result<bool> {
        let now = HostClock.now();
        let fresh = self.books.tidied_at().is_some_and(|at| ago(at, now).1 < due::DAY);
        if fresh || self.sending.under_way || self.spool.entries < 2 {
            return Ok(false);
        }
        self.books.set_tidied(now);
        self.begin(&Job::Forget, None, Vec::new(), 0)?;
        Ok(self.under.is_some())
    }

    fn begin(
        &mut self,
        job: &Job,
        run: Option<RunTold>,
        refused: Vec<Fault>,
        level: u8,
    ) -> Result<()> {
        if let Some(run) = &run {
            self.note(run.clone());
        }
        self.books.write()?;
        self.jobs += 1;
        let (events, number) = (self.events.clone(), self.jobs);
        let says = Arc::new(move |word| drop(events.send(Event::Word(number, word))));
        match self.worker.begin(job, says) {
            Ok(running) => {
                self.under = Some(Under { job: number, running, run, refused, level });
                self.call_soon(PROGRESS_EVERY);
                Ok(())
            }
            Err(error) => match run {
                Some(mut run) => {
                    run.state = RunState::Failed;
                    run.detail = Some(format!("cannot start the process that backs up: {error}"));
                    self.finish(run)
                }
                None => Ok(()),
            },
        }
    }

    /// A word of the worker.
    fn hear(&mut self, job: u64, word: Word) -> Result<()> {
        // One that was ended may still say so.
        let Some(under) = self.under.as_mut().filter(|under| under.job == job) else {
            return Ok(());
        };
        let answer = match word {
            Word::Progress { bytes, at } => {
                if let Some(run) = &mut under.run {
                    run.bytes_read = bytes;
                    run.detail = Some(runs::text(&at, TEXT_CHARS_MAX));
                    let run = run.clone();
                    self.note(run);
                }
                return Ok(());
            }
            Word::Done(answer) => Ok(answer),
            Word::Failed(why) => Err(why),
        };
        let Some(Under { run, refused, level, .. }) = self.under.take() else { return Ok(()) };
        self.look_at_spool();
        let Some(mut run) = run else {
            if let Err(why) = answer {
                tracing::warn!(why, "the vault's rules could not be carried out");
            }
            return Ok(());
        };
        run.detail = None;
        match (answer, run.kind) {
            (Ok(answer), RunKind::Backup) => self.backed_up(&mut run, &answer, &refused),
            (Ok(answer), RunKind::Verify) => runs::proven(&mut run, &answer, level),
            (Err(why), _) => {
                run.state = RunState::Failed;
                run.detail = Some(runs::text(&why, TEXT_CHARS_MAX));
            }
        }
        self.finish(run)
    }

    fn backed_up(&mut self, run: &mut RunTold, answer: &Value, refused: &[Fault]) {
        runs::backed_up(run, answer, refused);
        let Some(snapshot) = &run.snapshot else { return };
        let ledger = Vault::open(&self.config.spool()).and_then(|vault| vault.ledger());
        match ledger {
            Ok(ledger) => {
                let record = snapshot.parse().ok().and_then(|id| ledger.snapshots.get(&id));
                run.entry = record.map(|record| record.entry);
            }
            Err(error) => tracing::error!(%error, "the vault's log cannot be read"),
        }
    }

    /// A run has ended.
    fn finish(&mut self, mut run: RunTold) -> Result<()> {
        run.finished_at = Some(HostClock.now());
        if run.kind == RunKind::Backup {
            let key = (run.plan.clone(), run.target.clone());
            self.ended.insert(key, (Instant::now(), Duration::ZERO));
        }
        let (number, state, detail) = (run.number, run.state, run.detail.clone());
        tracing::info!(number, ?state, detail, snapshot = run.snapshot, "a run ended");
        self.note(run);
        self.books.write()?;
        self.sending.next = self.sending.next.filter(|_| self.sending.failures > 0);
        self.call_soon(CALL_PAUSE_MIN);
        Ok(())
    }

    fn note(&mut self, run: RunTold) {
        self.told.remove(&run.number);
        self.books.note(run);
    }

    fn look_at_spool(&mut self) {
        let path = self.config.spool();
        match Vault::open(&path).and_then(|vault| Ok((vault.log_state()?, vault))) {
            Ok(((_, entries, _), vault)) => {
                (self.spool.log_key, self.spool.entries) = (vault.log_key().to_string(), entries);
            }
            Err(error) => tracing::error!(%error, "the vault on this host cannot be read"),
        }
        self.spool.bytes = size_of(&path);
    }

    /// Calls when it is time; else says how long not.
    fn begin_call(&mut self) -> Option<Duration> {
        if let Some(left) = self.call.waits() {
            return left;
        }
        let words = self.words();
        self.telling = words.runs.iter().map(|run| run.number).collect();
        self.told.extend(&self.telling);
        let (line, events) = (self.line.clone(), self.events.clone());
        self.call.begin("call", move || drop(events.send(Event::Called(line.call(&words)))));
        None
    }

    fn words(&self) -> Call {
        let arrived = |run: &&RunTold| {
            let told = self.told.contains(&run.number);
            !told || run.entry.is_some_and(|entry| self.sent.is_some_and(|sent| entry < sent))
        };
        // A proof counts for a backup that is known.
        let known = |run: &&RunTold| {
            let same =
                |other: &RunTold| other.kind == RunKind::Backup && other.snapshot == run.snapshot;
            run.kind == RunKind::Backup || !self.books.runs().iter().any(same)
        };
        let runs =
            self.books.runs().iter().filter(arrived).filter(known).take(TOLD_RUNS_MAX).cloned();
        let allow = self.config.allow.iter().map(|path| path.display().to_string());
        Call {
            version: self.version.clone(),
            host: self.host.clone(),
            now: HostClock.now(),
            allow: allow.collect(),
            plans: self.books.plans_hash().cloned(),
            runs: runs.collect(),
            spool: self.spool.clone(),
            lost: self.books.lost(),
        }
    }

    fn called(&mut self, answer: std::result::Result<Reply, CallError>) -> Result<()> {
        let every = Duration::from_secs(u64::from(self.config.call_every_s));
        let reply = match answer {
            Ok(reply) => reply,
            Err(CallError::Refused(why) | CallError::Later(why)) => {
                for number in std::mem::take(&mut self.telling) {
                    self.told.remove(&number);
                }
                if self.call.failures == 0 {
                    tracing::warn!(why, "the control plane does not answer; backups go on");
                }
                self.call.failed(every);
                return Ok(());
            }
        };
        if self.call.failures > 0 {
            tracing::info!("the control plane answers again");
        }
        self.books.taken(&reply.accepted, reply.lost_noted);
        self.told.retain(|number| self.books.runs().iter().any(|run| run.number == *number));
        if let Some(plans) = reply.plans {
            let items = plans.items.into_iter().take(PLANS_MAX);
            let fits = |plan: &Plan| plan.sources.len() <= SOURCES_MAX;
            let items: Vec<Plan> = items.filter(fits).collect();
            tracing::info!(plans = items.len(), "the plans are others");
            self.books.set_plans(plans.hash, items);
        }
        self.asks = reply.asks;
        if self.books.set_vault(reply.vault) {
            self.sending = Tries { under_way: self.sending.under_way, ..Tries::default() };
        }
        self.books.write()?;
        self.end_if(&reply.cancel)?;
        // What is left is told soon.
        let more = self.words().runs.iter().any(|run| run.state != RunState::Running);
        let busy = self.under.is_some();
        let pause = if more { CALL_PAUSE_MIN } else { every };
        self.call.done(if busy { pause.min(PROGRESS_EVERY) } else { pause });
        Ok(())
    }

    /// Ends the job under way when a person asked for that.
    fn end_if(&mut self, numbers: &[u64]) -> Result<()> {
        let of_these =
            |under: &Under| under.run.as_ref().is_some_and(|run| numbers.contains(&run.number));
        if !self.under.as_ref().is_some_and(of_these) {
            return Ok(());
        }
        let Some(mut under) = self.under.take() else { return Ok(()) };
        under.running.end();
        let Some(mut run) = under.run else { return Ok(()) };
        run.state = RunState::Cancelled;
        run.detail = Some("it was stopped at the console".to_owned());
        self.finish(run)
    }

    fn call_soon(&mut self, pause: Duration) {
        if self.call.failures == 0 {
            let soon = Instant::now() + pause;
            self.call.next = Some(self.call.next.map_or(soon, |next| next.min(soon)));
        }
    }

    /// Sends what the vault server lacks; else says how long not.
    fn begin_sending(&mut self) -> Option<Duration> {
        let lacks = self.sent.is_none_or(|sent| sent < self.spool.entries);
        let tidying = self.under.as_ref().is_some_and(|under| under.run.is_none());
        let place = self.books.vault().cloned()?;
        if !lacks || tidying || self.spool.entries < 2 {
            return None;
        }
        if let Some(left) = self.sending.waits() {
            return left;
        }
        let (config, enrolment) = (self.config.clone(), self.enrolment.clone());
        let events = self.events.clone();
        self.sending.begin("send", move || {
            drop(events.send(Event::Sent(send(&config, &enrolment, &place))));
        });
        None
    }

    fn was_sent(&mut self, done: std::result::Result<u64, String>) {
        match done {
            Ok(entries) => {
                (self.sent, self.spool.fault) = (Some(entries), None);
                self.sending.done(Duration::ZERO);
            }
            Err(why) => {
                if self.sending.failures == 0 {
                    tracing::warn!(why, "backups do not arrive at the vault; they are kept here");
                }
                self.spool.fault = Some(runs::text(&why, TEXT_CHARS_MAX));
                self.sending.failed(Duration::from_secs(u64::from(self.config.call_every_s)));
            }
        }
        self.call_soon(CALL_PAUSE_MIN);
    }
}

/// While hours are quiet it is looked again so often.
const QUIET_LOOK: Duration = Duration::from_secs(30);

impl Tries {
    /// None when it may begin; else for how long it may not, which a thread under way leaves open.
    fn waits(&self) -> Option<Option<Duration>> {
        if self.under_way {
            return Some(None);
        }
        let left = self.next?.checked_duration_since(Instant::now())?;
        (!left.is_zero()).then_some(Some(left))
    }

    fn begin(&mut self, name: &str, work: impl FnOnce() + Send + 'static) {
        match thread::Builder::new().name(name.to_owned()).spawn(work) {
            Ok(_) => self.under_way = true,
            Err(error) => {
                tracing::error!(%error, "a thread cannot be started");
                self.failed(CUT_PAUSE_MAX);
            }
        }
    }

    fn done(&mut self, pause: Duration) {
        *self = Tries { under_way: false, next: Some(Instant::now() + pause), failures: 0 };
    }

    /// Tried again after twice as long each time; hosts that were cut off together come back one
    /// by one.
    fn failed(&mut self, first: Duration) {
        let pause = (CALL_PAUSE_MIN.min(first) * (1 << self.failures.min(10))).min(CUT_PAUSE_MAX);
        let part = HostClock.now().nanos().rem_euclid(1_000);
        let pause = pause / 2 + pause / 2 * u32::try_from(part).unwrap_or(0) / 1_000;
        self.next = Some(Instant::now() + pause);
        (self.under_way, self.failures) = (false, self.failures.saturating_add(1));
    }
}

/// Quiet hours of a plan as a window.
fn span_of(days: &[u8], from: &str, until: &str) -> Option<String> {
    const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let names: Option<Vec<&str>> =
        days.iter().map(|day| DAYS.get(usize::from(*day).checked_sub(1)?).copied()).collect();
    let hours = format!("{from}-{until}");
    match names?.join(",") {
        days if days.is_empty() => Some(hours),
        days => Some(format!("{days} {hours}")),
    }
}

/// A time as the clock on the wall shows it, for windows that know no zones.
fn by_the_wall(now: Time) -> Time {
    let Ok(stamp) = jiff::Timestamp::from_second(now.nanos().div_euclid(1_000_000_000)) else {
        return now;
    };
    let zoned = stamp.to_zoned(jiff::tz::TimeZone::system());
    now.plus_secs(i64::from(zoned.offset().seconds()))
}

/// Bytes of the files below a folder.
fn size_of(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => size_of(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_s_quiet_hours_are_windows() {
        let check = |days: &[u8], expect: &str| {
            let span = span_of(days, "22:00", "06:00").expect("a window");
            assert_eq!(span, expect);
            assert!(Window::parse(&span).is_some());
        };
        check(&[], "22:00-06:00");
        check(&[1, 7], "mon,sun 22:00-06:00");
        assert_eq!(span_of(&[0], "22:00", "06:00"), None);
        assert_eq!(span_of(&[8], "22:00", "06:00"), None);
    }

    #[test]
    fn an_end_that_lies_in_the_future_counts_as_now() {
        let now = Time::from_secs(1_000);
        assert_eq!(ago(Time::from_secs(400), now).1, Duration::from_secs(600));
        assert_eq!(ago(Time::from_secs(5_000), now).1, Duration::ZERO);
    }

    #[test]
    fn pauses_grow_and_end() {
        let mut tries = Tries::default();
        assert!(tries.waits().is_none());
        for _ in 0..40 {
            tries.failed(Duration::from_secs(30));
        }
        let left = tries.waits().flatten().expect("it waits");
        assert!(left <= CUT_PAUSE_MAX && left >= CUT_PAUSE_MAX / 3, "{left:?}");
        tries.done(Duration::ZERO);
        assert!(tries.waits().is_none());
    }
}
