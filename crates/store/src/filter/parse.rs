//! Words to a checked filter: recursive descent with bounded depth.
//!
//! Not here: SQL. Invariant: a literal has its field's type when this returns.

use super::{
    FilterError, Literal, Node, Order, Test,
    fields::{Field, Kind},
    lex::{Token, error, tokens},
};
use crate::{FILTER_DEPTH_MAX, FILTER_IN_MAX, FILTER_TERMS_MAX, text};
use model::Time;

pub(super) fn parse(text: &str, fields: &'static [Field], now: Time) -> Result<Node, FilterError> {
    let tokens = tokens(text)?;
    let end = text.chars().count();
    let mut parser = Parser { tokens, next: 0, end, fields, now, terms: 0 };
    let node = parser.any(0)?;
    match parser.peek() {
        None => Ok(node),
        Some(_) => Err(error(parser.at(), "expected `and`, `or` or the end")),
    }
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    next: usize,
    end: usize,
    fields: &'static [Field],
    now: Time,
    terms: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(_, token)| token)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |(at, _)| *at)
    }

    fn take(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.next += 1;
        token
    }

    fn word_is(&self, word: &str) -> bool {
        matches!(self.peek(), Some(Token::Word(w)) if w.eq_ignore_ascii_case(word))
    }

    fn any(&mut self, depth: usize) -> Result<Node, FilterError> {
        let mut nodes = vec![self.all(depth)?];
        while self.word_is("or") {
            self.next += 1;
            nodes.push(self.all(depth)?);
        }
        Ok(if nodes.len() == 1 { nodes.remove(0) } else { Node::Any(nodes) })
    }

    fn all(&mut self, depth: usize) -> Result<Node, FilterError> {
        let mut nodes = vec![self.term(depth)?];
        while self.word_is("and") {
            self.next += 1;
            nodes.push(self.term(depth)?);
        }
        Ok(if nodes.len() == 1 { nodes.remove(0) } else { Node::All(nodes) })
    }

    fn term(&mut self, depth: usize) -> Result<Node, FilterError> {
        if depth > FILTER_DEPTH_MAX {
            let reason = format!("a filter nests at most {FILTER_DEPTH_MAX} deep");
            return Err(error(self.at(), reason));
        }
        if self.word_is("not") {
            self.next += 1;
            return Ok(Node::Not(Box::new(self.term(depth + 1)?)));
        }
        if self.peek() == Some(&Token::Open) {
            self.next += 1;
            let node = self.any(depth + 1)?;
            self.expect(&Token::Close, "expected `)`")?;
            return Ok(node);
        }
        self.comparison()
    }

    fn expect(&mut self, token: &Token, reason: &str) -> Result<(), FilterError> {
        if self.peek() != Some(token) {
            return Err(error(self.at(), reason));
        }
        self.next += 1;
        Ok(())
    }

    fn comparison(&mut self) -> Result<Node, FilterError> {
        self.terms += 1;
        if self.terms > FILTER_TERMS_MAX {
            let reason = format!("a filter has at most {FILTER_TERMS_MAX} comparisons");
            return Err(error(self.at(), reason));
        }
        let at = self.at();
        let Some(Token::Word(word)) = self.take() else {
            return Err(error(at, "expected a field"));
        };
        let (field, label) = self.field(at, &word)?;
        let at = self.at();
        let Some(Token::Word(operator)) = self.take() else {
            return Err(error(at, "expected eq, ne, lt, le, gt, ge, contains or in"));
        };
        let (test, negated) = self.test(field, at, &operator.to_ascii_lowercase())?;
        let node = Node::Test { field, label, test };
        Ok(if negated { Node::Not(Box::new(node)) } else { node })
    }

    fn field(
        &self,
        at: usize,
        word: &str,
    ) -> Result<(&'static Field, Option<String>), FilterError> {
        let (name, label) = match word.split_once('.') {
            Some((name, label)) => (name, Some(label.to_owned())),
            None => (word, None),
        };
        let found = self.fields.iter().find(|f| f.name == name);
        match found {
            Some(f) if (f.kind == Kind::Labels) == label.is_some() => Ok((f, label)),
            Some(f) if f.kind == Kind::Labels => Err(error(at, "write labels.KEY")),
            _ => {
                let names: Vec<_> = self.fields.iter().map(|f| f.name).collect();
                let reason = format!("there is no field {word:?}; there are {}", names.join(", "));
                Err(error(at, reason))
            }
        }
    }

    fn test(
        &mut self,
        field: &'static Field,
        at: usize,
        operator: &str,
    ) -> Result<(Test, bool), FilterError> {
        if field.kind == Kind::Search && operator != "contains" {
            return Err(error(at, format!("{} understands only `contains`", field.name)));
        }
        let order = match operator {
            "contains" => return Ok((Test::Contains(self.pattern(field)?), false)),
            "in" => return Ok((Test::In(self.list(field)?), false)),
            "eq" | "ne" => Order::Equal,
            "lt" => Order::Less,
            "le" => Order::LessOrEqual,
            "gt" => Order::Greater,
            "ge" => Order::GreaterOrEqual,
            _ => return Err(error(at, "expected eq, ne, lt, le, gt, ge, contains or in")),
        };
        let negated = operator == "ne";
        if self.word_is("null") {
            if order != Order::Equal {
                return Err(error(at, "only eq and ne understand null"));
            }
            self.next += 1;
            return Ok((Test::Absent, negated));
        }
        let ordered = order != Order::Equal;
        if ordered && matches!(field.kind, Kind::List | Kind::Labels | Kind::Flag) {
            let reason = format!("{} has no order: use eq, ne or in", field.name);
            return Err(error(at, reason));
        }
        Ok((Test::Compare(order, self.literal(field)?), negated))
    }

    fn pattern(&mut self, field: &'static Field) -> Result<String, FilterError> {
        let textual = matches!(field.kind, Kind::Text | Kind::List | Kind::Search);
        let at = self.at();
        match self.take() {
            Some(Token::Text(text)) if textual => Ok(common(field, text)),
            Some(Token::Text(_)) => {
                Err(error(at, format!("{} does not understand contains", field.name)))
            }
            _ => Err(error(at, "contains needs a text in quotes")),
        }
    }

    fn list(&mut self, field: &'static Field) -> Result<Vec<Literal>, FilterError> {
        self.expect(&Token::Open, "in needs a list in parentheses")?;
        let mut values = vec![self.literal(field)?];
        while self.peek() == Some(&Token::Comma) {
            self.next += 1;
            values.push(self.literal(field)?);
            if values.len() > FILTER_IN_MAX {
                let reason = format!("a list has at most {FILTER_IN_MAX} values");
                return Err(error(self.at(), reason));
            }
        }
        self.expect(&Token::Close, "expected `,` or `)`")?;
        Ok(values)
    }

    fn literal(&mut self, field: &'static Field) -> Result<Literal, FilterError> {
        let at = self.at();
        let token = self.take();
        let wrong = |what: &str| error(at, format!("{} is compared with {what}", field.name));
        match (field.kind, token) {
            (_, None) => Err(error(at, "expected a value")),
            (Kind::Text | Kind::List | Kind::Labels, Some(Token::Text(text))) => {
                Ok(Literal::Text(common(field, text)))
            }
            // Lists of numbers, such as VLANs, read naturally without quotes.
            (Kind::List, Some(Token::Word(word))) if word.parse::<u64>().is_ok() => {
                Ok(Literal::Text(word))
            }
            (Kind::Text | Kind::List | Kind::Labels, _) => Err(wrong("a text in quotes")),
            (Kind::Whole | Kind::Real, Some(Token::Word(word))) => {
                number(&word).ok_or_else(|| wrong("a number"))
            }
            (Kind::Whole | Kind::Real, _) => Err(wrong("a number")),
            (Kind::Flag, Some(Token::Word(word))) if word == "true" => Ok(Literal::Whole(1)),
            (Kind::Flag, Some(Token::Word(word))) if word == "false" => Ok(Literal::Whole(0)),
            (Kind::Flag, _) => Err(wrong("true or false")),
            (Kind::Time, Some(Token::Word(word) | Token::Text(word))) => {
                let time = Time::parse(&word).or_else(|| span(&word, self.now));
                let time = time.ok_or_else(|| wrong(TIMES))?;
                Ok(Literal::Whole(time.nanos()))
            }
            (Kind::Time, _) => Err(wrong(TIMES)),
            (Kind::Severity, Some(Token::Text(word) | Token::Word(word))) => {
                let severity = text::from_word::<model::Severity>(&word);
                let severity =
                    severity.ok_or_else(|| wrong("info, low, medium, high, critical"))?;
                Ok(Literal::Whole(text::severity_rank(severity)))
            }
            (Kind::Severity, _) => Err(wrong("info, low, medium, high, critical")),
            (Kind::Search, _) => Err(wrong("contains")),
        }
    }
}

/// Makers have one name in rows, whoever said it, and a filter may name them as they were said.
fn common(field: &Field, text: String) -> String {
    if field.column == "vendor" { model::maker(&text).to_owned() } else { text }
}

/// What a time is compared with, for whoever wrote a bare day.
const TIMES: &str = "a time or a span, such as 2026-03-01T06:00:00Z or -P7D";

/// Numbers that doubles hold exactly, so that both ways of matching see the same value.
const WHOLE_MAX: i64 = 1 << 53;

fn number(word: &str) -> Option<Literal> {
    if let Ok(whole) = word.parse::<i64>() {
        return (whole.abs() <= WHOLE_MAX).then_some(Literal::Whole(whole));
    }
    let digits = word.strip_prefix('-').unwrap_or(word);
    let plain = digits.chars().all(|c| c.is_ascii_digit() || c == '.');
    let real: f64 = word.parse().ok()?;
    (plain && real.is_finite()).then_some(Literal::Real(real))
}

/// ISO 8601 duration with days and smaller, e.g. `-P7D` or `PT1H30M`, added to `now`.
fn span(word: &str, now: Time) -> Option<Time> {
    let (sign, rest) = match word.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, word),
    };
    let rest = rest.strip_prefix('P')?;
    let (days, clock) = match rest.split_once('T') {
        Some((days, clock)) if !clock.is_empty() => (days, clock),
        Some(_) => return None,
        None => (rest, ""),
    };
    if days.is_empty() && clock.is_empty() {
        return None;
    }
    let days = units(days, &[('W', 7 * 86_400), ('D', 86_400)])?;
    let clock = units(clock, &[('H', 3_600), ('M', 60), ('S', 1)])?;
    Some(now.plus_secs(sign * days.checked_add(clock)?))
}

/// Sum of `3D`, `4H5M` and the like in seconds; units in the order of `known`.
fn units(mut text: &str, known: &[(char, i64)]) -> Option<i64> {
    let mut total = 0i64;
    for (unit, secs) in known {
        if let Some((count, rest)) = text.split_once(*unit) {
            let count: u32 = count.parse().ok()?;
            total = total.checked_add(i64::from(count).checked_mul(*secs)?)?;
            text = rest;
        }
    }
    text.is_empty().then_some(total)
}
