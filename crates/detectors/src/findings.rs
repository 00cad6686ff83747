//! Open findings: identical facts join one, with a count, its bursts and bounded evidence.
//!
//! Not here: what is worth a finding. Invariant: a finding speaks of assets by what they are known
//! as when it is asked for, and is told anew when that changes; its evidence is what was said then.

use crate::{
    About, evidence,
    limits::{
        ADDRESSES_PER_FINDING_MAX, BURST_GAP_SECS, BURSTS_PER_FINDING_MAX,
        EVIDENCE_PER_FINDING_MAX, FINDINGS_MAX, FINDINGS_PER_DETECTOR_MAX,
        MESSAGES_PER_FINDING_MAX,
    },
};
use foldhash::quality::FixedState;
use inventory::Inventory;
use model::{Address, AssetId, Evidence, Finding, FindingId, Observation, Outcome, Severity, Time};
use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    hash::{BuildHasher, Hash},
};

/// What a detector says when facts are new. In texts `{0}` stands for the first address.
#[derive(Debug)]
pub struct Draft {
    pub severity: Severity,
    pub title: String,
    pub explanation: String,
    /// Whom it is about, the culprit first.
    pub addresses: Vec<Address>,
    /// Did the first do something to the others?
    pub begun_by_first: bool,
    /// Of the detector's techniques those that fit; empty for all.
    pub techniques: &'static [&'static str],
}

impl Draft {
    /// A draft about what the observation's sender did to its receiver: `{0}` and `{1}`.
    pub fn between(o: &Observation, severity: Severity, title: impl Into<String>) -> Self {
        Self::of_ends(o.from.address(), o.to.address(), severity, title.into())
    }

    /// As [`Self::between`], receiver first: for answers.
    pub fn back(o: &Observation, severity: Severity, title: impl Into<String>) -> Self {
        Self::of_ends(o.to.address(), o.from.address(), severity, title.into())
    }

    fn of_ends(
        first: Option<Address>,
        second: Option<Address>,
        severity: Severity,
        title: String,
    ) -> Self {
        let begun_by_first = first.is_some();
        let addresses = [first, second].into_iter().flatten().collect();
        Draft { begun_by_first, ..Self::about(addresses, severity, title) }
    }

    /// A draft about `by` and whom it did something to.
    pub fn by(
        by: Address,
        others: impl IntoIterator<Item = Address>,
        severity: Severity,
        title: impl Into<String>,
    ) -> Self {
        let addresses = std::iter::once(by).chain(others).collect();
        Draft { begun_by_first: true, ..Self::about(addresses, severity, title) }
    }

    /// A draft about addresses that are all alike.
    pub fn about(addresses: Vec<Address>, severity: Severity, title: impl Into<String>) -> Self {
        let title = title.into();
        Draft {
            severity,
            title,
            explanation: String::new(),
            addresses,
            begun_by_first: false,
            techniques: &[],
        }
    }

    pub fn because(mut self, explanation: impl Into<String>) -> Self {
        self.explanation = explanation.into();
        self
    }

    pub fn techniques(mut self, techniques: &'static [&'static str]) -> Self {
        self.techniques = techniques;
        self
    }
}

/// A run of equal facts without a long pause.
#[derive(Clone, Copy, Debug)]
struct Burst {
    first: Time,
    last: Time,
    count: u64,
}

/// What was told of a finding last, besides its texts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Told {
    severity: Severity,
    proofs: usize,
    all_refused: bool,
    count: u64,
}

/// What a finding says of assets: its texts, and which they are.
#[derive(PartialEq, Eq, Hash)]
struct Words {
    title: String,
    explanation: String,
    assets: Vec<AssetId>,
}

#[derive(Debug)]
pub struct Open {
    about: &'static About,
    draft: Draft,
    messages: Vec<Evidence>,
    proofs: BTreeMap<&'static str, Proof>,
    bursts: Vec<Burst>,
    count: u64,
    /// Calls of `raise` that gave it.
    raised: u64,
    told: Option<Told>,
    /// Stands for the words it was told in.
    told_words: u64,
    /// Answers that said so.
    done: u64,
    refused: u64,
}

#[derive(Debug)]
enum Proof {
    Said(Evidence),
    Count {
        first: Time,
        last: Time,
        count: u64,
        says: &'static str,
    },
    /// A message that later ones mostly take the place of: put into words when asked for.
    Message(Box<Observation>),
}

impl Proof {
    fn evidence(&self) -> Evidence {
        match self {
            Proof::Said(evidence) => evidence.clone(),
            Proof::Count { first, last, count, says } => Evidence::Count {
                first: *first,
                last: *last,
                count: *count,
                says: (*says).to_owned(),
            },
            Proof::Message(observation) => evidence::message(observation),
        }
    }
}

#[derive(Debug, Default)]
pub struct Findings {
    open: BTreeMap<u64, Open>,
    changed: BTreeSet<u64>,
    /// Put in there last: it is the likely one again.
    newest: Option<u64>,
    per_detector: BTreeMap<&'static str, usize>,
    refused: u64,
    refused_of_detector: u64,
    /// How often what is shown came, less one.
    more: u64,
}

impl Findings {
    /// The facts `key` were seen in `o`: opens a finding or joins the open one.
    ///
    /// Gives the finding, to add proofs; `None` when there is no room for another.
    pub fn raise(
        &mut self,
        about: &'static About,
        key: impl Hash,
        o: &Observation,
        draft: impl FnOnce() -> Draft,
    ) -> Option<&mut Open> {
        let id = id_of(about, key);
        let room = self.open.len() < FINDINGS_MAX;
        let open = match self.open.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(_) if !room => {
                self.refused += 1;
                return None;
            }
            Entry::Vacant(place) => {
                let of_detector = self.per_detector.entry(about.id).or_default();
                if *of_detector >= FINDINGS_PER_DETECTOR_MAX {
                    self.refused_of_detector += 1;
                    return None;
                }
                *of_detector += 1;
                place.insert(Open::new(about, draft()))
            }
        };
        if self.newest.replace(id) != Some(id) {
            self.changed.insert(id);
        }
        open.again(o, 1 + self.more);
        Some(open)
    }

    /// What is shown from here on came so often, and counts so often in the findings it raises.
    pub(crate) fn times(&mut self, times: u64) {
        self.more = times.saturating_sub(1);
    }

    /// The open finding of these facts; nothing is counted.
    pub fn known(&mut self, about: &'static About, key: impl Hash) -> Option<&mut Open> {
        let id = id_of(about, key);
        let open = self.open.get_mut(&id)?;
        if self.newest.replace(id) != Some(id) {
            self.changed.insert(id);
        }
        Some(open)
    }

    /// Findings that are new or changed since the last call, in the order of their ids. Names of
    /// assets are looked at before the inventory's own changes are drained.
    pub fn drain(&mut self, inventory: &Inventory) -> Vec<Finding> {
        self.newest = None;
        let mut changed = std::mem::take(&mut self.changed);
        changed.extend(self.renamed(inventory));
        let told = changed.iter().filter_map(|id| {
            let open = self.open.get_mut(id)?;
            Some(open.tell(*id, inventory))
        });
        told.collect()
    }

    /// Those that were told and speak of assets that are known as something else since.
    fn renamed(&self, inventory: &Inventory) -> Vec<u64> {
        if !inventory.has_news() {
            return Vec::new();
        }
        let renamed = self.open.iter().filter(|(_, open)| {
            let of_one = || open.draft.addresses.iter().any(|a| inventory.has_news_of(a));
            open.told.is_some() && of_one() && hash(open.words(inventory)) != open.told_words
        });
        renamed.map(|(id, _)| *id).collect()
    }

    /// Those that are new or worse than was told, are proved in another way, speak of an asset that
    /// got another name, or were seen ten times as often. The others are told by the next
    /// [`Self::drain`].
    pub fn drain_news(&mut self, inventory: &Inventory) -> Vec<Finding> {
        self.newest = None;
        let renamed = self.renamed(inventory);
        self.changed.extend(&renamed);
        let mut news = Vec::new();
        let all = &mut self.open;
        self.changed.retain(|id| {
            let Some(open) = all.get_mut(id) else { return false };
            let now = open.now();
            let same = |told: Told| {
                let seldom = told.count.saturating_mul(10) > now.count;
                seldom && Told { count: now.count, ..told } == now
            };
            if open.told.is_some_and(same) && renamed.binary_search(id).is_err() {
                return true;
            }
            news.push(open.tell(*id, inventory));
            false
        });
        news
    }

    /// Every finding: worst first, then by time, detector and id.
    pub fn all(&self, inventory: &Inventory) -> Vec<Finding> {
        let mut all: Vec<_> =
            self.open.iter().map(|(id, open)| open.row(*id, open.words(inventory))).collect();
        all.sort_by(|a, b| {
            let key = |f: &Finding| (std::cmp::Reverse(f.severity), f.first_seen);
            key(a).cmp(&key(b)).then_with(|| a.detector.cmp(&b.detector)).then(a.id.cmp(&b.id))
        });
        all
    }

    pub fn len(&self) -> usize {
        self.open.len()
    }

    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub(crate) fn limits_hit(&self, limits: &mut BTreeMap<&'static str, u64>) {
        for (name, count) in
            [("findings", self.refused), ("findings-of-detector", self.refused_of_detector)]
        {
            if count > 0 {
                limits.insert(name, count);
            }
        }
    }
}

fn id_of(about: &About, key: impl Hash) -> u64 {
    hash((about.id, key))
}

fn hash(of: impl Hash) -> u64 {
    FixedState::with_seed(0x6669_6e64_696e_6773).hash_one(of)
}

impl Open {
    fn new(about: &'static About, draft: Draft) -> Open {
        Open {
            about,
            draft,
            messages: Vec::new(),
            proofs: BTreeMap::new(),
            bursts: Vec::new(),
            count: 0,
            raised: 0,
            told: None,
            told_words: 0,
            done: 0,
            refused: 0,
        }
    }

    fn now(&self) -> Told {
        Told {
            severity: self.draft.severity,
            proofs: self.proofs.len(),
            all_refused: self.refused > 0 && self.done == 0,
            count: self.count,
        }
    }

    /// Seen for the first time by the call of `raise` that gave it.
    pub fn is_new(&self) -> bool {
        self.raised == 1
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    /// Sets the proof that goes by `name`, in place of an earlier one.
    pub fn proof(&mut self, name: &'static str, evidence: Evidence) {
        self.proofs.insert(name, Proof::Said(evidence));
    }

    /// As [`Self::proof`], with a count that changes often.
    pub fn proof_count(
        &mut self,
        name: &'static str,
        (first, last): (Time, Time),
        (count, says): (u64, &'static str),
    ) {
        self.proofs.insert(name, Proof::Count { first, last, count, says });
    }

    /// As [`Self::proof`], with what the observation says.
    pub fn proof_of(&mut self, name: &'static str, o: &Observation) {
        match self.proofs.get_mut(name) {
            // One of many that were only counted has no octets to show.
            Some(Proof::Message(known)) if known.excerpt.is_some() && o.excerpt.is_none() => {}
            Some(Proof::Message(known)) => (**known).clone_from(o),
            _ => drop(self.proofs.insert(name, Proof::Message(Box::new(o.clone())))),
        }
    }

    /// Says it anew, when more has come to it.
    pub fn titled(&mut self, title: String) {
        self.draft.title = title;
    }

    /// Explains it anew, when more has come to it.
    pub fn explained(&mut self, explanation: String) {
        self.draft.explanation = explanation;
    }

    /// Explains more of it, in words that go on from those before.
    pub fn explained_more(&mut self, words: &str) {
        self.draft.explanation.push_str(words);
    }

    /// Does its explanation end so?
    pub fn says(&self, words: &str) -> bool {
        self.draft.explanation.ends_with(words)
    }

    pub fn severity(&self) -> Severity {
        self.draft.severity
    }

    /// Raises the severity; never lowers it.
    pub fn at_least(&mut self, severity: Severity) {
        self.draft.severity = self.draft.severity.max(severity);
    }

    /// What it says happened in `o` for the first time: what led to it is not counted as that.
    pub fn begins_with(&mut self, o: &Observation) {
        self.messages.clear();
        self.bursts.clear();
        (self.count, self.told) = (0, None);
        self.again(o, 1);
    }

    /// The newest burst began or ended outside what was counted one by one. What a detector counts
    /// may have begun bursts ago, which says nothing of when this one did.
    pub fn spans(&mut self, first: Time, last: Time) {
        let Some((burst, earlier)) = self.bursts.split_last_mut() else { return };
        let earlier = earlier.iter().map(|b| b.last).max();
        if earlier.is_none_or(|ended| ended < first) {
            burst.first = burst.first.min(first);
        }
        burst.last = burst.last.max(last);
    }

    /// How so many answers to the requests of this finding ended.
    pub fn ended(&mut self, outcome: Outcome, times: u64) {
        match outcome {
            Outcome::Open => {}
            Outcome::Done => self.done += times,
            Outcome::Refused { .. } => self.refused += times,
        }
    }

    /// What the answers said, where any of them was a refusal: for title and explanation.
    fn outcome(&self) -> (&'static str, String) {
        match (self.done, self.refused) {
            (_, 0) => ("", String::new()),
            (0, 1) => (" (refused)", " It was refused.".to_owned()),
            (0, n) => (" (refused)", format!(" All answers seen are refusals: {n}.")),
            (done, n) => {
                let refusals = if n == 1 { "is a refusal" } else { "are refusals" };
                let others = if done == 1 { "is" } else { "are" };
                let words = format!(" Of the answers seen {n} {refusals}, {done} {others} not.");
                ("", words)
            }
        }
    }

    /// Names another address, while there is room.
    pub fn names(&mut self, address: Address) {
        let addresses = &mut self.draft.addresses;
        if addresses.len() < ADDRESSES_PER_FINDING_MAX && !addresses.contains(&address) {
            addresses.push(address);
        }
    }

    /// Whether it names the address, for which there may have been no room.
    pub fn has_named(&self, address: Address) -> bool {
        self.draft.addresses.contains(&address)
    }

    fn again(&mut self, o: &Observation, times: u64) {
        self.raised += 1;
        self.count += times;
        let gap = BURST_GAP_SECS * 1_000_000_000;
        let near = |b: &&mut Burst| o.at.since(b.last) <= gap && b.first.since(o.at) <= gap;
        // Newest first: nearly always the last one.
        if let Some(burst) = self.bursts.iter_mut().rev().find(near) {
            burst.count += times;
            burst.first = burst.first.min(o.at);
            burst.last = burst.last.max(o.at);
            return;
        }
        if self.messages.len() < MESSAGES_PER_FINDING_MAX {
            self.messages.push(evidence::message(o));
        }
        self.bursts.push(Burst { first: o.at, last: o.at, count: times });
        self.bursts.sort_by_key(|b| b.first);
        if self.bursts.len() > BURSTS_PER_FINDING_MAX {
            join_nearest(&mut self.bursts);
        }
    }

    /// The row as it is told, and kept in mind.
    fn tell(&mut self, id: u64, inventory: &Inventory) -> Finding {
        self.told = Some(self.now());
        let words = self.words(inventory);
        self.told_words = hash(&words);
        self.row(id, words)
    }

    fn words(&self, inventory: &Inventory) -> Words {
        let addresses = &self.draft.addresses;
        let names: Vec<String> = addresses.iter().map(|a| evidence::name(a, inventory)).collect();
        let (refused, answers) = self.outcome();
        let mut words = Words {
            title: evidence::fill(&self.draft.title, &names) + refused,
            explanation: evidence::fill(&self.draft.explanation, &names) + &answers,
            assets: Vec::new(),
        };
        // In the order they are named in: who did it comes first.
        for key in addresses.iter().filter_map(|address| inventory.asset_of(address)) {
            let id = inventory.id(key);
            if inventory.is_shown(key) && !words.assets.contains(&id) {
                words.assets.push(id);
            }
        }
        words
    }

    fn row(&self, id: u64, words: Words) -> Finding {
        let first = self.bursts.iter().map(|b| b.first).min().unwrap_or_default();
        let last = self.bursts.iter().map(|b| b.last).max().unwrap_or_default();
        let mut proofs =
            self.messages.iter().take(1).cloned().chain(self.proofs.values().map(Proof::evidence));
        let counted = || count_of(Burst { first, last, count: self.count });
        let mut finding = Finding::new(
            FindingId(format!("fnd_{id:016x}")),
            self.about.id,
            (self.about.engine, self.draft.severity),
            words.title,
            first,
            proofs.next().unwrap_or_else(counted),
        );
        finding.last_seen = last;
        finding.count = self.count;
        for proof in proofs {
            finding.add_evidence(proof, EVIDENCE_PER_FINDING_MAX);
        }
        for burst in self.bursts.iter().filter(|b| b.count > 1) {
            finding.add_evidence(count_of(*burst), EVIDENCE_PER_FINDING_MAX);
        }
        for message in self.messages.iter().skip(1) {
            // The newest of a few is a proof by its name as well.
            if finding.evidence().contains(message) {
                continue;
            }
            finding.add_evidence(message.clone(), EVIDENCE_PER_FINDING_MAX);
        }
        let techniques = match self.draft.techniques {
            [] => self.about.techniques,
            some => some,
        };
        finding.techniques = techniques.iter().map(|t| (*t).to_owned()).collect();
        for address in &self.draft.addresses {
            // Texts may count on a place for each of their two ends, though both are the same.
            if !finding.addresses.contains(address) {
                finding.addresses.push(*address);
            }
        }
        if self.draft.begun_by_first && finding.addresses.len() > 1 {
            finding.initiator = finding.addresses.first().copied();
        }
        finding.assets = words.assets;
        finding.explanation = words.explanation;
        finding.runbook = self.about.runbook.to_owned();
        finding
    }
}

fn count_of(burst: Burst) -> Evidence {
    let Burst { first, last, count } = burst;
    let says = if count == 1 { "once" } else { "times within this burst" };
    Evidence::Count { first, last, count, says: says.to_owned() }
}

/// Joins the two bursts with the shortest pause between them.
fn join_nearest(bursts: &mut Vec<Burst>) {
    let pauses = bursts.windows(2).map(|w| w[1].first.since(w[0].last)).enumerate();
    let Some((at, _)) = pauses.min_by_key(|(_, pause)| *pause) else { return };
    let later = bursts.remove(at + 1);
    let earlier = &mut bursts[at];
    earlier.last = earlier.last.max(later.last);
    earlier.count += later.count;
}
