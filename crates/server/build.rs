//! Rebuilds when the console was built anew: its files become part of the program.
//!
//! In a debug build they are read from disk instead. Invariant: a missing console is no error.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        println!("cargo:rerun-if-changed=../../console/dist");
    }
}
