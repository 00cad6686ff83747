//! `spandrel vault worker`: one order of a server, done in a process of its own.
//!
//! The order is a JSON line on standard input, what comes of it are JSON lines on standard output.
//! The process may write below the vault and where the order says, and nowhere else, where the
//! kernel has Landlock ([`fence`]). Not here: what backups are. Invariant: it may be killed at any
//! moment, and it ends when its server does.

mod fence;
mod new_folder;
mod own;

use self::{fence::confine, own::own_folders};
use super::{
    bucket, kit, now,
    recover::{desk, product, rehearsal},
    site::{self, AccessOptions, LinkOptions},
};
use anyhow::{Context as _, Result, bail};
use connectors::{checks::SqliteIntegrity, formats::SqliteSchema, sources};
use serde_json::{Value, json};
use server::work::{Drill, Job, Order, OwnRules, Rules, Said, Word};
use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Arc, Mutex, OnceLock,
        mpsc::{Receiver, channel},
    },
    time::{Duration, Instant},
};
use vault::{
    CHECKS, Check, Keep, LockMode, Onlooker, PersonKey, Policy, SnapshotId, Source, Unlocked,
    Vault,
    verify::{Demands, Directory, verify},
};

/// Words of progress come this far apart at least.
const TELL_EVERY: Duration = Duration::from_millis(500);
/// Bytes of a file that are shown.
const SHOWN_BYTES_MAX: usize = 1_048_576;
/// Bytes of a file that is no text.
const HEAD_BYTES_MAX: usize = 512;

pub fn run() -> Result<ExitCode> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("cannot read the order")?;
    let order: Order = serde_json::from_str(&line).context("the order cannot be read")?;
    // A backup must not take the machine from the console or the sensor.
    if let Err(error) = rustix::process::nice(10) {
        super::complain(&format!("cannot lower its own priority: {error}"));
    }
    let said = hear_the_server();
    let confined = confine(&order)?;
    let word = match perform(&order, said, confined) {
        Ok(answer) => Word::Done { answer },
        Err(error) => Word::Failed { why: format!("{error:#}") },
    };
    let failed = matches!(word, Word::Failed { .. });
    say(&word)?;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn say(word: &Word) -> Result<()> {
    let mut line = serde_json::to_vec(word)?;
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    out.write_all(&line).and_then(|()| out.flush()).context("cannot speak to the server")
}

/// The server keeps the other end of standard input open as long as it lives; what it says there
/// is for people's steps of a drill.
fn hear_the_server() -> Receiver<Said> {
    let (sender, said) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            if let Ok(word) = serde_json::from_str(&line) {
                // Most orders have nobody who listens.
                drop(sender.send(word));
            }
        }
        std::process::exit(1);
    });
    said
}

/// A link that was put there since it was looked at leads nowhere.
fn must_be_within(sources: &[Box<dyn Source>], reads: Option<&Vec<PathBuf>>) -> Result<()> {
    let Some(reads) = reads else { return Ok(()) };
    for source in sources {
        let name = source.name();
        let place = Path::new(name.split_once(':').map_or("", |(_, place)| place));
        if !reads.iter().any(|allowed| place.starts_with(allowed)) {
            bail!("{name} is outside of what may be read");
        }
    }
    Ok(())
}

fn make_directory(path: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.with_context(|| format!("cannot create {}", path.display()))
}

fn perform(order: &Order, said: Receiver<Said>, confined: bool) -> Result<Value> {
    if let Job::Make = order.job {
        let made = Vault::init(&order.vault, &order.key_file, Policy::default(), now()?)?;
        return Ok(json!({"log_key": made.vault().log_key().to_string()}));
    }
    if let Job::Page { report } = &order.job {
        let report = serde_json::from_value(report.clone()).context("it is no report")?;
        return Ok(json!({"page": vault::recovery::page(&report)}));
    }
    let vault = Vault::open(&order.vault)?;
    match &order.job {
        Job::ForgetPlan => return Ok(serde_json::to_value(vault.plan(now()?)?)?),
        Job::Verify { level: 0, .. } => return whole(&order.vault),
        Job::Copy { .. } => return copy(&vault, &order.job),
        _ => {}
    }
    let vault = vault.unlock(Some(&order.key_file))?;
    if let Job::Drill { .. } = order.job {
        return drill(vault, order, said, confined);
    }
    if let Job::Rehearse { snapshot, work, ordered_ms } = &order.job {
        let asked = rehearsal::Order { snapshot, work, ordered_ms: *ordered_ms };
        return rehearsal::perform(vault, &asked, &mut tell);
    }
    with_key(&vault, order)
}

fn with_key(vault: &Unlocked, order: &Order) -> Result<Value> {
    match &order.job {
        Job::Overview => overview(vault, &order.vault),
        Job::Backup { asset, sources, secrets, kib_per_s, lock_days, keep } => {
            let context =
                sources::Context { staging: vault.vault().staging(), secrets: secrets.clone() };
            let keep = keep.as_ref().map(kept);
            let open = |text: &String| sources::open(text, &context);
            let opened: Vec<_> = sources.iter().map(open).collect::<Result<_, _>>()?;
            must_be_within(&opened, order.reads.as_ref())?;
            backup(vault, asset, opened, keep, *kib_per_s, *lock_days)
        }
        Job::Verify { level, snapshot } => {
            let id = snapshot.as_deref().context("say which snapshot to verify")?;
            prove(vault, *level, &find(vault, id)?)
        }
        Job::Tree { snapshot, at } => {
            let (items, truncated) = vault.tree(&find(vault, snapshot)?, Path::new(at))?;
            Ok(json!({"at": at, "items": items, "truncated": truncated}))
        }
        Job::OwnFolders { snapshot } => {
            let files = vault.files(&find(vault, snapshot)?, Path::new("/"))?;
            Ok(json!({"folders": own_folders(files.iter().map(|(path, _)| path.as_path()))}))
        }
        Job::File { snapshot, path } => file(vault, &find(vault, snapshot)?, path),
        Job::Diff { before, after } => {
            let (before, after) = (find(vault, before)?, find(vault, after)?);
            Ok(serde_json::to_value(vault.diff(&before, &after, &[&SqliteSchema])?)?)
        }
        Job::Restore { snapshot, to, only } => restore(vault, snapshot, (to, only.as_deref())),
        Job::RestoreWithin { snapshot, to, only, .. } => {
            let id = find(vault, snapshot)?;
            let rows = vault.list()?;
            let size = rows.iter().find(|row| row.id == id).filter(|_| only.is_none());
            rehearsal::room(to, size.map_or(0, |row| row.bytes))?;
            let only = only.as_deref().map(Path::new);
            let done = vault.restore_watched(&id, to, only, now()?, &Teller::writing(to))?;
            Ok(serde_json::to_value(&done)?)
        }
        Job::Kit { snapshot, only, file } => {
            let id = find(vault, snapshot)?;
            kit::make(vault, &id, only.as_deref(), file, &Teller::new(None))
        }
        Job::Hold { snapshot, reason, by } => {
            let entry = vault.hold(find(vault, snapshot)?, reason, by, now()?)?;
            Ok(json!({"entry": entry}))
        }
        Job::Undelete { snapshot, by } => {
            let until = vault.undelete(vault.find_withdrawn(snapshot, now()?)?, by, now()?)?;
            Ok(json!({"snapshot": snapshot, "until": until}))
        }
        Job::Outline { text } => product::outline(vault, text),
        Job::Forget => Ok(serde_json::to_value(vault.forget(now()?)?)?),
        Job::Make
        | Job::Page { .. }
        | Job::ForgetPlan
        | Job::Drill { .. }
        | Job::Rehearse { .. }
        | Job::Copy { .. } => bail!("this is done elsewhere"),
        of_people => with_people(vault, of_people),
    }
}

/// Restores all of a snapshot, or `only` what lies at a path, into an empty folder.
fn restore(vault: &Unlocked, snapshot: &str, (to, only): (&Path, Option<&str>)) -> Result<Value> {
    // It was empty when this was asked for; another restore may have been here since.
    if fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_some()) {
        bail!("{} is not empty; nothing is ever written over", to.display());
    }
    let id = find(vault, snapshot)?;
    let done = vault.restore_watched(&id, to, only.map(Path::new), now()?, &Teller::new(None))?;
    let mut answer = serde_json::to_value(&done)?;
    answer["to"] = json!(to);
    Ok(answer)
}

/// What people ask for and agree to.
fn with_people(vault: &Unlocked, job: &Job) -> Result<Value> {
    match job {
        Job::AskRelease { snapshot, reason, by, others, people } => {
            let own = person(vault, people, by)?;
            for other in others {
                person(vault, people, other)?;
            }
            let number = vault.ask_release(find(vault, snapshot)?, reason, &own, now()?)?;
            Ok(json!({"number": number}))
        }
        Job::Approve { request, by, people } => {
            let person = person(vault, people, by)?;
            if vault.vault().ledger()?.weaker.contains_key(request) {
                let from = vault.agree_policy(*request, &person, now()?)?;
                return Ok(json!({"from": from}));
            }
            let approved = vault.approve(*request, &person, now()?)?;
            Ok(json!({"snapshot": approved.snapshot, "from": approved.from}))
        }
        Job::Withdraw { request, by, people } => {
            let person = person(vault, people, by)?;
            if vault.vault().ledger()?.weaker.contains_key(request) {
                vault.withdraw_policy(*request, &person, now()?)?;
            } else {
                vault.withdraw_release(*request, &person, now()?)?;
            }
            Ok(json!({}))
        }
        Job::Rules { rules, by } => {
            let old = vault.vault().ledger()?.policy;
            let entry = vault.set_policy(policy(rules, &old), by, now()?)?;
            Ok(json!({"entry": entry}))
        }
        Job::AskRules { rules, by, others, people } => {
            let own = person(vault, people, by)?;
            for other in others {
                person(vault, people, other)?;
            }
            let old = vault.vault().ledger()?.policy;
            let number = vault.ask_policy(policy(rules, &old), &own, now()?)?;
            Ok(json!({"number": number}))
        }
        other => bail!("{other:?} is not of people"),
    }
}

fn find(vault: &Unlocked, id: &str) -> Result<SnapshotId> {
    Ok(vault.find(id)?)
}

fn policy(rules: &Rules, old: &Policy) -> Policy {
    let keep = Keep {
        last: rules.keep_last,
        hourly: rules.keep_hourly,
        daily: rules.keep_daily,
        weekly: rules.keep_weekly,
        monthly: rules.keep_monthly,
        yearly: rules.keep_yearly,
    };
    Policy {
        keep,
        lock_days: rules.lock_days,
        mode: if rules.locked { LockMode::Locked } else { LockMode::Governance },
        undelete_days: rules.undelete_days.unwrap_or(old.undelete_days),
        release_delay_hours: rules.release_delay_hours.unwrap_or(old.release_delay_hours),
        lock_days_max: rules.lock_days_max.unwrap_or(old.lock_days_max),
    }
}

fn kept(own: &OwnRules) -> Keep {
    Keep {
        last: own.last,
        hourly: own.hourly,
        daily: own.daily,
        weekly: own.weekly,
        monthly: own.monthly,
        yearly: own.yearly,
    }
}

fn rules(policy: &Policy) -> Rules {
    Rules {
        keep_last: policy.keep.last,
        keep_hourly: policy.keep.hourly,
        keep_daily: policy.keep.daily,
        keep_weekly: policy.keep.weekly,
        keep_monthly: policy.keep.monthly,
        keep_yearly: policy.keep.yearly,
        lock_days: policy.lock_days,
        locked: policy.mode == LockMode::Locked,
        undelete_days: Some(policy.undelete_days),
        release_delay_hours: Some(policy.release_delay_hours),
        lock_days_max: Some(policy.lock_days_max),
    }
}

fn overview(vault: &Unlocked, directory: &Path) -> Result<Value> {
    let ledger = vault.vault().ledger()?;
    let checkpoint = directory.join("log/checkpoint");
    let note = fs::read_to_string(&checkpoint).unwrap_or_default();
    // A signed note: text, an empty line, then a line for each who signed (C2SP signed-note).
    let signers = note.lines().filter_map(|line| line.strip_prefix("\u{2014} "));
    let signers = signers.filter_map(|line| line.split(' ').next());
    let witnesses: Vec<&str> = signers.filter(|name| *name != ledger.origin).collect();
    let changed = fs::metadata(&checkpoint).and_then(|meta| meta.modified()).ok();
    let (objects, bytes) = agent::size_of(&directory.join("repository"));
    let requests = ledger.requests.iter().map(|(number, asked)| {
        json!({"number": number, "snapshot": asked.snapshot, "reason": asked.reason,
               "by": asked.by, "from": ledger.releases.get(number)})
    });
    let weaker = ledger.weaker.iter().map(|(number, asked)| {
        json!({"number": number, "rules": rules(&asked.policy), "by": asked.by,
               "from": asked.from})
    });
    Ok(json!({
        "log_key": vault.vault().log_key().to_string(),
        "entries": ledger.size,
        "root": note.lines().nth(2),
        "checkpoint_at": changed.and_then(time_of),
        "witnesses": witnesses,
        "violations": ledger.violations.len(),
        "bytes": bytes,
        "objects": objects,
        "rules": rules(&ledger.policy),
        "people": ledger.people.keys().collect::<Vec<_>>(),
        "requests": requests.collect::<Vec<_>>(),
        "weaker": weaker.collect::<Vec<_>>(),
        "withdrawn": vault.vault().withdrawn(now()?)?,
        "targets": vault::site::bucket::targets(directory),
        "fenced": vault::site::Fence::of(directory),
        "snapshots": vault.list()?,
    }))
}

fn time_of(moment: std::time::SystemTime) -> Option<model::Time> {
    let since = moment.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(model::Time::from_nanos(i64::try_from(since.as_nanos()).ok()?))
}

fn backup(
    vault: &Unlocked,
    asset: &str,
    mut opened: Vec<Box<dyn Source>>,
    keep: Option<Keep>,
    kib_per_s: Option<u32>,
    lock_days: Option<u32>,
) -> Result<Value> {
    let teller = Arc::new(Teller::new(kib_per_s));
    let started = now()?;
    let report = vault.backup_watched(asset, &mut opened, keep, started, teller)?;
    if let (Some(snapshot), Some(days)) = (report.snapshot, lock_days) {
        let ledger = vault.vault().ledger()?;
        let until = started.plus_secs(i64::from(days) * 86_400);
        let most = ledger.locks_end(ledger.clock_at(started));
        let until = most.map_or(until, |most| until.min(most));
        let locked = ledger.snapshots.get(&snapshot).and_then(|record| record.retain_until);
        if locked.is_none_or(|locked| locked < until) {
            vault.retain(snapshot, until, "protection plan", started)?;
        }
    }
    Ok(serde_json::to_value(&report)?)
}

/// Sends what a store or another site lacks; needs no key. What somebody did there is an error
/// that a person must hear of, also when it was set right.
fn copy(vault: &Vault, job: &Job) -> Result<Value> {
    let Job::Copy { address, lock, lock_days, lock_days_max, region, kbit_per_s, token_file, ca } =
        job
    else {
        bail!("it is no copy");
    };
    let access = AccessOptions::of(token_file.clone(), ca.clone(), region.clone());
    let link = LinkOptions::of(access, *kbit_per_s);
    let Some(lock) = lock else {
        let pushed = site::push(vault, address, &link)?;
        let lost = format!("{} objects are lost here and were never at the server", pushed.missing);
        let errors: Vec<Value> = (pushed.missing > 0)
            .then(|| json!({"source": address, "path": "", "error": lost}))
            .into_iter()
            .collect();
        return Ok(json!({
            "files": pushed.objects_sent, "bytes": pushed.bytes_sent, "entries": pushed.entries,
            "whole": pushed.missing == 0, "errors": errors,
        }));
    };
    let store = bucket::StoreOptions::of(lock, *lock_days, *lock_days_max);
    let done = bucket::push(vault, address, &link, &store)?;
    let done = done.context("the address is of no store")?;
    let told = [
        (&done.standing.missing, "not copied, lost or damaged here"),
        (&done.standing.gone, "was there and was ended; copied again"),
        (&done.standing.covered, "somebody put something on top; put on top again"),
    ];
    let errors = told.iter().flat_map(|(paths, what)| {
        paths.iter().map(move |path| json!({"source": address, "path": path, "error": what}))
    });
    Ok(json!({
        "files": done.objects_sent, "bytes": done.bytes_sent, "extended": done.extended,
        "whole": done.standing.missing.is_empty(), "standing": done.standing,
        "errors": errors.collect::<Vec<Value>>(),
    }))
}

/// Level 0: everything the log vouches for, with no key.
fn whole(directory: &Path) -> Result<Value> {
    let verdict = verify(&Directory(directory.to_owned()), &Demands::default());
    let errors = verdict.problems.iter().map(|problem| {
        let entry = problem.entry.map_or(String::new(), |entry| format!("log entry {entry}"));
        json!({"source": entry, "path": problem.path, "error": problem.what})
    });
    let errors: Vec<Value> = errors.collect();
    Ok(json!({
        "level": 0, "files": verdict.objects, "bytes": verdict.bytes,
        "entries": verdict.entries, "root": verdict.root, "notes": verdict.notes,
        "errors": errors,
    }))
}

fn prove(vault: &Unlocked, level: u8, snapshot: &SnapshotId) -> Result<Value> {
    let mut checks: Vec<&dyn Check> = Vec::new();
    if level >= 2 {
        checks.push(&SqliteIntegrity);
        checks.extend(CHECKS);
    }
    let proof = vault.prove(snapshot, &checks, now()?, &Teller::new(None))?;
    let mut answer = serde_json::to_value(&proof)?;
    answer["level"] = json!(level);
    answer["snapshot"] = json!(snapshot);
    Ok(answer)
}

fn drill(vault: Unlocked, order: &Order, said: Receiver<Said>, confined: bool) -> Result<Value> {
    let Job::Drill { what, attended, work, people } = &order.job else { bail!("it is no drill") };
    let (key_file, attended) = (order.key_file.as_path(), *attended);
    let asked = product::Order { what, key_file, attended, work, people, confined };
    // Somebody who approves must be known to the vault before the isolated part looks.
    let (sender, words) = channel();
    let (directory, key_file, people) =
        (order.vault.clone(), order.key_file.clone(), people.clone());
    std::thread::spawn(move || {
        for Said { step, by, approves } in said {
            let known = || {
                let vault = Vault::open(&directory)?.unlock(Some(&key_file))?;
                person(&vault, &people, &by)
            };
            if approves && let Err(error) = known() {
                super::complain(&format!("{by} cannot sign: {error:#}"));
                continue;
            }
            if sender.send(desk::Word { step, by }).is_err() {
                break;
            }
        }
    });
    product::perform(vault, &asked, words, &mut tell)
}

fn tell(drill: &Drill) -> Result<()> {
    say(&Word::Drill { drill: Box::new(drill.clone()) })
}

fn file(vault: &Unlocked, snapshot: &SnapshotId, path: &str) -> Result<Value> {
    let content = vault.content(snapshot, Path::new(path), SHOWN_BYTES_MAX)?;
    let cut = (content.bytes.len() as u64) < content.size;
    let text = shown(&content.bytes, cut);
    let head = text.is_none().then(|| {
        let first = content.bytes.iter().take(HEAD_BYTES_MAX);
        first.map(|byte| format!("{byte:02x}")).collect::<String>()
    });
    Ok(json!({
        "path": path, "size": content.size, "text": text, "head": head, "truncated": cut,
    }))
}

/// Text, when it is text; what was cut may end within a character.
fn shown(bytes: &[u8], cut: bool) -> Option<&str> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if cut && bytes.len() - error.valid_up_to() < 4 => {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    (!text.contains('\0')).then_some(text)
}

/// The key with which a user of the control plane signs, made and enrolled when first needed.
fn person(vault: &Unlocked, people: &Path, name: &str) -> Result<PersonKey> {
    let path = people.join(format!("{name}.key"));
    if name.contains('/') {
        bail!("{name:?} is no name of a person");
    }
    let key = if path.exists() { PersonKey::read(&path)? } else { PersonKey::create(&path, name)? };
    let ledger = vault.vault().ledger()?;
    if ledger.people.contains_key(name) {
        return Ok(key);
    }
    // From the third person on an enrolled one vouches: any whose key this control plane has.
    let known: BTreeMap<&String, PathBuf> =
        ledger.people.keys().map(|other| (other, people.join(format!("{other}.key")))).collect();
    let by = known.values().find(|path| path.exists());
    let by = by.map(|path| PersonKey::read(path)).transpose()?;
    vault.enrol(&key, by.as_ref(), now()?)?;
    Ok(key)
}

/// Tells how far the work is, keeps it below a speed, and ends it before the disk is full.
pub struct Teller {
    state: Mutex<Told>,
    bytes_per_s: Option<f64>,
    began: Instant,
    /// Where it writes, and how much of the disk must stay free.
    place: Option<(PathBuf, u64)>,
    /// Why it was ended.
    full: OnceLock<String>,
}

struct Told {
    bytes: u64,
    last: Instant,
}

impl Teller {
    pub fn new(kib_per_s: Option<u32>) -> Self {
        let began = Instant::now();
        let bytes_per_s = kib_per_s.map(|kib| f64::from(kib) * 1_024.0);
        let state = Mutex::new(Told { bytes: 0, last: began });
        Teller { state, bytes_per_s, began, place: None, full: OnceLock::new() }
    }

    /// Of work that writes below `place`: others may take of the room that was there when it began.
    pub fn writing(place: &Path) -> Self {
        let place = Some((place.to_owned(), rehearsal::LEFT_FREE_BYTES));
        Teller { place, ..Self::new(None) }
    }
}

impl Onlooker for Teller {
    #[expect(clippy::cast_precision_loss, reason = "a pace needs no more than 52 bits")]
    fn passed(&self, path: &Path, bytes: u64) {
        let mut told = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        told.bytes += bytes;
        if told.last.elapsed() >= TELL_EVERY {
            told.last = Instant::now();
            let at = path.to_string_lossy().into_owned();
            // A server that does not listen any more ends this process by its other pipe.
            drop(say(&Word::Progress { bytes: told.bytes, at }));
        }
        // While one thread waits the others must too: the lock is kept.
        if let Some(rate) = self.bytes_per_s {
            let due = Duration::from_secs_f64(told.bytes as f64 / rate);
            std::thread::sleep(due.saturating_sub(self.began.elapsed()));
        }
    }

    fn goes_on(&self) -> bool {
        if let Some((place, left)) = &self.place
            && let Ok(free) = rehearsal::free(place)
            && free < *left
        {
            let (free, left) = (free >> 20, left >> 20);
            let why = format!("broken off: {free} MiB are free on the disk and {left} must stay");
            self.full.get_or_init(|| why);
        }
        // What is taken away again makes no room to go on.
        self.full.get().is_none()
    }

    fn why_not(&self) -> String {
        self.full.get().cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_was_cut_within_a_character_is_text() {
        let text = "Ventil öffnen".as_bytes();
        assert_eq!(shown(&text[..8], true), Some("Ventil "));
        assert_eq!(shown(&text[..8], false), None);
        assert_eq!(shown(b"a\0b", false), None);
    }

    #[test]
    fn work_that_writes_ends_when_the_disk_has_no_more_room_than_must_stay() {
        let place = std::env::temp_dir();
        let on = |left| Teller { place: Some((place.clone(), left)), ..Teller::new(None) };
        assert!(on(0).goes_on() && Teller::new(None).goes_on());
        let mut teller = on(u64::MAX);
        assert!(!teller.goes_on());
        let why = teller.why_not();
        assert!(why.starts_with("broken off: ") && why.ends_with(" must stay"), "{why}");
        teller.place = None;
        assert!(!teller.goes_on() && teller.why_not() == why, "it stays so");
        let writing = Teller::writing(&place).place;
        assert_eq!(writing, Some((place, 256 << 20)));
    }
}
