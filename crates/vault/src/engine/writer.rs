//! The content of a backup on its way into the repository.
//!
//! One thread reads the sources, in order, and cuts; others hash, compress and encrypt what it
//! hands them in batches. What they answer comes back into order before directories are made of
//! it. Memory is bounded by the number of batches, whatever the size of the backup. Invariant: a
//! node is in its directory only when all its chunks have been put.

use super::{
    archive::{Content, Handed, Tally, hand_over, in_order},
    chunker::Chunker,
    index::BlobKind,
    objects::Objects,
    reader::{Reader, grown},
    seal::Cipher,
    store::{Store, Tool, lock},
    to_id,
    tree::{Before, Builder, Standing},
};
use crate::{
    digest::Sha256,
    error::{Error, Result},
    limits::WRITERS_MAX,
    source::Entry,
};
use rustic_core::{
    DataId,
    repofile::{ConfigFile, Metadata, Node, NodeType, SnapshotSummary},
};
use std::{
    collections::{BTreeMap, VecDeque},
    ffi::OsString,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Component, Path},
    sync::{
        Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

/// Bytes of chunks from which on a batch is sent; its last chunk may reach beyond.
const BATCH_BYTES: usize = 1 << 20;

/// Chunks of a batch: small files would make it long in coming.
const BATCH_CHUNKS: usize = 4_096;

/// Bytes read at once.
const READ_BYTES: usize = 256 << 10;

/// Chunks longer than this are sealed one at a time: most have half as much, and the room for the
/// longest of 8 MiB is then needed once and not by every thread.
const LARGE_BYTES: usize = 3 << 20;

/// Entries that may wait for their content before a batch is sent though it is not full.
const WAITING_MAX: usize = 8_192;

/// What a backup is written into.
pub(super) struct Ground<'a> {
    pub objects: &'a Objects,
    pub cipher: &'a Cipher,
    pub reader: &'a Reader,
    pub config: &'a ConfigFile,
    /// The tree of the snapshot before.
    pub before: Option<Sha256>,
}

/// Stores all entries; the root of the tree made of them.
pub(super) fn write(
    ground: &Ground,
    entries: Vec<Entry>,
    tally: &mut Tally,
) -> Result<(Sha256, SnapshotSummary)> {
    let Ground { objects, cipher, reader, config, before } = *ground;
    let chunker = config.poly().ok().and_then(|polynomial| {
        let (least, greatest) = (config.chunk_min_size(), config.chunk_max_size());
        Chunker::new(polynomial, least, config.chunk_size(), greatest)
    });
    let chunker = chunker
        .ok_or_else(|| Error::Engine("the repository cuts files in a way of its own".into()))?;
    let store = Store::new(objects, cipher, &reader.index, config)?;
    let writers = thread::available_parallelism().map_or(1, usize::from).min(WRITERS_MAX);
    let (jobs, for_writers) = channel();
    let (answers, answered) = channel();
    let for_writers = Mutex::new(for_writers);
    let (tree, mut summary) = thread::scope(|scope| {
        for _ in 0..writers {
            let (store, jobs, answers) = (&store, &for_writers, answers.clone());
            scope.spawn(move || serve(store, jobs, answers));
        }
        drop(answers);
        let mut feeder = Feeder {
            store: &store,
            chunker,
            jobs,
            answered,
            batch: Batch::default(),
            spare: (0..writers).map(|_| Batch::default()).collect(),
            sent: 0,
            taken: 0,
            early: BTreeMap::new(),
            ids: VecDeque::new(),
            steps: VecDeque::new(),
            builder: Builder::new(before),
        };
        feeder.feed(entries, Before::new(reader, before), tally)
    })?;
    let (data, trees) = store.finish()?;
    summary.data_blobs = data.blobs;
    summary.tree_blobs = trees.blobs;
    summary.data_added_files = data.bytes;
    summary.data_added_files_packed = data.bytes_packed;
    summary.data_added_trees = trees.bytes;
    summary.data_added_trees_packed = trees.bytes_packed;
    summary.data_added = data.bytes + trees.bytes;
    summary.data_added_packed = data.bytes_packed + trees.bytes_packed;
    Ok((tree, summary))
}

/// Chunks of files one after the other, and behind them the beginning of the next.
#[derive(Default)]
struct Batch {
    number: u64,
    bytes: Vec<u8>,
    filled: usize,
    ends: Vec<usize>,
}

impl Batch {
    /// Where the last whole chunk ends.
    fn used(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        let mut from = 0;
        self.ends.iter().map(move |&end| &self.bytes[mem::replace(&mut from, end)..end])
    }

    fn is_full(&self) -> bool {
        self.used() >= BATCH_BYTES || self.ends.len() >= BATCH_CHUNKS
    }
}

/// A batch to be used again, and the names of what was in it.
type Answer = Result<(Batch, Vec<Sha256>)>;

/// What a writing thread does.
fn serve(store: &Store, jobs: &Mutex<Receiver<Batch>>, answers: Sender<Answer>) {
    let mut tool = Tool::default();
    loop {
        let Ok(batch) = lock(jobs).recv() else { return };
        let work = || match batch.chunks().any(|chunk| chunk.len() > LARGE_BYTES) {
            true => store.put(BlobKind::Data, batch.chunks(), &mut lock(&store.large)),
            false => store.put(BlobKind::Data, batch.chunks(), &mut tool),
        };
        let done = catch_unwind(AssertUnwindSafe(work))
            .unwrap_or_else(|_| Err(Error::Engine("it panicked while storing".into())));
        let failed = done.is_err();
        if answers.send(done.map(|ids| (batch, ids))).is_err() || failed {
            return;
        }
    }
}

/// What the walk over the entries comes to, kept until the content before it is stored.
enum Step {
    Enter {
        node: Node,
        before: Option<Sha256>,
    },
    Leave,
    /// An entry that is no directory. One that failed is not `kept`; its chunks are passed over.
    Add {
        node: Node,
        chunks: Option<usize>,
        standing: Standing,
        kept: bool,
    },
}

/// The reading thread.
struct Feeder<'a, 's> {
    store: &'a Store<'s>,
    chunker: Chunker,
    jobs: Sender<Batch>,
    answered: Receiver<Answer>,
    batch: Batch,
    spare: Vec<Batch>,
    /// Batches sent, and those whose answer has been put into order.
    sent: u64,
    taken: u64,
    early: BTreeMap<u64, Vec<Sha256>>,
    /// Names of chunks, in the order in which they were read, that no step has taken.
    ids: VecDeque<Sha256>,
    steps: VecDeque<Step>,
    builder: Builder,
}

impl Feeder<'_, '_> {
    fn feed(
        &mut self,
        entries: Vec<Entry>,
        mut before: Before,
        tally: &mut Tally,
    ) -> Result<(Sha256, SnapshotSummary)> {
        let mut inside: Vec<OsString> = Vec::new();
        for entry in in_order(entries, tally) {
            let Some(handed) = hand_over(entry, tally) else { continue };
            self.go_to(&handed, &mut inside, &mut before)?;
            if !handed.node.is_dir() {
                self.entry(handed, &mut before, tally)?;
            }
        }
        for _ in inside {
            self.step(Step::Leave)?;
        }
        if !self.batch.ends.is_empty() {
            self.send()?;
        }
        while self.taken < self.sent {
            self.take_answer()?;
        }
        self.advance()?;
        if !self.steps.is_empty() {
            return Err(Error::Engine("content is missing after all was stored".into()));
        }
        let tree = self.builder.finish(self.store)?;
        Ok((tree, mem::take(&mut self.builder.summary)))
    }

    /// Leaves and enters directories until the walk is where the entry lies. One that nobody
    /// offered gets a node of its own.
    fn go_to(
        &mut self,
        handed: &Handed,
        inside: &mut Vec<OsString>,
        before: &mut Before,
    ) -> Result<()> {
        let is_dir = handed.node.is_dir();
        let directory = if is_dir { Some(&*handed.path) } else { handed.path.parent() };
        let wanted: Vec<_> = directory.iter().flat_map(|path| names(path)).collect();
        let common = inside.iter().zip(&wanted).take_while(|(a, b)| *a == *b).count();
        while inside.len() > common {
            inside.pop();
            before.leave();
            self.step(Step::Leave)?;
        }
        for (at, name) in wanted.iter().enumerate().skip(common) {
            let node = if is_dir && at + 1 == wanted.len() {
                handed.node.clone()
            } else {
                let meta = Metadata { mode: Some(0o755), ..Metadata::default() };
                Node::new_node(name, NodeType::Dir, meta)
            };
            let old = before.enter(name);
            inside.push(name.clone());
            self.step(Step::Enter { node, before: old })?;
        }
        Ok(())
    }

    fn entry(&mut self, handed: Handed, before: &mut Before, tally: &mut Tally) -> Result<()> {
        let Handed { path, mut node, content } = handed;
        let standing = before.compare(&mut node, self.store);
        let (chunks, kept) = match content {
            Some(content) if standing != Standing::Unchanged => {
                let (chunks, whole) = self.read(content, &path, tally)?;
                (Some(chunks), whole)
            }
            _ => (None, true),
        };
        self.step(Step::Add { node, chunks, standing, kept })?;
        if self.batch.is_full() || self.steps.len() > WAITING_MAX && !self.batch.ends.is_empty() {
            self.send()?;
        }
        Ok(())
    }

    /// Reads and cuts a file. How many chunks came of it, and whether it is whole.
    fn read(
        &mut self,
        mut content: Content,
        path: &Path,
        tally: &mut Tally,
    ) -> Result<(usize, bool)> {
        let (mut chunks, mut seen) = (0, 0);
        loop {
            let Batch { bytes, filled, .. } = &mut self.batch;
            let room = &mut grown(bytes, *filled + READ_BYTES)[*filled..];
            match content.read(path, room, tally) {
                None => {
                    self.batch.filled = self.batch.used();
                    return Ok((chunks, false));
                }
                Some(0) => break,
                Some(n) => self.batch.filled += n,
            }
            loop {
                let (from, filled) = (self.batch.used(), self.batch.filled);
                let Some(n) = self.chunker.cut(&self.batch.bytes[from..filled], seen) else {
                    seen = filled - from;
                    break;
                };
                (chunks, seen) = (chunks + 1, 0);
                self.batch.ends.push(from + n);
                if self.batch.is_full() {
                    self.send()?;
                }
            }
        }
        if self.batch.filled > self.batch.used() {
            chunks += 1;
            self.batch.ends.push(self.batch.filled);
        }
        Ok((chunks, true))
    }

    /// Sends the batch; what it holds of an unfinished chunk goes over into the next.
    fn send(&mut self) -> Result<()> {
        let mut next = loop {
            match self.spare.pop() {
                Some(batch) => break batch,
                None => self.take_answer()?,
            }
        };
        let rest = &self.batch.bytes[self.batch.used()..self.batch.filled];
        grown(&mut next.bytes, rest.len()).copy_from_slice(rest);
        (next.number, next.filled) = (self.sent + 1, rest.len());
        next.ends.clear();
        let batch = mem::replace(&mut self.batch, next);
        self.sent += 1;
        self.jobs.send(batch).map_err(|_| threads_gone())?;
        self.advance()
    }

    /// Waits for a batch to come back.
    fn take_answer(&mut self) -> Result<()> {
        let (batch, ids) = self.answered.recv().map_err(|_| threads_gone())??;
        self.early.insert(batch.number, ids);
        self.spare.push(batch);
        while let Some(ids) = self.early.remove(&self.taken) {
            self.ids.extend(ids);
            self.taken += 1;
        }
        Ok(())
    }

    fn step(&mut self, step: Step) -> Result<()> {
        self.steps.push_back(step);
        self.advance()
    }

    /// Does the steps whose content is stored.
    fn advance(&mut self) -> Result<()> {
        while let Some(step) = self.steps.front() {
            if let Step::Add { chunks: Some(chunks), .. } = step
                && self.ids.len() < *chunks
            {
                return Ok(());
            }
            match self.steps.pop_front() {
                Some(Step::Enter { node, before }) => self.builder.enter(node, before),
                Some(Step::Leave) => self.builder.leave(self.store)?,
                Some(Step::Add { mut node, chunks, standing, kept }) => {
                    if let Some(chunks) = chunks {
                        let ids = self.ids.drain(..chunks);
                        node.content = Some(ids.map(|id| DataId::from(to_id(&id))).collect());
                    }
                    if kept {
                        self.builder.add(node, standing)?;
                    }
                }
                None => {}
            }
        }
        Ok(())
    }
}

fn threads_gone() -> Error {
    Error::Engine("the threads that store have ended".into())
}

/// The names a path is made of.
fn names(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        _ => None,
    })
}
