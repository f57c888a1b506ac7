//! The write paths are enforced by the API server (S5.5-3): here by the sandbox; the same table runs on others.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test's assertions")]

use regent_operator::Shutdown;
use regent_operator::admission::wait;
use regent_sandbox::{Options, Sandbox};
use regent_tests::admission::{self, Who};
use regent_tests::real::{self, Controllers, Error, Real};
use regent_types::identity::Identity;

/// S5.5-3, C7-1: every rule has cases that pass and cases that are refused, whoever tries.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn write_paths_are_open_to_their_writers_alone() {
    let admin = Sandbox::start(Options::default()).unwrap().admin();
    if let Err(wrong) = admission::table(&admin).await {
        panic!("{wrong:#}");
    }
    admission::endings(&admin).await.unwrap();
}

/// S5.5-3: a component writes nothing before its policy is in force, and starts by itself once it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_starts_once_its_policy_refuses() {
    let admin = Sandbox::start(Options::default()).unwrap().admin();
    let (stop, shutdown) = Shutdown::new();
    let client = admission::client(&admin, Who::Component(Identity::Bootstrap)).unwrap();
    let early = {
        let shutdown = shutdown.clone();
        tokio::spawn(async move { wait(&client, Identity::Bootstrap, &shutdown).await })
    };
    // Without its Role, and then without the policy, it waits.
    admission::accounts(&admin).await.unwrap();
    let stopped = admission::client(&admin, Who::Component(Identity::Orchestrator)).unwrap();
    let (halt, halted) = Shutdown::new();
    halt.send(true).unwrap();
    assert!(!wait(&stopped, Identity::Orchestrator, &halted).await);
    assert!(!early.is_finished());
    admission::install(&admin).await.unwrap();
    assert!(early.await.unwrap());
    drop(stop);
}

/// S5.5-3: the same table on a real API server; namespaces end and garbage is collected with an account for each of
/// Kubernetes' controllers and with one identity for all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_api_server_enforces_the_same() {
    for controllers in [Controllers::OwnAccounts, Controllers::OneIdentity] {
        let options = real::Options { controllers, ..real::Options::default() };
        let server = match Real::start(options).await {
            Err(error @ Error::Absent { .. }) if !real::all_worlds_wanted() => {
                eprintln!("skipped: real kube-apiserver: {error}");
                return;
            }
            started => started.unwrap(),
        };
        let admin = server.admin().unwrap();
        if let Err(wrong) = admission::table(&admin).await {
            panic!("{controllers:?}: {wrong:#}");
        }
        admission::endings(&admin).await.unwrap();
    }
}
