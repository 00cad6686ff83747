//! A filter as a WHERE clause, every value bound.
//!
//! Each comparison is made definite (never NULL), so NOT means what it says. Portable: LIKE with
//! ESCAPE on lower-cased sides, COALESCE, IN. Invariant: the text pushed as SQL is made of column
//! names of [`super::fields`] and fixed words only.

use super::{
    Filter, Literal, Node, Order, Test,
    fields::{Field, Kind},
};
use sqlx::{QueryBuilder, Sqlite};

impl Filter {
    /// Appends a condition in parentheses.
    pub(crate) fn push(&self, query: &mut QueryBuilder<Sqlite>) {
        push_node(&self.0, query);
    }
}

fn push_node(node: &Node, query: &mut QueryBuilder<Sqlite>) {
    match node {
        Node::All(nodes) => push_joined(nodes, " AND ", query),
        Node::Any(nodes) => push_joined(nodes, " OR ", query),
        Node::Not(inner) => {
            query.push("(NOT ");
            push_node(inner, query);
            query.push(")");
        }
        Node::Test { field, label, test } => {
            query.push("(");
            push_test(field, label.as_deref(), test, query);
            query.push(")");
        }
    }
}

fn push_joined(nodes: &[Node], between: &str, query: &mut QueryBuilder<Sqlite>) {
    query.push("(");
    for (index, node) in nodes.iter().enumerate() {
        if index > 0 {
            query.push(between);
        }
        push_node(node, query);
    }
    query.push(")");
}

fn push_test(field: &Field, label: Option<&str>, test: &Test, query: &mut QueryBuilder<Sqlite>) {
    let column = field.column;
    match (field.kind, test) {
        (Kind::Search, Test::Contains(pattern)) => {
            for (index, column) in column.split(',').enumerate() {
                query.push(if index > 0 { " OR " } else { "" });
                push_contains(column, pattern, query);
            }
        }
        (Kind::List, Test::Absent) => {
            query.push(format_args!("{column} = ''"));
        }
        (Kind::Labels, Test::Absent) => {
            query.push(format_args!("{column} NOT LIKE "));
            query.push_bind(format!("%\n{}=%", escaped(label.unwrap_or_default())));
            query.push(" ESCAPE '\\'");
        }
        (_, Test::Absent) => {
            query.push(format_args!("{column} IS NULL"));
        }
        (Kind::List | Kind::Labels, Test::Compare(_, value)) => {
            push_element(column, label, value, query);
        }
        (Kind::List | Kind::Labels, Test::In(values)) => {
            for (index, value) in values.iter().enumerate() {
                query.push(if index > 0 { " OR " } else { "" });
                push_element(column, label, value, query);
            }
        }
        (_, Test::Contains(pattern)) => push_contains(column, pattern, query),
        (_, Test::Compare(order, value)) => {
            query.push(format_args!("{column} IS NOT NULL AND {column} {} ", symbol(*order)));
            push_literal(value, query);
        }
        (_, Test::In(values)) => {
            query.push(format_args!("{column} IS NOT NULL AND {column} IN ("));
            for (index, value) in values.iter().enumerate() {
                query.push(if index > 0 { ", " } else { "" });
                push_literal(value, query);
            }
            query.push(")");
        }
    }
}

fn push_contains(column: &str, pattern: &str, query: &mut QueryBuilder<Sqlite>) {
    query.push(format_args!("{column} IS NOT NULL AND lower({column}) LIKE "));
    query.push_bind(format!("%{}%", escaped(&pattern.to_ascii_lowercase())));
    query.push(" ESCAPE '\\'");
}

fn push_element(
    column: &str,
    label: Option<&str>,
    value: &Literal,
    query: &mut QueryBuilder<Sqlite>,
) {
    let text = match value {
        Literal::Text(text) => text.clone(),
        Literal::Whole(whole) => whole.to_string(),
        Literal::Real(real) => real.to_string(),
    };
    let key = label.map(|label| format!("{label}=")).unwrap_or_default();
    query.push(format_args!("{column} LIKE "));
    query.push_bind(format!("%\n{}\n%", escaped(&format!("{key}{text}"))));
    query.push(" ESCAPE '\\'");
}

fn push_literal(value: &Literal, query: &mut QueryBuilder<Sqlite>) {
    match value {
        Literal::Text(text) => query.push_bind(text.clone()),
        Literal::Whole(whole) => query.push_bind(*whole),
        Literal::Real(real) => query.push_bind(*real),
    };
}

const fn symbol(order: Order) -> &'static str {
    match order {
        Order::Equal => "=",
        Order::Less => "<",
        Order::LessOrEqual => "<=",
        Order::Greater => ">",
        Order::GreaterOrEqual => ">=",
    }
}

/// The pattern's own wildcards mean themselves.
fn escaped(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}
