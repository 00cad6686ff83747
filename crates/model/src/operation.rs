//! What a message asks for or answers, in words that are the same for every protocol.

use serde::{Deserialize, Serialize};

/// Who speaks: a client that asks or a server that answers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    Request,
    Response,
    /// Sent without being asked: broadcasts, unsolicited reports, cyclic data.
    Notice,
}

/// Protocol-neutral meaning of a function code, service or command.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OperationClass {
    /// Process values or memory read.
    Read,
    /// Process values, outputs or memory written; controls and set points.
    Write,
    /// Program or logic sent to a controller.
    ProgramDownload,
    /// Program or logic read from a controller.
    ProgramUpload,
    Start,
    Stop,
    Reset,
    /// Change of settings that are not process values: addresses, names, protection, forces.
    Configure,
    FirmwareUpdate,
    /// Status, counters, identification.
    Diagnose,
    Authenticate,
    /// Lists of objects, blocks, tags, shares, names.
    Browse,
    TimeSync,
    File,
    /// Events, alarms and values a device reports by itself or on subscription.
    Report,
    /// Session upkeep: connect, negotiate, keep-alive.
    Session,
    /// Known to the protocol, of no class above.
    Other,
}

impl OperationClass {
    pub const ALL: [OperationClass; 17] = [
        Self::Read,
        Self::Write,
        Self::ProgramDownload,
        Self::ProgramUpload,
        Self::Start,
        Self::Stop,
        Self::Reset,
        Self::Configure,
        Self::FirmwareUpdate,
        Self::Diagnose,
        Self::Authenticate,
        Self::Browse,
        Self::TimeSync,
        Self::File,
        Self::Report,
        Self::Session,
        Self::Other,
    ];

    /// The word used in JSON, SQL, the console and rules.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::ProgramDownload => "program-download",
            Self::ProgramUpload => "program-upload",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Reset => "reset",
            Self::Configure => "configure",
            Self::FirmwareUpdate => "firmware-update",
            Self::Diagnose => "diagnose",
            Self::Authenticate => "authenticate",
            Self::Browse => "browse",
            Self::TimeSync => "time-sync",
            Self::File => "file",
            Self::Report => "report",
            Self::Session => "session",
            Self::Other => "other",
        }
    }

    /// Does it change the device or the process? Such requests are thinned out in floods alone.
    pub const fn changes(self) -> bool {
        matches!(
            self,
            Self::Write
                | Self::ProgramDownload
                | Self::Start
                | Self::Stop
                | Self::Reset
                | Self::Configure
                | Self::FirmwareUpdate
                | Self::TimeSync
        )
    }
}

/// What an operation acts on. Cheap to copy unless it has a name.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Object {
    #[default]
    None,
    /// `count` units from `first` in an address space: registers, coils, bytes of a data block.
    /// `block` is a second number where the space has one (a DB number, a group), else 0.
    Range { area: &'static str, block: u32, first: u32, count: u32 },
    /// A tag, block, file or variable with a name.
    Name { area: &'static str, name: Box<str> },
}

/// How an answer came out.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// A request, or an answer that says nothing about success.
    #[default]
    Open,
    Done,
    /// The error, exception or status code of the protocol.
    Refused {
        code: u32,
        name: &'static str,
    },
}

/// One request, response or notice.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Operation {
    pub direction: Direction,
    pub class: OperationClass,
    /// Function code, service or command as on the wire.
    pub function: u32,
    /// Its name in the protocol's standard, e.g. "write multiple registers".
    pub function_name: &'static str,
    pub object: Object,
    pub outcome: Outcome,
    /// Unit number, DNP3 address, slot: the device behind the address, where the protocol has one.
    pub unit: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn word_is_what_json_says() {
        for class in OperationClass::ALL {
            let json = serde_json::to_string(&class).expect("plain enum");
            assert_eq!(json, format!("\"{}\"", class.word()));
        }
    }
}
