//! Every scenario, each a test of its own: the list is made from the folder by the test that checks it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test's assertions")]

macro_rules! scenarios {
    ($($name:ident => $file:literal),* $(,)?) => {
        $(#[test]
        fn $name() {
            regent_tests::check($file, include_str!(concat!("../scenarios/", $file, ".scenario")));
        })*

        #[test]
        fn no_scenario_is_forgotten() {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
            let mut found: Vec<String> = std::fs::read_dir(folder)
                .unwrap()
                .filter_map(|e| Some(e.unwrap().path().file_stem()?.to_str()?.to_owned()))
                .collect();
            found.sort();
            let mut known = vec![$($file),*];
            known.sort_unstable();
            assert_eq!(found, known);
        }
    };
}

scenarios! {
    the_full_funnel => "funnel",
    a_namespace_that_is_no_consumer_gets_no_byte => "isolation",
    git_has_no_power_after_handover => "resync",
    cluster_loss_changes_no_value => "drill",
    nobody_unseals_without_the_identity => "drill-without-identity",
    the_authority_depends_on_no_bootstrap_secret => "independence",
    phase_two_can_be_held_for_good => "held-without-authority",
    a_sealed_authority_harms_no_consumer => "held-sealed",
    phase_three_can_be_held_for_good => "held-without-materializer",
    verify_sees_what_is_broken_by_hand => "broken-invariant",
    a_wrong_identity_is_named => "bad-wrong-identity",
    a_plaintext_secret_in_git_is_refused => "bad-plaintext",
    a_private_key_in_git_is_refused => "bad-private-key",
    one_secret_has_one_owner => "bad-two-owners",
    a_missing_bootstrap_secret_is_named => "bad-missing-bootstrap",
    drift_is_healed_and_a_leak_is_answered => "drift",
}
