//! What a request wants to do.

/// What a request wants to do, as policies name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    /// A write of something that is not there yet.
    Create,
    Read,
    /// A write of something that is there, or of what is never created.
    Update,
    /// A JSON merge patch.
    Patch,
    Delete,
    /// A list; the path ends in `/` or is empty.
    List,
}

impl Operation {
    /// The name in policies and in the audit log.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Read => "read",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::List => "list",
        }
    }

    /// Whether nothing but knowledge comes of it.
    pub(crate) fn only_reads(self) -> bool {
        matches!(self, Self::Read | Self::List)
    }

    /// Whether it is a POST or PUT.
    pub(crate) fn is_write(self) -> bool {
        matches!(self, Self::Create | Self::Update)
    }
}
