//! Characters to words.
//!
//! Not here: what the words mean. Invariant: every token knows where it began, for the message.

use super::FilterError;
use crate::FILTER_BYTES_MAX;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A keyword, operator, field, time or span: whatever is written without quotes.
    Word(String),
    Text(String),
    Open,
    Close,
    Comma,
}

pub(super) fn error(at: usize, reason: impl Into<String>) -> FilterError {
    FilterError { at: at + 1, reason: reason.into() }
}

/// Tokens with the index of their first character.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, FilterError> {
    if text.len() > FILTER_BYTES_MAX {
        return Err(error(0, format!("a filter has at most {FILTER_BYTES_MAX} bytes")));
    }
    let mut found = Vec::new();
    let mut rest = text.chars().enumerate().peekable();
    while let Some((at, c)) = rest.next() {
        let token = match c {
            ' ' | '\t' | '\n' | '\r' => continue,
            '(' | '[' => Token::Open,
            ')' | ']' => Token::Close,
            ',' => Token::Comma,
            '"' => {
                let mut value = String::new();
                loop {
                    match rest.next() {
                        None => return Err(error(at, "the text has no closing quote")),
                        Some((_, '"')) => break,
                        Some((at, '\\')) => match rest.next() {
                            Some((_, c @ ('"' | '\\'))) => value.push(c),
                            _ => {
                                return Err(error(at, "only \\\" and \\\\ may follow a backslash"));
                            }
                        },
                        Some((at, c)) if c.is_control() => {
                            return Err(error(at, "control characters have no place in a text"));
                        }
                        Some((_, c)) => value.push(c),
                    }
                }
                Token::Text(value)
            }
            c if is_word(c) => {
                let mut word = String::from(c);
                while let Some((_, c)) = rest.next_if(|(_, c)| is_word(*c)) {
                    word.push(c);
                }
                Token::Word(word)
            }
            other => return Err(error(at, format!("{other:?} has no meaning here"))),
        };
        found.push((at, token));
    }
    Ok(found)
}

/// Also the characters of times, spans and label keys.
fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '+' | ':' | '/')
}
