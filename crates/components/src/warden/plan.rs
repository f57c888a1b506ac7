//! What to do next, from what was seen. Pure: every decision of warden is here.

use regent_types::condition::Verdict;

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
    /// Reads `status.initialization`.
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
    /// Never initialized.
    Empty,
    /// Initialized and sealed.
    Sealed,
    /// Initialized and unsealed.
    Unsealed,
}

/// The sealed shares, as far as they matter for deciding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shares {
    /// The authority keeps some.
    pub(super) known: bool,
    /// The copy in Kubernetes equals them.
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
pub(super) enum Look {
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
pub(super) struct Seen {
    pub(super) embedded: bool,
    pub(super) unattended: bool,
    pub(super) stage: Stage,
    /// `status.rootRevoked`.
    pub(super) root_revoked: bool,
    /// `status.unsealRecipient`.
    pub(super) published: Option<String>,
    /// Recipient of the unseal identity in this cluster.
    pub(super) identity: Option<String>,
    pub(super) health: Health,
    pub(super) shares: Shares,
    /// The root token of an initialization by this process.
    pub(super) root_in_hand: bool,
    pub(super) look: Look,
    /// The last repair is long enough ago.
    pub(super) may_repair: bool,
    /// Events that are not in the ledger yet.
    pub(super) events_due: bool,
}

/// Why the configuration is repaired with more than the read-only role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The authority was just initialized, and its root token is in hand.
    First,
    /// Something differs from the table.
    Differs,
    /// Nobody can log in: another cluster, CA or issuer.
    LoginRefused,
    /// A root token may have outlived a crash.
    RootMayLive,
}

/// The next thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Make the unseal identity.
    MakeIdentity,
    /// Publish its recipient.
    PublishRecipient,
    /// Persist a stage.
    Note(Stage),
    /// Initialize the embedded authority.
    Initialize,
    /// Copy the sealed shares to Kubernetes.
    CopyShares,
    /// Unseal with the shares that the unseal identity opens.
    Unseal,
    /// Repair configuration, logins and root tokens.
    Steward(Cause),
    /// Append due events to the ledger.
    Record,
    /// Nothing; say this and look again later.
    Rest(Rest),
}

/// A state to rest in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rest {
    /// The `Ready` condition.
    pub(super) verdict: Verdict,
    /// Whether the authority is initialized, unsealed and configured (phase 3 and up).
    pub(super) active: bool,
}

fn wait(reason: &'static str, message: impl Into<String>) -> Step {
    Step::Rest(Rest { verdict: Verdict::no(reason, message), active: false })
}

/// Decides.
pub(super) fn plan(seen: &Seen) -> Step {
    // The unseal identity comes first of all: its recipient must be known before initialization or
    // recovery.
    if seen.embedded && seen.unattended {
        match &seen.identity {
            None => return Step::MakeIdentity,
            Some(recipient) if seen.published.as_ref() != Some(recipient) => {
                return Step::PublishRecipient;
            }
            Some(_) => {}
        }
    }
    match &seen.health {
        Health::Silent(why) => wait("Unreachable", format!("{why}; it is asked again")),
        Health::Standby => wait("Standby", "only a standby node answers; it is asked again"),
        Health::Empty => plan_empty(seen),
        Health::Sealed | Health::Unsealed => plan_initialized(seen),
    }
}

fn plan_empty(seen: &Seen) -> Step {
    if !seen.embedded {
        return wait(
            "UnsupportedInitialization",
            "this authority is not initialized and is not regent's own: initialize and unseal it, \
             then let role regent-configurator of kubernetes auth log in",
        );
    }
    match seen.stage {
        Stage::Unknown => Step::Note(Stage::Intent),
        Stage::Intent => Step::Initialize,
        Stage::Initialized | Stage::Configured | Stage::RootRevoked => wait(
            "AuthorityEmpty",
            "the authority was initialized before and is empty now: its storage was lost or \
             another one answers. Nothing is initialized over it. Put the storage or a \
             snapshot back, or delete the RuntimeAuthority to begin anew",
        ),
    }
}

fn plan_initialized(seen: &Seen) -> Step {
    if seen.stage == Stage::Intent {
        return Step::Note(Stage::Initialized);
    }
    if seen.shares.known && !seen.shares.copied {
        return Step::CopyShares;
    }
    if seen.health == Health::Unsealed {
        return plan_unsealed(seen);
    }
    if seen.shares.suffice() {
        return Step::Unseal;
    }
    if !seen.embedded {
        return wait("Sealed", "the authority is sealed: unseal it by its own means");
    }
    if seen.unattended {
        return wait(
            "NoUnsealIdentity",
            format!(
                "the authority is sealed and {} of {} shares are sealed to this cluster's unseal \
                 identity: run `regent authority recover --identity FILE`",
                seen.shares.openable, seen.shares.threshold
            ),
        );
    }
    wait(
        "Sealed",
        "the authority is sealed and seal.unattended is false: run \
         `regent authority unseal --identity FILE`",
    )
}

fn plan_unsealed(seen: &Seen) -> Step {
    if seen.root_in_hand {
        return Step::Steward(Cause::First);
    }
    // Another's authority may have root tokens that are none of regent's business.
    let root_may_live = seen.embedded && !seen.root_revoked;
    match &seen.look {
        Look::Untried => wait("NotLookedAt", "the configuration was not looked at yet"),
        Look::Conflict(what) => wait("MountConflict", what.clone()),
        Look::Refused(_) if seen.may_repair => Step::Steward(Cause::LoginRefused),
        Look::Refused(why) => {
            wait("CannotLogIn", format!("{why}; the login was repaired and is still refused"))
        }
        Look::Differs(_) if seen.may_repair => Step::Steward(Cause::Differs),
        Look::Differs(what) => wait(
            "ConfigurationDrift",
            format!("differs from the table again right after a repair: {}", what.join(", ")),
        ),
        Look::Same if root_may_live && seen.may_repair => Step::Steward(Cause::RootMayLive),
        Look::Same if root_may_live => {
            wait("RootTokenAlive", "a root token may be alive; it is looked for again")
        }
        Look::Same if seen.events_due => Step::Record,
        Look::Same => Step::Rest(Rest {
            verdict: Verdict::yes("Active", "initialized, unsealed, configured; no root token"),
            active: true,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An embedded, unattended authority in good order.
    fn good() -> Seen {
        Seen {
            embedded: true,
            unattended: true,
            stage: Stage::RootRevoked,
            root_revoked: true,
            published: Some("age1u".into()),
            identity: Some("age1u".into()),
            health: Health::Unsealed,
            shares: Shares { known: true, copied: true, openable: 2, threshold: 2 },
            root_in_hand: false,
            look: Look::Same,
            may_repair: true,
            events_due: false,
        }
    }

    fn reason(step: &Step) -> &'static str {
        match step {
            Step::Rest(rest) => rest.verdict.reason,
            _ => "",
        }
    }

    #[test]
    fn an_authority_in_order_rests_active() {
        let step = plan(&good());
        assert!(matches!(&step, Step::Rest(rest) if rest.active), "{step:?}");
        assert_eq!(plan(&Seen { events_due: true, ..good() }), Step::Record);
    }

    /// PROTOCOLS.md §3: the identity and its recipient before the intent, the intent before the
    /// call.
    #[test]
    fn initialization_goes_identity_recipient_intent_call() {
        let none = Shares::default();
        let empty = Seen {
            stage: Stage::Unknown,
            root_revoked: false,
            published: None,
            identity: None,
            health: Health::Empty,
            shares: none,
            look: Look::Untried,
            ..good()
        };
        assert_eq!(plan(&empty), Step::MakeIdentity);
        let made = Seen { identity: Some("age1u".into()), ..empty };
        assert_eq!(plan(&made), Step::PublishRecipient);
        let told = Seen { published: Some("age1u".into()), ..made };
        assert_eq!(plan(&told), Step::Note(Stage::Intent));
        let meant = Seen { stage: Stage::Intent, ..told };
        assert_eq!(plan(&meant), Step::Initialize);
        let full = Shares { known: true, copied: false, openable: 2, threshold: 2 };
        let done = Seen { health: Health::Sealed, root_in_hand: true, shares: full, ..meant };
        assert_eq!(plan(&done), Step::Note(Stage::Initialized));
        let noted = Seen { stage: Stage::Initialized, ..done };
        assert_eq!(plan(&noted), Step::CopyShares);
        let copied = Seen { shares: Shares { copied: true, ..full }, ..noted };
        assert_eq!(plan(&copied), Step::Unseal);
        let open = Seen { health: Health::Unsealed, ..copied };
        assert_eq!(plan(&open), Step::Steward(Cause::First));
    }

    /// A crash after the call lost the root token: it is looked for and revoked.
    #[test]
    fn a_root_token_that_outlived_a_crash_is_hunted() {
        for stage in [Stage::Initialized, Stage::Configured] {
            let refused = Look::Refused("unknown role".into());
            let crashed = Seen { stage, root_revoked: false, look: refused, ..good() };
            assert_eq!(plan(&crashed), Step::Steward(Cause::LoginRefused));
            let configured = Seen { look: Look::Same, ..crashed };
            assert_eq!(plan(&configured), Step::Steward(Cause::RootMayLive));
        }
        let external = Seen { embedded: false, root_revoked: false, ..good() };
        assert_eq!(reason(&plan(&external)), "Active");
    }

    /// S5.7-4: an authority of another cluster waits for a person and says which command.
    #[test]
    fn what_only_a_person_can_do_names_the_command() {
        let none = Shares { openable: 0, ..good().shares };
        let lost = Seen { health: Health::Sealed, shares: none, stage: Stage::Unknown, ..good() };
        let step = plan(&lost);
        assert_eq!(reason(&step), "NoUnsealIdentity");
        assert!(format!("{step:?}").contains("regent authority recover --identity FILE"));
        let attended = Seen { unattended: false, identity: None, ..lost };
        let step = plan(&attended);
        assert_eq!(reason(&step), "Sealed");
        assert!(format!("{step:?}").contains("regent authority unseal --identity FILE"));
    }

    #[test]
    fn nothing_is_initialized_over_an_authority_that_was_lost() {
        for stage in [Stage::Initialized, Stage::Configured, Stage::RootRevoked] {
            let lost = Seen { health: Health::Empty, stage, ..good() };
            assert_eq!(reason(&plan(&lost)), "AuthorityEmpty");
        }
        let external = Seen { health: Health::Empty, embedded: false, ..good() };
        assert_eq!(reason(&plan(&external)), "UnsupportedInitialization");
    }

    #[test]
    fn differences_are_repaired_but_not_in_a_loop() {
        let differs = Seen { look: Look::Differs(vec!["policy x".into()]), ..good() };
        assert_eq!(plan(&differs), Step::Steward(Cause::Differs));
        assert_eq!(reason(&plan(&Seen { may_repair: false, ..differs })), "ConfigurationDrift");
        let conflict = Seen { look: Look::Conflict("secret/ is KV v1".into()), ..good() };
        assert_eq!(reason(&plan(&conflict)), "MountConflict");
    }

    /// After recovery the shares in force are others: the copy follows before anything else.
    #[test]
    fn the_copy_follows_the_shares_in_force() {
        let stale = Shares { copied: false, ..good().shares };
        for health in [Health::Sealed, Health::Unsealed] {
            assert_eq!(plan(&Seen { health, shares: stale, ..good() }), Step::CopyShares);
        }
    }

    #[test]
    fn stages_round_trip_through_status() {
        for stage in [
            Stage::Unknown,
            Stage::Intent,
            Stage::Initialized,
            Stage::Configured,
            Stage::RootRevoked,
        ] {
            assert_eq!(Stage::parse(stage.text()), stage);
        }
    }
}
