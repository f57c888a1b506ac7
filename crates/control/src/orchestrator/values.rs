//! Values that one session holds between the look that read them and the write they are for. They
//! are wiped when it ends.

use regent_types::SecretData;

/// What was read or made.
#[derive(Default)]
pub(super) struct Values {
    /// The bootstrap Secret's, keys renamed.
    pub(super) bootstrap: Option<SecretData>,
    /// Of the version in force, for the keys that a rotation does not renew.
    pub(super) newest: Option<SecretData>,
    /// A candidate's, with its name.
    pub(super) candidate: Option<(String, SecretData)>,
}
