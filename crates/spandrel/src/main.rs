//! The `spandrel` program: all of it is in the library beside this file, whose build begins while
//! the last crates below it are still being optimised. A program's begins when all are done.

use std::process::ExitCode;

fn main() -> ExitCode {
    spandrel::main()
}
