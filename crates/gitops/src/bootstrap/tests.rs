//! The plan, as a table: what is seen → what is done and said.

use super::hmac::comparable;
use super::plan::{Existing, Holder, NotReady, Observed, Plan, Write, plan};
use super::reason::Reason;
use super::source::Source;

const MANIFEST: &str = "payments/db";
const UID: &str = "u-1";
const ONE: &str = "k1:aa";
const TWO: &str = "k1:bb";
const OTHER_KEY: &str = "k2:aa";

fn source(commit: &str) -> Source {
    Source { repository: "r".into(), commit: commit.into(), file: "db.yaml".into() }
}

fn ours(hmac: &str) -> Existing {
    Existing {
        class: "bootstrap".into(),
        manifest: MANIFEST.into(),
        manifest_uid: UID.into(),
        handed_over: false,
        hmac: hmac.into(),
        source: source("c1"),
        dressed: true,
        fixed: None,
        manager: String::new(),
    }
}

struct Case {
    name: &'static str,
    produced: Option<&'static str>,
    was_silent: bool,
    opened: Result<&'static str, &'static str>,
    existing: Option<Existing>,
    holder: Holder,
    keeps_changing: bool,
    expected: (Write, &'static str),
}

impl Case {
    fn new(name: &'static str, expected: (Write, &'static str)) -> Self {
        Self {
            name,
            produced: None,
            was_silent: false,
            opened: Ok(ONE),
            existing: None,
            holder: Holder::Unnamed,
            keeps_changing: false,
            expected,
        }
    }

    fn run(&self) -> Plan {
        let reason = Reason::Refused(self.opened.err().unwrap_or_default());
        let not_ready = NotReady { reason, message: String::from("why") };
        let source = source("c1");
        plan(&Observed {
            manifest: MANIFEST,
            uid: UID,
            produced: self.produced,
            was_silent: self.was_silent,
            source: Some(&source),
            opened: self.opened.map_err(|_| &not_ready),
            existing: self.existing.as_ref(),
            holder: self.holder,
            keeps_changing: self.keeps_changing,
        })
    }
}

fn check(cases: Vec<Case>) {
    for case in cases {
        let plan = case.run();
        assert_eq!((plan.write, plan.reason.text()), case.expected, "{}", case.name);
        if Reason::was_silent(plan.reason.text()) {
            assert_eq!((plan.write, plan.produces), (Write::Nothing, false), "{}", case.name);
        }
    }
}

/// S5.2-1, S5.7-1: a manifest produces its Secret, and again if it is gone.
#[test]
fn while_git_is_authoritative_the_secret_is_as_the_manifest_says() {
    use Write::{Create, Nothing, Update};
    let new = Case::new;
    let stale_source = Existing { source: source("c0"), ..ours(ONE) };
    let reborn = Existing { manifest_uid: "u-0".into(), ..ours(ONE) };
    check(vec![
        new("first", (Create, "Produced")),
        Case {
            produced: Some(ONE),
            holder: Holder::Git,
            ..new("deleted by someone", (Create, "Produced"))
        },
        Case { existing: Some(ours(ONE)), ..new("as it should be", (Nothing, "Produced")) },
        Case { existing: Some(ours(TWO)), ..new("another value", (Update, "Produced")) },
        Case { existing: Some(stale_source), ..new("another commit", (Update, "Produced")) },
        Case { existing: Some(reborn), ..new("manifest made anew", (Update, "Produced")) },
        Case { holder: Holder::Undecided, ..new("not decided yet", (Create, "Produced")) },
        Case {
            was_silent: true,
            holder: Holder::Git,
            ..new("the authority lost it and says so", (Create, "Produced"))
        },
    ]);
}

/// PROTOCOLS.md §2: once the RuntimeSecret is runtime, its manifest produces nothing any more.
#[test]
fn after_handover_nothing_is_written_whatever_git_says() {
    use Write::Nothing;
    let case = |name, produced, opened, reason| Case {
        produced,
        opened,
        holder: Holder::Authority,
        ..Case::new(name, (Nothing, reason))
    };
    let marked = Existing { handed_over: true, ..ours(TWO) };
    let materialized =
        Existing { class: "materialized".into(), hmac: "k1:cc".into(), ..Existing::default() };
    check(vec![
        case("same value", Some(ONE), Ok(ONE), "HandedOver"),
        case("another value", Some(ONE), Ok(TWO), "IgnoredGitValue"),
        case("nothing remembered", None, Ok(ONE), "HandedOver"),
        case("remembered under another key", Some(OTHER_KEY), Ok(ONE), "HandedOver"),
        case("cannot be opened any more", Some(ONE), Err("NoIdentity"), "HandedOver"),
        Case {
            existing: Some(ours(TWO)),
            ..case("still there, changed", Some(ONE), Ok(ONE), "HandedOver")
        },
        Case {
            produced: Some(ONE),
            existing: Some(marked),
            holder: Holder::Undecided,
            ..Case::new("marked by the orchestrator", (Nothing, "HandedOver"))
        },
        Case {
            produced: Some(ONE),
            existing: Some(materialized),
            holder: Holder::Undecided,
            ..Case::new("became a materialized Secret", (Nothing, "HandedOver"))
        },
        Case {
            produced: Some(ONE),
            was_silent: true,
            ..Case::new("RuntimeSecret removed from Git", (Nothing, "HandedOver"))
        },
        Case {
            produced: Some(ONE),
            was_silent: true,
            opened: Ok(TWO),
            holder: Holder::Undecided,
            ..Case::new("RuntimeSecret declared again", (Nothing, "IgnoredGitValue"))
        },
    ]);
}

#[test]
fn a_secret_that_is_not_ours_is_left_alone() {
    let existing = |class: &str, manifest: &str| Existing {
        class: class.into(),
        manifest: manifest.into(),
        ..ours(TWO)
    };
    let cases = [
        ("made by hand", existing("", "")),
        ("of another manifest", existing("bootstrap", "payments/other")),
        ("claims us without the class", existing("", MANIFEST)),
        ("materialized, never ours", existing("materialized", "")),
    ];
    check(
        cases
            .into_iter()
            .map(|(name, existing)| Case {
                existing: Some(existing),
                ..Case::new(name, (Write::Nothing, "NotMine"))
            })
            .collect(),
    );
}

/// S5.7-1: no partial state; what cannot be opened changes nothing.
#[test]
fn a_manifest_that_cannot_be_opened_changes_nothing_and_says_why() {
    let reasons =
        ["NoIdentity", "WrongIdentity", "BadMac", "WrongTarget", "NotASecret", "TooLarge"];
    for reason in reasons {
        for existing in [None, Some(ours(ONE))] {
            let case = Case {
                opened: Err(reason),
                existing,
                ..Case::new(reason, (Write::Nothing, reason))
            };
            let plan = case.run();
            assert_eq!((plan.write, plan.reason.text()), case.expected);
            assert!(!plan.ready && !plan.produces);
        }
    }
}

#[test]
fn only_hmacs_of_one_key_are_compared() {
    assert!(comparable(ONE, TWO) && !comparable(ONE, OTHER_KEY));
}

/// G7: labels and annotations that differ are put right; what can never be changed is made anew.
#[test]
fn g07_what_differs_is_updated_and_what_is_fixed_is_made_anew() {
    let undressed = Existing { dressed: false, ..ours(ONE) };
    let fixed = Existing { fixed: Some("type"), ..ours(ONE) };
    let handed_over = Existing { handed_over: true, ..fixed.clone() };
    let stranger = Existing { class: String::new(), ..fixed.clone() };
    check(vec![
        Case { existing: Some(undressed), ..Case::new("a label", (Write::Update, "Produced")) },
        Case { existing: Some(fixed.clone()), ..Case::new("type", (Write::Recreate, "Produced")) },
        Case {
            existing: Some(handed_over),
            produced: Some(ONE),
            ..Case::new("a tombstone of another type", (Write::Nothing, "HandedOver"))
        },
        Case { existing: Some(stranger), ..Case::new("theirs", (Write::Nothing, "NotMine")) },
        Case {
            existing: Some(fixed),
            holder: Holder::Authority,
            ..Case::new("the authority's", (Write::Nothing, "HandedOver"))
        },
    ]);
    let case = Case {
        existing: Some(Existing { fixed: Some("type"), ..ours(ONE) }),
        ..Case::new("type", (Write::Recreate, "Produced"))
    };
    assert!(case.run().message.contains("its type cannot be changed"));
}

/// C28: a random value at each render.
#[test]
fn c28_a_value_that_keeps_changing_waits_and_one_that_is_back_does_not() {
    let case = |name, opened, existing: &Existing, produced, expected| Case {
        opened: Ok(opened),
        existing: Some(existing.clone()),
        produced: Some(produced),
        keeps_changing: true,
        ..Case::new(name, expected)
    };
    check(vec![
        case("another value", TWO, &ours(ONE), ONE, (Write::Nothing, "KeepsChanging")),
        case("the same value", ONE, &ours(ONE), ONE, (Write::Nothing, "Produced")),
        case("changed by hand", ONE, &ours(TWO), ONE, (Write::Update, "Produced")),
    ]);
}

/// C27: whoever put a Secret of the same name there is named.
#[test]
fn c27_who_wrote_a_secret_that_is_in_the_way_is_named() {
    let theirs = Existing { manager: "argocd-controller".into(), ..Existing::default() };
    let case = Case { existing: Some(theirs), ..Case::new("theirs", (Write::Nothing, "NotMine")) };
    let message = case.run().message;
    assert!(message.contains("written by argocd-controller"), "{message}");
}
