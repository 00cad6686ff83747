//! Automation of this repository: `cargo xtask COMMAND`.
//!
//! Not part of the product: nothing here ships. Every command prints what it did and exits
//! non-zero when something is wrong.

mod bench;
mod checkout;
mod confusion;
mod fixtures;
mod fuzz;
mod new_protocol;
mod options;
mod robust;
mod tidy;
mod training;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask COMMAND
  tidy          check layers, sizes, banned calls and file headers
  bench pcap    speed and memory of `spandrel pcap` on a long mix of captures
                [--captures DIR] [--packets N] [--mix NAME] [--binary PATH] [--peers 0]
                [--runs N]
                [--keep DIR]
  bench upstream
                what a sensor tells, as a share of what it hears, on long captures
                [--captures DIR | --capture FILE] [--seconds N] [--sparing 0]
                [--rounds N] [--pause-ms N] [--binary PATH] [--compare 1]
  bench vault   our backup and restore against restic's, on files made by seed
                [--mb N] [--configs N] [--runs N] [--binary PATH] [--folder DIR]
  bench log     how fast the vault's log appends and verifies [--leaves N]
  bench controllers
                how long a panel waits for a controller while it is backed up
                [--service-ms N] [--registers N] [--binary PATH] [--python PATH]
  robust        every capture of a folder, cut and damaged by seed, read all the way
                [--captures DIR] [--cuts N] [--seed N]
  confusion     what the sensor takes for what on every capture of a folder, beside tshark
                [--captures DIR] [--binary PATH] [--page FILE]
  fuzz          the targets of fuzz/ by seeded mutation of the protocols' fixtures
                [--minutes M] [--target NAME,NAME] [--seed N] [--captures DIR]
                [--each M | --due M] gives each M minutes of processor time, or what its row in
                fuzz/ledger.toml wants of them; [--jobs N] at once, [--minutes M] ends all
                [--record yes] adds to the ledger, [--status yes] shows it, [--root DIR] is the
                checkout whose ledger and fixtures it is
                [--target NAME --input FILE] runs one, [--write-targets yes] lists them
  training --into DIR
                captures of our own for scripts/release to train the binary on
  new-protocol NAME
                folder, skeleton, fixture and registry line of a protocol";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.first().map(String::as_str) {
        Some("tidy") => tidy::run(),
        Some("bench") => bench::run(&arguments[1..]),
        Some("robust") => robust::run(&arguments[1..]),
        Some("confusion") => confusion::run(&arguments[1..]),
        Some("fuzz") => fuzz::run(&arguments[1..]),
        Some("training") => training::run(&arguments[1..]),
        Some("new-protocol") => new_protocol::run(&arguments[1..]),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
