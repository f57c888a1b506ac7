//! What is passed over in an identity file: told by errors and by who reads the file.

use std::fmt;

/// What was passed over in an identity file. It never holds the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// 1-based line; of a block of several lines its first one.
    pub line: usize,
    /// What stands there, such as `an SSH private key`.
    pub what: &'static str,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} is {}", self.line, self.what)
    }
}
