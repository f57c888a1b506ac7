//! Errors that a person woken at night can act on: what was expected, what was found, what to do.

use std::fmt;

/// What to tell a person about an error. Names, versions and places; never a secret value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advice {
    /// What should have been there.
    pub expected: String,
    /// What was there, and where.
    pub found: String,
    /// The next thing to type or to change.
    pub action: String,
}

impl Advice {
    /// Advice from its three sentences.
    pub fn new(
        expected: impl Into<String>,
        found: impl Into<String>,
        action: impl Into<String>,
    ) -> Self {
        Self { expected: expected.into(), found: found.into(), action: action.into() }
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  expected  {}", self.expected)?;
        writeln!(f, "  found     {}", self.found)?;
        write!(f, "  do        {}", self.action)
    }
}

/// An error with a stable reason and advice.
pub trait Explain: std::error::Error {
    /// CamelCase reason: condition reason, metric label, JSON error code.
    fn reason(&self) -> &'static str;
    /// What to tell a person.
    fn advice(&self) -> Advice;
}
