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
    let verb = lower.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
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
}
