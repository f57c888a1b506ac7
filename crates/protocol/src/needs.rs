//! What an observation must hold: drivers read this and nothing else.

use regent_types::VersionPair;

/// Parts of an observation, each of which costs a driver requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Needs {
    /// The bootstrap Secret, with its data.
    pub bootstrap: bool,
    /// Settings of the mount; read once for as long as no write is refused.
    pub mount: bool,
    /// Metadata of the path: versions, settings, policy.
    pub metadata: bool,
    /// The value of version 1, as an HMAC.
    pub first: bool,
    /// The newest version: its HMAC and the names of its keys.
    pub newest: bool,
    /// The candidate of this name.
    pub candidate: Option<String>,
    /// Which of the record's leftovers are there.
    pub leftovers: bool,
    /// Consumers, at this version.
    pub consumers: Option<VersionPair>,
    /// Logins on the target.
    pub target: bool,
    /// Whether the run that holds the claim lives.
    pub claimant: bool,
    /// Whether a PushSecret publishes the path.
    pub publisher: bool,
    /// Whether the RuntimeSecret that the record names is gone.
    pub owner: bool,
    /// What the authority says that time it is, to a second.
    pub time: bool,
}

impl Needs {
    /// What is asked for here and not in `known`.
    #[must_use]
    pub fn without(&self, known: &Self) -> Self {
        let newer = |mine: &Option<VersionPair>, theirs: &Option<VersionPair>| {
            mine.clone().filter(|_| mine != theirs)
        };
        Self {
            bootstrap: self.bootstrap && !known.bootstrap,
            mount: self.mount && !known.mount,
            metadata: self.metadata && !known.metadata,
            first: self.first && !known.first,
            newest: self.newest && !known.newest,
            candidate: self.candidate.clone().filter(|_| self.candidate != known.candidate),
            leftovers: self.leftovers && !known.leftovers,
            consumers: newer(&self.consumers, &known.consumers),
            target: self.target && !known.target,
            claimant: self.claimant && !known.claimant,
            publisher: self.publisher && !known.publisher,
            owner: self.owner && !known.owner,
            time: self.time && !known.time,
        }
    }

    /// What is in either of the two; where both name a candidate or a version, `other`'s.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self {
            bootstrap: self.bootstrap || other.bootstrap,
            mount: self.mount || other.mount,
            metadata: self.metadata || other.metadata,
            first: self.first || other.first,
            newest: self.newest || other.newest,
            candidate: other.candidate.clone().or_else(|| self.candidate.clone()),
            leftovers: self.leftovers || other.leftovers,
            consumers: other.consumers.clone().or_else(|| self.consumers.clone()),
            target: self.target || other.target,
            claimant: self.claimant || other.claimant,
            publisher: self.publisher || other.publisher,
            owner: self.owner || other.owner,
            time: self.time || other.time,
        }
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_not_asked_for_again() {
        let pair = |n| Some(VersionPair::new(n, "t"));
        let wanted = Needs {
            metadata: true,
            bootstrap: true,
            candidate: Some("c".into()),
            consumers: pair(2),
            ..Needs::default()
        };
        let known = Needs { metadata: true, consumers: pair(1), ..Needs::default() };
        let left = wanted.without(&known);
        assert!(!left.metadata && left.bootstrap);
        assert_eq!((left.candidate.as_deref(), left.consumers), (Some("c"), pair(2)));
        assert!(wanted.without(&known.and(&wanted)).is_empty());
    }
}
