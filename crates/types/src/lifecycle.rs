//! Where a secret stands: the decisive facts of its life, each an enum with one spelling everywhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What becomes of a bootstrap Secret after handover.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Disposition {
    /// Deleted under its uid and resourceVersion.
    Delete,
    /// Kept with its keys, every value emptied.
    Inert,
    /// Kept; all declared consumers read from the authority.
    Ignore,
    /// Turned into the materialized Secret of the ExternalSecret that targets its name.
    Become,
}

/// What happens to the value when the RuntimeSecret is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// Record and value stay; declaring it again adopts them.
    #[default]
    Retain,
}

/// Where a secret stands in its lifecycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Stage {
    /// Declared; nothing exists yet.
    Declared,
    /// Its bootstrap Secret exists and is authoritative.
    Bootstrap,
    /// Being handed over or generated.
    Introducing,
    /// Acknowledged by the authority; the bootstrap Secret is being disposed of.
    Acknowledged,
    /// Lives in the authority.
    Runtime,
    /// A rotation holds the claim on its path.
    Rotating,
    /// Stopped until a person decides.
    Conflict,
    /// Stopped until something outside is as it was.
    Held,
}

/// Who is authoritative for a secret, or for a whole installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Authoritative {
    /// Its sealed manifest in Git.
    Git,
    /// The runtime authority; Git never is again.
    Runtime,
}

impl Authoritative {
    /// As statuses spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Git => "git",
            Self::Runtime => "runtime",
        }
    }
}

/// Where a secret comes from and where it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Classification {
    /// In Git, until it is handed over.
    Bootstrap,
    /// The value is the authority's, handed over or made there.
    Runtime,
    /// Published to the authority by a PushSecret.
    Derived,
}

/// How far one step of a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum StepPhase {
    /// A try is under way.
    Running,
    /// It goes on later: for somebody else, or for its next try.
    Waiting,
    /// Its outcome is in force; it is not tried again.
    Succeeded,
    /// Another run had brought about what it stands for; nothing was done.
    AlreadyDone,
    /// It was given up.
    Failed,
}

impl StepPhase {
    /// Whether nothing more is done about it.
    pub fn is_over(self) -> bool {
        self.is_done() || self == Self::Failed
    }

    /// Whether what it stands for is in force, so that the steps after it may go on.
    pub fn is_done(self) -> bool {
        matches!(self, Self::Succeeded | Self::AlreadyDone)
    }
}
