//! "Not now, because": how a reconcile ends that may not have its effect yet.

/// What ends the waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// Something that is watched changes.
    Change,
    /// Nobody can tell: look again, ever more seldom (at most every 30 s).
    Retry,
}

/// Why a reconcile ended without effect. Never holds a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotReady {
    /// Reason of the condition.
    pub(crate) reason: &'static str,
    /// A sentence that says what to do.
    pub(crate) message: String,
    pub(crate) until: Until,
}

impl NotReady {
    /// Ends when something that is watched changes.
    pub(crate) fn until_change(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), until: Until::Change }
    }

    /// Is tried again with growing pauses.
    pub(crate) fn until_retry(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), until: Until::Retry }
    }

    /// A field that regent does not act on is set: nothing is written, to a Secret or to the authority, rather than
    /// something else.
    pub(crate) fn unsupported(field: &str) -> Self {
        let message = format!("{field} is not supported; nothing is written. Remove the field.");
        Self::until_change("Unsupported", message)
    }
}
