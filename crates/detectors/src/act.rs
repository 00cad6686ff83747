//! Engineering acts on controllers: one rule for all of them, told by the class of operation.
//!
//! Not here: the words of each act; see the files of the detectors. Invariant: an act is found
//! in every phase, also while learning; what was learned only lowers its severity.

use crate::{
    About, Draft, Findings, Phase, Site, Watch,
    baseline::{Few, Memory, few, memory},
    evidence,
    limits::WATCHED_MAX,
    object,
};
use inventory::is_industrial;
use model::{
    Address, Detail, Direction, Mac, Observation, Operation, OperationClass, Outcome, Severity,
    Subject,
};
use std::hash::{Hash, Hasher};

/// How a class of operations is told.
pub(crate) struct Act {
    pub(crate) class: OperationClass,
    /// Of all in the class only these functions, and what there is to say of them.
    pub(crate) special: Option<(&'static [&'static str], &'static str)>,
    /// Title; `{0}` asks, `{1}` is asked.
    pub(crate) title: &'static str,
    /// From somebody not known to do it.
    pub(crate) severity: Severity,
    /// From a station known for engineering work.
    pub(crate) from_engineering: Severity,
    /// From somebody who does just this to the same device as a habit.
    pub(crate) habit: Severity,
    pub(crate) techniques: &'static [&'static str],
}

pub(crate) struct Acts {
    about: &'static About,
    acts: &'static [Act],
    /// By client and class.
    targets: Targets<(Address, OperationClass)>,
}

impl Acts {
    pub(crate) fn new(about: &'static About, acts: &'static [Act]) -> Self {
        Acts { about, acts, targets: Targets::default() }
    }

    /// The act an operation is: one of its very function, else the one of its class.
    fn of(&self, operation: &Operation) -> Option<&'static Act> {
        let of_class = || self.acts.iter().filter(|act| act.class == operation.class);
        let named = |act: &&Act| {
            act.special.is_some_and(|(names, _)| names.contains(&operation.function_name))
        };
        of_class().find(named).or_else(|| of_class().find(|act| act.special.is_none()))
    }

    /// The finding an act joins: the pair's, or the client's where it does it to many.
    fn key(&mut self, act: &Act, client: Address, server: Address) -> Key {
        let device = self.targets.apart((client, act.class), server);
        Key { class: act.class, client, device, title: act.special.map(|_| act.title) }
    }
}

/// Devices to which somebody does the same: the first few have a finding each, more share one.
pub(crate) struct Targets<K, D = Address>(Memory<K, Few<D>>);

impl<K, D> Default for Targets<K, D> {
    fn default() -> Self {
        Targets(memory())
    }
}

impl<K: Eq + Hash, D: Copy + Eq + Hash> Targets<K, D> {
    /// With a finding of their own.
    const APART: usize = 3;

    /// The device, where it has a finding of its own.
    pub(crate) fn apart(&mut self, who: K, device: D) -> Option<D> {
        if self.0.len() >= WATCHED_MAX {
            self.0.clear();
        }
        let targets = self.0.entry(who).or_insert_with(few);
        let room = targets.len() < Self::APART;
        (targets.contains(&device) || room && targets.insert(device)).then_some(device)
    }
}

#[derive(Clone, Copy)]
struct Key {
    class: OperationClass,
    client: Address,
    /// Where it has a finding of its own.
    device: Option<Address>,
    /// Of a special act.
    title: Option<&'static str>,
}

impl Hash for Key {
    /// What is of the class alone keeps its number, whatever is told apart beside it.
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.class, self.client, self.device).hash(state);
        if let Some(title) = self.title {
            title.hash(state);
        }
    }
}

impl Watch for Acts {
    fn wants(&self, protocol: &str, class: OperationClass) -> bool {
        is_industrial(protocol)
            && !is_managed(protocol)
            && self.acts.iter().any(|act| act.class == class)
    }

    fn see(&mut self, o: &Observation, site: &Site<'_>, out: &mut Findings) {
        let Detail::Operation(operation) = &o.detail else { return };
        let Some(act) = self.of(operation) else { return };
        let managed = is_managed(o.protocol);
        if !site.industrial || managed || is_upkeep(o.protocol, operation) {
            return;
        }
        let (Some(from), Some(to)) = (o.from.address(), o.to.address()) else { return };
        match operation.direction {
            Direction::Request | Direction::Notice => {
                self.asked(o, operation, (act, from, to), site, out);
            }
            Direction::Response => {
                self.answered(o, (operation, site.times), (act, to, from), out);
            }
        }
    }
}

impl Acts {
    fn asked(
        &mut self,
        o: &Observation,
        operation: &Operation,
        (act, client, server): (&Act, Address, Address),
        site: &Site<'_>,
        out: &mut Findings,
    ) {
        let standing = standing(site, client, server, act.class);
        let severity = match standing {
            Standing::Habit => act.habit,
            Standing::Engineering => act.from_engineering,
            Standing::Unknown | Standing::NothingLearned => act.severity,
        };
        let key = self.key(act, client, server);
        let safety = o.protocol == "tristation";
        let others = if key.device.is_some() { "" } else { " and others" };
        let special = act.special.map_or(String::new(), |(_, says)| format!(" {says}"));
        let why = |asked: &str| {
            let what = described(o, operation);
            let safety = if safety { " It is a safety controller (Triconex)." } else { "" };
            let how = standing.words(site);
            format!("{{0}} asked {asked}{others} for {what}.{special} {how}{safety}")
        };
        let whom = whom(o);
        let raised = out.raise(self.about, key, o, || {
            let title = match key.device {
                Some(_) => act.title.replace("{1}", whom),
                None => act.title.replace("{1}", "many devices"),
            };
            Draft::between(o, severity, title).because(why(whom)).techniques(act.techniques)
        });
        let Some(open) = raised else { return };
        open.names(server);
        if severity > open.severity() {
            // It joins what is usual with other devices.
            open.at_least(severity);
            open.explained(why(&server.to_string()));
            open.proof_of("worst", o);
        }
        if safety && severity >= Severity::High {
            open.at_least(Severity::Critical);
        }
        if open.is_new() && site.phase == Phase::Learnt {
            let who = site.baseline.who_does(act.class);
            let says = format!("stations known to ask for {}", act.class.word());
            open.proof("learned", evidence::learned(says, who.iter().map(Address::to_string)));
        }
    }

    /// An answer tells how it ended, and stands for its question where that was not captured.
    fn answered(
        &mut self,
        o: &Observation,
        (operation, times): (&Operation, u64),
        (act, client, server): (&Act, Address, Address),
        out: &mut Findings,
    ) {
        let key = self.key(act, client, server);
        if let Some(open) = out.known(self.about, key) {
            open.proof_of("answer", o);
            open.ended(operation.outcome, times);
            return;
        }
        if matches!(operation.outcome, Outcome::Refused { .. }) {
            return;
        }
        let what = described(o, operation);
        let raised = out.raise(self.about, key, o, || {
            Draft::back(o, act.severity, act.title)
                .because(format!(
                    "{{1}} answered {{0}}: {what}. The question itself is not in the capture."
                ))
                .techniques(act.techniques)
        });
        debug_assert!(raised.is_none_or(|open| open.count() > 0));
    }
}

/// Who is asked, as texts name it: what goes to all goes to nobody by name. A broadcast to the
/// addresses of one network is known by the frame it is in.
fn whom(o: &Observation) -> &'static str {
    let to_group = o.to.address().is_some_and(|to| !to.is_host());
    match o.to.mac {
        Some(Mac([0xff, 0xff, 0xff, 0xff, 0xff, 0xff])) => "all in the network",
        Some(mac) if mac.is_group() => "all of a group",
        _ if to_group => "all of a group",
        _ => "{1}",
    }
}

fn described(o: &Observation, operation: &Operation) -> String {
    let object = object::says(o.protocol, &operation.object);
    let name = operation.function_name;
    if object.is_empty() {
        format!("\"{name}\" ({})", o.protocol)
    } else {
        format!("\"{name}\" of {object} ({})", o.protocol)
    }
}

/// The device that what it says is about: itself, whom it speaks to, or another.
pub(crate) fn whose(o: &Observation, subject: Subject) -> Option<Address> {
    match subject {
        Subject::Receiver | Subject::ReceiverModule { .. } | Subject::BehindReceiver(_) => {
            o.to.address()
        }
        Subject::Address(address) => Some(address),
        Subject::Sender | Subject::SenderModule { .. } | Subject::BehindSender(_) => {
            o.from.address()
        }
    }
}

/// Buses whose master starts and stops its devices all the time, by the protocol itself.
pub(crate) fn is_managed(protocol: &str) -> bool {
    matches!(protocol, "ethercat" | "powerlink")
}

/// Session upkeep that shares a class with dangerous acts.
fn is_upkeep(protocol: &str, operation: &Operation) -> bool {
    protocol == "umas" && matches!(operation.function, 0x10 | 0x11)
}

/// What is known of somebody who does something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Standing {
    /// Does just this to this device.
    Habit,
    /// Programs, reads programs or browses controllers.
    Engineering,
    Unknown,
    NothingLearned,
}

pub(crate) fn standing(
    site: &Site<'_>,
    client: Address,
    server: Address,
    class: OperationClass,
) -> Standing {
    use OperationClass as Class;
    if site.phase != Phase::Learnt {
        return Standing::NothingLearned;
    }
    let pair = site.baseline.pair(client, server);
    if pair.is_some_and(|p| p.classes.contains(class)) {
        return Standing::Habit;
    }
    let signs = [Class::ProgramDownload, Class::ProgramUpload, Class::FirmwareUpdate];
    if signs.iter().any(|c| site.baseline.does(&client, *c)) {
        return Standing::Engineering;
    }
    Standing::Unknown
}

impl Standing {
    pub(crate) fn words(self, site: &Site<'_>) -> String {
        let time = site.baseline.watched_words();
        match self {
            Standing::Habit => format!("It did so before, in {time} of learning."),
            Standing::Engineering => {
                format!("It is known for engineering work, but not for this ({time} of learning).")
            }
            Standing::Unknown => format!("It never did so in {time} of learning."),
            Standing::NothingLearned => {
                "Nothing was learned of this site, so whether it is usual is not known.".to_owned()
            }
        }
    }
}
