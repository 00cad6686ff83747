//! `docs/detectors.md` says what the registry says.
//!
//! Run with `UPDATE=1` to write it anew. Invariant: nobody edits that page by hand.

use detectors::REGISTRY;
use std::{fmt::Write, fs, path::Path};

fn page() -> String {
    let mut page = String::from(
        "# Detectors\n\n\
         Written by `UPDATE=1 cargo test -p detectors --test docs` from the registry in \
         `crates/detectors`.\n\n\
         A finding says what was seen, between whom, when, and on what it rests. Equal facts join \
         one open finding with a count. Dangerous acts are found at any time; what is *new* is \
         found only where something was learned: by a live sensor in its learning period, or from \
         `spandrel pcap --baseline FILE`.\n\n\
         | detector | title | engine | ATT&CK |\n|---|---|---|---|\n",
    );
    for about in REGISTRY.iter().map(|d| &d.about) {
        let engine = format!("{:?}", about.engine).to_lowercase();
        let techniques = about.techniques.join(" ");
        let (id, title) = (about.id, about.title);
        writeln!(page, "| [{id}](#{id}) | {title} | {engine} | {techniques} |")
            .expect("a String takes any text");
    }
    for about in REGISTRY.iter().map(|d| &d.about) {
        write!(
            page,
            "\n## {}\n\n**{}.** {}\n\nHarmless causes: {}\n\nWhat to do:\n\n",
            about.id, about.title, about.why, about.false_positives
        )
        .expect("a String takes any text");
        for (number, step) in about.runbook.lines().enumerate() {
            writeln!(page, "{}. {step}", number + 1).expect("a String takes any text");
        }
    }
    page
}

#[test]
fn the_page_about_detectors_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/detectors.md");
    let page = page();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &page).expect("the docs folder is writable");
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(there == page, "docs/detectors.md is old; run with UPDATE=1");
}
