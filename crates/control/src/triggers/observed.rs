//! What a trigger is evaluated on. Data only.

use std::collections::BTreeMap;

use jiff::Timestamp;
use regent_api::{EventTriggerSpec, EventTriggerStatus};
use regent_types::lifecycle::Stage;

/// What counts of one RuntimeSecret.
#[derive(Clone, Debug, Default)]
pub(super) struct Secret {
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
    /// When the object was created.
    pub(super) created: Timestamp,
    /// Stage in its status.
    pub(super) stage: Option<Stage>,
    /// When it is due by its policy.
    pub(super) next_rotation: Option<Timestamp>,
}

/// A run of this trigger, as far as it counts.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) secret: String,
    /// Whether it has ended.
    pub(super) ended: bool,
    /// When it was created.
    pub(super) created: Timestamp,
}

/// What the trigger sees.
pub(super) struct Observed<'a> {
    /// Name of the trigger.
    pub(super) trigger: &'a str,
    /// When the trigger was created: earlier slots are none of its business.
    pub(super) created: Timestamp,
    pub(super) spec: &'a EventTriggerSpec,
    pub(super) status: &'a EventTriggerStatus,
    /// RuntimeSecrets of the namespace.
    pub(super) secrets: &'a [Secret],
    /// Runs of this trigger.
    pub(super) runs: &'a [Run],
    /// Whether the workflow is there.
    pub(super) workflow: bool,
}
