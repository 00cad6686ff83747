//! What an SQL statement does, by its first words: shared by the database protocols.
//!
//! Not a parser, and no statement is kept: literals may be secrets. Invariant: only the verb and
//! a few well-known procedures are told.

use crate::output::Op;
use model::OperationClass::{self, Browse, Configure, Other, Read, Session, Start, Write};

/// The operation of a statement; `function` as in the protocol that carries it.
pub fn operation(statement: &str, function: u32) -> Op {
    let (class, name) = meaning(statement);
    Op::request(class, function, name)
}

fn meaning(statement: &str) -> (OperationClass, &'static str) {
    const LOOKED_AT: usize = 2_048;
    let end = statement.char_indices().nth(LOOKED_AT).map_or(statement.len(), |(at, _)| at);
    let text = statement.get(..end).unwrap_or_default().trim_start();
    let lower = text.to_ascii_lowercase();
    // Procedures that run programs on the server.
    for (word, name) in [
        ("xp_cmdshell", "execute xp_cmdshell"),
        ("sp_oacreate", "execute sp_OACreate"),
        ("copy from program", "copy from program"),
        ("from program", "copy from program"),
        ("into outfile", "select into outfile"),
        ("into dumpfile", "select into dumpfile"),
    ] {
        if lower.contains(word) {
            return (Start, name);
        }
    }
    let words = words(&lower);
    let verb = words.first().copied().unwrap_or_default();
    if !matches!(verb, "with" | "set" | "use" | "begin" | "declare" | "if") {
        return of_verb(verb);
    }
    // What comes first only prepares for the statement that does something.
    let asked_for_update = |at: usize| at.checked_sub(1).and_then(|b| words.get(b)) == Some(&"for");
    let mut others = words.iter().enumerate().filter(|(at, _)| !asked_for_update(*at));
    // In the middle of a statement "replace" is a function on texts.
    let changes = |verb: &str| verb != "replace" && matches!(of_verb(verb).0, Write | Configure);
    let told = |verb: &&str| verb == &"select" || of_verb(verb).1 == "execute procedure";
    let first = others.find(|(_, word)| changes(word)).map(|(_, word)| *word);
    first.or_else(|| words.iter().copied().find(told)).map_or_else(|| of_verb(verb), of_verb)
}

/// Words outside comments, literals and names in quotes or brackets.
fn words(text: &str) -> Vec<&str> {
    const WORDS_MAX: usize = 256;
    let part_of_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '@' | '#' | '$');
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next()
        && words.len() < WORDS_MAX
    {
        let end = match first {
            '-' if rest.starts_with("--") => Some("\n"),
            '/' if rest.starts_with("/*") => Some("*/"),
            '\'' => Some("'"),
            '"' => Some("\""),
            '`' => Some("`"),
            '[' => Some("]"),
            _ => None,
        };
        let inside = rest.get(first.len_utf8()..).unwrap_or_default();
        rest = match end {
            Some(end) => inside.split_once(end).map_or("", |(_, behind)| behind),
            None if part_of_word(first) => {
                let length = rest.find(|c| !part_of_word(c)).unwrap_or(rest.len());
                let (word, behind) = rest.split_at_checked(length).unwrap_or_default();
                words.push(word);
                behind
            }
            None => inside,
        };
    }
    words
}

fn of_verb(verb: &str) -> (OperationClass, &'static str) {
    match verb {
        "select" | "with" | "fetch" | "values" => (Read, "select"),
        "insert" => (Write, "insert"),
        "update" => (Write, "update"),
        "delete" => (Write, "delete"),
        "merge" | "replace" => (Write, "merge"),
        "create" => (Configure, "create"),
        "alter" => (Configure, "alter"),
        "drop" => (Configure, "drop"),
        "truncate" => (Configure, "truncate"),
        "grant" | "revoke" => (Configure, "grant or revoke"),
        "exec" | "execute" | "call" => (Other, "execute procedure"),
        "show" | "describe" | "explain" => (Browse, "show"),
        "set" | "use" | "begin" | "commit" | "rollback" | "declare" => (Session, "session"),
        _ => (Other, "statement"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(statement: &str, class: OperationClass, name: &str) {
        assert_eq!(meaning(statement), (class, name));
    }

    #[test]
    fn a_statement_is_told_by_its_verb_and_programs_by_their_procedure() {
        check("  SELECT * FROM tags", Read, "select");
        check("exec master..xp_cmdshell 'dir'", Start, "execute xp_cmdshell");
        check("DROP TABLE x", Configure, "drop");
        check("", Other, "statement");
    }

    #[test]
    fn what_prepares_for_a_statement_is_not_what_it_does() {
        check("SET NOCOUNT ON; INSERT INTO t VALUES (1)", Write, "insert");
        check("with old as (select id from t) delete from t", Write, "delete");
        check("with a as (select id from t) select * from a for update", Read, "select");
        check("BEGIN TRAN\nUPDATE t SET v = 1\nCOMMIT", Write, "update");
        check("if exists (select 1) drop table t", Configure, "drop");
        check("declare @n int; exec report @n", Other, "execute procedure");
        check("set names utf8mb4", Session, "session");
        check("with a as (select replace(v, 1, 2) from t) select 1", Read, "select");
        check("begin", Session, "session");
        check("with a as (select last_update, 'drop', [delete] from t) select 1", Read, "select");
    }

    #[test]
    fn comments_come_before_statements() {
        check("/* report 7 */ select 1", Read, "select");
        check("-- nightly\nupdate t set v = 1", Write, "update");
        check("(select 1) union (select 2)", Read, "select");
        check("/* never ends", Other, "statement");
    }
}
