//! What is decided, as a table: every kind of authority, every moment of initialization, recovery
//! and repair.

use crate::warden::observed::{ConfigurationCheck, Health, Observed, Shares, Stage};
use crate::warden::plan::{Cause, Step, plan};

/// An embedded, unattended authority in good order.
fn good() -> Observed {
    Observed {
        embedded: true,
        unattended: true,
        stage: Stage::RootRevoked,
        root_revoked: true,
        published: Some("age1u".into()),
        identity: Some("age1u".into()),
        health: Health::Unsealed,
        shares: Shares { known: true, copied: true, openable: 2, threshold: 2 },
        shares_in_hand: false,
        root_in_hand: false,
        configuration: ConfigurationCheck::Same,
        may_repair: true,
        events_due: false,
        recovery_noted: false,
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
    assert!(matches!(&step, Step::Rest(rest) if rest.is_active()), "{step:?}");
    assert_eq!(plan(&Observed { events_due: true, ..good() }), Step::Record);
}

/// PROTOCOLS.md §3: the identity and its recipient before the intent, the intent before the
/// call.
#[test]
fn initialization_goes_identity_recipient_intent_call() {
    let none = Shares::default();
    let empty = Observed {
        stage: Stage::Unknown,
        root_revoked: false,
        published: None,
        identity: None,
        health: Health::Empty,
        shares: none,
        configuration: ConfigurationCheck::Untried,
        ..good()
    };
    assert_eq!(plan(&empty), Step::MakeIdentity);
    let made = Observed { identity: Some("age1u".into()), ..empty };
    assert_eq!(plan(&made), Step::PublishRecipient);
    let told = Observed { published: Some("age1u".into()), ..made };
    assert_eq!(plan(&told), Step::PersistStage(Stage::Intent));
    let meant = Observed { stage: Stage::Intent, ..told };
    assert_eq!(plan(&meant), Step::Initialize);
    let full = Shares { known: true, copied: false, openable: 2, threshold: 2 };
    let done = Observed { health: Health::Sealed, root_in_hand: true, shares: full, ..meant };
    assert_eq!(plan(&done), Step::PersistStage(Stage::Initialized));
    let noted = Observed { stage: Stage::Initialized, ..done };
    assert_eq!(plan(&noted), Step::CopyShares);
    let copied = Observed { shares: Shares { copied: true, ..full }, ..noted };
    assert_eq!(plan(&copied), Step::Unseal);
    let open = Observed { health: Health::Unsealed, ..copied };
    assert_eq!(plan(&open), Step::Reconfigure(Cause::First));
}

/// A crash after the call lost the root token: it is looked for and revoked.
#[test]
fn a_root_token_that_outlived_a_crash_is_hunted() {
    for stage in [Stage::Initialized, Stage::Configured] {
        let refused = ConfigurationCheck::Refused("unknown role".into());
        let crashed = Observed { stage, root_revoked: false, configuration: refused, ..good() };
        assert_eq!(plan(&crashed), Step::Reconfigure(Cause::LoginRefused));
        let configured = Observed { configuration: ConfigurationCheck::Same, ..crashed };
        assert_eq!(plan(&configured), Step::Reconfigure(Cause::RootMayLive));
    }
    let differs = ConfigurationCheck::Differs(vec!["role x".into()]);
    let half = Observed {
        stage: Stage::Configured,
        root_revoked: false,
        configuration: differs,
        ..good()
    };
    assert_eq!(plan(&half), Step::Reconfigure(Cause::RootMayLive));
}

/// S5.7-4: an authority of another cluster waits for a person and says which command.
#[test]
fn what_only_a_person_can_do_names_the_command() {
    let none = Shares { openable: 0, ..good().shares };
    let lost = Observed { health: Health::Sealed, shares: none, stage: Stage::Unknown, ..good() };
    let step = plan(&lost);
    assert_eq!(reason(&step), "NoUnsealIdentity");
    assert!(format!("{step:?}").contains("regent authority recover --identity FILE"));
    let attended = Observed { unattended: false, identity: None, ..lost };
    let step = plan(&attended);
    assert_eq!(reason(&step), "Sealed");
    assert!(format!("{step:?}").contains("regent authority unseal --identity FILE"));
}

#[test]
fn nothing_is_initialized_over_an_authority_that_was_lost() {
    for stage in [Stage::Initialized, Stage::Configured, Stage::RootRevoked] {
        let lost = Observed { health: Health::Empty, stage, ..good() };
        assert_eq!(reason(&plan(&lost)), "AuthorityEmpty");
    }
}

#[test]
fn differences_are_repaired_but_not_in_a_loop() {
    let differs =
        Observed { configuration: ConfigurationCheck::Differs(vec!["policy x".into()]), ..good() };
    assert_eq!(plan(&differs), Step::Reconfigure(Cause::Differs));
    assert_eq!(reason(&plan(&Observed { may_repair: false, ..differs })), "ConfigurationDrift");
    let conflict = Observed {
        configuration: ConfigurationCheck::Conflict("secret/ is KV v1".into()),
        ..good()
    };
    assert_eq!(reason(&plan(&conflict)), "MountConflict");
}

/// After recovery the shares in force are others: the copy follows before anything else.
#[test]
fn the_copy_follows_the_shares_in_force() {
    let stale = Shares { copied: false, ..good().shares };
    for health in [Health::Sealed, Health::Unsealed] {
        assert_eq!(plan(&Observed { health, shares: stale, ..good() }), Step::CopyShares);
    }
}

#[test]
fn stages_round_trip_through_status() {
    for stage in
        [Stage::Unknown, Stage::Intent, Stage::Initialized, Stage::Configured, Stage::RootRevoked]
    {
        assert_eq!(Stage::parse(stage.text()), stage);
    }
}

/// An external, unattended authority that is empty, with everything ready for its initialization.
fn external_intent() -> Observed {
    Observed {
        embedded: false,
        stage: Stage::Intent,
        root_revoked: false,
        health: Health::Empty,
        shares: Shares::default(),
        configuration: ConfigurationCheck::Untried,
        ..good()
    }
}

/// PROTOCOLS.md §3: the shares of an external authority are stored before anything else happens,
/// even before it is asked again whether it answers.
#[test]
fn an_external_authority_goes_on_only_with_its_shares_stored() {
    let empty = Observed { stage: Stage::Unknown, ..external_intent() };
    assert_eq!(plan(&empty), Step::PersistStage(Stage::Intent));
    assert_eq!(plan(&external_intent()), Step::Initialize);
    for health in [Health::Sealed, Health::Empty, Health::Silent("gone".into())] {
        let answered = Observed { shares_in_hand: true, root_in_hand: true, ..external_intent() };
        assert_eq!(plan(&Observed { health, ..answered }), Step::StoreShares);
    }
    let stored = Observed { health: Health::Sealed, shares: good().shares, ..external_intent() };
    assert_eq!(plan(&stored), Step::PersistStage(Stage::Initialized));
    let noted = Observed { stage: Stage::Initialized, ..stored };
    assert_eq!(plan(&noted), Step::Unseal);
}

/// PROTOCOLS.md §3: intent open, initialized, no shares: nothing proceeds, sealed or not, and the
/// message says what to do. Once its storage was wiped it goes on.
#[test]
fn lost_keys_hold_everything_until_the_storage_is_wiped() {
    for health in [Health::Sealed, Health::Unsealed] {
        for configuration in [
            ConfigurationCheck::Untried,
            ConfigurationCheck::Same,
            ConfigurationCheck::Refused("no".into()),
        ] {
            let lost = Observed { health: health.clone(), configuration, ..external_intent() };
            let step = plan(&lost);
            assert_eq!(reason(&step), "InitializedKeysLost");
            assert!(format!("{step:?}").contains("delete its storage"));
        }
    }
    assert_eq!(plan(&external_intent()), Step::Initialize);
}

/// Sealed shares may be all that opens a storage that somebody will put back.
#[test]
fn kept_shares_are_never_replaced_by_an_initialization() {
    for stage in [Stage::Unknown, Stage::Intent, Stage::Initialized, Stage::RootRevoked] {
        let kept = Observed { stage, shares: good().shares, ..external_intent() };
        assert_eq!(reason(&plan(&kept)), "AuthorityEmpty");
    }
}

/// An authority that somebody else initialized has keepers of its own: its seal and its root tokens
/// are theirs.
#[test]
fn anothers_authority_is_left_to_its_own_means() {
    let theirs = Observed {
        stage: Stage::Unknown,
        health: Health::Unsealed,
        configuration: ConfigurationCheck::Same,
        ..external_intent()
    };
    assert_eq!(reason(&plan(&theirs)), "Active");
    let differs = Observed {
        configuration: ConfigurationCheck::Differs(vec!["role x".into()]),
        ..theirs.clone()
    };
    assert_eq!(plan(&differs), Step::Reconfigure(Cause::Differs));
    let sealed = Observed { health: Health::Sealed, ..theirs };
    for (unattended, expected) in [(true, "NoUnsealIdentity"), (false, "Sealed")] {
        let step = plan(&Observed { unattended, ..sealed.clone() });
        assert_eq!(reason(&step), expected);
        assert!(format!("{step:?}").contains("unsealed by its own means"), "{step:?}");
    }
}

/// An external authority that this installation initialized or recovered is kept like regent's own.
#[test]
fn root_tokens_of_an_authority_that_regent_keeps_are_hunted() {
    let ours = Observed { embedded: false, root_revoked: false, ..good() };
    assert_eq!(plan(&ours), Step::Reconfigure(Cause::RootMayLive));
    let recovered = Observed { stage: Stage::Unknown, ..ours };
    assert_eq!(plan(&recovered), Step::Reconfigure(Cause::RootMayLive));
}

/// S5.7-4: the only shares of an external authority went missing. What works goes on working, and
/// the condition says what the next restart will wait for.
#[test]
fn missing_shares_are_told_before_they_are_needed() {
    let gone = Observed { embedded: false, shares: Shares::default(), ..good() };
    let step = plan(&gone);
    assert_eq!(reason(&step), "SealedSharesLost");
    assert!(matches!(&step, Step::Rest(rest) if rest.is_active()));
    let sealed = Observed { health: Health::Sealed, ..gone };
    let step = plan(&sealed);
    assert_eq!(reason(&step), "SealedSharesLost");
    assert!(matches!(&step, Step::Rest(rest) if !rest.is_active()));
    assert!(format!("{step:?}").contains("--shares FILE"));
}

#[test]
fn a_recovery_is_recorded_before_its_note_is_taken_away() {
    let noted = Observed { embedded: false, recovery_noted: true, events_due: true, ..good() };
    assert_eq!(plan(&noted), Step::Acknowledge);
    let closed =
        Observed { configuration: ConfigurationCheck::Untried, health: Health::Sealed, ..noted };
    assert_eq!(plan(&closed), Step::Unseal);
}
