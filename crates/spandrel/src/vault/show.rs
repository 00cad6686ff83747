//! Vault answers for a person.

use super::print_line;
use crate::{
    complain,
    page::{counted, second, size},
};
use anyhow::Result;
use model::Time;
use vault::{
    Row, SnapshotId, State, WithdrawnRow,
    diff::{Change, Row as Difference},
    retention::{Plan, Protection},
    verify::{Problem, Verdict},
};

/// A line for each, and below it what there is to know beside.
pub fn list(rows: &[Row]) -> Result<()> {
    if rows.is_empty() {
        complain("no snapshot yet; `spandrel backup` makes one");
        return Ok(());
    }
    print_line(&line(["ID", "TAKEN (UTC)", "STATE", "FILES", "SIZE", "ASSET"]))?;
    for row in rows {
        let state = if row.state == State::Complete { "complete" } else { "partial" };
        let (files, bytes) = (row.files.to_string(), size(row.bytes));
        print_line(&line([&short(&row.id), &second(row.time), state, &files, &bytes, &row.asset]))?;
        let mut marks = Vec::new();
        marks.extend(row.retain_until.map(|until| format!("locked until {}", minute(until))));
        marks.extend(row.holds.iter().map(|hold| format!("held: {}", hold.reason)));
        marks.extend((!row.logged).then(|| "not in the log yet".to_owned()));
        if !marks.is_empty() {
            print_line(&format!("              {}", marks.join(", ")))?;
        }
        for warning in &row.warnings {
            print_line(&format!("              warning: {}: {}", warning.source, warning.error))?;
        }
    }
    Ok(())
}

/// Columns that fit 80 characters, the longest last.
fn line(cells: [&str; 6]) -> String {
    let [id, time, state, files, bytes, asset] = cells;
    let line = format!("{id:<12}  {time:<19}  {state:<8}  {files:>7}  {bytes:>9}  {asset}");
    line.trim_end().to_owned()
}

fn short(id: &SnapshotId) -> String {
    id.to_string().chars().take(12).collect()
}

/// `1 entry`, `2 entries`.
fn entries_of(count: u64) -> String {
    format!("{count} {}", if count == 1 { "entry" } else { "entries" })
}

fn minute(at: Time) -> String {
    let mut text = second(at);
    text.truncate(16);
    format!("{text} UTC")
}

pub fn withdrawn(rows: &[WithdrawnRow]) -> Result<()> {
    if rows.is_empty() {
        complain("no deleted snapshot can be taken back");
        return Ok(());
    }
    print_line(&line(["ID", "TAKEN (UTC)", "", "FILES", "SIZE", "ASSET"]))?;
    for row in rows {
        let WithdrawnRow { time, asset, files, bytes, until, .. } = row;
        let (files, bytes) = (files.to_string(), size(*bytes));
        print_line(&line([&short(&row.id), &second(*time), "", &files, &bytes, asset]))?;
        let mark = if row.here { "" } else { ", its file is not here" };
        print_line(&format!("              can be taken back until {}{mark}", minute(*until)))?;
    }
    Ok(())
}

pub fn diff(rows: &[Difference]) -> Result<()> {
    for Difference { path, change, kind, unit, before, after, risk } in rows {
        let word = match change {
            Change::Added => "+",
            Change::Removed => "-",
            Change::Changed => "~",
        };
        let unit = unit.as_ref().map_or(String::new(), |unit| format!(" {unit}:"));
        let values = match (before, after) {
            (Some(before), Some(after)) => format!(" {before} > {after}"),
            (Some(one), None) | (None, Some(one)) => format!(" {one}"),
            (None, None) => String::new(),
        };
        let risk = risk.map_or(String::new(), |risk| format!("  ! {risk}"));
        print_line(&format!("{word} {path} [{kind}]{unit}{values}{risk}"))?;
    }
    print_line(&counted(rows.len() as u64, "difference"))
}

/// `word` is what is done with those that do not stay.
pub fn plan(plan: &Plan, word: &str) -> Result<()> {
    for kept in &plan.keep {
        let reasons: Vec<String> = kept.reasons.iter().map(reason).collect();
        let (id, time) = (short(&kept.snapshot), second(kept.time));
        print_line(&format!("keep    {id}  {time} UTC  {}", kept.asset))?;
        print_line(&format!("        {}", reasons.join(", ")))?;
    }
    for removed in &plan.remove {
        print_line(&format!("{word}  {}", removed.snapshot()))?;
    }
    print_line(&format!("{} stay, {} {word}", plan.keep.len(), plan.remove.len()))
}

fn reason(protection: &Protection) -> String {
    match protection {
        Protection::Held { reason } => format!("held: {reason}"),
        Protection::Locked { until } => format!("locked until {}", minute(*until)),
        Protection::Last => "one of the newest".to_owned(),
        Protection::Newest { of } => format!("newest of its {of}"),
        Protection::OnlyComplete => "newest complete one".to_owned(),
    }
}

pub fn verdict(verdict: &Verdict) -> Result<()> {
    for note in &verdict.notes {
        print_line(&format!("note: {note}"))?;
    }
    let word = if verdict.ok { "all holds" } else { "does NOT hold" };
    let Verdict { entries, snapshots, objects, bytes, log, .. } = verdict;
    let log = if log.is_empty() { "no log" } else { &format!("log {log}") };
    let (snapshots, objects) = (counted(*snapshots, "snapshot"), counted(*objects, "object"));
    print_line(&format!(
        "{word}: {log}, {}, {snapshots}, {objects}, {}",
        entries_of(*entries),
        size(*bytes)
    ))
}

pub fn problem(problem: &Problem) -> String {
    let Problem { entry, path, what } = problem;
    match entry {
        Some(entry) => format!("entry {entry}: {path}: {what}"),
        None => format!("{path}: {what}"),
    }
}
