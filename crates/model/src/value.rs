//! Process values seen passing by: a point, its value, its quality.

use serde::Serialize;

/// Address of a process value within its device, e.g. `holding-register/1/40` or `DB1.DBD0`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(transparent)]
pub struct Point(pub Box<str>);

#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(untagged)]
pub enum PointValue {
    Bool(bool),
    Int(i64),
    Unsigned(u64),
    Float(f64),
    Text(Box<str>),
}

/// Quality as the protocol gives it, reduced to what a reader acts on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quality {
    Good,
    Uncertain,
    Bad,
}
