//! Every scenario of the folder in every world: a test each, named `WORLD::SCENARIO`. After a whole run in all worlds,
//! what its audit logs say of least privilege: a test each, named `used::CLAIM`.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test's assertions")]

use std::path::Path;
use std::process::Command;

use anyhow::ensure;
use k8s_openapi::api::core::v1::Namespace;
use libtest_mimic::{Arguments, Failed, Trial};
use regent_tests::openbao::{self, OpenBao};
use regent_tests::pace;
use regent_tests::real::{Options, Real};
use regent_tests::scenario;
use regent_tests::used::{self, Claim};
use regent_tests::worlds::{self, Api, WorldKind};
use regent_types::labels::SYSTEM_NAMESPACE;

/// Scenarios at once, at most, where nobody says otherwise: they wait more than they work. How many there are is paced.
const THREADS: usize = 10;

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(THREADS));
    let scenarios = scenarios();
    assert!(scenarios.len() > 15, "only {} scenarios were found", scenarios.len());
    let choice = worlds::chosen();
    let mut trials = Vec::new();
    for (name, text) in &scenarios {
        for kind in &choice.wanted {
            let unfit = scenario::unfit(text, *kind);
            if let Some(why) = unfit {
                eprintln!("skipped: {kind}::{name}: {why}");
            }
            trials.push(trial(name, text, *kind).with_ignored_flag(unfit.is_some()));
        }
        let skipped = choice.skipped.iter();
        trials.extend(skipped.map(|(kind, _)| trial(name, text, *kind).with_ignored_flag(true)));
    }
    if choice.wanted.iter().any(|kind| kind.api == Api::Real) {
        let failed = |e: anyhow::Error| Failed::from(format!("{e:#}"));
        trials.push(Trial::test("own_cluster", move || own_cluster().map_err(failed)));
        trials.push(Trial::test("own_authority", move || own_authority().map_err(failed)));
    }
    for (kind, why) in &choice.skipped {
        eprintln!("skipped: world {kind}: {why}");
    }
    let whole = arguments.filter.is_none()
        && arguments.skip.is_empty()
        && !arguments.ignored
        && choice.skipped.is_empty()
        && choice.wanted.len() > 1;
    let scenarios = libtest_mimic::run(&arguments, trials);
    // Claims about all of them, so that they begin when the last has ended.
    let judged = libtest_mimic::run(&arguments, claims(whole));
    scenarios.exit_if_failed();
    judged.exit();
}

fn claims(whole: bool) -> Vec<Trial> {
    let trial = |(name, judge): Claim| {
        let run = move || judge().map_err(|e| Failed::from(format!("{e:#}")));
        Trial::test(format!("used::{name}"), run).with_ignored_flag(!whole)
    };
    used::claims().into_iter().map(trial).collect()
}

/// A cluster of the user's own, named as a user names it: `REGENT_WORLDS=own` and `KUBECONFIG` run the same scenarios
/// against it, and leave it as it was.
fn own_cluster() -> anyhow::Result<()> {
    let _turn = pace::begin();
    let runtime = tokio::runtime::Runtime::new()?;
    let cluster = runtime.block_on(Real::start(Options::default()))?;
    let (said, errors) = as_user("own_embedded::drift", &cluster, None)?;
    ensure!(said.contains("1 passed"), "it did not run:\n{said}\n{errors}");
    ensure!(errors.contains("skipped: own_embedded::drill: "), "no reason is shown:\n{errors}");
    let left = runtime.block_on(async {
        let namespaces: kube::Api<Namespace> = kube::Api::all(cluster.admin()?);
        anyhow::Ok(namespaces.get_opt(SYSTEM_NAMESPACE).await?)
    })?;
    ensure!(left.is_none(), "namespace {SYSTEM_NAMESPACE} was left behind");
    Ok(())
}

/// The same with an authority of the user's own, which is outside that cluster. One that is initialized is somebody's,
/// and is left alone.
fn own_authority() -> anyhow::Result<()> {
    let _turn = pace::begin();
    let runtime = tokio::runtime::Runtime::new()?;
    let cluster = runtime.block_on(Real::start(Options::default()))?;
    let place = tempfile::tempdir()?;
    let server = OpenBao::start(&openbao::binary()?, &place.path().join("bao"), None)?;
    let (said, errors) = as_user("own_named::drift", &cluster, Some((&server, place.path())))?;
    ensure!(said.contains("1 passed"), "it did not run:\n{said}\n{errors}");
    let (said, errors) = as_user("own_named::drift", &cluster, Some((&server, place.path())))?;
    ensure!(said.contains("is initialized: expected an empty one"), "{said}\n{errors}");
    Ok(())
}

/// Runs one scenario against what the user names; returns both outputs.
fn as_user(
    scenario: &str,
    cluster: &Real,
    authority: Option<(&OpenBao, &Path)>,
) -> anyhow::Result<(String, String)> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--exact", scenario]);
    command.env("REGENT_WORLDS", "own").env("KUBECONFIG", cluster.kubeconfig());
    if let Some((server, folder)) = authority {
        let ca = folder.join("ca.pem");
        std::fs::write(&ca, server.ca_pem())?;
        command.env("REGENT_TEST_VAULT_ADDR", server.address());
        command.env("REGENT_TEST_VAULT_CACERT", ca);
    }
    let output = command.output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((text(&output.stdout), text(&output.stderr)))
}

fn trial(name: &str, text: &str, kind: WorldKind) -> Trial {
    let text = text.to_owned();
    let name = name.to_owned();
    Trial::test(format!("{kind}::{name}"), move || {
        let _turn = pace::begin();
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
