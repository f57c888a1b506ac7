//! Rules of a repository that intent enforces.

/// The rule that a finding breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LintRule {
    /// A key that opens manifests stands in the repository: nothing of it is applied (S5.2-5).
    DecryptionKey,
    /// Another private key stands in the repository.
    PrivateKey,
    /// A Secret is not sealed.
    PlaintextSecret,
    /// A value that should be sealed stands in the clear.
    UnencryptedData,
    /// What is sealed cannot be what was sealed.
    BrokenSeal,
    /// A field stands under a name that it no longer has.
    RenamedField,
}

impl LintRule {
    /// The reason of a refusal, as the condition has it.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::DecryptionKey | Self::PrivateKey => "PrivateKey",
            Self::PlaintextSecret => "PlaintextSecret",
            Self::UnencryptedData => "UnencryptedData",
            Self::BrokenSeal => "BrokenSeal",
            Self::RenamedField => "RenamedField",
        }
    }

    /// What the rule wants, for people.
    pub(super) fn expected(self) -> &'static str {
        match self {
            Self::RenamedField => "fields under the names that they have",
            Self::DecryptionKey
            | Self::PrivateKey
            | Self::PlaintextSecret
            | Self::UnencryptedData
            | Self::BrokenSeal => "no secret in the clear anywhere in the repository",
        }
    }
}
