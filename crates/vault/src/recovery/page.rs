//! The report as one page of HTML that needs nothing else: to read, to print, to file.
//!
//! Invariant: every word that comes from a plan, a vault or a machine is escaped.

use super::report::{Fenced, Isolated, Mode, Outcome, Report, StepRecord, against, seconds};
use model::Time;

const STYLE: &str = "
body{font:15px/1.45 system-ui,sans-serif;color:#1c2126;max-width:62rem;margin:2rem auto;
padding:0 1rem}
h1{font-size:1.5rem;margin:0 0 .2rem}h2{font-size:1.1rem;margin:1.6rem 0 .5rem}
.verdict{display:inline-block;padding:.15rem .7rem;border-radius:.3rem;color:#fff;
font-weight:600}.passed{background:#1f7a3d}.missed{background:#b3261e}
.figures{display:flex;gap:1rem;flex-wrap:wrap;margin:1rem 0}
.figure{border:1px solid #c5ccd3;border-radius:.4rem;padding:.6rem 1rem;min-width:14rem}
.figure b{display:block;font-size:1.35rem}
table{border-collapse:collapse;width:100%}
td,th{text-align:left;padding:.3rem .5rem;border-bottom:1px solid #dfe4e8;vertical-align:top}
th{font-weight:600}td.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
code{font-size:.85em;overflow-wrap:anywhere}svg{width:100%;height:auto}
@media print{body{margin:0;max-width:none;font-size:11px}tr,svg{break-inside:avoid}}
";

pub fn page(report: &Report) -> String {
    let mode = if report.mode == Mode::Drill { "Recovery drill" } else { "Recovery" };
    let (class, verdict) = if report.ok { ("passed", "passed") } else { ("missed", "failed") };
    let title = escape(&report.plan);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{mode}: {title}</title>\n<style>{STYLE}</style></head><body>\n\
         <h1>{mode}: {title}</h1>\n<p><span class=\"verdict {class}\">{verdict}</span> \
         {} declared {}, ended {}</p>\n",
        escape(&report.id),
        moment(report.declared_at),
        moment(report.ended_at),
    );
    let figures = [
        ("Time to recover", against(report.rto_ms, report.rto_target_ms)),
        ("Data lost before the failure", against(report.rpo_ms, report.rpo_target_ms)),
    ];
    page += "<div class=\"figures\">";
    for (name, value) in figures {
        page += &format!("<div class=\"figure\">{name}<b>{}</b></div>\n", escape(&value));
    }
    page += "</div>\n<h2>Timeline</h2>\n";
    page += &timeline(&report.steps);
    page += &steps(&report.steps);
    page += &canaries(report);
    page += &surroundings(report);
    page += &proof(report);
    page + "</body></html>\n"
}

/// Characters of a step's name above its bar; what fits in the width of the page.
const NAME_CHARS_MAX: usize = 140;

/// A bar for each step, to scale, below its name, which may be long.
fn timeline(steps: &[StepRecord]) -> String {
    let end = steps.iter().map(|step| step.ended_ms).max().unwrap_or_default().max(1);
    let (width, row) = (958.0, 34);
    let at = |ms: u64| 1.0 + width * ms as f64 / end as f64;
    let height = steps.len() * row + 30;
    let mut svg = format!(
        "<svg viewBox=\"0 0 960 {height}\" role=\"img\" aria-label=\"steps over time\" \
         font-family=\"system-ui,sans-serif\" font-size=\"12\">\n"
    );
    for part in 0..=4 {
        let (x, ms) = (at(end * part / 4), end * part / 4);
        let anchor = ["start", "middle", "middle", "middle", "end"][part as usize];
        let label = seconds(ms);
        svg += &format!(
            "<line x1=\"{x:.1}\" y1=\"18\" x2=\"{x:.1}\" y2=\"{height}\" stroke=\"#dfe4e8\"/>\
             <text x=\"{x:.1}\" y=\"12\" text-anchor=\"{anchor}\" fill=\"#5a646e\">{label}</text>\n"
        );
    }
    for (number, step) in steps.iter().enumerate() {
        let (y, x) = (number * row + 20, at(step.started_ms));
        let x = x.min(width - 1.0);
        let length = (at(step.ended_ms) - x).max(2.0);
        let mut title = format!("{} / {}", step.group, step.title);
        if title.chars().count() > NAME_CHARS_MAX {
            title = title.chars().take(NAME_CHARS_MAX - 1).chain(['…']).collect();
        }
        let (colour, mark) = match step.outcome {
            Outcome::Ok if step.kind == "wait_for" => ("#1f7a3d", ""),
            Outcome::Ok => ("#2b6cb0", ""),
            Outcome::Failed => ("#b3261e", " failed"),
            Outcome::Skipped | Outcome::NotExercised => ("#9aa4ad", " not done"),
        };
        svg += &format!(
            "<text x=\"1\" y=\"{}\">{}{mark}</text>\
             <rect x=\"{x:.1}\" y=\"{}\" width=\"{length:.1}\" height=\"13\" rx=\"2\" \
             fill=\"{colour}\"/>\n",
            y + 11,
            escape(&title),
            y + 15
        );
    }
    svg + "</svg>\n"
}

fn steps(steps: &[StepRecord]) -> String {
    let mut table = String::from(
        "<h2>Steps</h2>\n<table><tr><th>Step</th><th>Begun after</th><th>Took</th><th>Result</th>\
         <th>What was seen</th></tr>\n",
    );
    for step in steps {
        let by =
            if step.by.is_empty() { String::new() } else { format!(" by {}", step.by.join(", ")) };
        table += &format!(
            "<tr><td>{} / {}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}{}</td>\
             <td>{}</td></tr>\n",
            escape(&step.group),
            escape(&step.title),
            seconds(step.started_ms),
            seconds(step.ended_ms.saturating_sub(step.started_ms)),
            step.outcome.word(),
            escape(&by),
            escape(&step.detail)
        );
    }
    table + "</table>\n"
}

fn canaries(report: &Report) -> String {
    if report.canaries.is_empty() && report.rpo_ms.is_some() {
        return "<p>The loss is the age of the backup when the drill was ordered.</p>\n".into();
    }
    if report.canaries.is_empty() {
        return "<p>The plan names no canaries, so the loss of data was not measured.</p>\n".into();
    }
    let mut table = format!(
        "<h2>Canaries in the restored data</h2>\n<p>The failure was at {}.</p>\n<table><tr>\
         <th>Place</th><th>Newest</th><th>Number</th><th>Missing</th><th>Foreign</th></tr>\n",
        instant(report.failed_at)
    );
    for found in &report.canaries {
        let newest = found.flock.newest.map(instant);
        let newest = newest.or(found.error.clone()).unwrap_or("none found".into());
        table += &format!(
            "<tr><td>{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td></tr>\n",
            escape(&found.place),
            escape(&newest),
            found.flock.number,
            found.flock.missing,
            found.flock.foreign
        );
    }
    table + "</table>\n"
}

fn surroundings(report: &Report) -> String {
    let mut text = String::from("<h2>Surroundings</h2>\n<ul>\n");
    let mut item = |words: String| text += &format!("<li>{}</li>\n", escape(&words));
    if let Some(Isolated { name, interfaces, routes, unreachable, writes_confined }) =
        &report.isolation
    {
        let interfaces = interfaces.join(" ");
        item(format!("isolated as {name}: interfaces {interfaces}, {routes} routes"));
        unreachable.iter().for_each(|address| item(format!("tried and not reached: {address}")));
        let writes = if *writes_confined { "only below their own data" } else { "anywhere" };
        item(format!("recovered services could write {writes}"));
    }
    if let Some(Fenced { probe, answered, overridden_by, reason }) = &report.fencing {
        let answer = if *answered { "still answered" } else { "did not answer" };
        item(format!("fencing probe {probe} {answer}"));
        if let Some(reason) = reason {
            item(format!("overridden by {}: {reason}", overridden_by.join(", ")));
        }
    }
    for used in &report.snapshots {
        let time = moment(used.time);
        item(format!("data of {} from snapshot {} of {time}", used.asset, used.id));
    }
    report.notes.iter().for_each(|note| item(note.clone()));
    text + "</ul>\n"
}

fn proof(report: &Report) -> String {
    let mut text = format!(
        "<h2>Proof</h2>\n<p>Plan <code>{}</code><br>Vault <code>{}</code>, log of {} entries with \
         root <code>{}</code></p>\n",
        report.plan_sha256,
        escape(&report.vault),
        report.log_entries,
        report.log_root
    );
    for approval in &report.approvals {
        text += &format!(
            "<p>{} approved {}: <code>{}</code></p>\n",
            escape(&approval.by),
            escape(&approval.step),
            escape(&approval.signature)
        );
    }
    text
}

/// To the second: nobody who reads a page needs more.
fn moment(time: Time) -> String {
    cut(time, 19)
}

/// To the millisecond, where a loss is counted.
fn instant(time: Time) -> String {
    cut(time, 23)
}

fn cut(time: Time, octets: usize) -> String {
    let text = time.to_string();
    format!("{} UTC", text.get(..octets).unwrap_or(&text).replacen('T', " ", 1))
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::{super::report::tests, *};

    #[test]
    fn the_page_holds_the_figures_refers_to_nothing_outside_and_escapes_what_it_is_told() {
        let mut steps = vec![
            tests::step("restore", 0, 20_000, Outcome::Ok),
            tests::step("wait_for", 20_000, 21_000, Outcome::Ok),
        ];
        let long = format!("the {}are there", "recipes of every line and ".repeat(3));
        steps[1].title.clone_from(&long);
        let page = page(&tests::report(steps, &[Some(995)]));
        for expected in ["21.000 s (target 60.000 s)", "5.000 s (target 30.000 s)", "<svg "] {
            assert!(page.contains(expected), "{expected}");
        }
        assert_eq!(page.matches(&long).count(), 2, "whole over its bar and in the table");
        assert!(!page.contains("000Z"), "nobody reads microseconds");
        assert!(page.contains("restore &lt;it&gt;") && !page.contains("<it>"));
        for outside in ["http:", "https:", "src=", "href=", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
    }
}
