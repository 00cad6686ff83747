//! What can be asked of each kind of row.
//!
//! Not here: how. Invariant: a column named here is in the migrations; the tests run a filter on
//! each of them.

/// A field: its word in a filter, its column, what it holds.
#[derive(Debug, PartialEq)]
pub struct Field {
    pub name: &'static str,
    pub column: &'static str,
    pub kind: Kind,
    /// A row may be without it: NULL in the column.
    pub optional: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    /// A whole number.
    Whole,
    /// A number that may have a fraction.
    Real,
    /// 0 or 1; `true` or `false` in a filter.
    Flag,
    /// Nanoseconds since 1970.
    Time,
    /// Rank of a severity, its word in a filter.
    Severity,
    /// A list of texts.
    List,
    /// `labels.KEY`: the elements `KEY=value` of a list.
    Labels,
    /// Several texts or lists, separated by commas in `column`; only `contains`.
    Search,
}

const fn field(name: &'static str, column: &'static str, kind: Kind) -> Field {
    Field { name, column, kind, optional: false }
}

const fn same(name: &'static str, kind: Kind) -> Field {
    field(name, name, kind)
}

impl Field {
    const fn or_none(self) -> Field {
        Field { optional: true, ..self }
    }
}

pub const ASSETS: &[Field] = &[
    same("id", Kind::Text),
    same("name", Kind::Text),
    same("class", Kind::Text),
    same("role", Kind::Text),
    same("purdue", Kind::Real).or_none(),
    same("vendor", Kind::Text).or_none(),
    same("model", Kind::Text).or_none(),
    same("firmware", Kind::Text).or_none(),
    same("serial", Kind::Text).or_none(),
    same("os", Kind::Text).or_none(),
    field("ip", "ips", Kind::List),
    field("mac", "macs", Kind::List),
    field("vlan", "vlans", Kind::List),
    field("protocol", "protocols", Kind::List),
    same("zone", Kind::Text).or_none(),
    same("criticality", Kind::Whole).or_none(),
    same("lifecycle", Kind::Text),
    same("labels", Kind::Labels),
    same("first_seen", Kind::Time),
    same("last_seen", Kind::Time),
    same("known_since", Kind::Time),
    same("packets", Kind::Whole),
    same("findings", Kind::Whole),
    same("severity", Kind::Severity).or_none(),
    same("sensor", Kind::Text),
    same("origin", Kind::Text),
    field("text", "name,names,vendor,model,ips,macs,serial,os", Kind::Search),
];

pub const LINKS: &[Field] = &[
    same("id", Kind::Text),
    same("client", Kind::Text),
    same("server", Kind::Text),
    same("protocol", Kind::Text),
    same("transport", Kind::Text),
    same("port", Kind::Whole).or_none(),
    same("first_seen", Kind::Time),
    same("last_seen", Kind::Time),
    same("packets", Kind::Whole),
    same("bytes", Kind::Whole),
    same("poll_interval_ms", Kind::Whole).or_none(),
    same("sensor", Kind::Text),
];

pub const FINDINGS: &[Field] = &[
    same("id", Kind::Text),
    same("detector", Kind::Text),
    same("engine", Kind::Text),
    same("severity", Kind::Severity),
    same("title", Kind::Text),
    field("technique", "techniques", Kind::List),
    same("status", Kind::Text),
    same("owner", Kind::Text).or_none(),
    same("note", Kind::Text).or_none(),
    same("muted", Kind::Flag),
    same("first_seen", Kind::Time),
    same("last_seen", Kind::Time),
    same("count", Kind::Whole),
    field("asset", "assets", Kind::List),
    field("address", "addresses", Kind::List),
    same("sensor", Kind::Text),
    field("text", "title,detector,addresses,note", Kind::Search),
];
