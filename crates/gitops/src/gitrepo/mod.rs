//! Git repositories on disk, written and read with gix: no git binary, no hooks, no configuration
//! but the repository's own.
//!
//! ```text
//!   files ─► write::create, commit ─► repository ─► read::walk ─► files of one commit
//! ```
//!
//! `write` makes the repository of `regent dev`; `read` is how intent looks into any repository.
//! Neither knows what the files mean.

mod error;
mod names;
mod read;
mod write;

pub use error::GitError;
pub use names::{printable, printable_text};
pub use read::{
    Entry, LIMITS, Limits, RefusedName, WalkSummary, is_under, list, resolve, select, walk,
};
pub use write::{commit, create};

/// Bytes of one object, unpacked; hosts of repositories refuse files of 100 MiB.
const OBJECT_BYTES_MAX: usize = 128 << 20;

/// No configuration but the repository's own, and a bound on what an object may unpack to: a megabyte of a pack may name
/// a gigabyte.
pub(crate) fn options() -> gix::open::Options {
    let limit = format!("gitoxide.objects.allocLimit={OBJECT_BYTES_MAX}");
    gix::open::Options::isolated().config_overrides([limit])
}

/// Opens the repository in `dir` without reading any configuration but its own.
pub(crate) fn open(dir: &std::path::Path) -> Result<gix::Repository, GitError> {
    gix::open_opts(dir, options())
        .map_err(|source| GitError::git(format!("open {}", dir.display()), source))
}

#[cfg(test)]
pub(crate) mod tests;
