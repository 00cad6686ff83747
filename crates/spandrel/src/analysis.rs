//! A capture from file to report.
//!
//! Not here: who does the work (`crew`), printing. Invariant: any number of threads gives the same
//! report.

pub mod json;
pub mod progress;

use ::sensor::{Fold, Limits, Unnamed, WorkerSettings};
use anyhow::{Context as _, Result};
use crew::{Beside, Counts, MessageRows, Outcome, Reading, Remains, Threads, read_capture};
use detectors::{Baseline, Detection, Phase};
use model::{CaptureReport, Health};
use progress::{Progress, Watched};
use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};
use wire::file::CaptureReader;

/// How to analyse.
#[derive(Clone, Debug)]
pub struct Settings {
    pub threads: usize,
    pub values: bool,
    /// Count messages, which a live sensor does not.
    pub messages: bool,
    /// As JSON, of which parts may be written before all is known.
    pub json: bool,
    /// Keep the first octets of what gets no name.
    pub unnamed: bool,
    pub limits: Limits,
    /// What is normal; without it nothing is new.
    pub baseline: Option<Baseline>,
}

/// Does both, at the same time where there are several threads.
pub fn both<A: Send, B>(
    threads: usize,
    a: impl FnOnce() -> A + Send,
    b: impl FnOnce() -> B,
) -> (A, B) {
    if threads <= 1 {
        return (a(), b());
    }
    std::thread::scope(|scope| {
        let a = scope.spawn(a);
        let b = b();
        // A panic of ours is a bug; it goes on in this thread with its own words.
        (a.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), b)
    })
}

/// Takes it apart, beside everything else where there are several threads: nobody waits for that.
pub fn aside<A: Send + 'static>(threads: usize, all: A) {
    if threads > 1 {
        // Without another thread it is taken apart here.
        drop(std::thread::Builder::new().spawn(move || drop(all)));
    }
}

/// What a report was made of, and is of no more use.
pub struct Leftovers(Vec<Box<dyn Send>>);

impl Leftovers {
    /// Frees the memory, where the program is not about to end anyway: the kernel takes back what
    /// a program had in one go, but there are a million pieces to free one by one.
    #[expect(clippy::disallowed_methods, reason = "the end of the program frees it, and faster")]
    pub fn leave(self, threads: usize, ends: bool) {
        if ends {
            std::mem::forget(self);
        } else {
            aside(threads, self.0);
        }
    }
}

/// A number of worker threads, as the command line gives it.
pub fn threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(threads @ 1..=64) => Ok(threads),
        _ => Err("a number from 1 to 64".to_owned()),
    }
}

/// Takes what these captures show for normal.
pub fn learn(paths: &[PathBuf], settings: &Settings, shown: bool) -> Result<Option<Baseline>> {
    let settings = &Settings { json: false, ..settings.clone() };
    let mut baseline = None;
    for path in paths {
        let known = baseline.take().unwrap_or_default();
        let detection = Detection::with_baseline(known, Phase::Learning);
        let fold = Fold::with(detection).within(settings.limits);
        let analysed = open(path, settings, shown, fold)?;
        if let Some(damage) = analysed.health.damaged {
            anyhow::bail!("{} cannot serve as a baseline: {damage}", path.display());
        }
        baseline = Some(analysed.fold.detection.into_baseline());
    }
    Ok(baseline)
}

/// Analyses one capture; `-` is standard input.
pub fn analyse(path: &Path, settings: &Settings, shown: bool) -> Result<Analysed> {
    open(path, settings, shown, fold(settings))
}

/// A fold that knows what the settings say is normal.
fn fold(settings: &Settings) -> Fold {
    let detection = match &settings.baseline {
        Some(baseline) => Detection::with_baseline(baseline.clone(), Phase::Learnt),
        None => Detection::new(Phase::Unlearnt),
    };
    Fold::with(detection).within(settings.limits)
}

fn open(path: &Path, settings: &Settings, shown: bool, fold: Fold) -> Result<Analysed> {
    let is_input = path.as_os_str() == "-";
    let name = if is_input { "standard input".into() } else { path.display().to_string() };
    let (source, length): (Box<dyn Read>, u64) = if is_input {
        (Box::new(std::io::stdin().lock()), 0)
    } else {
        let file = File::open(path).with_context(|| format!("cannot open {name}"))?;
        let about = file.metadata().with_context(|| format!("cannot open {name}"))?;
        anyhow::ensure!(!about.is_dir(), "cannot read {name}: it is a folder, name its files");
        (Box::new(file), about.len())
    };
    let progress = Progress::new(&name, length, shown);
    let source: Box<dyn Read> = Box::new(Watched::new(source, &progress));
    let reader = CaptureReader::open(source).with_context(|| format!("cannot read {name}"))?;
    let analysed = read(reader, (path, settings), &progress, fold);
    progress.clear();
    analysed
}

/// A capture that was read.
pub struct Analysed {
    file: String,
    counts: Counts,
    messages: MessageRows,
    health: Health,
    unnamed: Vec<Unnamed>,
    fold: Fold,
    remains: Remains,
    /// The first parts of the messages as text, written beside something else.
    told: Vec<io::Result<json::Pieces>>,
    /// To write on.
    memory: Vec<Vec<u8>>,
    /// Those that read it.
    helpers: Threads,
}

/// Reads a capture to its end, or to its first damage.
fn read(
    reader: CaptureReader<Box<dyn Read + '_>>,
    (path, settings): (&Path, &Settings),
    progress: &Progress,
    fold: Fold,
) -> Result<Analysed> {
    let worker = WorkerSettings {
        values: settings.values,
        tally: settings.messages,
        unnamed: settings.unnamed,
        limits: settings.limits,
        ..WorkerSettings::default()
    };
    let work = (settings.threads, worker);
    let mut told = Vec::new();
    let mut beside = |messages: &MessageRows| {
        if settings.json {
            let pieces = json::Pieces::new(&json::Sheets::default());
            told.push(json::message_part(messages, told.len(), pieces));
        }
        (1..json::MESSAGE_PARTS).contains(&told.len())
    };
    let hear: (&mut dyn FnMut(_), Beside<'_>) =
        (&mut |packets| progress.show(packets), &mut beside);
    let Reading { counts, outcome, memory, mut fold, damage } =
        read_capture(reader, work, fold, hear)?;
    fold.finish();
    let Outcome { messages, mut health, unnamed, remains, threads: helpers } = outcome;
    health.damaged = damage.map(|error| format!("{:#}", anyhow::Error::from(error)));
    health.at = counts.last;
    health.limits.extend(fold.limits_hit());
    let file = path.display().to_string();
    Ok(Analysed { file, counts, messages, told, health, unnamed, fold, remains, memory, helpers })
}

impl Analysed {
    /// Where the file is damaged: what it is called, the packets before that, and what it is.
    pub fn damage(&self) -> Option<(&str, u64, &str)> {
        let damage = self.health.damaged.as_deref()?;
        Some((&self.file, self.counts.packets, damage))
    }

    /// What got no name, of which file; empty unless it was wanted.
    pub fn unnamed(&self) -> (&str, &[Unnamed]) {
        (&self.file, &self.unnamed)
    }

    pub fn into_report(self, settings: &Settings) -> (CaptureReport, Leftovers) {
        let Analysed { file, counts, messages, health, mut fold, remains, .. } = self;
        let values = settings.values.then(|| fold.take_values());
        let (inventory, detection) = (&fold.inventory, &fold.detection);
        let (links, (assets, findings)) = both(
            settings.threads,
            || inventory.links(),
            || (inventory.assets(), detection.findings(inventory)),
        );
        let report = CaptureReport {
            file,
            packets: counts.packets,
            bytes: counts.bytes,
            first_ts: counts.first,
            last_ts: counts.last,
            messages,
            assets,
            links,
            findings,
            sign_ins: fold.sign_ins(),
            values,
            health,
        };
        (report, Leftovers(vec![Box::new(fold), Box::new(remains)]))
    }
}
