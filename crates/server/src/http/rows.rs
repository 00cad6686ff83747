//! The store's records as the API's rows.
//!
//! Not here: the rows' shapes. Invariant: a total function each; nothing is looked up here.

use super::dto;
use model::{Address, Evidence};
use store as s;

impl From<s::AssetRecord> for dto::AssetRow {
    fn from(a: s::AssetRecord) -> Self {
        dto::AssetRow {
            id: a.id.0,
            name: a.name,
            names: a.names,
            class: a.class,
            role: a.role,
            purdue: a.purdue,
            vendor: a.vendor,
            model: a.model,
            firmware: a.firmware,
            serial: a.serial,
            os: a.os,
            ips: a.ips,
            macs: a.macs,
            vlans: a.vlans,
            protocols: a.protocols,
            zone: a.zone,
            zone_name: a.zone_name,
            criticality: a.criticality,
            lifecycle: a.lifecycle,
            labels: a.labels,
            first_seen: a.first_seen,
            last_seen: a.last_seen,
            known_since: a.known_since,
            packets: a.packets,
            findings: a.findings,
            severity: a.severity,
            sensor: a.sensor,
            origin: a.origin,
            generation: a.generation,
            revision: a.revision,
        }
    }
}

impl From<s::Node> for dto::MapNode {
    fn from(n: s::Node) -> Self {
        dto::MapNode {
            id: n.id.0,
            name: n.name,
            class: n.class,
            purdue: n.purdue,
            vendor: n.vendor,
            zone: n.zone,
            severity: n.severity,
            findings: n.findings,
            ip: n.ip,
            vlans: n.vlans,
            criticality: n.criticality,
            first_seen: n.first_seen,
            last_seen: n.last_seen,
        }
    }
}

impl From<s::Edge> for dto::MapEdge {
    fn from(e: s::Edge) -> Self {
        dto::MapEdge {
            a: e.a,
            b: e.b,
            client: e.client,
            volumes: e.volumes,
            operations: e.operations,
            last_seen: e.last_seen,
        }
    }
}

pub(crate) fn observed(asset: &s::AssetFull) -> dto::Observed {
    let seen = &asset.observed;
    dto::Observed {
        name: plain(seen.display()),
        class: seen.class,
        role: seen.role,
        role_reason: seen.role_reason.clone().map(plain),
        purdue: seen.purdue.map(model::Purdue::level),
        purdue_reason: seen.purdue_reason.clone().map(plain),
        zone: asset.observed_zone.clone(),
    }
}

impl From<s::Declared> for dto::Declared {
    fn from(d: s::Declared) -> Self {
        dto::Declared {
            name: d.name,
            class: d.class,
            purdue: d.purdue.map(model::Purdue::level),
            zone: d.zone,
            criticality: d.criticality,
            labels: d.labels,
            lifecycle: d.lifecycle.unwrap_or(s::Lifecycle::New),
            note: d.note,
            changed_by: d.changed_by,
            changed_at: d.changed_at,
        }
    }
}

impl From<model::Fact> for dto::Fact {
    fn from(f: model::Fact) -> Self {
        dto::Fact {
            path: plain(f.path),
            value: plain(f.value),
            source: plain(f.source),
            confidence: f.confidence,
            observed_at: f.observed_at,
        }
    }
}

/// What the sensors said, then what the operator did: one list, both kept.
pub(crate) fn facts(asset: &s::AssetFull) -> Vec<dto::Fact> {
    let said = &asset.declared;
    let at = said.changed_at.unwrap_or_default();
    let declared = [
        ("name", said.name.clone()),
        ("class", said.class.map(|class| word(&class))),
        ("purdue", said.purdue.map(|level| level.level().to_string())),
        ("zone", said.zone.clone()),
        ("criticality", said.criticality.map(|c| c.to_string())),
    ];
    let declared = declared.into_iter().filter_map(|(path, value)| {
        let (path, source) = (path.to_owned(), "operator".to_owned());
        Some(dto::Fact { path, value: value?, source, confidence: 100, observed_at: at })
    });
    let observed = asset.observed.facts.iter().cloned().map(dto::Fact::from);
    declared.chain(observed).collect()
}

/// Text whose every line stays where it stands and reads the way it is written: names come from
/// the wire, and one that turns what follows around would put other words beside them.
pub(crate) fn plain(text: String) -> String {
    let kept = |c: char| c == '\n' || !model::is_disruptive(c);
    if text.chars().all(kept) {
        return text;
    }
    text.chars().map(|c| if kept(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

/// Plain text that stays on its line.
fn line(text: String) -> String {
    if text.contains('\n') { plain(text.replace('\n', "\u{fffd}")) } else { plain(text) }
}

/// The same JSON with plain text.
fn plain_members(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::String(text) => Value::String(plain(text)),
        Value::Array(values) => Value::Array(values.into_iter().map(plain_members).collect()),
        Value::Object(members) => {
            let plainly = |(name, value)| (plain(name), plain_members(value));
            Value::Object(members.into_iter().map(plainly).collect())
        }
        other => other,
    }
}

/// The word serde gives a plain enum.
pub(crate) fn word<T: serde::Serialize>(value: &T) -> String {
    let json = serde_json::to_value(value).expect("a plain enum");
    json.as_str().unwrap_or_default().to_owned()
}

impl From<model::Module> for dto::Module {
    fn from(m: model::Module) -> Self {
        dto::Module {
            slot: m.place.slot(),
            place: m.place.into(),
            vendor: m.vendor.as_deref().map(|said| model::maker(said).to_owned()),
            model: m.model,
            firmware: m.firmware,
            serial: m.serial,
            mode: m.mode,
            name: m.name,
        }
    }
}

impl From<model::Place> for dto::Place {
    fn from(place: model::Place) -> Self {
        dto::Place { kind: place.kind().to_owned(), at: place.at(), text: place.to_string() }
    }
}

impl From<s::AssetFull> for dto::ReportAsset {
    fn from(a: s::AssetFull) -> Self {
        let (observed, facts) = (observed(&a), facts(&a));
        let modules = a.observed.modules.into_iter().map(dto::Module::from).collect();
        dto::ReportAsset { row: a.record.into(), observed, facts, modules }
    }
}

impl From<s::Event> for dto::TimelineEntry {
    fn from(e: s::Event) -> Self {
        dto::TimelineEntry {
            at: e.at,
            kind: e.kind,
            says: e.says,
            finding: e.finding,
            actor: e.actor,
        }
    }
}

impl From<s::LinkRecord> for dto::Link {
    fn from(l: s::LinkRecord) -> Self {
        dto::Link {
            id: l.link.id.0,
            client: l.link.client.0,
            client_name: l.client_name,
            server: l.link.server.0,
            server_name: l.server_name,
            protocol: l.link.protocol,
            transport: l.link.transport,
            port: l.link.port,
            first_seen: l.link.first_seen,
            last_seen: l.link.last_seen,
            packets: l.link.packets,
            bytes: l.link.bytes,
            operations: l.link.operations,
            poll_interval_ms: l.link.poll_interval_ms,
            sensor: l.sensor,
            revision: l.revision,
        }
    }
}

impl From<s::Zone> for dto::Zone {
    fn from(z: s::Zone) -> Self {
        dto::Zone {
            id: z.id,
            name: z.name,
            purdue: z.purdue,
            cidrs: z.cidrs,
            vlans: z.vlans,
            assets: z.assets,
            generation: z.generation,
            updated_at: z.updated_at,
        }
    }
}

impl From<s::NamedAsset> for dto::AssetName {
    fn from(a: s::NamedAsset) -> Self {
        dto::AssetName { id: a.id.0, name: a.name }
    }
}

impl From<s::Party> for dto::Party {
    fn from(p: s::Party) -> Self {
        dto::Party { address: p.address, asset: p.asset.map(Into::into), others: p.others }
    }
}

impl From<s::FindingRecord> for dto::FindingRow {
    fn from(f: s::FindingRecord) -> Self {
        dto::FindingRow {
            id: f.id.0,
            detector: f.detector,
            engine: f.engine,
            severity: f.severity,
            title: f.title,
            techniques: f.techniques,
            status: f.status,
            owner: f.owner,
            muted: f.muted,
            first_seen: f.first_seen,
            last_seen: f.last_seen,
            count: f.count,
            assets: f.assets.into_iter().map(Into::into).collect(),
            addresses: f.addresses,
            sensor: f.sensor,
            generation: f.generation,
            revision: f.revision,
        }
    }
}

impl From<Evidence> for dto::Evidence {
    fn from(e: Evidence) -> Self {
        let text = |address: Option<Address>| address.map(|a| a.to_string());
        match e {
            Evidence::Message { at, frame, protocol, from, to, says, excerpt } => {
                let (from, to) = (text(from), text(to));
                let says = plain(says);
                dto::Evidence::Message { at, frame, protocol, from, to, says, excerpt }
            }
            Evidence::Fact { at, path, value, source } => {
                let (path, value, source) = (plain(path), plain(value), plain(source));
                dto::Evidence::Fact { at, path, value, source }
            }
            Evidence::Learned { says, members } => {
                let members = members.into_iter().map(plain).collect();
                dto::Evidence::Learned { says: plain(says), members }
            }
            Evidence::Count { first, last, count, says } => {
                dto::Evidence::Count { first, last, count, says: plain(says) }
            }
        }
    }
}

impl From<s::Event> for dto::HistoryEntry {
    fn from(e: s::Event) -> Self {
        dto::HistoryEntry { at: e.at, actor: e.actor, says: e.says }
    }
}

impl From<s::FindingFull> for dto::FindingDetail {
    fn from(f: s::FindingFull) -> Self {
        dto::FindingDetail {
            initiator: f.initiator.map(Into::into),
            strangers: f.strangers,
            row: f.record.into(),
            explanation: plain(f.observed.explanation.clone()),
            runbook: plain(f.observed.runbook.clone()),
            evidence: f.observed.evidence().iter().cloned().map(Into::into).collect(),
            note: f.note,
            mute: f.mute.map(Into::into),
            history: f.history.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<s::Mute> for dto::Mute {
    fn from(m: s::Mute) -> Self {
        dto::Mute {
            id: m.id,
            detector: m.detector,
            assets: m.assets.into_iter().map(Into::into).collect(),
            reason: m.reason,
            until: m.until,
            created_by: m.created_by,
            created_at: m.created_at,
            findings: m.findings,
        }
    }
}

impl From<s::SensorRecord> for dto::Sensor {
    fn from(r: s::SensorRecord) -> Self {
        dto::Sensor {
            name: r.id.clone(),
            id: r.id,
            interface: r.interface,
            state: r.state,
            detail: r.detail,
            started_at: r.started_at,
            last_beat: r.last_beat,
            packets_per_s: r.packets_per_s,
            bytes_per_s: r.bytes_per_s,
            packets: r.packets,
            bytes: r.bytes,
            drops: r.drops,
            restarts: r.restarts,
            learning: r.learning,
            learning_until: r.learning_until,
            health: r.health,
            revision: r.revision,
            unsaved: r.unsaved.map(Into::into),
            gaps: r.gaps.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<s::Unsaved> for dto::SensorUnsaved {
    fn from(u: s::Unsaved) -> Self {
        let waiting = match u.waits {
            s::Waits::Here(count) => Some(count),
            s::Waits::There => None,
        };
        dto::SensorUnsaved { since: u.since, reason: u.reason, waiting, lost: u.lost }
    }
}

impl From<s::Gap> for dto::SensorGap {
    fn from(g: s::Gap) -> Self {
        let s::Gap { from, until, reason, late, lost } = g;
        dto::SensorGap { from, until, reason, late, lost }
    }
}

impl From<s::Capture> for dto::Capture {
    fn from(c: s::Capture) -> Self {
        let sum = c.summary;
        let count = |pick: fn(&s::CaptureSummary) -> u64| sum.as_ref().map(pick);
        dto::Capture {
            id: c.id,
            file: c.file,
            size_bytes: c.size_bytes,
            sha256: c.sha256,
            state: c.state,
            detail: c.detail,
            uploaded_by: c.uploaded_by,
            uploaded_at: c.uploaded_at,
            finished_at: c.finished_at,
            packets: count(|s| s.packets),
            bytes: count(|s| s.bytes),
            first_ts: sum.as_ref().and_then(|s| s.first_ts),
            last_ts: sum.as_ref().and_then(|s| s.last_ts),
            assets: count(|s| s.assets),
            links: count(|s| s.links),
            findings: count(|s| s.findings),
            severity: sum.as_ref().and_then(|s| s.severity),
            imported_at: c.imported_at,
            read_as: c.read_as,
        }
    }
}

/// Level of a verification; restoring and trying a snapshot is the third.
fn level(job: &serde_json::Value) -> Option<u8> {
    let given = job["level"].as_u64().and_then(|level| u8::try_from(level).ok());
    given.or_else(|| (job["what"]["of"] == "proof").then_some(3))
}

impl From<s::Run> for dto::Run {
    fn from(r: s::Run) -> Self {
        let report = r.report.unwrap_or_default();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let errors = report["errors"].as_array().cloned().unwrap_or_default();
        let errors = errors.iter().map(|fault| dto::RunFault {
            source: text(&fault["source"]),
            path: text(&fault["path"]),
            error: text(&fault["error"]),
        });
        let checked = report["checked"].as_object().cloned().unwrap_or_default();
        let checked = checked.into_iter().map(|(name, count)| dto::Count {
            value: Some(name),
            count: count.as_u64().unwrap_or(0),
        });
        dto::Run {
            level: level(&r.job).or(u8::try_from(report["level"].as_u64().unwrap_or(256)).ok()),
            to: r.job["to"].as_str().map(str::to_owned),
            needs_approval: r.job["needs_approval"] == true,
            approved_by: r.job["approved_by"].as_str().map(str::to_owned),
            errors: errors.collect(),
            checked: checked.collect(),
            drill: serde_json::from_value(report["drill"].clone()).ok(),
            id: r.id,
            kind: r.kind,
            state: r.state,
            plan: r.plan,
            target: r.target,
            name: r.name,
            cause: r.cause,
            finding: r.finding,
            actor: r.actor,
            queued_at: r.queued_at,
            started_at: r.started_at,
            finished_at: r.finished_at,
            snapshot: r.snapshot,
            previous: r.previous,
            entries: r.entries,
            bytes_read: r.bytes_read,
            bytes_stored: r.bytes_stored,
            faults: r.faults,
            detail: r.detail,
            agent: r.agent,
        }
    }
}

impl From<s::User> for dto::User {
    fn from(u: s::User) -> Self {
        dto::User {
            name: u.name,
            role: u.role,
            disabled: u.disabled,
            created_at: u.created_at,
            last_sign_in: u.last_sign_in,
            generation: u.generation,
        }
    }
}

impl From<s::Token> for dto::Token {
    fn from(t: s::Token) -> Self {
        dto::Token {
            id: t.id,
            name: t.name,
            user: t.user,
            role: t.role,
            prefix: t.prefix,
            created_at: t.created_at,
            expires_at: t.expires_at,
            last_used: t.last_used,
        }
    }
}

impl From<s::AuditRecord> for dto::AuditRecord {
    fn from(r: s::AuditRecord) -> Self {
        let (completed_at, end) = r.end.map_or((None, None), |(at, end)| (Some(at), Some(end)));
        let end = end.unwrap_or_default();
        dto::AuditRecord {
            seq: r.seq,
            at: r.at,
            actor: line(r.begin.actor),
            method: r.begin.method,
            session: r.begin.session,
            ip: r.begin.ip,
            trace_id: r.begin.trace_id,
            action: line(r.begin.action),
            resource: line(r.begin.resource),
            before: end.before.map(plain_members),
            after: end.after.map(plain_members),
            reason: end.reason.map(plain),
            result: completed_at.map(|_| end.result),
            completed_at,
            hash: r.hash,
        }
    }
}

impl From<s::Count> for dto::Count {
    fn from(c: s::Count) -> Self {
        dto::Count { value: c.value, count: c.count }
    }
}

impl From<s::ChangedRow> for dto::WatchEvent {
    fn from(row: s::ChangedRow) -> Self {
        match row {
            s::ChangedRow::Asset(asset) => dto::WatchEvent::Asset(asset.into()),
            s::ChangedRow::AssetMerged { id, into } => {
                dto::WatchEvent::AssetMerged { id: id.0, into: into.0 }
            }
            s::ChangedRow::Link(link) => dto::WatchEvent::Link(link.into()),
            s::ChangedRow::LinkMerged { id, into } => {
                dto::WatchEvent::LinkMerged { id: id.0, into: into.0 }
            }
            s::ChangedRow::Finding(finding) => dto::WatchEvent::Finding(finding.into()),
            s::ChangedRow::Sensor(sensor) => dto::WatchEvent::Sensor(sensor.into()),
            s::ChangedRow::Capture(capture) => dto::WatchEvent::Capture(capture.into()),
            s::ChangedRow::Run(run) => dto::WatchEvent::Run((*run).into()),
            s::ChangedRow::Beat { sensor, at, packets, bytes, drops, learning } => {
                let beat = dto::Beat { sensor, at, packets, bytes, drops, learning };
                dto::WatchEvent::Beat(beat)
            }
        }
    }
}
