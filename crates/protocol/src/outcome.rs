//! How a drive of a protocol ends: the one result that goes from the protocol to run records and
//! conditions.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::reason::Reason;

/// Who must act before a path goes on. Written in records as `conflict` and `held`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Decider {
    /// A person must decide.
    #[serde(rename = "conflict")]
    Person,
    /// Something outside must be as it was.
    #[serde(rename = "held")]
    World,
}

/// How a drive ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Nothing is left to do.
    Done,
    /// The slot of the run was covered before; nothing was done.
    Covered,
    /// Nothing to do now; it goes on by itself.
    Waiting {
        /// CamelCase reason of the condition that says what is awaited.
        reason: Reason,
        /// The same, for people.
        message: String,
        /// When time alone may change the answer; `None` where only an event can.
        until: Option<Timestamp>,
    },
    /// It goes on only when somebody has acted.
    Blocked {
        /// A person, or something outside that must change back.
        by: Decider,
        /// What is in the way.
        reason: Reason,
        /// What was expected, what was found, what to do.
        message: String,
    },
    /// It cannot be carried out as it is declared; trying again does not help.
    Failed {
        /// CamelCase reason of the condition that says why not.
        reason: Reason,
        /// What was expected, what was found, what to do.
        message: String,
    },
}

impl Outcome {
    /// A wait that ends with an event, at no known time.
    pub fn waiting(reason: Reason, message: impl Into<String>) -> Self {
        Self::Waiting { reason, message: message.into(), until: None }
    }

    /// Why it is not done; `None` where there is nothing to explain.
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Done | Self::Covered => None,
            Self::Waiting { reason, .. }
            | Self::Blocked { reason, .. }
            | Self::Failed { reason, .. } => Some(*reason),
        }
    }
}
