//! A filter against a row in memory.
//!
//! Not here: reading rows. Invariant: it says what the SQL of the same filter says.

use super::{
    Filter, Literal, Node, Order, Test,
    fields::{Field, Kind},
};
use std::cmp::Ordering;

/// A row by its columns.
pub trait Row {
    fn value(&self, column: &str) -> Value<'_>;
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    Absent,
    /// A text, or a list as its column holds it.
    Text(&'a str),
    Whole(i64),
    Real(f64),
}

impl Filter {
    pub fn matches(&self, row: &impl Row) -> bool {
        matches(&self.0, row)
    }
}

fn matches(node: &Node, row: &impl Row) -> bool {
    match node {
        Node::All(nodes) => nodes.iter().all(|node| matches(node, row)),
        Node::Any(nodes) => nodes.iter().any(|node| matches(node, row)),
        Node::Not(inner) => !matches(inner, row),
        Node::Test { field, label, test } => holds(field, label.as_deref(), test, row),
    }
}

fn holds(field: &Field, label: Option<&str>, test: &Test, row: &impl Row) -> bool {
    if field.kind == Kind::Search {
        let Test::Contains(pattern) = test else { return false };
        return field.column.split(',').any(|column| contains(row.value(column), pattern));
    }
    let value = row.value(field.column);
    match (field.kind, test) {
        (Kind::List, Test::Absent) => value == Value::Text(""),
        (Kind::Labels, Test::Absent) => {
            !holds_text(value, &format!("\n{}=", label.unwrap_or_default()))
        }
        (Kind::List | Kind::Labels, Test::Compare(_, literal)) => {
            has_element(value, label, literal)
        }
        (Kind::List | Kind::Labels, Test::In(literals)) => {
            literals.iter().any(|literal| has_element(value, label, literal))
        }
        (_, Test::Absent) => value == Value::Absent,
        (_, Test::Contains(pattern)) => contains(value, pattern),
        (_, Test::Compare(order, literal)) => {
            compare(value, literal).is_some_and(|found| satisfies(*order, found))
        }
        (_, Test::In(literals)) => {
            literals.iter().any(|literal| compare(value, literal) == Some(Ordering::Equal))
        }
    }
}

fn holds_text(value: Value<'_>, part: &str) -> bool {
    matches!(value, Value::Text(text) if text.contains(part))
}

fn contains(value: Value<'_>, pattern: &str) -> bool {
    let Value::Text(text) = value else { return false };
    text.to_ascii_lowercase().contains(&pattern.to_ascii_lowercase())
}

fn has_element(value: Value<'_>, label: Option<&str>, literal: &Literal) -> bool {
    let text = match literal {
        Literal::Text(text) => text.clone(),
        Literal::Whole(whole) => whole.to_string(),
        Literal::Real(real) => real.to_string(),
    };
    let key = label.map(|label| format!("{label}=")).unwrap_or_default();
    holds_text(value, &format!("\n{key}{text}\n"))
}

#[expect(clippy::cast_precision_loss, reason = "literals are bounded to what doubles hold")]
fn compare(value: Value<'_>, literal: &Literal) -> Option<Ordering> {
    match (value, literal) {
        (Value::Text(text), Literal::Text(other)) => Some(text.cmp(other.as_str())),
        (Value::Whole(whole), Literal::Whole(other)) => Some(whole.cmp(other)),
        (Value::Whole(whole), Literal::Real(other)) => (whole as f64).partial_cmp(other),
        (Value::Real(real), Literal::Whole(other)) => real.partial_cmp(&(*other as f64)),
        (Value::Real(real), Literal::Real(other)) => real.partial_cmp(other),
        _ => None,
    }
}

const fn satisfies(order: Order, found: Ordering) -> bool {
    match order {
        Order::Equal => found.is_eq(),
        Order::Less => found.is_lt(),
        Order::LessOrEqual => found.is_le(),
        Order::Greater => found.is_gt(),
        Order::GreaterOrEqual => found.is_ge(),
    }
}
