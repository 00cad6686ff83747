//! TOML to descriptions, with a reason for each thing that cannot be.
//!
//! Invariant: a description that was read has at least two octets of signs and a known carrier.

use super::{Description, Function, Length, Sign, Text};
use crate::{About, Carrier};
use model::OperationClass;
use std::fmt;
use toml::{Table, Value};

/// What is wrong, and in which protocol.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invalid(String);

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Invalid {}

type Result<T> = std::result::Result<T, Invalid>;

fn invalid<T>(says: impl Into<String>) -> Result<T> {
    Err(Invalid(says.into()))
}

/// Reads all `[[protocol]]` tables of a file.
pub fn parse(text: &str) -> Result<Vec<Description>> {
    let table: Table = text.parse().map_err(|e: toml::de::Error| Invalid(e.to_string()))?;
    known(&table, &["protocol"], "the file")?;
    let Some(Value::Array(list)) = table.get("protocol") else {
        return invalid("no [[protocol]] in the file");
    };
    list.iter().map(protocol).collect()
}

fn protocol(value: &Value) -> Result<Description> {
    let Value::Table(table) = value else { return invalid("protocol is not a table") };
    let name = word(table, "name", "a protocol")?;
    describe(table, name).map_err(|why| Invalid(format!("protocol {name}: {why}")))
}

fn describe(table: &Table, name: &str) -> Result<Description> {
    let keys = [
        "name", "title", "spec", "depth", "carrier", "ports", "sign", "answer", "length",
        "function", "text",
    ];
    known(table, &keys, "it")?;
    if !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') {
        return invalid("a name is lower-case letters, digits and _");
    }
    if crate::REGISTRY.iter().any(|p| p.about().name == name) {
        return invalid("there is a protocol of this name already");
    }
    let carrier = match word(table, "carrier", "it")? {
        "tcp" => Carrier::Tcp,
        "udp" => Carrier::Udp,
        other => return invalid(format!("carrier is tcp or udp, not {other}")),
    };
    let ports: Vec<u16> = list(table, "ports")
        .map(|port| whole(port, "ports", u16::MAX.into()).map(|p| p as u16))
        .collect::<Result<_>>()?;
    let signs: Vec<Sign> = list(table, "sign").map(sign).collect::<Result<_>>()?;
    let shortest = |sign: &Sign| sign.any.iter().map(|p| p.len()).min().unwrap_or_default();
    if signs.iter().map(shortest).sum::<usize>() < 2 {
        return invalid("signs of two octets at least, or it would claim what is not its own");
    }
    let about = About {
        name: keep(name),
        title: keep(word(table, "title", "it")?),
        specs: keep_list(keep(word(table, "spec", "it")?)),
        carriers: keep_list(carrier),
        ports: Vec::leak(ports),
        groups: &[],
        depth: keep(word(table, "depth", "it").unwrap_or("functions by name")),
    };
    Ok(Description {
        about,
        signs,
        answer: table.get("answer").map(sign).transpose()?,
        length: table.get("length").map(length).transpose()?,
        function: table.get("function").map(function).transpose()?,
        texts: list(table, "text").map(told).collect::<Result<_>>()?,
    })
}

fn sign(value: &Value) -> Result<Sign> {
    let table = inner(value, "sign")?;
    known(table, &["at", "hex"], "a sign")?;
    let patterns: Vec<&Value> = match table.get("hex") {
        Some(Value::Array(list)) => list.iter().collect(),
        Some(one) => vec![one],
        None => return invalid("a sign without hex"),
    };
    let any: Vec<Box<[u8]>> = patterns.into_iter().map(octets).collect::<Result<_>>()?;
    if any.is_empty() || any.iter().any(|pattern| pattern.is_empty()) {
        return invalid("a sign without octets");
    }
    Ok(Sign { at: place(table, "at")?, any })
}

fn length(value: &Value) -> Result<Length> {
    let table = inner(value, "length")?;
    known(table, &["at", "octets", "order", "adds"], "length")?;
    let adds = if table.contains_key("adds") { place(table, "adds")? } else { 0 };
    Ok(Length { at: place(table, "at")?, octets: width(table)?, big: is_big(table)?, adds })
}

fn function(value: &Value) -> Result<Function> {
    let table = inner(value, "function")?;
    known(table, &["at", "octets", "order", "names"], "function")?;
    let mut names = Vec::new();
    if let Some(Value::Table(list)) = table.get("names") {
        for (code, meaning) in list {
            let digits = code.strip_prefix("0x").unwrap_or(code);
            let radix = if digits.len() < code.len() { 16 } else { 10 };
            let Ok(number) = u32::from_str_radix(digits, radix) else {
                return invalid(format!("{code} is no number"));
            };
            let Some([Value::String(class), Value::String(name)]) =
                meaning.as_array().map(Vec::as_slice)
            else {
                return invalid(format!("{code} needs a class and a name"));
            };
            let class = OperationClass::ALL.into_iter().find(|c| c.word() == class);
            let Some(class) = class else {
                return invalid(format!("{code} has a class that is none: {meaning}"));
            };
            names.push((number, class, keep(name)));
        }
    }
    Ok(Function { at: place(table, "at")?, octets: width(table)?, big: is_big(table)?, names })
}

fn told(value: &Value) -> Result<Text> {
    let table = inner(value, "text")?;
    known(table, &["path", "at", "octets", "function", "from"], "a text")?;
    let function = match table.get("function") {
        Some(number) => Some(whole(number, "function", u32::MAX.into())? as u32),
        None => None,
    };
    let answers_only = match word(table, "from", "a text") {
        Ok("both") => false,
        Ok("server") | Err(_) => true,
        Ok(other) => return invalid(format!("from is server or both, not {other}")),
    };
    Ok(Text {
        function,
        answers_only,
        at: place(table, "at")?,
        octets_max: place(table, "octets")?.min(256),
        path: keep(word(table, "path", "a text")?),
    })
}

/// Text that lives as long as the process, like the names of all protocols.
fn keep(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

fn keep_list<T>(one: T) -> &'static [T] {
    Vec::leak(vec![one])
}

fn known(table: &Table, keys: &[&str], whose: &str) -> Result<()> {
    match table.keys().find(|key| !keys.contains(&key.as_str())) {
        Some(key) => invalid(format!("{whose} has {key}, which is not known")),
        None => Ok(()),
    }
}

fn inner<'a>(value: &'a Value, what: &str) -> Result<&'a Table> {
    value.as_table().map_or_else(|| invalid(format!("{what} is not a table")), Ok)
}

fn word<'a>(table: &'a Table, key: &str, whose: &str) -> Result<&'a str> {
    match table.get(key) {
        Some(Value::String(text)) => Ok(text),
        _ => invalid(format!("{whose} needs {key}, a text")),
    }
}

fn list<'a>(table: &'a Table, key: &str) -> impl Iterator<Item = &'a Value> {
    table.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn whole(value: &Value, what: &str, most: i64) -> Result<i64> {
    match value {
        Value::Integer(number) if (0..=most).contains(number) => Ok(*number),
        _ => invalid(format!("{what} is a number from 0 to {most}")),
    }
}

/// An offset or a size within a message.
fn place(table: &Table, key: &str) -> Result<usize> {
    const PLACE_MAX: i64 = 4_096;
    match table.get(key) {
        Some(value) => whole(value, key, PLACE_MAX).map(|n| n as usize),
        None => invalid(format!("{key} is missing")),
    }
}

fn width(table: &Table) -> Result<usize> {
    match place(table, "octets")? {
        octets @ 1..=4 => Ok(octets),
        _ => invalid("octets is 1 to 4"),
    }
}

fn is_big(table: &Table) -> Result<bool> {
    match table.get("order").map(Value::as_str) {
        None | Some(Some("big")) => Ok(true),
        Some(Some("little")) => Ok(false),
        _ => invalid("order is big or little"),
    }
}

fn octets(value: &Value) -> Result<Box<[u8]>> {
    let Value::String(text) = value else { return invalid("hex is a text of digits") };
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let pairs = digits.chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok().filter(|p| p.len() == 2)?;
        u8::from_str_radix(pair, 16).ok()
    });
    match pairs.collect::<Option<Vec<u8>>>() {
        Some(octets) => Ok(octets.into()),
        None => invalid(format!("{text} is not octets in hexadecimal")),
    }
}
