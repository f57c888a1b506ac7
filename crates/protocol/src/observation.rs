//! What a session knows of the world beside its record. HMACs, never values.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::take;

use jiff::Timestamp;
use regent_types::VersionPair;
use regent_types::lifecycle::Disposition;
use regent_types::policy::RotationPolicy;

use crate::needs::Needs;
use crate::record::{Origin, Owner, Slot};

/// The run on whose behalf steps are taken.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RunRef {
    /// Its uid, and of a run with a Workflow the step: names its candidates.
    pub uid: String,
    /// `namespace/name` of the WorkflowRun.
    pub name: String,
    /// EventTrigger, user or component that caused it, for the ledger.
    pub actor: String,
    /// Why, for the ledger.
    pub cause: String,
    /// Slot or delivery it stands for.
    pub slot: Option<Slot>,
    /// Whether it answers a leak.
    pub compromise: bool,
    /// What a rotation renews: key → length of its new value.
    pub renew: BTreeMap<String, i64>,
    /// Whether it only finishes a rotation that another run began: where none is under way it has nothing to do.
    pub finishes: bool,
}

/// What the RuntimeSecret asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Request {
    /// How it is to be introduced.
    pub origin: Origin,
    /// Disposition of the bootstrap Secret, if declared.
    pub disposition: Option<Disposition>,
    /// Policy it starts with.
    pub policy: RotationPolicy,
    /// Dispose of the bootstrap Secret without awaiting consumers (a compromise, PROTOCOLS.md
    /// §5.1).
    pub hurry: bool,
}

/// How a mount treats versions where a path says nothing itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mount {
    /// Versions that the mount keeps of each path.
    pub max_versions: i64,
    /// Whether versions are deleted after some time.
    pub deletes_versions: bool,
}

impl Default for Mount {
    fn default() -> Self {
        Self { max_versions: 10, deletes_versions: false }
    }
}

/// One version as metadata shows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VersionSeen {
    /// `created_time`, as the authority writes it: compared as text.
    pub created_time: String,
    /// Neither deleted nor destroyed.
    pub live: bool,
}

/// The rotation policy as `custom_metadata` shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum PolicySeen {
    /// None of regent's keys is there.
    #[default]
    Missing,
    /// Some key is missing or does not parse.
    Invalid(String),
    /// All of regent's keys are there and parse.
    Valid(RotationPolicy),
}

/// Metadata of the path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PathSeen {
    /// Newest version; 0 where none was ever written.
    pub current_version: i64,
    /// Versions that metadata still shows.
    pub versions: BTreeMap<i64, VersionSeen>,
    /// Rotation policy from `custom_metadata`.
    pub policy: PolicySeen,
    /// Versions kept; 0 where the mount's setting counts.
    pub max_versions: i64,
    /// Whether its versions are deleted after some time.
    pub deletes_versions: bool,
}

impl PathSeen {
    /// Pair of version `number`, live or not.
    pub fn pair(&self, number: i64) -> Option<VersionPair> {
        self.versions.get(&number).map(|v| VersionPair::new(number, v.created_time.clone()))
    }

    /// Whether exactly this version is there and live.
    pub fn has_live(&self, pair: &VersionPair) -> bool {
        self.versions
            .get(&pair.number)
            .is_some_and(|v| v.live && v.created_time == pair.created_time)
    }
}

/// A version's value, as far as it can be known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum ValueSeen {
    /// The path was never written, or the read was not asked for.
    #[default]
    None,
    /// Deleted, destroyed or pruned.
    Unreadable,
    /// The value was there; only its HMAC leaves the driver.
    Read {
        /// Version that the answer said it read.
        pair: VersionPair,
        /// HMAC of all keys and values.
        hmac: String,
    },
}

/// A Secret that carries bootstrap's labels.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BootstrapSeen {
    /// `metadata.uid`, a condition of its deletion.
    pub uid: String,
    /// `metadata.resourceVersion`, a condition of its deletion.
    pub rv: String,
    /// HMAC of its data, keys renamed.
    pub hmac: String,
    /// No key, or no value in any key.
    pub empty: bool,
    /// It is as bootstrap left it, from its own manifest: bootstrap's own word, for this uid and resourceVersion.
    pub from_manifest: bool,
    /// When bootstrap made it, as it says itself; bootstrap's word on it follows a moment later.
    pub produced_at: Option<Timestamp>,
    /// The disposition it is marked with.
    pub marked: Option<Disposition>,
    /// Whether its type and mutability allow empty values.
    pub inert_allowed: bool,
    /// Finalizers that keep it, where it is being deleted.
    pub kept_by: Option<Vec<String>>,
}

/// The Secret under the bootstrap Secret's name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Bootstrap {
    /// No Secret has that name.
    #[default]
    Absent,
    /// One that the materializer manages.
    Materialized,
    /// One with neither mark.
    Foreign,
    /// One that carries bootstrap's labels, handed over or not.
    Live(BootstrapSeen),
}

/// A value at `regent/pending/` that is not published yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CandidateSeen {
    /// Last segment of its path under `regent/pending/`.
    pub name: String,
    /// HMAC of all its keys and values.
    pub hmac: String,
}

/// Consumers of the path at the version in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Consumers {
    /// Served at that version: `namespace/externalsecret`.
    pub observed: Vec<String>,
    /// Not yet: `namespace/externalsecret: why`, or a declared namespace without any.
    pub waiting: Vec<String>,
}

/// A login on a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Login {
    /// Not tried, or the target did not answer.
    #[default]
    Unknown,
    /// The target took the password.
    Works,
    /// The target answered and refused.
    Refused,
}

/// What each known password did on the target, in the order in which they are tried (PROTOCOLS.md
/// §5.4).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Probes {
    /// The newest candidate, which is to be set.
    pub candidate: Login,
    /// Refused candidates, in the record's order.
    pub refused: Vec<Login>,
    /// The published value, which consumers read.
    pub current: Login,
    /// The value before it.
    pub previous: Login,
}

/// Where else the credential must be changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Target {
    /// Nowhere: whoever consumes it reads the published value.
    #[default]
    None,
    /// A system with logins.
    Login(Probes),
}

/// Everything a step may look at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Observation {
    /// Who asks, for which secret.
    pub subject: Subject,
    /// Which of the following were looked at; the others are at their defaults.
    pub known: Needs,
    /// How the mount treats versions.
    pub mount: Mount,
    /// Metadata of the path.
    pub metadata: PathSeen,
    /// Value of version 1; filled only where [`Needs::first`] asks.
    pub first: ValueSeen,
    /// Value of the newest version; filled only where [`Needs::newest`] asks.
    pub newest: ValueSeen,
    /// Names of the keys in the newest version.
    pub newest_keys: BTreeSet<String>,
    /// What has the bootstrap Secret's name; filled only where [`Needs::bootstrap`] asks.
    pub bootstrap: Bootstrap,
    /// The candidate that [`Needs::candidate`] names, if it is there.
    pub candidate: Option<CandidateSeen>,
    /// Those of the record's leftovers that are still there.
    pub leftovers: Vec<String>,
    /// Who reads the path, and who has the version in force already.
    pub consumers: Consumers,
    /// Where else the value must be changed, and which passwords it takes.
    pub target: Target,
    /// Whether the run that holds the claim still exists and has not ended.
    pub claimant_alive: bool,
    /// Whether a PushSecret of this namespace publishes the path (derived secrets).
    pub publisher: bool,
    /// Whether the RuntimeSecret that the record names is gone.
    pub owner_gone: bool,
    /// The authority's clock; `None` where it does not say.
    pub authority_time: Option<Timestamp>,
    /// Ids of events that are in the ledger, as far as this session knows.
    pub appended: BTreeSet<String>,
    /// What was wrong with a policy that this session has put back.
    pub restored: Option<String>,
}

/// Who asks, for which secret: what an observation says before anything was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subject {
    /// The run on whose behalf the step is taken.
    pub run: RunRef,
    /// Path of the secret, relative to the `secret/` mount.
    pub path: String,
    /// The RuntimeSecret that declares the path, as the record would name it.
    pub owner: Owner,
    /// What it asks for.
    pub request: Request,
    /// Whether the path lies in this namespace's tree or is granted to it.
    pub granted: bool,
    /// Version that the RuntimeSecret's status says is in force in the authority.
    pub status: Option<VersionPair>,
    /// ExternalSecret of regent's class that targets the bootstrap Secret's name.
    pub becoming: Option<String>,
}

impl Observation {
    /// Nothing was looked at yet.
    pub fn of(subject: Subject) -> Self {
        Self {
            subject,
            known: Needs::default(),
            mount: Mount::default(),
            metadata: PathSeen::default(),
            first: ValueSeen::None,
            newest: ValueSeen::None,
            newest_keys: BTreeSet::new(),
            bootstrap: Bootstrap::Absent,
            candidate: None,
            leftovers: Vec::new(),
            consumers: Consumers::default(),
            target: Target::None,
            claimant_alive: false,
            publisher: false,
            owner_gone: false,
            authority_time: None,
            appended: BTreeSet::new(),
            restored: None,
        }
    }

    /// Forgets what was looked at, so that it is looked at again.
    pub fn forget(&mut self) {
        let (appended, restored) = (take(&mut self.appended), take(&mut self.restored));
        *self = Self { appended, restored, ..Self::of(self.subject.clone()) };
    }
}
