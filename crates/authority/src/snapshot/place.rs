//! Where snapshots lie. Everything here may block for ever: it is called on threads that nobody waits for without a bound.

use std::io::{self, Read, Write};

/// A file at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) name: String,
    pub(super) bytes: u64,
}

/// Where snapshots lie: a directory, or later a bucket.
pub(super) trait Place: Send + Sync {
    /// What lies there whole under names that begin with `prefix`, in order. What earlier uploads of such names left half
    /// done is removed: none is under way.
    fn list(&self, prefix: &str) -> io::Result<Vec<Placed>>;

    /// Begins a file, which is there under its name only when it is whole. Fails where the name is taken.
    fn upload(&self, name: &str) -> io::Result<Box<dyn Upload>>;

    /// Reads a file from its beginning.
    fn read(&self, name: &str) -> io::Result<Box<dyn Read>>;

    /// Removes a file; one that is not there is no error.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// How people find it.
    fn describe(&self) -> String;
}

/// A file in the making. Dropped unfinished it leaves nothing, as far as the place lets it.
pub(super) trait Upload: Write {
    /// Makes it whole and lasting.
    fn finish(self: Box<Self>) -> io::Result<()>;
}
