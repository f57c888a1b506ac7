//! "Not now, because": how a reconcile ends that may not have its effect yet.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::events::EventType;
use regent_api::condition;
use regent_operator::events::Announcement;

/// What ends the waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// Something that is watched changes.
    Change,
    /// Nobody can tell: look again, ever more seldom (at most every 30 s).
    Retry,
    /// What was asked for does not exist, as its keeper confirmed: look again ever more seldom, in the end once a refresh
    /// interval.
    There,
    /// A person changes something that nothing tells of: look again ever more seldom (at most every two minutes, since a
    /// try may cost a login).
    Person,
    /// So long, and not before.
    After(Duration),
}

/// Longest pause where only a person changes something.
pub(crate) const PERSON_PAUSE: Duration = Duration::from_secs(120);

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
    /// Whether `conditions` do not say this yet of `generation`. That an authority cannot be reached is said once, in
    /// whatever words.
    pub(crate) fn is_news(&self, conditions: &[Condition], generation: Option<i64>) -> bool {
        let Some(said) = condition::get(conditions, condition::READY) else { return true };
        let passing = matches!(self.reason, "AuthorityUnreachable" | "AuthoritySealed");
        let same = said.message == self.message && said.observed_generation == generation;
        said.reason != self.reason || !(passing || same)
    }

    /// The Event that says the same as the condition; `action` is what was tried.
    pub(crate) fn announcement<'a>(&'a self, action: &'a str) -> Announcement<'a> {
        let (severity, reason) = (EventType::Warning, self.reason);
        Announcement { severity, reason, action, note: &self.message }
    }

    /// Ends when something that is watched changes.
    pub(crate) fn until_change(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), until: Until::Change }
    }

    /// Is tried again with growing pauses.
    pub(crate) fn until_retry(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), until: Until::Retry }
    }

    /// Ends when a person changed something that is not watched.
    pub(crate) fn until_person(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), until: Until::Person }
    }

    /// Ends when what is missing is there.
    pub(crate) fn until_there(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), until: Until::There }
    }

    /// A field that regent does not act on is set: nothing is written, to a Secret or to the authority, rather than
    /// something else.
    pub(crate) fn unsupported(field: &str) -> Self {
        let message = format!("{field} is not supported; nothing is written. Remove the field.");
        Self::until_change("Unsupported", message)
    }
}
