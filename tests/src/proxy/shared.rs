//! What requests at one proxy share: the way on, the fault that is made, what was asked.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::trace::Trace;

/// Requests that are answered in the API server's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Storm {
    pub(crate) code: u16,
    /// One of so many.
    pub(crate) every: u64,
}

/// What requests at one proxy share.
pub(super) struct Shared {
    pub(super) upstream: kube::Client,
    pub(super) state: Mutex<State>,
    /// Changes when running watches are to break.
    pub(super) cut: watch::Sender<u64>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) storm: Option<Storm>,
    pub(super) trace: Trace,
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
