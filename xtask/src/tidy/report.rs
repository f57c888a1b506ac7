//! What a check says: findings fail, notes are printed, details are printed when the check is asked for by name.

/// Something against a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// Relative to the workspace's root.
    pub(crate) path: String,
    pub(crate) line: usize,
    /// What is wrong and what to do.
    pub(crate) what: String,
}

impl Finding {
    pub(crate) fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into() }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: error: {}", self.path, self.line, self.what)
    }
}

/// Everything that one check says.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) findings: Vec<Finding>,
    pub(crate) notes: Vec<String>,
    pub(crate) details: Vec<String>,
}

impl Report {
    pub(crate) fn find(&mut self, path: &str, line: usize, what: impl Into<String>) {
        self.findings.push(Finding::new(path, line, what));
    }
}
