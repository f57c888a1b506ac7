//! Why a step waits or stops: one closed list, which is also the list of condition reasons.

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// A CamelCase reason, as it stands in conditions, run records and ledger results.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(serde::Serialize, serde::Deserialize)]
        pub enum Reason { $($(#[doc = $doc])+ $name,)+ }

        impl Reason {
            /// Every reason, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The reason as text.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }
        }
    };
}

reasons! {
    /// Wait: no authority, or it is sealed, unreachable or refuses the login.
    AuthorityNotReady,
    /// Wait: the bootstrap Secret does not exist yet.
    BootstrapSecretMissing,
    /// Wait: the bootstrap Secret has no value in it.
    BootstrapSecretEmpty,
    /// Wait: the Secret of that name was not made by bootstrap.
    NotABootstrapSecret,
    /// Wait: the PushSecret does not exist or does not publish this path.
    PushSecretMissing,
    /// Wait: nothing was published at this path yet.
    NotPublished,
    /// Wait: declared consumers are not served from the authority yet.
    ConsumersNotReady,
    /// Wait: the materializer has yet to take the bootstrap Secret over.
    BecomeAwaited,
    /// Wait: `become` was declared and no ExternalSecret targets the bootstrap Secret's name.
    NoExternalSecretToBecome,
    /// Wait: the secret is not in the authority yet.
    NotIntroduced,
    /// Wait: another run rotates this secret.
    RotationUnderWay,
    /// Wait: old and new stay valid side by side for the policy's `max_overlap`.
    Overlap,
    /// Wait or hold: `max_overlap` has passed and consumers have not followed.
    ConsumersBehind,
    /// Wait: bootstrap has yet to say that the bootstrap Secret is as it made it.
    SourceUnconfirmed,
    /// Wait: the last step has not taken effect, and is tried again ever more seldom.
    EffectAwaited,
    /// Wait: the bootstrap Secret is being deleted, and somebody's finalizer keeps it.
    FinalizerAwaited,
    /// Wait: the target is given time to settle after a set.
    Settling,
    /// Wait: a late set of a stalled orchestrator may still land.
    LateSetWindow,
    /// Conflict: the path belongs to another RuntimeSecret.
    PathClaimed,
    /// Conflict: the bootstrap Secret belongs to another RuntimeSecret.
    BootstrapClaimed,
    /// Conflict: the path belongs to another installation.
    OtherInstallation,
    /// Conflict: the record says that the secret was introduced in another way.
    OriginChanged,
    /// Conflict: the bootstrap Secret had too many different values.
    KeepsChanging,
    /// Conflict: our own earlier run wrote a value that the bootstrap Secret no longer has.
    ChangedDuringHandover,
    /// Conflict: the path holds a value that no run of ours wrote.
    Occupied,
    /// Conflict: version 1 cannot be read any more.
    Unreadable,
    /// Conflict: somebody else wrote a version while the secret was rotated.
    ForeignVersion,
    /// Held: somebody deleted the newest version of the record.
    RecordDeleted,
    /// Held: another release of regent wrote the record, and this one does not understand it.
    RecordNotUnderstood,
    /// Held: RuntimeAuthority does not grant the path to this namespace.
    PathNotGranted,
    /// Held: the mount or path would drop versions by itself.
    UnsafeMount,
    /// Held: the record knows less than the RuntimeSecret's status: an older snapshot was restored.
    RecordBehindStatus,
    /// Held: the record says acknowledged and the authority has no such version.
    ValueMissing,
    /// Held: the path went back in time.
    AuthorityWentBack,
    /// Held: the path has a newer version than any run wrote.
    UnknownVersion,
    /// Held: the bootstrap Secret has a value that neither bootstrap nor the authority knows.
    UnknownValue,
    /// Held: the Secret's type does not allow empty values.
    InertNotAllowed,
    /// Held: the candidate of a rotation is gone.
    CandidateLost,
    /// Held: no known password logs in on the target.
    TargetLockedOut,
    /// Held: too many candidates were refused by the target.
    TooManyCandidates,
    /// Held: a value is not text.
    NotText,
    /// Held: the run names nothing that can be rotated.
    NothingToRotate,
    /// Failed: `spec.path` or what it is made from is no path.
    WrongPath,
    /// Failed: a run names neither a workflow nor a step to use.
    NothingToDo,
    /// Failed: there is no RuntimeSecret of the name that the run gives.
    RuntimeSecretMissing,
    /// Failed: a person gave the rotation up.
    GivenUp,
    /// Failed: there is nothing that a person could decide so.
    NothingToDecide,
    /// Failed: the run that is to be gone on with is gone, under way or another one.
    NothingToRetry,
    /// Wait: a person wants the run to stand still.
    Suspended,
    /// Wait: nothing lies at the path that could be adopted.
    NothingToAdopt,
    /// Conflict: the ledger is not the one that was known; an older state of the authority was restored.
    LedgerWentBack,
    /// Failed: the slot that a run stands for lies in the future.
    SlotInFuture,
    /// Failed: a step ended in vain; its record says why.
    StepFailed,
    /// Wait: there is no Workflow of the name that the run gives.
    WorkflowMissing,
    /// Wait: a try failed, and the next one is due later.
    Retrying,
    /// The policy in the authority is missing or does not parse; the record's is in force.
    PolicyDrift,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
