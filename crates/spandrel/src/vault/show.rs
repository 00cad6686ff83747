//! Vault answers for a person.

use super::print_line;
use anyhow::Result;
use vault::{
    Row, State, WithdrawnRow,
    diff::{Change, Row as Difference},
    retention::{Plan, Protection},
    verify::{Problem, Verdict},
};

pub fn list(rows: &[Row]) -> Result<()> {
    for row in rows {
        let state = if row.state == State::Complete { "complete" } else { "partial" };
        let mut marks = String::new();
        if let Some(until) = row.retain_until {
            marks += &format!("  locked until {until}");
        }
        for hold in &row.holds {
            marks += &format!("  held: {}", hold.reason);
        }
        if !row.logged {
            marks += "  not in the log yet";
        }
        let id = &row.id.to_string()[..12];
        let (time, asset, files, bytes) = (row.time, &row.asset, row.files, row.bytes);
        print_line(&format!(
            "{id}  {time}  {state}  {asset}  {files} files  {bytes} bytes{marks}"
        ))?;
        for warning in &row.warnings {
            print_line(&format!("  warning: {}: {}", warning.source, warning.error))?;
        }
    }
    Ok(())
}

pub fn withdrawn(rows: &[WithdrawnRow]) -> Result<()> {
    for row in rows {
        let id = &row.id.to_string()[..12];
        let WithdrawnRow { time, asset, files, bytes, until, .. } = row;
        let mark = if row.here { "" } else { "  its file is not here" };
        print_line(&format!(
            "{id}  {time}  {asset}  {files} files  {bytes} bytes  until {until}{mark}"
        ))?;
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
    print_line(&format!("{} differences", rows.len()))
}

/// `word` is what is done with those that do not stay.
pub fn plan(plan: &Plan, word: &str) -> Result<()> {
    for kept in &plan.keep {
        let reasons: Vec<String> = kept.reasons.iter().map(reason).collect();
        let id = &kept.snapshot.to_string()[..12];
        print_line(&format!(
            "keep    {id}  {}  {}  {}",
            kept.time,
            kept.asset,
            reasons.join(", ")
        ))?;
    }
    for removed in &plan.remove {
        print_line(&format!("{word}  {}", removed.snapshot()))?;
    }
    print_line(&format!("{} stay, {} {word}", plan.keep.len(), plan.remove.len()))
}

fn reason(protection: &Protection) -> String {
    match protection {
        Protection::Held { reason } => format!("held: {reason}"),
        Protection::Locked { until } => format!("locked until {until}"),
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
    print_line(&format!(
        "{word}: log {log}, {entries} entries, {snapshots} snapshots, {objects} objects, \
         {bytes} bytes"
    ))
}

pub fn problem(problem: &Problem) -> String {
    let Problem { entry, path, what } = problem;
    match entry {
        Some(entry) => format!("entry {entry}: {path}: {what}"),
        None => format!("{path}: {what}"),
    }
}
