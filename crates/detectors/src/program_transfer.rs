//! Programs sent to controllers.

use crate::{
    About, Detector, Kind,
    act::{Act, Acts},
};
use model::{OperationClass as Class, Severity};

pub static PROGRAM_TRANSFER: Detector = Detector {
    about: About {
        id: "program-transfer",
        title: "Program downloaded to a controller",
        engine: model::Engine::Policy,
        why: "Whoever changes the program changes what the machine does, also its interlocks. It \
              is the step by which an intruder becomes part of the process.",
        techniques: &["T0843", "T0889", "T0821"],
        false_positives: "Planned changes by engineers, and batch systems that load recipes as \
                          blocks.",
        runbook: "Ask who changed the program and whether a change was planned.\n\
                  Compare the controller's program with the last backup.\n\
                  If nobody planned it, disconnect the sender and restore the program from \
                  backup.\n\
                  Write down the time: products made since then may be affected.",
        sees: &[Kind::Operation],
    },
    watch: || Box::new(Acts::new(&PROGRAM_TRANSFER.about, ACTS)),
    #[cfg(test)]
    cases,
};

static ACTS: &[Act] = &[Act {
    class: Class::ProgramDownload,
    special: None,
    title: "{0} downloads a program to {1}",
    severity: Severity::High,
    from_engineering: Severity::Medium,
    habit: Severity::Low,
    techniques: &["T0843", "T0889", "T0821"],
}];

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, asked, asks, of, operation, seen};
    use model::{Detail, Direction, Observation, Operation};
    // The controller fetches the parts, which the station's acknowledgements bring.
    let fetches = |millis| {
        let job = operation(Class::ProgramDownload, 0x1b);
        let job = Operation { direction: Direction::Response, ..job };
        let Observation { from, to, .. } = asks(0, Class::ProgramDownload);
        of("s7comm", seen(millis, to, from, Detail::Operation(job)))
    };
    let part = |millis| of("s7comm", asked(millis, operation(Class::ProgramDownload, 0x1b)));
    let begun = || of("s7comm", asked(0, operation(Class::ProgramDownload, 0x1a)));
    vec![
        Case::fires(
            "a download",
            vec![asks(0, Class::ProgramDownload), asks(9, Class::ProgramDownload)],
        ),
        Case::fires("a download in parts", vec![begun(), fetches(1), part(2), fetches(3), part(4)]),
        Case::fires("the parts of a download begun before", vec![fetches(1), part(2)]),
        Case::silent("reading values", vec![asks(0, Class::Read)]),
        Case::silent(
            "the same word in an office protocol",
            vec![of("http", asks(0, Class::ProgramDownload))],
        ),
    ]
}
