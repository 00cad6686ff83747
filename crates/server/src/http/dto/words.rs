//! The closed sets of words in the schema.
//!
//! Not here: their meaning, which `model` and `store` own. Invariant: each set equals the one that
//! is serialised; the tests at the end compare them.

use utoipa::ToSchema;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(ToSchema)]
        #[schema(rename_all = "kebab-case")]
        #[expect(dead_code, reason = "only its schema is used")]
        pub enum $name { $($variant),+ }

        #[cfg(test)]
        impl $name {
            /// Every word, in order.
            pub const WORDS: &'static [&'static str] = &[$($word),+];
        }
    };
}

words!(
    /// What kind of thing an asset is.
    AssetClass {
        Plc = "plc", Rtu = "rtu", Ied = "ied", IoAdapter = "io-adapter", Drive = "drive",
        Robot = "robot", Meter = "meter", Sensor = "sensor",
        BuildingController = "building-controller", Hmi = "hmi", Scada = "scada",
        EngineeringStation = "engineering-station", Historian = "historian",
        Gateway = "gateway", Server = "server", Workstation = "workstation", Switch = "switch",
        Router = "router", Firewall = "firewall", AccessPoint = "access-point",
        Printer = "printer", Camera = "camera", Phone = "phone", Clock = "clock",
        PowerSupply = "power-supply", Mobile = "mobile", VirtualMachine = "virtual-machine",
        External = "external", Unknown = "unknown",
    }
);
words!(
    /// What an asset does on the network, from its behaviour.
    AssetRole {
        Controller = "controller", FieldDevice = "field-device", Operator = "operator",
        Engineering = "engineering", Historian = "historian", Server = "server",
        Client = "client", Infrastructure = "infrastructure", Scanner = "scanner",
        External = "external", Unknown = "unknown",
    }
);
words!(
    /// How bad it is.
    Severity { Info = "info", Low = "low", Medium = "medium", High = "high", Critical = "critical" }
);
words!(
    /// What kind of reasoning raised a finding.
    Engine {
        Policy = "policy", Protocol = "protocol", Malware = "malware", Anomaly = "anomaly",
        Operational = "operational",
    }
);
words!(
    /// Where the triage of a finding stands. A resolved one opens again when its facts come again;
    /// an accepted one (normal here) and a false positive stay closed.
    FindingStatus {
        Open = "open", Acknowledged = "acknowledged", InProgress = "in-progress",
        Resolved = "resolved", Accepted = "accepted", FalsePositive = "false-positive",
    }
);
words!(
    /// What the operator decided about an asset.
    Lifecycle {
        New = "new", Approved = "approved", Maintenance = "maintenance", Retired = "retired",
        Rejected = "rejected",
    }
);
words!(
    /// Where an asset was heard: in a capture that was replayed or imported, in the simulated
    /// plant, or by a sensor that listens to a network. Of several the last says whose it is.
    Origin { Capture = "capture", Lab = "lab", Network = "network" }
);
words!(
    /// What a user or an API token may do. Each role may do all that the one before it may.
    UserRole { Viewer = "viewer", Analyst = "analyst", Admin = "admin" }
);
words!(
    /// What the sensor process is doing.
    SensorState {
        Starting = "starting", Running = "running", Restarting = "restarting",
        Failed = "failed", Stopped = "stopped",
    }
);
words!(
    /// How far an uploaded capture is.
    CaptureState { Parsing = "parsing", Done = "done", Failed = "failed" }
);

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::DeserializeOwned;

    /// Each word of the schema is one the wire has.
    #[track_caller]
    fn known<T: DeserializeOwned>(words: &[&str]) {
        for word in words {
            let json = serde_json::Value::String((*word).to_owned());
            assert!(serde_json::from_value::<T>(json).is_ok(), "{word} is no value");
        }
    }

    #[test]
    fn schema_and_wire_have_the_same_words() {
        known::<model::AssetClass>(AssetClass::WORDS);
        known::<model::Role>(AssetRole::WORDS);
        known::<model::Severity>(Severity::WORDS);
        known::<model::Engine>(Engine::WORDS);
        for (schema, wire) in [
            (FindingStatus::WORDS, words(store::FindingStatus::ALL, store::FindingStatus::word)),
            (Lifecycle::WORDS, words(store::Lifecycle::ALL, store::Lifecycle::word)),
            (Origin::WORDS, words(store::Origin::ALL, store::Origin::word)),
            (UserRole::WORDS, words(store::Role::ALL, store::Role::word)),
            (SensorState::WORDS, words(store::SensorState::ALL, store::SensorState::word)),
            (CaptureState::WORDS, words(store::CaptureState::ALL, store::CaptureState::word)),
        ] {
            assert_eq!(schema, wire);
        }
    }

    fn words<T: Copy>(all: &[T], word: fn(T) -> &'static str) -> Vec<&'static str> {
        all.iter().map(|value| word(*value)).collect()
    }

    #[test]
    fn the_document_has_the_schema_words() {
        let api: serde_json::Value = serde_json::from_str(&crate::openapi_json()).expect("JSON");
        for (name, words) in
            [("AssetClass", AssetClass::WORDS), ("FindingStatus", FindingStatus::WORDS)]
        {
            assert_eq!(api["components"]["schemas"][name]["enum"], serde_json::json!(words));
        }
    }
}
