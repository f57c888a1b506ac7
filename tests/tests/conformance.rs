//! The sandbox stays honest: one text of API semantics, on the sandbox and on a real kube-apiserver.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test's assertions")]

use std::path::Path;

use regent_sandbox::Sandbox;
use regent_tests::conformance::text::{self, Case};
use regent_tests::conformance::{Server, run_all};
use regent_tests::real::{self, Error, Real, Tools};

/// Every file of the folder, in order; with `REGENT_CONFORMANCE`, the cases whose name or file contains it.
fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        cases.extend(text::parse(&name, &std::fs::read_to_string(&file).unwrap()).unwrap());
    }
    assert!(!cases.is_empty());
    if let Some(wanted) = std::env::var_os("REGENT_CONFORMANCE") {
        let wanted = wanted.to_string_lossy().into_owned();
        cases.retain(|c| c.name.contains(&wanted) || c.place.contains(&wanted));
    }
    cases
}

/// What failed, all of it.
async fn check(server: &Server, cases: &[Case]) {
    let failed = run_all(server, cases).await;
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), cases.len(), failed.join("\n"));
}

/// Issue 9: API semantics and `kubectl`, on the sandbox.
#[tokio::test(flavor = "multi_thread")]
async fn the_sandbox_does_what_the_text_says() {
    let _already = rustls::crypto::ring::default_provider().install_default();
    let mut cases = cases();
    let kubectl = match Tools::find() {
        Ok(tools) => Some(tools.path("kubectl")),
        Err(error @ Error::Absent { .. }) if !real::all_worlds_wanted() => {
            eprintln!("skipped: kubectl on the sandbox: {error}");
            cases.retain(|case| !case.needs_kubectl());
            None
        }
        Err(error) => panic!("{error}"),
    };
    let options = regent_sandbox::Options::default();
    let audience = options.audiences[0].clone();
    let sandbox = Sandbox::start(options).unwrap();
    let serving = sandbox.serve(([127, 0, 0, 1], 0).into()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, sandbox.kubeconfig(serving.addr()).expose()).unwrap();
    let server = Server::connect(&kubeconfig, kubectl, &audience).await.unwrap();
    check(&server, &cases).await;
    serving.stop().await;
}

/// Issue 9: the same text on a real kube-apiserver, which is right where the two differ.
#[tokio::test(flavor = "multi_thread")]
async fn a_real_api_server_does_what_the_text_says() {
    let options = real::Options::default();
    let audience = options.audiences[0].clone();
    let real = match Real::start(options).await {
        Err(error @ Error::Absent { .. }) if !real::all_worlds_wanted() => {
            eprintln!("skipped: real kube-apiserver: {error}");
            return;
        }
        started => started.unwrap(),
    };
    let kubectl = Some(real.kubectl());
    let server = Server::connect(&real.kubeconfig(), kubectl, &audience).await.unwrap();
    check(&server, &cases()).await;
    real.stop();
}
