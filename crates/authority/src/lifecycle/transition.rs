//! What a transition in progress knows.

use super::root_attempt::RootAttempt;
use crate::seal::ShareCollection;

/// What a transition in progress knows. Shares in it are wiped on drop.
#[derive(Default)]
pub(super) struct Transition {
    pub(super) unseal: ShareCollection,
    pub(super) root: Option<RootAttempt>,
}
