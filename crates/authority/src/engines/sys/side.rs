//! The two halves of the mount table, which `sys/mounts` and `sys/auth` show.

use crate::mounts::Mount;

/// Which half of the mount table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// All that is not below `auth/`.
    Secrets,
    /// All that is below `auth/`.
    Auth,
}

impl Side {
    /// What the paths of this half's mounts begin with.
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Self::Secrets => "",
            Self::Auth => "auth/",
        }
    }

    /// Whether `mount` is of this half.
    pub(super) fn has(self, mount: &Mount) -> bool {
        (self == Self::Auth) == mount.path.starts_with("auth/")
    }
}
