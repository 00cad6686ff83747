//! Programs read from controllers.

use crate::{
    About, Detector, Kind,
    act::{Act, Acts},
};
use model::{OperationClass as Class, Severity};

pub static PROGRAM_UPLOAD: Detector = Detector {
    about: About {
        id: "program-upload",
        title: "Program read from a controller",
        engine: model::Engine::Policy,
        why: "A program tells how the process works: reading it prepares a tailored attack and \
              takes the owner's know-how.",
        techniques: &["T0845", "T0801"],
        false_positives: "Backups of controllers, and engineers who go online with a project.",
        runbook: "Ask whether a backup or an engineer read the program.\n\
                  Look at what else the reader did on the network that day.\n\
                  If nobody knows of it, disconnect the reader and treat the program as known \
                  to others.",
        sees: &[Kind::Operation],
    },
    watch: || Box::new(Acts::new(&PROGRAM_UPLOAD.about, ACTS)),
    #[cfg(test)]
    cases,
};

static ACTS: &[Act] = &[Act {
    class: Class::ProgramUpload,
    special: None,
    title: "{0} reads the program of {1}",
    severity: Severity::Medium,
    from_engineering: Severity::Low,
    habit: Severity::Info,
    techniques: &["T0845"],
}];

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, asks, of};
    vec![
        Case::fires(
            "an upload",
            vec![asks(0, Class::ProgramUpload), asks(9, Class::ProgramUpload)],
        ),
        Case::silent("reading values", vec![asks(0, Class::Read)]),
        Case::silent(
            "the same word in an office protocol",
            vec![of("http", asks(0, Class::ProgramUpload))],
        ),
    ]
}
