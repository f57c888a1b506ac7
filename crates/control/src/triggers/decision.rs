//! What an evaluation comes to. Data only.

use jiff::Timestamp;
use regent_api::workflow_run::CauseKind;

use super::name;

/// One run to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RunRequest {
    pub(super) secret: String,
    pub(super) slot: String,
    /// What kind of cause.
    pub(super) kind: CauseKind,
    /// A sentence for auditors.
    pub(super) reason: String,
}

impl RunRequest {
    /// Name of the run.
    pub(super) fn run(&self, trigger: &str) -> String {
        name::run(trigger, &self.secret, &self.slot)
    }

    /// The delivery as the watermark holds it.
    pub(super) fn delivery(&self) -> String {
        format!("{}={}", self.secret, self.slot)
    }
}

/// What keeps a trigger from firing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NotReady {
    Suspended,
    /// `spec.source` names nothing: declared before the field had this name.
    NoSource,
    /// The workflow is not there.
    WorkflowMissing,
    /// The schedule does not parse.
    BadSchedule(String),
    /// More secrets than a trigger can watch.
    TooManySecrets,
    /// `runsPerHour` is used up; this many runs wait.
    RateLimited(usize),
    /// Runs under way; this many wait for them (`Forbid`).
    Waiting(usize),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Decision {
    /// Runs to start, after the watermark was persisted.
    pub(super) requests: Vec<RunRequest>,
    /// New `lastSlot`, if another.
    pub(super) last_slot: Option<String>,
    /// When to look again; `None`: when something changes.
    pub(super) again: Option<Timestamp>,
    /// What keeps it from firing, if something does.
    pub(super) not_ready: Option<NotReady>,
}
