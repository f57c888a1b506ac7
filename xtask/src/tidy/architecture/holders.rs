//! Which invariant of `ARCHITECTURE.md` is held by what, and which test breaks it once.

pub(super) const DOCUMENT: &str = "ARCHITECTURE.md";

/// What fails when an invariant is broken.
pub(super) enum Held {
    /// A check of `tidy`, by its name.
    Check(&'static str),
    /// A test: its file and its function.
    Test(&'static str, &'static str),
    Text(&'static str),
}

pub(super) struct Invariant {
    pub(super) name: &'static str,
    pub(super) held: Held,
    /// The test that shows that a breach is found.
    pub(super) broken: Broken,
}

/// How it is shown that a breach would be found.
pub(super) enum Broken {
    /// A test breaks it: its file and its function.
    By(&'static str, &'static str),
    /// None does, and why that is bearable. These are printed.
    Not(&'static str),
}

pub(super) const INVARIANTS: &[Invariant] = &[
    // Those that the code names where it keeps them.
    Invariant {
        name: "manifest-is-pure",
        held: Held::Check("bans"),
        broken: Broken::By(
            "xtask/src/tidy/bans/mod.rs",
            "every_ban_is_found_once_and_not_in_text_or_tests",
        ),
    },
    Invariant {
        name: "status-before-disposal",
        held: Held::Test(
            "crates/protocol/src/explore/mod.rs",
            "two_concurrent_handovers_that_crash_keep_every_invariant",
        ),
        broken: Broken::By(
            "crates/protocol/src/explore/mod.rs",
            "without_any_of_its_guards_an_invariant_breaks",
        ),
    },
    Invariant {
        name: "not-understood-is-kept",
        held: Held::Test(
            "crates/protocol/src/stored.rs",
            "h11_a_record_of_another_release_is_left_as_it_is_and_its_release_is_named",
        ),
        broken: Broken::By(
            "crates/protocol/src/stored.rs",
            "h11_a_record_of_another_release_is_left_as_it_is_and_its_release_is_named",
        ),
    },
    Invariant {
        name: "no-retry-below",
        held: Held::Test(
            "crates/vault/src/tests.rs",
            "a_dead_connection_is_tried_again_for_reads_only",
        ),
        broken: Broken::By(
            "crates/vault/src/tests.rs",
            "a_token_that_stays_refused_is_denied_after_one_new_login",
        ),
    },
    Invariant {
        name: "audited-or-refused",
        held: Held::Test(
            "crates/authority/src/tests/planted.rs",
            "every_request_is_two_lines_and_no_line_has_a_value",
        ),
        broken: Broken::By(
            "crates/authority/src/tests/planted.rs",
            "a_request_that_cannot_be_audited_is_refused_before_its_effect",
        ),
    },
    Invariant {
        name: "sandbox-knows-no-component",
        held: Held::Check("layers"),
        broken: Broken::By(LAYERS, BREACH_OF_LAYERS),
    },
    Invariant {
        name: "bootstrap-without-authority",
        held: Held::Check("layers"),
        broken: Broken::By(LAYERS, BREACH_OF_LAYERS),
    },
    Invariant {
        name: "checked-is-asked",
        held: Held::Test(
            "crates/types/src/remote_ref.rs",
            "every_spelling_of_a_path_becomes_the_same_path",
        ),
        broken: Broken::By(
            "crates/types/src/remote_ref.rs",
            "spellings_that_could_leave_the_path_are_refused",
        ),
    },
    Invariant {
        name: "own-token-own-authority",
        held: Held::Test(
            "crates/delivery/src/store/tests.rs",
            "only_stores_of_the_own_class_and_authority_are_served",
        ),
        broken: Broken::By(
            "crates/delivery/src/store/tests.rs",
            "the_own_identity_is_not_shown_to_another_server",
        ),
    },
    // Those of the system.
    Invariant {
        name: "one-installation",
        held: Held::Test(
            "tests/tests/install/chart.rs",
            "the_chart_and_the_command_yield_the_same_objects",
        ),
        broken: Broken::Not("the holder compares two sets for equality"),
    },
    Invariant {
        name: "types-are-data",
        held: Held::Check("closures"),
        broken: Broken::By(CLOSURES, BREACH_OF_CLOSURES),
    },
    Invariant {
        name: "write-paths-enforced",
        held: Held::Test("tests/tests/admission.rs", "write_paths_are_open_to_their_writers_alone"),
        broken: Broken::By(
            "tests/tests/admission.rs",
            "a_component_starts_once_its_policy_refuses",
        ),
    },
    Invariant {
        name: "values-never-in-crs",
        held: Held::Check("fields"),
        broken: Broken::By(
            "xtask/src/tidy/fields.rs",
            "a_field_for_a_value_is_found_wherever_it_is",
        ),
    },
    Invariant {
        name: "protocol-no-io",
        held: Held::Check("closures"),
        broken: Broken::By(CLOSURES, BREACH_OF_CLOSURES),
    },
    Invariant {
        name: "intent-before-effect",
        held: Held::Test(
            "crates/protocol/src/explore/mod.rs",
            "two_concurrent_handovers_that_crash_keep_every_invariant",
        ),
        broken: Broken::By(
            "crates/protocol/src/explore/mod.rs",
            "without_any_of_its_guards_an_invariant_breaks",
        ),
    },
    Invariant {
        name: "authority-ignores-git",
        held: Held::Check("closures"),
        broken: Broken::By(CLOSURES, BREACH_OF_CLOSURES),
    },
    Invariant {
        name: "sandbox-is-honest",
        held: Held::Test("tests/tests/conformance.rs", "a_real_api_server_does_what_the_text_says"),
        broken: Broken::By(
            "tests/src/conformance/compare.rs",
            "a_map_is_a_subset_a_list_is_complete_and_null_is_absent",
        ),
    },
    Invariant {
        name: "no-side-channels",
        held: Held::Check("components"),
        broken: Broken::By(
            "xtask/src/tidy/components.rs",
            "a_component_that_names_another_in_product_test_or_by_its_file_is_found",
        ),
    },
    Invariant {
        name: "intent-sees-ciphertext",
        held: Held::Check("rights"),
        broken: Broken::By(RIGHTS, BREACH_OF_RIGHTS),
    },
    Invariant {
        name: "materializer-reads-only",
        held: Held::Check("rights"),
        broken: Broken::By(RIGHTS, BREACH_OF_RIGHTS),
    },
    Invariant {
        name: "bootstrap-silent-after-phase-3",
        held: Held::Text("tests/scenarios/resync.scenario"),
        broken: Broken::By(
            "crates/gitops/src/bootstrap/tests.rs",
            "after_handover_nothing_is_written_whatever_git_says",
        ),
    },
    Invariant {
        name: "leases-decide-nothing",
        held: Held::Test("tests/tests/binary.rs", "killed_at_rotation_it_carries_on"),
        broken: Broken::By(
            "crates/operator/src/lease/tests.rs",
            "a_stolen_lease_stops_its_old_holder",
        ),
    },
    Invariant {
        name: "granted-is-used",
        held: Held::Test("tests/src/used/claims.rs", "every_rule_used"),
        broken: Broken::By(
            "tests/src/used/claims.rs",
            "what_is_granted_in_vain_is_named_and_an_exception_cannot_rot",
        ),
    },
    Invariant {
        name: "owners-alone",
        held: Held::Test("tests/tests/refused/main.rs", "judge"),
        broken: Broken::Not(
            "each row says what must be refused, and a row that was not tried fails",
        ),
    },
    Invariant {
        name: "real-one-is-right",
        held: Held::Test("tests/tests/conformance.rs", "a_real_api_server_does_what_the_text_says"),
        broken: Broken::By(
            "tests/src/conformance/compare.rs",
            "a_map_is_a_subset_a_list_is_complete_and_null_is_absent",
        ),
    },
];
const CLOSURES: &str = "xtask/src/tidy/closures.rs";
const BREACH_OF_CLOSURES: &str =
    "io_beneath_the_protocol_too_many_packages_and_a_cluster_beneath_the_authority_are_found";
const RIGHTS: &str = "xtask/src/tidy/rights.rs";
const BREACH_OF_RIGHTS: &str = "a_materializer_that_writes_and_an_intent_that_opens_are_found";
const LAYERS: &str = "xtask/src/tidy/layers.rs";
const BREACH_OF_LAYERS: &str = "an_arrow_up_one_aside_and_a_crate_without_a_place_are_found";
