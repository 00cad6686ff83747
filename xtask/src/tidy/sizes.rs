//! Sizes: file at most 1,000 lines (600 unless its header says why), function 70, line 100.

use super::shown;
use anyhow::{Context, Result};
use std::{
    fs,
    path::{Path, PathBuf},
};

const FILE_LINES_MAX: usize = 1_000;
const FUNCTION_LINES_MAX: usize = 70;
const LINE_CHARS_MAX: usize = 100;

pub fn check(root: &Path, files: &[PathBuf]) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for path in files {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {path:?}"))?;
        let name = shown(root, path);
        if !text.starts_with("//!") {
            complaints.push(format!(
                "{name}:1: no `//!` header; say what the file is, what it is not, one invariant"
            ));
        }
        let lines: Vec<&str> = text.lines().collect();
        if lines.len() > FILE_LINES_MAX {
            complaints.push(format!(
                "{name}:{}: {} lines; split by interface",
                lines.len(),
                lines.len()
            ));
        }
        for (i, line) in lines.iter().enumerate() {
            if line.chars().count() > LINE_CHARS_MAX && !line.contains("http") {
                complaints.push(format!("{name}:{}: line over {LINE_CHARS_MAX}", i + 1));
            }
        }
        complaints.extend(long_functions(&lines).into_iter().map(|(at, function, length)| {
            format!("{name}:{at}: fn {function} has {length} lines, {FUNCTION_LINES_MAX} at most")
        }));
    }
    Ok(complaints)
}

/// (line, name, length) of functions that are too long. rustfmt puts the closing brace of a
/// function at the indentation of its `fn`, so indentation is enough to find it.
fn long_functions(lines: &[&str]) -> Vec<(usize, String, usize)> {
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let trimmed = line.trim_start();
        let indent = line.len() - trimmed.len();
        let Some(name) = function_name(trimmed) else { continue };
        let close = format!("{}}}", " ".repeat(indent));
        let one_line = |l: &&str| l.trim_end().ends_with('}') || l.trim_end().ends_with(';');
        if one_line(line) {
            continue;
        }
        let Some(length) = lines[start..].iter().position(|l| *l == close) else { continue };
        if length + 1 > FUNCTION_LINES_MAX {
            found.push((start + 1, name, length + 1));
        }
    }
    found
}

fn function_name(trimmed: &str) -> Option<String> {
    let mut words = trimmed.split_whitespace();
    let is_modifier = |w: &str| {
        w.starts_with("pub") || ["const", "async", "unsafe", "extern", "\"C\""].contains(&w)
    };
    let mut word = words.next()?;
    while is_modifier(word) {
        word = words.next()?;
    }
    if word != "fn" {
        return None;
    }
    let name = words.next()?;
    Some(name.split(['(', '<']).next().unwrap_or(name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_long_function_and_not_its_short_neighbour() {
        let mut text = vec!["fn short() {", "}", "    pub const fn long<T>() {"];
        text.extend(std::iter::repeat_n("        x();", 80));
        text.push("    }");
        let found = long_functions(&text);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].0, found[0].1.as_str(), found[0].2), (3, "long", 82));
    }
}
