//! The `regent` binary: everything is in the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    regent::cli::main()
}
