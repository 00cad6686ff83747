//! One filter grammar for the API, the command line and selectors.
//!
//! ```text
//! filter   = all { "or" all }            all  = term { "and" term }
//! term     = "not" term | "(" filter ")" | field op value | field "in" "(" value { "," value } ")"
//! op       = "eq" | "ne" | "lt" | "le" | "gt" | "ge" | "contains"
//! value    = "text" | number | time | span | "null" | "true" | "false"
//! time     = 2026-01-31T10:00:00Z        span = -P7D, PT15M (from now)
//! ```
//! It compiles to SQL with bound parameters and to a match in memory; a property test holds the
//! two together. An absent value is not equal, smaller or greater than anything, and `ne` is
//! `not eq`. Where a field is a list, a comparison holds when it does for one element.
//! Invariant: nothing of a filter's text reaches SQL except as a bound parameter.

mod fields;
mod lex;
mod matching;
mod parse;
mod sql;

pub use fields::{ASSETS, FINDINGS, Field, Kind, LINKS};
pub use matching::{Row, Value};

use model::Time;

/// A filter that was read and checked against the fields of its rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter(pub(crate) Node);

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Test { field: &'static Field, label: Option<String>, test: Test },
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Test {
    Absent,
    Compare(Order, Literal),
    Contains(String),
    In(Vec<Literal>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A value of the filter, already of the field's type: times and severities are numbers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Text(String),
    Whole(i64),
    Real(f64),
}

/// Where and why a filter cannot be read.
#[derive(thiserror::Error, Clone, Debug, PartialEq, Eq)]
#[error("at character {at}: {reason}")]
pub struct FilterError {
    /// Characters from the start, first is 1.
    pub at: usize,
    pub reason: String,
}

impl Filter {
    /// Reads `text` for rows that have `fields`. Spans count from `now`.
    pub fn parse(text: &str, fields: &'static [Field], now: Time) -> Result<Filter, FilterError> {
        parse::parse(text, fields, now).map(Filter)
    }

    /// What is left without the conditions that must hold and ask of this field alone.
    pub fn without(&self, field: &str) -> Option<Filter> {
        let conditions = match &self.0 {
            Node::All(nodes) => nodes.as_slice(),
            node => std::slice::from_ref(node),
        };
        let others = conditions.iter().filter(|node| !node.asks_alone(field)).cloned();
        let mut others: Vec<Node> = others.collect();
        match others.len() {
            0 => None,
            1 => others.pop().map(Filter),
            _ => Some(Filter(Node::All(others))),
        }
    }
}

impl Node {
    fn asks_alone(&self, name: &str) -> bool {
        match self {
            Node::All(nodes) | Node::Any(nodes) => nodes.iter().all(|node| node.asks_alone(name)),
            Node::Not(node) => node.asks_alone(name),
            Node::Test { field, .. } => field.name == name,
        }
    }
}

#[cfg(test)]
mod tests;
