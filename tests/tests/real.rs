//! The real control plane that worlds are made of.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test's assertions")]

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::ListParams;
use regent_tests::real::{self, Error, Options, Real};

/// Two at once, each with its own CA and keys; a killed API server comes back over the same data.
#[tokio::test(flavor = "multi_thread")]
async fn two_control_planes_run_side_by_side_and_survive_a_kill() {
    let started = std::time::Instant::now();
    let both = tokio::join!(Real::start(Options::default()), Real::start(Options::default()));
    let (one, two) = match both {
        (Err(error @ Error::Absent { .. }), _) if !real::all_worlds_wanted() => {
            eprintln!("skipped: real kube-apiserver: {error}");
            return;
        }
        (one, two) => (one.unwrap(), two.unwrap()),
    };
    eprintln!("two ready after {:?}", started.elapsed());
    assert_ne!(one.ca_pem(), two.ca_pem());
    let namespaces: Api<Namespace> = Api::all(one.admin().unwrap());
    let before = namespaces.list(&ListParams::default()).await.unwrap().items.len();
    one.kill_api();
    assert!(namespaces.list(&ListParams::default()).await.is_err());
    one.restart_api().await.unwrap();
    let namespaces: Api<Namespace> = Api::all(one.admin().unwrap());
    assert_eq!(namespaces.list(&ListParams::default()).await.unwrap().items.len(), before);
    let audit = std::fs::read_to_string(one.audit_log()).unwrap();
    assert!(audit.lines().count() > 10 && !audit.contains("RequestReceived"));
    let folder = one.folder().to_owned();
    one.stop();
    assert!(!folder.exists());
}
