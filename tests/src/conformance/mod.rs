//! What a Kubernetes API does, as text, run unchanged on the sandbox and on a real kube-apiserver. Where they differ
//! the real one is right.
//!
//! ```text
//! text      cases and their steps, parsed from tests/conformance/*.conf
//! compare   an expectation against what was found
//! server    what is asked: a kubeconfig, with its own folder for kubectl
//! http      one request, as anybody
//! kubectl   one command, its output without what differs from run to run
//! run       a case: a namespace of its own, variables, steps
//! ```
//!
//! ```text
//! case a stale update is a conflict
//! POST /api/v1/namespaces/$ns/configmaps
//!   {metadata: {name: a}}
//! => 201 {metadata: {name: a, uid: <any>}}
//! keep rv = metadata.resourceVersion
//! $ kubectl get configmap a -o name
//!   configmap/a
//! ```
//!
//! An expected map names fields that must be there (`null`: absent), a list is complete, `<any>` is anything,
//! `"~text"` contains the text. After `until` the request is repeated within a limit: controllers take a moment.

mod compare;
mod http;
mod kubectl;
mod limit;
mod run;
mod server;
pub mod text;

pub use server::Server;

use futures::StreamExt;
use text::Case;

/// Cases that run at the same time: the real API server answers most of them in milliseconds.
const AT_ONCE: usize = 6;

/// Runs all cases; returns what failed, a line or more each.
pub async fn run_all(server: &Server, cases: &[Case]) -> Vec<String> {
    let runs = futures::stream::iter(cases.iter().enumerate())
        .map(|(number, case)| async move {
            let failed = run::case(server, case, number).await.err()?;
            Some(format!("{}: {}: {failed:#}", case.place, case.name))
        })
        .buffer_unordered(AT_ONCE);
    let mut failed: Vec<String> = runs.filter_map(|failed| async { failed }).collect().await;
    failed.sort();
    failed
}
