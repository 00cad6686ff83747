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
    baseline::{Memory, memory},
    limits::WATCHED_MAX,
    window::Rate,
};
use model::{
    Address, Detail, Direction, Evidence, Object, Observation, Operation, OperationClass, Outcome,
    Severity,
};
use std::{net::IpAddr, sync::OnceLock};
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
    watch: || Box::new(SiteRules { rates: memory() }),
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
    fn wants(&self, protocol: &str, class: OperationClass) -> bool {
        !self.connection
            && (self.protocols.is_empty() || self.protocols.iter().any(|p| p == protocol))
            && (self.classes.is_empty() || self.classes.contains(&class))
    }

    fn fits(&self, o: &Observation, operation: &Operation) -> bool {
        let named = |function: &Function| match function {
            Function::Number(number) => *number == operation.function,
            Function::Name(name) => operation.function_name.eq_ignore_ascii_case(name),
        };
        self.wants(o.protocol, operation.class)
            && (self.functions.is_empty() || self.functions.iter().any(named))
            && (self.unit.is_none() || self.unit == operation.unit)
            && self.touches(&operation.object)
    }

    fn touches(&self, object: &Object) -> bool {
        let in_area = |area: &str| self.area.as_ref().is_none_or(|a| a.eq_ignore_ascii_case(area));
        match object {
            Object::None => self.area.is_none() && self.range.is_none() && self.object.is_none(),
            Object::Range { area, first, count, .. } => {
                let last = first.saturating_add(count.saturating_sub(1));
                let meets = |(low, high): (u32, u32)| *first <= high && last >= low;
                in_area(area) && self.range.is_none_or(meets) && self.object.is_none()
            }
            Object::Name { area, name } => {
                let like = |pattern: &String| like(pattern, name);
                in_area(area) && self.range.is_none() && self.object.as_ref().is_none_or(like)
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
    /// Rule and pair -> how often of late.
    rates: Memory<(usize, Address, Address), Rate>,
}

impl Watch for SiteRules {
    fn wants(&self, protocol: &str, class: OperationClass) -> bool {
        all().iter().any(|rule| rule.wants(protocol, class))
    }

    fn see(&mut self, o: &Observation, _: &Site<'_>, out: &mut Findings) {
        let (Some(from), Some(to)) = (o.from.address(), o.to.address()) else { return };
        for (place, rule) in all().iter().enumerate() {
            match &o.detail {
                Detail::Operation(operation) if rule.fits(o, operation) => {
                    if operation.direction == Direction::Response {
                        answered(rule, place, (to, from), operation, out);
                    } else if rule.from.fit(from) && rule.to.fit(to) {
                        self.broken((place, rule), o, (from, to), out);
                    }
                }
                Detail::Exchange(_) if rule.connection => {
                    let protocol = |p: &String| *p == o.protocol;
                    let port = o.to.port.unwrap_or_default();
                    if rule.from.fit(from)
                        && rule.to.fit(to)
                        && (rule.protocols.is_empty() || rule.protocols.iter().any(protocol))
                        && (rule.ports.is_empty() || rule.ports.contains(&port))
                    {
                        self.broken((place, rule), o, (from, to), out);
                    }
                }
                _ => {}
            }
        }
    }
}

/// An answer belongs to the finding of its request.
fn answered(
    rule: &Rule,
    place: usize,
    (client, server): (Address, Address),
    operation: &Operation,
    out: &mut Findings,
) {
    if operation.outcome == Outcome::Open || !rule.from.fit(client) || !rule.to.fit(server) {
        return;
    }
    if let Some(open) = out.known(rule.about, (place, client, server)) {
        open.ended(operation.outcome);
    }
}

impl SiteRules {
    fn broken(
        &mut self,
        (place, rule): (usize, &Rule),
        o: &Observation,
        (from, to): (Address, Address),
        out: &mut Findings,
    ) {
        if !rule.is_now(o) {
            return;
        }
        let key = (place, from, to);
        if let Some((least, secs)) = rule.rate {
            if !self.rates.contains_key(&key) && self.rates.len() >= WATCHED_MAX {
                return;
            }
            let rate = self.rates.entry(key).or_default();
            let count = rate.count(o.at, secs);
            if count < least {
                return;
            }
            let first = rate.first;
            let raised = out.raise(rule.about, key, o, || rule.draft((from, to)));
            if let Some(open) = raised {
                let says = "within the rule's span, at the latest";
                open.proof_count("rate", (first, o.at), (count.into(), says));
            }
            return;
        }
        let raised = out.raise(rule.about, key, o, || rule.draft((from, to)));
        if let Some(open) = raised.filter(|open| open.is_new()) {
            let says = format!("the rule \"{}\" of this site", rule.about.id);
            open.proof("rule", Evidence::Learned { says, members: rule.words() });
        }
    }
}

impl Rule {
    fn draft(&self, (from, to): (Address, Address)) -> Draft {
        Draft::about(vec![from, to], self.severity, self.title.clone())
            .because(self.about.why.to_owned())
    }

    /// What of it matters, for a person who sees the finding and not the file.
    fn words(&self) -> Vec<String> {
        let mut words = self.protocols.clone();
        words.extend(self.classes.iter().map(|class| class.word().to_owned()));
        words.extend(self.functions.iter().map(|function| match function {
            Function::Number(number) => format!("function {number}"),
            Function::Name(name) => name.clone(),
        }));
        words.extend(self.area.clone());
        words.extend(self.range.map(|(low, high)| format!("{low} to {high}")));
        words.extend(self.object.clone());
        words.extend(self.ports.iter().map(|port| format!("port {port}")));
        words
    }
}
