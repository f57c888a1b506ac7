//! What was seen of the authority and the cluster, as far as it decides. Data only.

/// How far initialization has come, as `status.initialization` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// This cluster has not begun one.
    Unknown,
    /// About to be asked for: written before the call.
    Intent,
    /// Root key and sealed shares are committed.
    Initialized,
    /// Mounts, auth, roles and policies are written; the root token lives.
    Configured,
    /// The root token is dead.
    RootRevoked,
}

impl Stage {
    pub(super) fn parse(text: Option<&str>) -> Self {
        match text {
            Some("intent") => Self::Intent,
            Some("initialized") => Self::Initialized,
            Some("configured") => Self::Configured,
            Some("root-revoked") => Self::RootRevoked,
            _ => Self::Unknown,
        }
    }

    /// As `status.initialization` has it.
    pub(super) fn text(self) -> Option<&'static str> {
        match self {
            Self::Unknown => None,
            Self::Intent => Some("intent"),
            Self::Initialized => Some("initialized"),
            Self::Configured => Some("configured"),
            Self::RootRevoked => Some("root-revoked"),
        }
    }
}

/// What the authority's health request came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// No usable answer, and why.
    Silent(String),
    /// A standby node answered.
    Standby,
    Empty,
    Sealed,
    Unsealed,
}

/// The sealed shares, as far as they matter for deciding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shares {
    /// There are some: the embedded authority keeps its own, those of an external one lie in
    /// Kubernetes alone.
    pub(super) known: bool,
    /// The ones in Kubernetes equal them.
    pub(super) copied: bool,
    /// How many the unseal identity opens.
    pub(super) openable: usize,
    /// How many open the seal.
    pub(super) threshold: i64,
}

impl Shares {
    /// Whether warden alone can open the seal.
    pub(super) fn suffice(&self) -> bool {
        self.threshold > 0 && i64::try_from(self.openable).is_ok_and(|n| n >= self.threshold)
    }
}

/// Whether warden's own login and its look at the configuration succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ConfigurationCheck {
    /// Not tried: not unsealed, or a root token is in hand.
    Untried,
    /// The login was refused for good, and why.
    Refused(String),
    /// Logged in; these differ from the table.
    Differs(Vec<String>),
    /// A mount is there that is not what the table says and cannot be changed without loss.
    Conflict(String),
    /// All is as the table says.
    Same,
}

/// Everything a decision rests on, fresh.
#[derive(Clone, Debug)]
pub(super) struct Observed {
    pub(super) embedded: bool,
    pub(super) unattended: bool,
    pub(super) stage: Stage,
    pub(super) root_revoked: bool,
    pub(super) published: Option<String>,
    /// Recipient of the unseal identity in this cluster.
    pub(super) identity: Option<String>,
    pub(super) health: Health,
    pub(super) shares: Shares,
    /// Sealed shares of an initialization by this process that Kubernetes does not hold yet.
    pub(super) shares_in_hand: bool,
    /// The root token of an initialization by this process.
    pub(super) root_in_hand: bool,
    pub(super) configuration: ConfigurationCheck,
    /// The last repair is long enough ago.
    pub(super) may_repair: bool,
    /// Events that are not in the ledger yet.
    pub(super) events_due: bool,
    /// The shares carry the note of a recovery that may not be in the ledger yet.
    pub(super) recovery_noted: bool,
}

impl Observed {
    /// Whether the seal and the root tokens are warden's business: the authority is regent's own,
    /// or this installation initialized or recovered it. Any other has keepers of its own.
    pub(super) fn kept(&self) -> bool {
        self.embedded || self.stage != Stage::Unknown || self.shares.known
    }
}
