//! Rebuilds when the console was built anew: its files become part of the program.
//!
//! In a debug build they are read from disk instead, from a folder that must be there when the
//! server is compiled. Invariant: a missing console is no error, and is found once it is built.

fn main() {
    let dist = "../../console/dist";
    if let Err(error) = std::fs::create_dir_all(dist) {
        println!("cargo::warning=cannot make {dist} for the console's files: {error}");
    }
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        println!("cargo::rerun-if-changed={dist}");
    }
}
