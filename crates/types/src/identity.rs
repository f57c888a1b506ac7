//! The identities: one ServiceAccount each.

/// A component or human role with an identity of its own (C7-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Identity {
    /// Applies what a repository declares.
    Intent,
    /// Decrypts manifests into bootstrap Secrets.
    Bootstrap,
    /// Initializes, unseals and configures the authority.
    Warden,
    /// Introduces, rotates and revokes secrets in the authority.
    Orchestrator,
    /// Makes WorkflowRuns when an EventTrigger is due.
    Triggers,
    /// The runtime authority itself.
    Authority,
    /// Makes Secrets from what the authority holds; reads there only.
    Materializer,
    /// Writes what PushSecrets name to the authority.
    Publisher,
    /// People who look: lists, metadata, ledger; no value.
    Reader,
}

impl Identity {
    /// Every identity, people who look included.
    pub const ALL: [Self; 9] = [
        Self::Intent,
        Self::Bootstrap,
        Self::Warden,
        Self::Orchestrator,
        Self::Triggers,
        Self::Authority,
        Self::Materializer,
        Self::Publisher,
        Self::Reader,
    ];

    /// Short name: `regent run NAME`, ledger writer, field manager suffix.
    pub fn name(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Bootstrap => "bootstrap",
            Self::Warden => "warden",
            Self::Orchestrator => "orchestrator",
            Self::Triggers => "triggers",
            Self::Authority => "authority",
            Self::Materializer => "materializer",
            Self::Publisher => "publisher",
            Self::Reader => "reader",
        }
    }

    /// ServiceAccount in `regent-system`, field manager, authority role: `regent-NAME`.
    pub fn account(self) -> String {
        format!("regent-{}", self.name())
    }

    /// Kubernetes user name of the ServiceAccount.
    pub fn user_name(self) -> String {
        format!("system:serviceaccount:{}:{}", crate::labels::SYSTEM_NAMESPACE, self.account())
    }
}
