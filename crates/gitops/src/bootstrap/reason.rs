//! What a plan comes to, in one word: decisions are taken on it, and the condition shows it.

/// The reason of condition `Ready`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The bootstrap Secret is as the manifest says.
    Produced,
    /// The authority holds the secret; the manifest produces nothing any more.
    HandedOver,
    /// The same, and Git holds another value by now.
    IgnoredGitValue,
    /// A Secret that bootstrap did not make stands in its place.
    NotMine,
    /// Git brings another value again and again; the last one that was taken stays for now.
    KeepsChanging,
    /// There is no manifest identity that can be read.
    NoIdentity,
    /// None of the identities opens the manifest.
    WrongIdentity,
    /// The manifest itself must change; in which way, as `regent_manifest` has it.
    Refused(&'static str),
    /// A step failed; the reason of its error.
    Failed(&'static str),
}

/// Those of a manifest that produces nothing any more.
const SILENT: [Reason; 2] = [Reason::HandedOver, Reason::IgnoredGitValue];

impl Reason {
    /// As the condition has it.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Produced => "Produced",
            Self::HandedOver => "HandedOver",
            Self::IgnoredGitValue => "IgnoredGitValue",
            Self::NotMine => "NotMine",
            Self::KeepsChanging => "KeepsChanging",
            Self::NoIdentity => "NoIdentity",
            Self::WrongIdentity => "WrongIdentity",
            Self::Refused(reason) | Self::Failed(reason) => reason,
        }
    }

    /// Whether a condition of reason `text` remembers that the manifest produces nothing any more.
    pub(super) fn was_silent(text: &str) -> bool {
        SILENT.iter().any(|reason| reason.text() == text)
    }

    /// Whether another identity would open the manifest.
    pub(super) fn awaits_identity(self) -> bool {
        matches!(self, Self::NoIdentity | Self::WrongIdentity)
    }
}
