//! An asset's record by its columns, for a filter in memory.
//!
//! Not here: the columns on disk. Invariant: each text is what the column of that name holds.

use crate::{
    AssetRecord, Row, Value,
    asset::signed,
    text::{join, word},
};
use model::Time;
use std::collections::BTreeMap;

/// The columns of a record, for a filter in memory.
pub struct AssetColumns {
    texts: BTreeMap<&'static str, String>,
    record: AssetRecord,
}

impl AssetRecord {
    pub fn columns(&self) -> AssetColumns {
        let labels = self.labels.iter().map(|(key, value)| format!("{key}={value}"));
        let texts = [
            ("id", self.id.0.clone()),
            ("name", self.name.clone()),
            ("names", join(&self.names)),
            ("class", word(self.class)),
            ("role", word(self.role)),
            ("ips", join(&self.ips)),
            ("macs", join(&self.macs)),
            ("vlans", join(&self.vlans)),
            ("protocols", join(&self.protocols)),
            ("lifecycle", self.lifecycle.to_string()),
            ("labels", join(labels)),
            ("sensor", self.sensor.clone()),
            ("origin", self.origin.to_string()),
        ];
        let optional = [
            ("vendor", &self.vendor),
            ("model", &self.model),
            ("firmware", &self.firmware),
            ("serial", &self.serial),
            ("os", &self.os),
            ("zone", &self.zone),
        ];
        let optional = optional.into_iter().filter_map(|(name, v)| Some((name, v.clone()?)));
        AssetColumns { texts: texts.into_iter().chain(optional).collect(), record: self.clone() }
    }
}

impl Row for AssetColumns {
    fn value(&self, column: &str) -> Value<'_> {
        let record = &self.record;
        let whole = |value: Option<i64>| value.map_or(Value::Absent, Value::Whole);
        match column {
            "purdue" => record.purdue.map_or(Value::Absent, Value::Real),
            "criticality" => whole(record.criticality.map(i64::from)),
            "first_seen" => Value::Whole(record.first_seen.nanos()),
            "last_seen" => Value::Whole(record.last_seen.nanos()),
            "known_since" => whole(record.known_since.map(Time::nanos)),
            "packets" => Value::Whole(signed(record.packets)),
            "findings" => Value::Whole(i64::from(record.findings)),
            "severity" => whole(record.severity.map(crate::text::severity_rank)),
            text => self.texts.get(text).map_or(Value::Absent, |text| Value::Text(text)),
        }
    }
}
