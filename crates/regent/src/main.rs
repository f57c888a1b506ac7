//! The `regent` binary: everything is in the library beside it.

use std::process::ExitCode;

/// Keeps less of what was freed than glibc's does, and is faster with many tasks (`bench/README.md`). Its settings are
/// compiled in: `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    regent::cli::main()
}
