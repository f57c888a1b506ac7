//! One attempt to make a root token from shares.

use jiff::{SignedDuration, Timestamp};
use zeroize::Zeroizing;

use crate::seal::ShareCollection;

/// After this anybody may cancel an attempt that has shares: its people have gone.
const ATTEMPT_AGE_MAX: SignedDuration = SignedDuration::from_mins(10);

/// Shares gathering for a root token.
pub(super) struct RootAttempt {
    pub(super) nonce: String,
    pub(super) otp: Zeroizing<String>,
    pub(super) shares: ShareCollection,
    pub(super) started: Timestamp,
}

impl RootAttempt {
    /// Whether people are giving shares to it: then only its nonce cancels it.
    pub(super) fn is_held(&self, now: Timestamp) -> bool {
        self.shares.progress() > 0 && now.duration_since(self.started) < ATTEMPT_AGE_MAX
    }
}
