//! The identities: one ServiceAccount each.

/// A component or human role with an identity of its own (C7-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Identity {
    /// GitOps controller.
    Intent,
    /// Bootstrap decryption.
    Bootstrap,
    /// The authority's steward.
    Warden,
    /// Orchestration engine.
    Orchestrator,
    /// Event triggers.
    Triggers,
    /// The runtime authority itself.
    Authority,
    /// Materialization.
    Materializer,
    /// Publication.
    Publisher,
    /// People who look: lists, metadata, ledger; no value.
    Reader,
}

impl Identity {
    /// All of them.
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
