//! Requests that must be refused (C7-1, C5a-3, C4-1): every identity, with its own ServiceAccount's token, against
//! every other's Secrets, ConfigMaps, Leases and paths.
//!
//! ```text
//! owners      who owns what, from DESIGN.md §2 and PROTOCOLS.md: never from the Roles themselves
//! kubernetes  each identity × each thing × each verb, at the API server
//! intent      what Git's identity may make nowhere, itself or as whom it may act
//! authority   each identity × each path × each operation, and each other's logins, at the authority
//! main        a system per world, shared by all; a test for each identity at each server
//! ```
//!
//! The sandbox with the embedded authority and the real API server with OpenBao are all four servers.

#![allow(clippy::print_stderr, reason = "an absent world is not skipped in silence")]

mod authority;
mod intent;
mod kubernetes;
mod owners;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use anyhow::{Context, Result, ensure};
use libtest_mimic::{Arguments, Failed, Trial};
use regent_tests::World;
use regent_tests::worlds::{self, Api, Authority, WorldKind};
use regent_types::identity::Identity;

const SANDBOX: WorldKind = WorldKind { api: Api::Sandbox, authority: Authority::Embedded };
const REAL: WorldKind = WorldKind { api: Api::Real, authority: Authority::OpenBao };

/// What went another way, by test.
type Wrong = BTreeMap<(&'static str, Identity), Vec<String>>;

static IN_SANDBOX: LazyLock<Result<Wrong, String>> = LazyLock::new(|| tried(SANDBOX));
static IN_REAL: LazyLock<Result<Wrong, String>> = LazyLock::new(|| tried(REAL));

const AT_API: &str = "at_the_api_server";
const AT_AUTHORITY: &str = "at_the_authority";
const FROM_GIT: &str = "makes_nothing_that_acts";

fn main() {
    let choice = worlds::chosen();
    let mut trials = Vec::new();
    for (kind, wrong) in [(SANDBOX, &IN_SANDBOX), (REAL, &IN_REAL)] {
        let wanted = choice.wanted.contains(&kind);
        if let Some((_, why)) = choice.skipped.iter().find(|(skipped, _)| *skipped == kind) {
            eprintln!("skipped: world {kind}: {why}");
        }
        let mut add = |at: &'static str, identity: Identity| {
            let name = format!("{kind}::{}_{at}", identity.name());
            let trial = Trial::test(name, move || judge(wrong, at, identity));
            trials.push(trial.with_ignored_flag(!wanted));
        };
        for identity in Identity::ALL {
            add(AT_API, identity);
            add(AT_AUTHORITY, identity);
        }
        add(FROM_GIT, Identity::Intent);
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn judge(
    wrong: &LazyLock<Result<Wrong, String>>,
    at: &'static str,
    identity: Identity,
) -> Result<(), Failed> {
    let found = wrong.as_ref().map_err(|e| Failed::from(e.clone()))?.get(&(at, identity));
    match found.map(Vec::as_slice) {
        None => Err("it was not tried".into()),
        Some([]) => Ok(()),
        Some(wrong) => Err(wrong.join("\n").into()),
    }
}

fn tried(kind: WorldKind) -> Result<Wrong, String> {
    let _already = rustls::crypto::ring::default_provider().install_default();
    let all = || -> Result<Wrong> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        runtime.block_on(try_all(kind))
    };
    all().map_err(|e| format!("{e:#}"))
}

async fn try_all(kind: WorldKind) -> Result<Wrong> {
    let mut world = World::new(kind).await?;
    let steady = |view: &regent_host::view::View| match view.unmet().first() {
        None => Ok(()),
        Some(first) => Err(format!("not steady: {first:?}")),
    };
    world.until(steady).await?;
    let done = try_in(&mut world).await;
    let (heard, ended) = world.end().await;
    let wrong = done?;
    ended?;
    // They are heard where the scenarios are held to have none.
    let count = |what: &str| heard.iter().filter(|line| line.starts_with(what)).count();
    ensure!(count("system:serviceaccount:") > 100, "the API server told of {heard:?}");
    ensure!(count("materializer ") > 10, "the authority told of {heard:?}");
    Ok(wrong)
}

async fn try_in(world: &mut World) -> Result<Wrong> {
    let mut wrong = Wrong::new();
    let system = world.system().await?;
    let admin = system.admin();
    kubernetes::prepare(&admin).await?;
    for identity in Identity::ALL {
        let own = system.client_of(identity)?;
        let found = kubernetes::wrong(&admin, &own, identity).await;
        wrong.insert((AT_API, identity), found.context("at the API server")?);
        if identity == Identity::Intent {
            let found = intent::wrong(&admin, &own).await.context("as intent")?;
            wrong.insert((FROM_GIT, identity), found);
        }
        let (vault, jwt) = (system.vault()?, system.token(identity)?);
        let found = authority::wrong(&vault, &jwt, identity).await;
        wrong.insert((AT_AUTHORITY, identity), found.context("at the authority")?);
    }
    Ok(wrong)
}
