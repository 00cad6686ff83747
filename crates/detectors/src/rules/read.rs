//! TOML to rules, with a reason for each thing that cannot be.
//!
//! Invariant: texts of rules live as long as the process, like those of detectors; there are few.

use super::{End, Ends, Function, Rule, SITE_RULE, Span, when};
use crate::{About, Kind};
use model::{Address, Engine, Mac, OperationClass, Severity};
use serde::Deserialize;
use std::{fmt, net::IpAddr};

/// Rules of one file.
const RULES_MAX: usize = 1_000;

/// What is wrong, and in which rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invalid(String);

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Invalid {}

type Result<T> = std::result::Result<T, String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    utc_offset: Option<String>,
    rule: Vec<Table>,
}

/// A `[[rule]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    name: String,
    title: Option<String>,
    severity: Option<Severity>,
    why: String,
    runbook: Option<String>,
    #[serde(default)]
    techniques: Vec<String>,
    #[serde(default)]
    connection: bool,
    #[serde(default)]
    protocol: Vec<String>,
    #[serde(default)]
    class: Vec<OperationClass>,
    #[serde(default)]
    function: Vec<NumberOrName>,
    area: Option<String>,
    block: Option<u32>,
    first: Option<u32>,
    last: Option<u32>,
    object: Option<String>,
    unit: Option<u32>,
    #[serde(default)]
    port: Vec<u16>,
    #[serde(default)]
    from: Vec<String>,
    #[serde(default)]
    not_from: Vec<String>,
    #[serde(default)]
    to: Vec<String>,
    #[serde(default)]
    not_to: Vec<String>,
    #[serde(default)]
    when: Vec<String>,
    #[serde(default)]
    not_when: Vec<String>,
    at_least: Option<u32>,
    within_secs: Option<u32>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrName {
    Number(u32),
    Name(String),
}

/// Reads all `[[rule]]` tables of a file.
///
/// # Errors
/// Names the rule and what is wrong with it; keys that are not known are wrong.
pub fn parse(text: &str) -> std::result::Result<Vec<Rule>, Invalid> {
    let written: Written = toml::from_str(text).map_err(|e| Invalid(e.to_string()))?;
    if written.rule.len() > RULES_MAX {
        return Err(Invalid(format!("more than {RULES_MAX} rules")));
    }
    let offset = written.utc_offset.as_deref().unwrap_or("Z");
    let Some(offset_secs) = when::offset(offset) else {
        return Err(Invalid(format!("utc_offset is as \"+02:00\" or \"Z\", not {offset:?}")));
    };
    let mut rules: Vec<Rule> = Vec::new();
    for table in written.rule {
        let name = table.name.clone();
        let rule =
            rule(table, offset_secs).map_err(|why| Invalid(format!("rule {name}: {why}")))?;
        if rules.iter().any(|known| known.about.id == rule.about.id) {
            return Err(Invalid(format!("rule {name} is there twice")));
        }
        rules.push(rule);
    }
    Ok(rules)
}

fn rule(table: Table, offset_secs: i64) -> Result<Rule> {
    let about = about(&table)?;
    let connection = table.connection;
    let of_requests = !table.class.is_empty()
        || !table.function.is_empty()
        || table.area.is_some()
        || table.block.is_some()
        || table.first.is_some()
        || table.last.is_some()
        || table.object.is_some()
        || table.unit.is_some();
    if connection && of_requests {
        return Err("a rule about connections cannot say what is asked in them".into());
    }
    if !connection && !table.port.is_empty() {
        return Err("port belongs to a rule with connection = true".into());
    }
    let range = match (table.first, table.last) {
        (None, None) => None,
        (Some(first), None) => Some((first, first)),
        (Some(first), Some(last)) if first <= last => Some((first, last)),
        _ => return Err("first and last: a range from first to last".into()),
    };
    if table.block.is_some() && table.area.is_none() {
        return Err("block belongs to an area".into());
    }
    if (range.is_some() || table.block.is_some()) && table.object.is_some() {
        return Err("block, first and last are of numbered units, object of named ones".into());
    }
    Ok(Rule {
        rate: rate(&table)?,
        about,
        severity: table.severity.unwrap_or(Severity::Medium),
        title: table.title.unwrap_or_else(|| {
            let does = if connection { "talks with" } else { "acts on" };
            format!("{{0}} {does} {{1}} against the rule {}", table.name)
        }),
        connection,
        protocols: table.protocol,
        classes: table.class,
        functions: table.function.into_iter().map(Function::from).collect(),
        area: table.area,
        block: table.block,
        range,
        object: table.object,
        unit: table.unit,
        ports: table.port,
        from: ends(&table.from, &table.not_from)?,
        to: ends(&table.to, &table.not_to)?,
        when: spans(&table.when)?,
        not_when: spans(&table.not_when)?,
        offset_secs,
    })
}

fn about(table: &Table) -> Result<&'static About> {
    let name = &table.name;
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
        return Err("a name is at most 64 lower-case letters, digits and -".into());
    }
    for technique in &table.techniques {
        let number = technique.strip_prefix('T').unwrap_or_default();
        if number.len() != 4 || !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(format!("{technique:?} is no technique of ATT&CK, such as \"T0836\""));
        }
    }
    if table.techniques.len() > 8 {
        return Err("at most eight techniques".into());
    }
    let techniques: Vec<&'static str> = table.techniques.iter().map(|t| keep(t)).collect();
    let usual = &SITE_RULE.about;
    Ok(Box::leak(Box::new(About {
        id: keep(&format!("rule-{name}")),
        title: keep(table.title.as_deref().unwrap_or(name)),
        engine: Engine::Policy,
        why: keep(&table.why),
        techniques: if techniques.is_empty() { usual.techniques } else { techniques.leak() },
        false_positives: usual.false_positives,
        runbook: table.runbook.as_deref().map_or(usual.runbook, keep),
        sees: &[Kind::Operation, Kind::Exchange],
    })))
}

/// Reads that come again are told once, so that only changes can be counted.
fn rate(table: &Table) -> Result<Option<(u32, i64)>> {
    match (table.at_least, table.within_secs) {
        (None, None) => Ok(None),
        (Some(least @ 2..), Some(secs @ 1..=86_400)) => {
            let counted = !table.class.is_empty() && table.class.iter().all(|c| c.changes());
            if counted {
                Ok(Some((least, secs.into())))
            } else {
                Err("at_least needs class, and only of those that change something: others are \
                     told once when they come again and again"
                    .into())
            }
        }
        _ => Err("at_least (2 or more) and within_secs (1 to 86400) belong together".into()),
    }
}

fn ends(these: &[String], but: &[String]) -> Result<Ends> {
    let read = |list: &[String]| list.iter().map(|text| end(text)).collect::<Result<_>>();
    Ok(Ends { these: read(these)?, but: read(but)? })
}

fn end(text: &str) -> Result<End> {
    let wrong = || format!("{text:?} is no address: 10.1.2.3, 10.1.0.0/16 or 00:1b:1b:00:00:01");
    if let Some((net, prefix)) = text.split_once('/') {
        let (net, prefix): (IpAddr, u8) =
            (net.parse().map_err(|_| wrong())?, prefix.parse().map_err(|_| wrong())?);
        let longest = if net.is_ipv4() { 32 } else { 128 };
        return if prefix <= longest { Ok(End::Net(net, prefix)) } else { Err(wrong()) };
    }
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(End::One(Address::Ip(ip)));
    }
    text.parse::<Mac>().map(|mac| End::One(Address::Mac(mac))).map_err(|_| wrong())
}

fn spans(list: &[String]) -> Result<Vec<Span>> {
    let read = |text: &String| {
        Span::parse(text)
            .ok_or_else(|| format!("{text:?} is no time, such as \"mon-fri 06:00-22:00\""))
    };
    list.iter().map(read).collect()
}

fn keep(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

impl From<NumberOrName> for Function {
    fn from(written: NumberOrName) -> Function {
        match written {
            NumberOrName::Number(number) => Function::Number(number),
            NumberOrName::Name(name) => Function::Name(name),
        }
    }
}
