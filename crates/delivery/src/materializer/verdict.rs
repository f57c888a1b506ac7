//! Why a pass ended without a materialized Secret: a reason, a sentence, and what ends the waiting.

use regent_types::SecretPath;

/// What ends the waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// Something that is watched changes.
    Change,
    /// Unknown: look again, ever more seldom (at most every 30 s).
    Retry,
}

/// A pass that ended without effect. Never holds a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: &'static str,
    /// A sentence that says what to do.
    pub(crate) message: String,
    /// What ends the waiting.
    pub(crate) until: Until,
}

impl Refusal {
    /// Ends when something that is watched changes.
    pub(crate) fn change(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), until: Until::Change }
    }

    /// Is tried again with growing pauses.
    pub(crate) fn retry(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), until: Until::Retry }
    }

    /// A field that regent does not act on is set: nothing is written rather than something else.
    pub(crate) fn unsupported(field: &str) -> Self {
        let message = format!("{field} is not supported; nothing is written. Remove the field.");
        Self::change("Unsupported", message)
    }

    /// The namespace is no declared consumer of the path (C7-3).
    pub(crate) fn not_a_consumer(namespace: &str, path: &SecretPath) -> Self {
        let message = format!(
            "namespace {namespace} is no declared consumer of {path}; its owner can list {namespace} \
             under consumers of its RuntimeSecret or PushSecret"
        );
        Self::change("NotAConsumer", message)
    }
}
