//! What to do next, from what was seen. Pure: every decision of warden is here.

use regent_api::condition::Verdict;
use regent_types::labels::SEALED_SHARES;

use super::observed::{ConfigurationCheck, Health, Observed, Stage};

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
    PublishRecipient,
    PersistStage(Stage),
    /// Initialize the authority; shares that it answers in clear are sealed in memory.
    Initialize,
    /// Put the shares in hand into Kubernetes and read them back.
    StoreShares,
    /// Copy the sealed shares to Kubernetes.
    CopyShares,
    /// Unseal with the shares that the unseal identity opens.
    Unseal,
    /// Repair configuration, logins and root tokens.
    Reconfigure(Cause),
    /// Append due events to the ledger.
    Record,
    /// Record a person's recovery and take its note away.
    Acknowledge,
    /// Nothing; say this and look again later.
    Rest(Rest),
}

/// A state to rest in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rest {
    pub(super) verdict: Verdict,
    pub(super) state: RestState,
}

/// How the authority is while there is nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RestState {
    /// Not usable yet: something or somebody is waited for.
    Waiting,
    /// Initialized, unsealed and configured (phase 3 and up), and its sealed shares are lost.
    Degraded,
    /// The same, with nothing missing.
    Active,
}

impl Rest {
    /// Nothing can be done before something else happens.
    pub(super) fn waiting(reason: &'static str, message: impl Into<String>) -> Self {
        Self { verdict: Verdict::no(reason, message), state: RestState::Waiting }
    }

    /// Whether the authority is initialized, unsealed and configured (phase 3 and up).
    pub(super) fn is_active(&self) -> bool {
        self.state != RestState::Waiting
    }
}

fn wait(reason: &'static str, message: impl Into<String>) -> Step {
    Step::Rest(Rest::waiting(reason, message))
}

pub(super) fn plan(observed: &Observed) -> Step {
    // Before anything that may fail: until they are stored, a crash loses the keys.
    if observed.shares_in_hand {
        return Step::StoreShares;
    }
    // The unseal identity comes next: its recipient must be known before initialization or
    // recovery.
    if observed.unattended {
        match &observed.identity {
            None => return Step::MakeIdentity,
            Some(recipient) if observed.published.as_ref() != Some(recipient) => {
                return Step::PublishRecipient;
            }
            Some(_) => {}
        }
    }
    match &observed.health {
        Health::Silent(why) => wait("Unreachable", format!("{why}; it is asked again")),
        Health::Standby => wait("Standby", "only a standby node answers; it is asked again"),
        Health::Empty => plan_empty(observed),
        Health::Sealed | Health::Unsealed => plan_initialized(observed),
    }
}

fn plan_empty(observed: &Observed) -> Step {
    if observed.shares.known {
        // Of an external authority: never overwritten, they may be all that opens its storage.
        return wait(
            "AuthorityEmpty",
            format!(
                "the authority is empty and sealed shares of an earlier initialization are kept: \
                 put its storage back; to begin anew, save ConfigMap {SEALED_SHARES} and delete it"
            ),
        );
    }
    match observed.stage {
        Stage::Unknown => Step::PersistStage(Stage::Intent),
        Stage::Intent => Step::Initialize,
        Stage::Initialized | Stage::Configured | Stage::RootRevoked => wait(
            "AuthorityEmpty",
            "the authority was initialized before and is empty now: its storage was lost or \
             another one answers. Nothing is initialized over it. Put the storage or a \
             snapshot back, or delete the RuntimeAuthority to begin anew",
        ),
    }
}

fn plan_initialized(observed: &Observed) -> Step {
    if observed.stage == Stage::Intent {
        return match observed.shares.known {
            true => Step::PersistStage(Stage::Initialized),
            false => wait("InitializedKeysLost", KEYS_LOST),
        };
    }
    if observed.shares.known && !observed.shares.copied {
        return Step::CopyShares;
    }
    match observed.health {
        Health::Unsealed => plan_unsealed(observed),
        _ if observed.shares.suffice() => Step::Unseal,
        _ => sealed(observed),
    }
}

/// The embedded authority never gets here: its root key and sealed shares commit together.
const KEYS_LOST: &str = "the authority was initialized and the answer was lost before its shares \
    were stored: nobody holds its keys, and nothing was ever written to it. Stop it, delete its \
    storage, start it: warden then initializes it by itself. If somebody else initialized it and \
    holds its keys, delete the RuntimeAuthority instead, so that this intent is dropped";

/// Sealed, and warden cannot open it: says who can, and how.
fn sealed(observed: &Observed) -> Step {
    if !observed.shares.known {
        let reason = match (observed.kept(), observed.unattended) {
            (true, _) => "SealedSharesLost",
            (false, true) => "NoUnsealIdentity",
            (false, false) => "Sealed",
        };
        return wait(
            reason,
            "the authority is sealed and this cluster keeps no shares of it: with a copy of them \
             run `regent authority recover --identity FILE --shares FILE`; one that regent never \
             initialized is unsealed by its own means",
        );
    }
    if observed.unattended {
        return wait(
            "NoUnsealIdentity",
            format!(
                "the authority is sealed and {} of {} shares are sealed to this cluster's unseal \
                 identity: run `regent authority recover --identity FILE`",
                observed.shares.openable, observed.shares.threshold
            ),
        );
    }
    wait(
        "Sealed",
        "the authority is sealed and seal.unattended is false: run \
         `regent authority unseal --identity FILE`",
    )
}

fn plan_unsealed(observed: &Observed) -> Step {
    if observed.root_in_hand {
        return Step::Reconfigure(Cause::First);
    }
    // Another's authority may have root tokens that are none of regent's business.
    let root_may_live = observed.kept() && !observed.root_revoked;
    match &observed.configuration {
        ConfigurationCheck::Untried => {
            wait("NotLookedAt", "the configuration was not looked at yet")
        }
        ConfigurationCheck::Conflict(what) => wait("MountConflict", what.clone()),
        ConfigurationCheck::Refused(_) if observed.may_repair => {
            Step::Reconfigure(Cause::LoginRefused)
        }
        ConfigurationCheck::Refused(why) => {
            wait("CannotLogIn", format!("{why}; it was still refused after the last repair"))
        }
        // The same repair also looks for root tokens: no second one is due then.
        ConfigurationCheck::Differs(_) if observed.may_repair && root_may_live => {
            Step::Reconfigure(Cause::RootMayLive)
        }
        ConfigurationCheck::Differs(_) if observed.may_repair => Step::Reconfigure(Cause::Differs),
        ConfigurationCheck::Differs(what) => wait(
            "ConfigurationDrift",
            format!("differs from the table again right after a repair: {}", what.join(", ")),
        ),
        ConfigurationCheck::Same if root_may_live && observed.may_repair => {
            Step::Reconfigure(Cause::RootMayLive)
        }
        ConfigurationCheck::Same if root_may_live => {
            wait("RootTokenAlive", "a root token may be alive; it is looked for again")
        }
        ConfigurationCheck::Same if observed.recovery_noted => Step::Acknowledge,
        ConfigurationCheck::Same if observed.events_due => Step::Record,
        ConfigurationCheck::Same => Step::Rest(active(observed)),
    }
}

fn active(observed: &Observed) -> Rest {
    if observed.kept() && !observed.shares.known {
        // Still usable, and the one thing that a later restart would wait for is missing.
        let message = format!(
            "in order, but ConfigMap {SEALED_SHARES} is gone: put a copy back with \
             `regent authority recover --identity FILE --shares FILE` before it is sealed"
        );
        let verdict = Verdict::yes("SealedSharesLost", message);
        return Rest { verdict, state: RestState::Degraded };
    }
    let verdict = Verdict::yes("Active", "initialized, unsealed, configured; no root token");
    Rest { verdict, state: RestState::Active }
}
