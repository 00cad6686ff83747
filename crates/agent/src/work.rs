//! The loop: calls, backs up, proves, sends; each beside the others.
//!
//! Read `under` for jobs beside each other, `drilling` for drills, `restoring` for restores,
//! `ending` for what becomes of a job, `calling` for what is told and heard, `sending` for the way
//! to the vault server, `tries` for what is tried again, `quiet` for when nothing begins.
//! One thread decides and writes the books; calls, sending and the words of the worker come to it
//! as events. Spans between runs are taken from a clock that only goes on, so setting the host's
//! clock changes nothing while the agent runs; at its start an end that lies in the future counts
//! as one of this moment. Not here: what is due ([`crate::due`]), what an answer means
//! ([`crate::runs`]). Invariant: a job is in the books before it begins.

mod calling;
mod drilling;
mod ending;
mod quiet;
mod restoring;
mod sending;
mod tries;
mod under;

use crate::{
    Config, Enrolment, Error, Result, Rooms,
    books::{Books, Key, Past},
    due::{self, Due},
    job::{Job, Running, Word, Worker},
    limits::{CUT_PAUSE_MAX, PROGRESS_EVERY},
    line::{CallError, Line},
    runs,
    ship::HostClock,
};
use model::Time;
use quiet::{by_the_wall, span_of};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{File, TryLockError},
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    time::{Duration, Instant},
};
use tries::Tries;
use under::{Slot, UnderWay};
use uplink::host::{
    Ask, DrillAsk, Fault, Plan, Reply, RestoreAsk, RunKind, RunState, RunTold, Spool,
};
use vault::site::{Calendar, Clock, Window};

/// What comes to the thread that decides.
enum Event {
    /// Of the job with that number.
    Word(u64, Word),
    Called(Box<std::result::Result<Reply, CallError>>),
    Sent(std::result::Result<u64, String>),
    Stop,
}

/// While hours are quiet it is looked again so often.
const QUIET_LOOK: Duration = Duration::from_secs(30);

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
    /// It was revoked.
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
    /// The folder that a restore makes.
    made: Option<PathBuf>,
}

struct Agent<'a> {
    config: &'a Config,
    rooms: Rooms,
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
    /// With when they were heard.
    drills: Vec<(DrillAsk, Instant)>,
    restores: Vec<RestoreAsk>,
    jobs: u64,
    under: UnderWay,
    call: Tries,
    /// The control plane said last that it does not know this agent.
    unknown: bool,
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
    (config, rooms): (&Config, Rooms),
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
    let _held = hold(config)?;
    let now = HostClock.now();
    let books = Books::open(&config.place("books.json"), now)?;
    let (events, heard) = channel();
    ready(Stop(events.clone()));
    let mut agent = Agent {
        ended: books.pasts().map(|(key, past)| (key.clone(), ago(past.at, now))).collect(),
        config,
        rooms,
        enrolment,
        version: version.to_owned(),
        host: host.to_owned(),
        line,
        worker,
        events,
        books,
        asks: Vec::new(),
        drills: Vec::new(),
        restores: Vec::new(),
        jobs: 0,
        under: UnderWay::default(),
        call: Tries::default(),
        unknown: false,
        sending: Tries::default(),
        told: BTreeSet::new(),
        telling: Vec::new(),
        spool: Spool::default(),
        sent: None,
    };
    agent.look_at_spool();
    // What a drill left that was killed with its agent is plant data in clear.
    agent.clear_drills();
    agent.run(&heard)
}

/// Two agents would write the same books. Held while the file is open, by the kernel: who is killed
/// lets go.
fn hold(config: &Config) -> Result<File> {
    let path = config.place("agent.lock");
    let made = File::options().create(true).truncate(false).write(true).open(&path);
    let file = made.map_err(crate::file("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let data = config.data.display();
            let why =
                format!("another agent works in {data}; stop that one, or the service, first");
            Err(Error::Refused(why))
        }
        Err(TryLockError::Error(error)) => Err(crate::file("lock", &path)(error)),
    }
}

fn ago(at: Time, now: Time) -> (Instant, Duration) {
    // What lies in the future was written under a clock that was ahead.
    (Instant::now(), due::ago(Some(at), now).unwrap_or(Duration::ZERO))
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
                Ok(Event::Called(answer)) => match *answer {
                    Err(CallError::Refused(why)) => {
                        self.stop()?;
                        return Ok(End::Refused(why));
                    }
                    answer => self.called(answer)?,
                },
                Ok(Event::Sent(done)) => self.was_sent(done),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => unreachable!("we hold a sender"),
            }
        }
    }

    /// Ends what is under way.
    fn stop(&mut self) -> Result<()> {
        while let Some(under) = self.under.take(|_| true) {
            if let Some(mut run) = self.broken_off(under) {
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
        let wait = match self.under.is_free(Slot::Writing) {
            true => self.begin_writing()?,
            false => None,
        };
        if self.under.is_free(Slot::Restoring) {
            self.begin_restoring()?;
        }
        if self.under.is_free(Slot::Proving) {
            self.begin_proving()?;
        }
        // What could not even begin has an end already, and another may be due.
        if self.under.is_idle() && wait != Some(Duration::ZERO) {
            self.begin_tidying()?;
        }
        Ok(wait.filter(|_| self.under.is_free(Slot::Writing)))
    }

    /// A backup, if one is asked for or due; else says how long none is.
    fn begin_writing(&mut self) -> Result<Option<Duration>> {
        while let Some(ask) = (!self.asks.is_empty()).then(|| self.asks.remove(0)) {
            if self.begin_asked(&ask)? {
                return Ok(None);
            }
        }
        let (plan, wait) = self.next_backup();
        let Some((plan, cause)) = plan else { return Ok(Some(wait)) };
        let run = self.new_run(&plan, RunKind::Backup, cause, None);
        let begun = self.begin_backup(&plan, run)?;
        Ok((!begun).then_some(Duration::ZERO))
    }

    /// The first restore somebody asked for. Says whether one began.
    fn begin_restoring(&mut self) -> Result<bool> {
        while let Some(ask) = (!self.restores.is_empty()).then(|| self.restores.remove(0)) {
            if self.begin_asked_restore(&ask)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A drill or proof, first one that somebody waits for. Says whether it began.
    fn begin_proving(&mut self) -> Result<bool> {
        while let Some((ask, heard)) = (!self.drills.is_empty()).then(|| self.drills.remove(0)) {
            if self.begin_asked_drill(&ask, heard)? {
                return Ok(true);
            }
        }
        Ok(self.begin_proof()? || self.begin_drill()?)
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
            drill: None,
            report: None,
        }
    }

    /// Whether a job began.
    fn begin_asked(&mut self, ask: &Ask) -> Result<bool> {
        if self.was_heard(&ask.run) {
            return Ok(false);
        }
        let Some(plan) = self.books.plan(&ask.plan, &ask.target).cloned() else { return Ok(false) };
        let run = self.new_run(&plan, RunKind::Backup, "person", Some(ask.run.clone()));
        self.begin_backup(&plan, run)
    }

    /// Whether what is asked for has an account already.
    fn was_heard(&self, asked: &str) -> bool {
        self.books.runs().iter().any(|run| run.asked.as_deref() == Some(asked))
    }

    fn begin_backup(&mut self, plan: &Plan, mut run: RunTold) -> Result<bool> {
        let most = self.config.spool_mib_max << 20;
        if most > 0 && self.spool.bytes >= most {
            let mib = self.config.spool_mib_max;
            run.state = RunState::Failed;
            run.detail = Some(format!("the vault on the host has reached its {mib} MiB"));
            self.finish(run)?;
            return Ok(false);
        }
        let (job, refused) = runs::backup(plan, self.config);
        match job {
            Some(job) => self.begin(&job, Some(run), refused, 0),
            None => {
                runs::refused(&mut run, refused);
                self.finish(run)?;
                Ok(false)
            }
        }
    }

    fn begin_proof(&mut self) -> Result<bool> {
        let due = self.first_due(|plan, past, since| {
            due::proof(plan, past, since(past.proven_at), since(past.proof_tried_at))
        });
        let Some((plan, snapshot)) = due else { return Ok(false) };
        let level = plan.verify_level.clamp(1, 2);
        let mut run = self.new_run(&plan, RunKind::Verify, "schedule", None);
        run.snapshot = Some(snapshot.clone());
        self.begin(&Job::Verify { snapshot, level }, Some(run), Vec::new(), level)
    }

    /// The first plan something is due for, and the snapshot it is due of.
    fn first_due(
        &self,
        due: impl for<'p> Fn(
            &Plan,
            &'p Past,
            &dyn Fn(Option<Time>) -> Option<Duration>,
        ) -> Option<&'p str>,
    ) -> Option<(Plan, String)> {
        let now = HostClock.now();
        let since = |at| due::ago(at, now);
        self.books.plans().iter().find_map(|plan| {
            let snapshot = due(plan, self.books.past(plan)?, &since)?;
            Some((plan.clone(), snapshot.to_owned()))
        })
    }

    /// Once a day what the vault's rules let go is deleted here; not while it is being sent.
    fn begin_tidying(&mut self) -> Result<bool> {
        let now = HostClock.now();
        let since = due::ago(self.books.tidied_at(), now);
        let fresh = since.is_some_and(|since| since < due::DAY);
        if fresh || self.sending.under_way || self.spool.entries < 2 {
            return Ok(false);
        }
        self.books.set_tidied(now);
        self.begin(&Job::Forget, None, Vec::new(), 0)
    }

    /// Whether it began; one that did not has an end that says why.
    fn begin(
        &mut self,
        job: &Job,
        run: Option<RunTold>,
        refused: Vec<Fault>,
        level: u8,
    ) -> Result<bool> {
        if let Some(run) = &run {
            self.note(run.clone());
        }
        self.books.write()?;
        self.jobs += 1;
        let (events, number) = (self.events.clone(), self.jobs);
        let says = Arc::new(move |word| drop(events.send(Event::Word(number, word))));
        match self.worker.begin(job, says) {
            Ok(running) => {
                let made = match job {
                    Job::Restore { to, .. } => Some(to.clone()),
                    _ => None,
                };
                let under = Under { job: number, running, run, refused, level, made };
                self.under.begins(Slot::of(job), under);
                self.call_soon(PROGRESS_EVERY);
                Ok(true)
            }
            Err(error) => {
                if let Some(mut run) = run {
                    run.state = RunState::Failed;
                    run.detail = Some(format!("cannot start the process that backs up: {error}"));
                    self.finish(run)?;
                }
                Ok(false)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_that_lies_in_the_future_counts_as_now() {
        let now = Time::from_secs(1_000);
        assert_eq!(ago(Time::from_secs(400), now).1, Duration::from_secs(600));
        assert_eq!(ago(Time::from_secs(5_000), now).1, Duration::ZERO);
    }
}
