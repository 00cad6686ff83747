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
        pub enum $name { $($variant),+ }

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
        Mobile = "mobile", VirtualMachine = "virtual-machine", External = "external",
        Unknown = "unknown",
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
    /// Where the triage of a finding stands.
    FindingStatus {
        Open = "open", Acknowledged = "acknowledged", InProgress = "in-progress",
        Resolved = "resolved", FalsePositive = "false-positive",
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
