//! What a plan says, checked, and the targets it comes to.
//!
//! Not here: storing it. Invariant: a plan that was stored can be carried out as far as its words
//! go; what can be wrong with a target (no address) is told with the target.

use crate::{
    app::now,
    clock,
    http::dto::PlanSpec,
    limits::{COMMAND_BYTES_MAX, PLAN_SOURCES_MAX, PLAN_TARGETS_MAX},
    protect::{
        quiet,
        reach::{self, Reach},
    },
};
use model::{AssetClass, Time};
use store::{ASSETS, Agent, AgentState, AssetRecord, Filter};

/// One thing a plan protects.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Target {
    /// The asset's id, or the plan's subject.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) sources: Result<Vec<String>, Unread>,
    /// What is to be said where it is late.
    pub(crate) note: Option<String>,
}

/// Why a target has no sources.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Unread {
    NoAddress,
    /// Nothing is asked there, and why.
    Refused(String),
}

impl std::fmt::Display for Unread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unread::NoAddress => f.write_str("it has no IP address to read from"),
            Unread::Refused(why) => f.write_str(why),
        }
    }
}

/// A member and what is wrong with it.
pub(crate) type Wrong = (&'static str, String);

/// Checks what was sent.
pub(crate) fn check(spec: &PlanSpec) -> Result<(), Wrong> {
    let wrong = |member, why: &str| Err((member, why.to_owned()));
    for (member, text) in [("name", Some(&spec.name)), ("subject", spec.subject.as_ref())] {
        if text.is_some_and(|text| text.contains(model::is_disruptive)) {
            return wrong(member, "it has characters that cannot be seen");
        }
    }
    match (&spec.filter, &spec.subject) {
        (Some(filter), None) => {
            Filter::parse(filter, ASSETS, now()).map_err(|e| ("filter", e.to_string()))?;
        }
        (None, Some(subject)) if !(1..=64).contains(&subject.trim().chars().count()) => {
            return wrong("subject", "it has 1 to 64 characters");
        }
        (None, Some(_)) => {}
        _ => return wrong("subject", "say either a filter of assets or a subject"),
    }
    if !(1..=PLAN_SOURCES_MAX).contains(&spec.sources.len()) {
        return Err(("sources", format!("a plan has 1 to {PLAN_SOURCES_MAX} sources")));
    }
    for source in &spec.sources {
        let form = source.split_once(':').is_some_and(|(kind, place)| {
            !kind.is_empty()
                && kind.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                && !place.trim().is_empty()
        });
        if !form {
            return Err(("sources", format!("{source:?}: write KIND:WHERE, such as s7:{{ip}}")));
        }
        if spec.subject.is_some() && (source.contains("{ip}") || source.contains("{name}")) {
            return wrong("sources", "{ip} and {name} stand for an asset's; this plan has none");
        }
    }
    agents(spec)?;
    let year = 366 * 24 * 60;
    if !(1..=year).contains(&spec.every_minutes) {
        return wrong("every_minutes", "it is 1 minute to a year");
    }
    if !(1..=year).contains(&spec.rpo_minutes) {
        return wrong("rpo_minutes", "it is 1 minute to a year");
    }
    if spec.retries > 10 {
        return wrong("retries", "it is 0 to 10");
    }
    if spec.verify_level > 2 || spec.verify_level == 0 && spec.verify_days > 0 {
        return wrong("verify_level", "it is 1 or 2");
    }
    commands(spec)?;
    if spec.kib_per_s == Some(0) {
        return wrong("kib_per_s", "it is 1 or more, or absent for no limit");
    }
    if spec.lock_days.is_some_and(|days| days > 36_500) {
        return wrong("lock_days", "it is at most 36500");
    }
    if let Some(keep) = &spec.keep {
        let counts = [keep.last, keep.hourly, keep.daily, keep.weekly, keep.monthly, keep.yearly];
        if counts.iter().any(|count| *count > 10_000) {
            return wrong("keep", "each is at most 10000");
        }
    }
    for span in &spec.quiet {
        if quiet::minutes(&span.from).is_none() || quiet::minutes(&span.until).is_none() {
            return wrong("quiet", "times are HH:MM");
        }
        if span.days.iter().any(|day| !(1..=7).contains(day)) {
            return wrong("quiet", "days are 1 (Monday) to 7 (Sunday)");
        }
    }
    Ok(())
}

/// What an agent can be asked for.
fn agents(spec: &PlanSpec) -> Result<(), Wrong> {
    let Some(agent) = &spec.agent else { return Ok(()) };
    if !crate::agents::is_name(agent) {
        return Err(("agent", "it is no name of an agent".to_owned()));
    }
    for source in &spec.sources {
        let local = source.split_once(':').filter(|(kind, _)| AGENT_KINDS.contains(kind));
        if !local.is_some_and(|(_, place)| place.starts_with('/') && !place.contains("/../")) {
            let why = format!(
                "{source:?}: an agent reads files:/PATH and sqlite:/PATH of its host, from the root"
            );
            return Err(("sources", why));
        }
    }
    for (member, line) in
        [("recover_start", &spec.recover_start), ("recover_check", &spec.recover_check)]
    {
        if line.is_some() {
            let why = "an agent runs no command from here; it restores, and compares every file";
            return Err((member, why.to_owned()));
        }
    }
    Ok(())
}

/// Kinds of sources that an agent reads on its host.
pub(crate) const AGENT_KINDS: [&str; 2] = ["files", "sqlite"];

/// An agent that said nothing for so long is named where its plans are late.
const SILENT_S: i64 = 300;

/// What stands between a plan and its agent.
pub(crate) fn by_agent(spec: &PlanSpec, targets: &mut [Target], agents: &[Agent], now: Time) {
    let Some(name) = &spec.agent else { return };
    let agent = agents.iter().find(|agent| agent.name == *name);
    let (wrong, note) = match agent.map(|agent| (agent.state, agent.last_call)) {
        _ if targets.len() > 1 => {
            let many = targets.len();
            (Some(format!("an agent reads its own host; the filter fits {many} assets")), None)
        }
        None => (Some(format!("there is no agent {name}")), None),
        Some((AgentState::Revoked, _)) => (Some(format!("agent {name} was revoked")), None),
        Some((AgentState::Invited, _)) => {
            (Some(format!("agent {name} was invited and has not come yet")), None)
        }
        Some((AgentState::Active, Some(at))) if clock::is_within(at, SILENT_S, now) => (None, None),
        Some((AgentState::Active, Some(at))) => {
            (None, Some(format!("agent {name} was last heard at {at}")))
        }
        Some((AgentState::Active, None)) => {
            (None, Some(format!("agent {name} was never heard since it was enrolled")))
        }
    };
    for target in targets {
        target.note.clone_from(&note);
        if let Some(wrong) = &wrong {
            target.sources = Err(Unread::Refused(wrong.clone()));
        }
    }
}

/// The commands that try what was recovered.
fn commands(spec: &PlanSpec) -> Result<(), Wrong> {
    if spec.recover_days > 0 && spec.recover_check.is_none() && spec.agent.is_none() {
        let why = "say with which command the recovered data is tried";
        return Err(("recover_check", why.to_owned()));
    }
    for (member, line) in
        [("recover_start", &spec.recover_start), ("recover_check", &spec.recover_check)]
    {
        let length = line.as_ref().map_or(1, |line| line.trim().len());
        if !(1..=COMMAND_BYTES_MAX).contains(&length) {
            return Err((member, format!("it has 1 to {COMMAND_BYTES_MAX} bytes")));
        }
    }
    Ok(())
}

/// What the plan protects, of these assets.
pub(crate) fn targets(spec: &PlanSpec, reach: &Reach<'_>) -> Vec<Target> {
    if let Some(subject) = &spec.subject {
        let subject = subject.trim().to_owned();
        let sources = asked(spec.sources.clone(), reach);
        return vec![Target { id: subject.clone(), name: subject, sources, note: None }];
    }
    let Some(filter) = spec.filter.as_deref() else { return Vec::new() };
    let Ok(filter) = Filter::parse(filter, ASSETS, now()) else { return Vec::new() };
    let fitting = reach.assets.iter().filter(|asset| filter.matches(&asset.columns()));
    fitting
        .take(PLAN_TARGETS_MAX)
        .map(|asset| Target {
            id: asset.id.0.clone(),
            name: asset.name.clone(),
            sources: filled(&spec.sources, asset).and_then(|sources| asked(sources, reach)),
            note: None,
        })
        .collect()
}

/// Why a plan is not taken: nothing of what it comes to may be asked.
pub(crate) fn refused(spec: &PlanSpec, reach: &Reach<'_>) -> Option<String> {
    let targets = targets(spec, reach);
    let mut whys = targets.into_iter().map(|target| match target.sources {
        Err(Unread::Refused(why)) => Some(why),
        Err(Unread::NoAddress) | Ok(_) => None,
    });
    let first = whys.next()??;
    whys.all(|why| why.is_some()).then_some(first)
}

/// The same sources, if all of them may be asked.
fn asked(sources: Vec<String>, reach: &Reach<'_>) -> Result<Vec<String>, Unread> {
    match sources.iter().find_map(|source| reach.refuses(source)) {
        Some(why) => Err(Unread::Refused(why)),
        None => Ok(sources),
    }
}

fn filled(sources: &[String], asset: &AssetRecord) -> Result<Vec<String>, Unread> {
    let ip = asset.ips.iter().find(|ip| ip.contains('.')).or(asset.ips.first());
    let needs_ip = sources.iter().any(|source| source.contains("{ip}"));
    let ip = match ip {
        Some(ip) if ip.contains(':') => format!("[{ip}]"),
        Some(ip) => ip.clone(),
        None if needs_ip => return Err(Unread::NoAddress),
        None => String::new(),
    };
    // A device may call itself anything; in a path a name must stay one name.
    let plain = |c: char| if c.is_alphanumeric() || "-_. ".contains(c) { c } else { '_' };
    let name: String = asset.name.chars().map(plain).collect();
    let name = if name.starts_with('.') { format!("_{name}") } else { name };
    Ok(sources.iter().map(|s| s.replace("{ip}", &ip).replace("{name}", &name)).collect())
}

/// Sources this product has for an asset, by what it is and was seen to speak. What it speaks it
/// may speak as a client only, so a workstation is no controller for it.
pub(crate) fn suggested(asset: &AssetRecord) -> Vec<&'static str> {
    if reach::unreachable(asset).is_some() {
        return Vec::new();
    }
    const DEVICE: [(&[&str], &str); 7] = [
        (&["s7comm", "s7"], "s7:{ip}"),
        (&["modbus", "umas"], "modbus:{ip}?unit=1&holding=0-99"),
        (&["enip", "cip", "ethernet-ip"], "cip:{ip}"),
        (&["opcua"], "opcua:{ip}"),
        (&["bacnet"], "bacnet:{ip}"),
        (&["ads", "ams"], "ads:{ip}"),
        (&["ftp"], "ftp://{ip}/"),
    ];
    const HOST: [(&[&str], &str); 5] = [
        (&["ssh", "sftp"], "sftp://{ip}/"),
        (&["smb"], "smb://USER@{ip}/SHARE"),
        (&["postgres", "postgresql"], "postgres://USER@{ip}/DATABASE"),
        (&["opcua"], "opcua:{ip}"),
        (&["ftp"], "ftp://{ip}/"),
    ];
    // How a switch is managed is seldom heard; that it has a command line is likely.
    const NETWORK: [(&[&str], &str); 1] =
        [(&["ssh", "telnet", "snmp", "lldp", "stp"], "ssh-config://USER@{ip}/PROFILE")];
    use AssetClass as Is;
    let known: &[(&[&str], &'static str)] = match asset.class {
        Is::Plc | Is::Rtu | Is::Ied | Is::IoAdapter | Is::Drive | Is::Robot | Is::Meter => &DEVICE,
        Is::Sensor | Is::BuildingController | Is::Gateway => &DEVICE,
        Is::Server | Is::Historian | Is::Scada | Is::Hmi => &HOST,
        Is::EngineeringStation | Is::Workstation | Is::VirtualMachine => &HOST,
        Is::Switch | Is::Router | Is::Firewall | Is::AccessPoint => &NETWORK,
        _ => &[],
    };
    let speaks = |words: &[&str]| asset.protocols.iter().any(|p| words.contains(&p.as_str()));
    known.iter().filter(|(words, _)| speaks(words)).map(|(_, source)| *source).collect()
}
