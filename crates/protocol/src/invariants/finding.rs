//! What a predicate finds, and the guarantee that it breaks.

use regent_types::Advice;

/// A guarantee of S5.8-1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Guarantee {
    /// Single authority at any time.
    SingleAuthority,
    /// Values exist only where they are declared to be.
    NoSprawl,
    /// No hidden mutation paths.
    NoHiddenMutation,
    /// Each identity reads and writes only what the access table gives it.
    MinimalBlastRadius,
    /// Every version of a secret has its event in the ledger.
    AuditableLifecycle,
}

impl Guarantee {
    /// As the RFC words it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SingleAuthority => "single authority at any time",
            Self::NoSprawl => "no secret sprawl",
            Self::NoHiddenMutation => "no hidden mutation paths",
            Self::MinimalBlastRadius => "minimal blast radius",
            Self::AuditableLifecycle => "auditable lifecycle",
        }
    }
}

/// Something that breaks a guarantee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Name of the predicate.
    pub predicate: &'static str,
    /// Guarantee that it stands for.
    pub guarantee: Guarantee,
    /// Object or path it is about.
    pub object: String,
    /// What is wrong, in a sentence.
    pub message: String,
    /// What was expected, what was found, and what a person can do about it.
    pub advice: Advice,
}

/// Collects what a predicate finds.
pub(crate) struct Findings {
    predicate: &'static str,
    guarantee: Guarantee,
    all: Vec<Finding>,
}

impl Findings {
    /// None yet of this predicate.
    pub(crate) fn of(predicate: &'static str, guarantee: Guarantee) -> Self {
        Self { predicate, guarantee, all: Vec::new() }
    }

    pub(crate) fn into_all(self) -> Vec<Finding> {
        self.all
    }

    /// Adds one about `object`: a sentence, and what was expected, what was found, what to do.
    pub(crate) fn add(
        &mut self,
        object: impl Into<String>,
        message: impl Into<String>,
        [expected, found, action]: [&str; 3],
    ) {
        self.all.push(Finding {
            predicate: self.predicate,
            guarantee: self.guarantee,
            object: object.into(),
            message: message.into(),
            advice: Advice::new(expected, found, action),
        });
    }
}
