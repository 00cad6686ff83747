//! Rules of the site: what its own people want to hear of, written in TOML.
//!
//! `read` turns text into [`Rule`]s; here is what a rule means. Not here: files. Invariant: a rule
//! was checked when it was read, so nothing in it can fail on what the network says.

mod read;
#[cfg(test)]
mod tests;
mod when;

use crate::{
    About, Detector, Draft, Findings, Kind, Site, Watch,
    act::Targets,
    baseline::{Memory, memory},
    limits::{MEMBERS_SHOWN_MAX, WATCHED_MAX},
    watched::Watched,
    window::Rate,
};
use model::{
    Address, Detail, Direction, Evidence, Object, Observation, Operation, OperationClass, Outcome,
    Severity,
};
use std::{fmt, net::IpAddr, sync::OnceLock};
use when::Span;

pub use read::{Invalid, parse};

pub static SITE_RULE: Detector = Detector {
    about: About {
        id: "site-rule",
        title: "Rule of the site",
        engine: model::Engine::Policy,
        why: "Its own people know best what must never happen on a site: who may write to which \
              registers, when programs may be changed, which networks must not meet. A rule of \
              the site says so, and goes by the name it was given: `rule-NAME`.",
        techniques: &["T0855"],
        false_positives: "Work that the rule did not think of; a rule that is too wide.",
        runbook: "Read the rule: it says what its author was afraid of.\n\
                  Ask the one who did it whether it was meant.\n\
                  If the rule is wrong, make it narrower in its file.",
        sees: &[Kind::Operation, Kind::Exchange],
    },
    watch: || {
        let (rates, targets) = (Watched::new(SPAN_SECS_MAX), Targets::default());
        Box::new(SiteRules { concerned: memory(), broken: Broken { rates, targets } })
    },
    #[cfg(test)]
    cases: tests::cases,
};

static RULES: OnceLock<Vec<Rule>> = OnceLock::new();

/// Sets the rules for the rest of the process; once, before anything is seen.
///
/// Says whether they were set: a second call changes nothing.
pub fn set(rules: Vec<Rule>) -> bool {
    RULES.set(rules).is_ok()
}

fn all() -> &'static [Rule] {
    #[cfg(test)]
    RULES.get_or_init(tests::rules);
    RULES.get().map_or(&[], Vec::as_slice)
}

/// A rule as its TOML table describes it. What is not named fits everything.
pub struct Rule {
    about: &'static About,
    severity: Severity,
    /// `{0}` asks or sends, `{1}` is asked.
    title: String,
    /// Conversations, whatever is said in them; else requests.
    connection: bool,
    protocols: Vec<String>,
    classes: Vec<OperationClass>,
    functions: Vec<Function>,
    area: Option<String>,
    /// Which of several such spaces: a data block, a file.
    block: Option<u32>,
    /// Lowest and highest unit that concern it.
    range: Option<(u32, u32)>,
    /// A pattern for names, `*` for any text.
    object: Option<String>,
    unit: Option<u32>,
    ports: Vec<u16>,
    from: Ends,
    to: Ends,
    when: Vec<Span>,
    not_when: Vec<Span>,
    /// Offset of the site's clock from UTC, seconds.
    offset_secs: i64,
    /// So many within so many seconds.
    rate: Option<(u32, i64)>,
}

enum Function {
    Number(u32),
    Name(String),
}

/// Who is meant at one end.
#[derive(Default)]
struct Ends {
    these: Vec<End>,
    but: Vec<End>,
}

enum End {
    /// Network and length of its prefix.
    Net(IpAddr, u8),
    One(Address),
}

impl Ends {
    fn fit(&self, address: Address) -> bool {
        let within = |list: &[End]| list.iter().any(|end| end.has(address));
        (self.these.is_empty() || within(&self.these)) && !within(&self.but)
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Net(net, prefix) => write!(f, "{net}/{prefix}"),
            End::One(address) => write!(f, "{address}"),
        }
    }
}

impl End {
    fn has(&self, address: Address) -> bool {
        match (self, address) {
            (End::One(one), address) => *one == address,
            (End::Net(IpAddr::V4(net), prefix), Address::Ip(IpAddr::V4(ip))) => {
                let apart = u32::from(*net) ^ u32::from(ip);
                apart.leading_zeros() >= u32::from(*prefix).min(32)
            }
            (End::Net(IpAddr::V6(net), prefix), Address::Ip(IpAddr::V6(ip))) => {
                let apart = u128::from(*net) ^ u128::from(ip);
                apart.leading_zeros() >= u32::from(*prefix).min(128)
            }
            _ => false,
        }
    }
}

/// Does `text` fit a pattern in which `*` stands for any text? Letters count as one whatever
/// their case.
fn like(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_lowercase(), text.to_lowercase());
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    true
}

impl Rule {
    fn has(&self, protocol: &str) -> bool {
        self.protocols.is_empty() || self.protocols.iter().any(|p| p == protocol)
    }

    fn is_of(&self, protocol: &str, class: OperationClass) -> bool {
        self.has(protocol) && (self.classes.is_empty() || self.classes.contains(&class))
    }

    /// Is it about what these say to each other?
    fn concerns(&self, talk: &Talk) -> bool {
        let right = match talk.class {
            Some(class) => !self.connection && self.is_of(talk.protocol, class),
            None => self.connection && self.has(talk.protocol),
        };
        right && self.from.fit(talk.client) && self.to.fit(talk.server)
    }

    fn fits(&self, operation: &Operation) -> bool {
        let named = |function: &Function| match function {
            Function::Number(number) => *number == operation.function,
            Function::Name(name) => operation.function_name.eq_ignore_ascii_case(name),
        };
        (self.functions.is_empty() || self.functions.iter().any(named))
            && (self.unit.is_none() || self.unit == operation.unit)
            && self.touches(&operation.object)
    }

    fn touches(&self, object: &Object) -> bool {
        let in_area = |area: &str| self.area.as_ref().is_none_or(|a| a.eq_ignore_ascii_case(area));
        match object {
            Object::None => {
                let ranges = self.block.is_some() || self.range.is_some();
                self.area.is_none() && !ranges && self.object.is_none()
            }
            Object::Range { area, block, first, count } => {
                let last = first.saturating_add(count.saturating_sub(1));
                let meets = |(low, high): (u32, u32)| *first <= high && last >= low;
                let in_block = self.block.is_none_or(|wanted| wanted == *block);
                let in_space = in_area(area) && in_block;
                in_space && self.range.is_none_or(meets) && self.object.is_none()
            }
            Object::Name { area, name } => {
                let like = |pattern: &String| like(pattern, name);
                let ranges = self.block.is_some() || self.range.is_some();
                in_area(area) && !ranges && self.object.as_ref().is_none_or(like)
            }
        }
    }

    fn is_now(&self, o: &Observation) -> bool {
        let local = o.at.nanos().div_euclid(1_000_000_000).saturating_add(self.offset_secs);
        let within = |spans: &[Span]| spans.iter().any(|span| span.has(local));
        (self.when.is_empty() || within(&self.when)) && !within(&self.not_when)
    }
}

struct SiteRules {
    /// Of those that talk, with their places: a site may have a thousand rules, of which a few
    /// are about any two of its devices.
    concerned: Memory<Talk, Vec<(usize, &'static Rule)>>,
    broken: Broken,
}

/// By whom, and how often.
struct Broken {
    /// Rule and pair -> how often of late.
    rates: Watched<(usize, Address, Address), Rate>,
    /// By rule and client: one that scans breaks a rule with hundreds.
    targets: Targets<(usize, Address)>,
}

/// Who asks whom for what class of things; without a class, their whole conversations.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Talk {
    protocol: &'static str,
    class: Option<OperationClass>,
    client: Address,
    server: Address,
}

impl Talk {
    fn of(o: &Observation) -> Option<Talk> {
        let (from, to) = (o.from.address()?, o.to.address()?);
        let (class, client, server) = match &o.detail {
            Detail::Operation(operation) if operation.direction == Direction::Response => {
                (Some(operation.class), to, from)
            }
            Detail::Operation(operation) => (Some(operation.class), from, to),
            Detail::Exchange(_) => (None, from, to),
            _ => return None,
        };
        Some(Talk { protocol: o.protocol, class, client, server })
    }
}

impl Watch for SiteRules {
    fn wants(&self, protocol: &str, class: OperationClass) -> bool {
        all().iter().any(|rule| !rule.connection && rule.is_of(protocol, class))
    }

    fn see(&mut self, o: &Observation, site: &Site<'_>, out: &mut Findings) {
        if all().is_empty() {
            return;
        }
        let Some(talk) = Talk::of(o) else { return };
        if self.concerned.len() >= WATCHED_MAX && !self.concerned.contains_key(&talk) {
            self.concerned.clear();
        }
        let concerned = self.concerned.entry(talk).or_insert_with(|| {
            all().iter().enumerate().filter(|(_, rule)| rule.concerns(&talk)).collect()
        });
        for rule in concerned {
            match &o.detail {
                Detail::Operation(operation) if rule.1.fits(operation) => {
                    if operation.direction == Direction::Response {
                        self.broken.answered(*rule, &talk, (operation, site.times), out);
                    } else {
                        self.broken.again(*rule, &talk, (o, site.times), out);
                    }
                }
                Detail::Exchange(_) => {
                    let port = o.to.port.unwrap_or_default();
                    if rule.1.ports.is_empty() || rule.1.ports.contains(&port) {
                        self.broken.again(*rule, &talk, (o, site.times), out);
                    }
                }
                _ => {}
            }
        }
    }

    fn dropped(&self) -> u64 {
        self.broken.rates.dropped()
    }
}

/// The longest span of a rule with a rate.
const SPAN_SECS_MAX: i64 = 86_400;

impl Broken {
    /// The finding it joins: the pair's, or the client's where it breaks the rule with many.
    fn key(&mut self, place: usize, talk: &Talk) -> (usize, Address, Option<Address>) {
        (place, talk.client, self.targets.apart((place, talk.client), talk.server))
    }

    /// An answer belongs to the finding of its request.
    fn answered(
        &mut self,
        (place, rule): (usize, &Rule),
        talk: &Talk,
        (operation, times): (&Operation, u64),
        out: &mut Findings,
    ) {
        if operation.outcome == Outcome::Open {
            return;
        }
        if let Some(open) = out.known(rule.about, self.key(place, talk)) {
            open.ended(operation.outcome, times);
        }
    }

    fn again(
        &mut self,
        (place, rule): (usize, &Rule),
        talk: &Talk,
        (o, times): (&Observation, u64),
        out: &mut Findings,
    ) {
        if !rule.is_now(o) {
            return;
        }
        let mut often = None;
        if let Some((least, secs)) = rule.rate {
            let pair = (place, talk.client, talk.server);
            let rate = self.rates.of(pair, o.at, Rate::default);
            let count = rate.count_times(times, o.at, secs);
            if count < least {
                return;
            }
            often = Some((rate.first, count));
        }
        let key = self.key(place, talk);
        let raised = out.raise(rule.about, key, o, || rule.draft(talk, key.2.is_none()));
        let Some(open) = raised else { return };
        open.names(talk.server);
        if open.is_new() {
            let (path, source) = ("rule".to_owned(), rule.about.id.to_owned());
            open.proof("rule", Evidence::Fact { at: o.at, path, value: rule.words(), source });
        }
        if let Some((first, count)) = often {
            let says = "within the rule's span, at the latest";
            open.proof_count("rate", (first, o.at), (count.into(), says));
        }
    }
}

impl Rule {
    fn draft(&self, talk: &Talk, with_many: bool) -> Draft {
        let title = match with_many {
            true => self.title.replace("{1}", "many devices"),
            false => self.title.clone(),
        };
        Draft::by(talk.client, [talk.server], self.severity, title)
            .because(self.about.why.to_owned())
    }

    /// What it is about, for a person who sees the finding and not the file.
    fn words(&self) -> String {
        let mut words = self.protocols.clone();
        words.extend(self.classes.iter().map(|class| class.word().to_owned()));
        words.extend(self.functions.iter().map(|function| match function {
            Function::Number(number) => format!("function {number}"),
            Function::Name(name) => name.clone(),
        }));
        words.extend(self.area.clone());
        words.extend(self.block.map(|block| format!("block {block}")));
        words.extend(self.range.map(|(low, high)| format!("{low} to {high}")));
        words.extend(self.object.clone());
        words.extend(self.ports.iter().map(|port| format!("port {port}")));
        let ends = [("from", &self.from), ("to", &self.to)];
        for (word, ends) in ends {
            words.extend(ends.these.iter().map(|end| format!("{word} {end}")));
            words.extend(ends.but.iter().map(|end| format!("not {word} {end}")));
        }
        if words.is_empty() {
            return "everything".to_owned();
        }
        let left = words.len().saturating_sub(MEMBERS_SHOWN_MAX);
        words.truncate(MEMBERS_SHOWN_MAX);
        if left > 0 {
            words.push(format!("and {left} more"));
        }
        words.join(", ")
    }
}
