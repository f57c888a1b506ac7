//! What is said of snapshots, to whoever asks.

use jiff::Timestamp;
use serde::Serialize;

use super::entry::{Entry, Kind};
use super::history::Failure;
use super::standing::Standing;

/// What is said of snapshots.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    /// Where they lie, as people find it.
    pub(super) place: String,
    pub(super) interval_s: i64,
    /// Good ones of the schedule that are kept.
    pub(super) keep: usize,
    pub(super) standing: Standing,
    /// A sentence about it.
    pub(super) message: String,
    /// The one that is being taken, or is about to be.
    pub(super) running: Option<Running>,
    /// The newest one that was restored on trial.
    pub(super) last_good: Option<Entry>,
    /// What was wrong in the last round.
    pub(super) last_error: Option<Failure>,
    /// All that are known, oldest first.
    pub(super) snapshots: Vec<Entry>,
}

/// A snapshot that is being taken, or is about to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Running {
    pub(crate) name: String,
    pub(super) kind: Kind,
    /// When it was begun or asked for.
    pub(super) since: Timestamp,
}
