//! Text by line, with the section a line stands in: configurations of switches, servers, tools.
//!
//! Lines that change by themselves (a clock, an uptime) are no difference; a file that differs in
//! nothing else is left to `bytes`, so it still has a row.

use super::{Change, Difference, Format};
use std::{borrow::Cow, path::Path};

pub struct Text;

/// More cells than this in the table of common lines, and the changed part is compared as a whole.
const CELLS_MAX: usize = 4_000_000;

impl Format for Text {
    fn name(&self) -> &'static str {
        "text"
    }

    fn compare(&self, _path: &Path, before: &[u8], after: &[u8]) -> Option<Vec<Difference>> {
        let (before, after) = (text(before)?, text(after)?);
        let (a, b) = (lines(before), lines(after));
        let mut found = differences(&a, &b);
        found.iter_mut().for_each(|difference| difference.risk = risk(difference));
        Some(found)
    }
}

/// UTF-8 without control characters other than white space.
fn text(bytes: &[u8]) -> Option<&str> {
    let text = str::from_utf8(bytes).ok()?;
    let plain = text.chars().all(|c| !c.is_control() || c.is_ascii_whitespace());
    plain.then_some(text)
}

#[derive(PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub section: Option<Cow<'a, str>>,
    pub text: &'a str,
}

/// The lines that mean something, each with its section: the last `[header]`, or the lines with
/// less indentation that it stands below (as in the configurations of most switches).
fn lines(text: &str) -> Vec<Line<'_>> {
    let mut header: Option<&str> = None;
    let mut parents: Vec<(usize, &str)> = Vec::new();
    let mut found = Vec::new();
    for line in text.lines() {
        let content = line.trim();
        if content.is_empty() || is_noise(content) {
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        while parents.last().is_some_and(|(other, _)| *other >= indent) {
            parents.pop();
        }
        if content.starts_with('[') && content.ends_with(']') {
            header = Some(content);
        }
        let section = match &parents[..] {
            [] => header.filter(|header| *header != content).map(Cow::Borrowed),
            [(_, parent)] => Some(Cow::Borrowed(*parent)),
            all => {
                let names: Vec<_> = all.iter().map(|(_, parent)| *parent).collect();
                Some(Cow::Owned(names.join(" / ")))
            }
        };
        found.push(Line { section, text: content });
        parents.push((indent, content));
    }
    found
}

/// Lines that devices write anew at every save (collected from oxidized's models as facts).
fn is_noise(line: &str) -> bool {
    let starts = [
        "! Last configuration change",
        "! NVRAM config last updated",
        "! No configuration change since",
        "!Time:",
        "ntp clock-period",
        "Current configuration :",
        "# Generated at",
        "; Generated at",
        "## Last commit:",
    ];
    let lower = line.to_ascii_lowercase();
    starts.iter().any(|start| line.starts_with(start)) || lower.contains("uptime is ")
}

pub(super) fn differences(a: &[Line], b: &[Line]) -> Vec<Difference> {
    let same_start = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let (a, b) = (&a[same_start..], &b[same_start..]);
    let same_end = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
    let (a, b) = (&a[..a.len() - same_end], &b[..b.len() - same_end]);
    let steps = if a.len().saturating_mul(b.len()) <= CELLS_MAX {
        steps(a, b)
    } else {
        let gone = (0..a.len()).map(|i| (Some(i), None));
        gone.chain((0..b.len()).map(|j| (None, Some(j)))).collect()
    };
    let mut found: Vec<Difference> = Vec::new();
    for step in steps {
        let (change, line) = match step {
            (Some(i), None) => (Change::Removed, &a[i]),
            (None, Some(j)) => (Change::Added, &b[j]),
            _ => continue,
        };
        let unit = line.section.as_deref().map(str::to_owned);
        let text = Some(line.text.to_owned());
        if change == Change::Added
            && let Some(gone) = found.iter_mut().rev().take(16).find(|d| {
                d.change == Change::Removed && d.unit == unit && same_key(&d.before, line.text)
            })
        {
            (gone.change, gone.after) = (Change::Changed, text);
            continue;
        }
        let (before, after) = if change == Change::Removed { (text, None) } else { (None, text) };
        found.push(Difference { change, unit, before, after, risk: None });
    }
    found
}

/// Whether two lines set the same thing: what stands before `=` or `:`, or all words but the last.
fn same_key(before: &Option<String>, after: &str) -> bool {
    let key = |line: &str| -> String {
        match line.split_once(['=', ':']) {
            Some((key, _)) => key.trim().to_owned(),
            None => line.rsplit_once(' ').map_or(line, |(key, _)| key).to_owned(),
        }
    };
    before.as_deref().is_some_and(|before| key(before) == key(after))
}

type Step = (Option<usize>, Option<usize>);

/// The longest common run of lines, as steps through both sides.
fn steps(a: &[Line], b: &[Line]) -> Vec<Step> {
    let width = b.len() + 1;
    let mut common = vec![0_u32; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            common[i * width + j] = if a[i] == b[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j, mut steps) = (0, 0, Vec::new());
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            steps.push((Some(i), Some(j)));
            (i, j) = (i + 1, j + 1);
        } else if j == b.len()
            || (i < a.len() && common[(i + 1) * width + j] >= common[i * width + j + 1])
        {
            steps.push((Some(i), None));
            i += 1;
        } else {
            steps.push((None, Some(j)));
            j += 1;
        }
    }
    steps
}

fn risk(difference: &Difference) -> Option<&'static str> {
    let line = difference.after.as_deref().or(difference.before.as_deref())?.to_ascii_lowercase();
    let section = difference.unit.as_deref().unwrap_or_default().to_ascii_lowercase();
    let gone = difference.change == Change::Removed;
    let has = |word: &str| line.contains(word);
    let is_list = has("access-list")
        || has("access-group")
        || section.contains("access-list")
        || section.contains("firewall policy");
    let is_mirror = has("monitor session") || has("mirror") || has("span ");
    let is_user = has("username ")
        || has("user ")
        || has("users add")
        || section.contains("system admin")
        || section.contains("local-user");
    if (has("snmp") && (has(" rw") || has("write"))) && !gone {
        Some("SNMP may write")
    } else if is_user && difference.change == Change::Added {
        Some("a new account, or one with new rights")
    } else if (is_user || has("password") || has("secret")) && !gone {
        Some("an account or its secret changed")
    } else if is_list && gone {
        Some("part of an access list was removed")
    } else if is_list {
        Some("an access list changed")
    } else if is_mirror {
        Some("a mirror port changed; the sensor may go blind")
    } else if (has("telnet") || has("http server")) && !gone && !line.starts_with("no ") {
        Some("an unencrypted service")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(before: &str, after: &str, expected: &[&str]) {
        let found = Text.compare(Path::new("x.cfg"), before.as_bytes(), after.as_bytes()).unwrap();
        let shown: Vec<String> = found
            .iter()
            .map(|d| {
                let text = |o: &Option<String>| o.clone().unwrap_or("-".into());
                let risk = d.risk.map_or(String::new(), |r| format!(" ({r})"));
                format!("{}: {} > {}{risk}", text(&d.unit), text(&d.before), text(&d.after))
            })
            .collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_switch_configuration_is_compared_by_section_without_its_clock() {
        let before = "! Last configuration change at 03:12\ninterface Gi0/1\n description press\n \
                      switchport access vlan 10\ninterface Gi0/2\n shutdown\n\
                      snmp-server community public RO\n";
        let after = "! Last configuration change at 09:00\ninterface Gi0/1\n description press\n \
                     switchport access vlan 30\ninterface Gi0/2\nsnmp-server community public RO\n\
                     snmp-server community private RW\nmonitor session 1 destination Gi0/9\n";
        check(
            before,
            after,
            &[
                "interface Gi0/1: switchport access vlan 10 > switchport access vlan 30",
                "interface Gi0/2: shutdown > -",
                "-: - > snmp-server community private RW (SNMP may write)",
                "-: - > monitor session 1 destination Gi0/9 \
                 (a mirror port changed; the sensor may go blind)",
            ],
        );
    }

    #[test]
    fn accounts_access_lists_and_nested_sections_are_told() {
        check(
            "ip access-list extended PLANT\n deny ip any any\n permit tcp any any\n\
             config firewall policy\n    edit 5\n        set action deny\n    next\nend\n",
            "username eve privilege 15 secret 5 x\nip access-list extended PLANT\n\
             \u{20}permit tcp any any\nconfig firewall policy\n    edit 5\n\
             \u{20}       set action accept\n    next\nend\n",
            &[
                "-: - > username eve privilege 15 secret 5 x \
                 (a new account, or one with new rights)",
                "ip access-list extended PLANT: deny ip any any > - \
                 (part of an access list was removed)",
                "config firewall policy / edit 5: set action deny > set action accept \
                 (an access list changed)",
            ],
        );
    }

    #[test]
    fn ini_files_have_headers_and_a_clock_alone_is_no_difference() {
        check(
            "[line]\nspeed=1\n[oven]\nspeed=1\n",
            "[line]\nspeed=1\n[oven]\nspeed=2\n",
            &["[oven]: speed=1 > speed=2"],
        );
        check("ntp clock-period 1\nx\n", "ntp clock-period 2\nx\n", &[]);
        assert!(Text.compare(Path::new("x"), b"\x00\x01", b"a").is_none());
    }
}
