//! Every scenario of the folder in every world: a test each, named `WORLD::SCENARIO`.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test's assertions")]

use libtest_mimic::{Arguments, Failed, Trial};
use regent_tests::worlds::{self, Kind};

/// Scenarios at once where nobody says otherwise: they wait more than they work.
const THREADS: usize = 4;

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(THREADS));
    let scenarios = scenarios();
    assert!(scenarios.len() > 15, "only {} scenarios were found", scenarios.len());
    let choice = worlds::chosen();
    let mut trials = Vec::new();
    for (name, text) in &scenarios {
        trials.extend(choice.wanted.iter().map(|kind| trial(name, text, *kind)));
        let skipped = choice.skipped.iter();
        trials.extend(skipped.map(|(kind, _)| trial(name, text, *kind).with_ignored_flag(true)));
    }
    for (kind, why) in &choice.skipped {
        eprintln!("skipped: world {kind}: {why}");
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn trial(name: &str, text: &str, kind: Kind) -> Trial {
    let text = text.to_owned();
    let name = name.to_owned();
    Trial::test(format!("{kind}::{name}"), move || {
        regent_tests::check(&text, kind).map_err(|e| Failed::from(format!("{name}: {e:#}")))
    })
}

/// File stem and text of each.
fn scenarios() -> Vec<(String, String)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut all: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "scenario"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    all.sort();
    all
}
