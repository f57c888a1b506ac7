//! Certificates of the embedded authority (PROTOCOLS.md §3, Transport): a CA, the serving
//! certificate, and the bundle that clients trust.
//!
//! ```text
//!   RuntimeAuthority, CA Secret, serving Secret, ConfigMap ─► Observed ─► plan (pure, now) ─► Step ─►
//!   one write, on condition of what was read ─► look again … until there is only to rest
//!
//!   CA      10 years; at two thirds a next one is staged, published, and signs once all had time to read it
//!   serving 30 days; at two thirds a new one
//!   bundle  the CA that signs, the staged one, retired ones until they expire
//! ```
//!
//! Each write leaves a state that the next look goes on from, so a crash between any two costs
//! nothing. What others delete or change comes back. The CA key signs nothing but names of the
//! authority: the CA certificate is constrained to them.
//!
//! The CA Secret lost alone: a new CA is made, and what is served stays trusted until it is renewed.
//! Deleting both Secrets ends all trust in the old CA.

mod certificate;
mod certificate_store;
mod check;
mod issue;
mod plan;
mod report;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use regent_api::RuntimeAuthority;
use regent_api::condition::Verdict;
use regent_types::Explain;
use regent_types::labels::{
    AUTHORITY_CA_BUNDLE, AUTHORITY_CA_SECRET, AUTHORITY_NAME, AUTHORITY_TLS_SECRET,
    SYSTEM_NAMESPACE,
};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::Error;
use certificate_store::CertificateStore;
use plan::{Step, plan};
use regent_operator::backoff::{Backoff, Growth};
use regent_operator::{Context, watch_one};

pub(super) use report::TransportReport;

/// Steps in one look: a first start takes three writes, a renewal of everything five.
const STEPS_PER_LOOK_MAX: usize = 12;
const LOOK_DEADLINE: Duration = Duration::from_secs(60);
/// Pauses after looks that failed.
const PAUSES: Growth = Growth::new(Duration::from_secs(1), Duration::from_secs(60));
/// Wake-ups kept: one look answers all of them.
const WAKES_MAX: usize = 8;

/// Keeps the certificates until the shutdown signal. The receiver says `None` before the first look.
pub(super) fn spawn(
    cx: &Context,
    nudge: mpsc::Sender<()>,
) -> (JoinHandle<()>, watch::Receiver<Option<TransportReport>>) {
    let (reports, report) = watch::channel(None);
    (tokio::spawn(run(cx.clone(), reports, nudge)), report)
}

async fn run(
    cx: Context,
    reports: watch::Sender<Option<TransportReport>>,
    nudge: mpsc::Sender<()>,
) {
    let store = CertificateStore::new(&cx);
    // Ended with this task.
    let (_watches, mut woken) = watches(&cx);
    let backoff = Backoff::new(PAUSES);
    loop {
        let done = tokio::time::timeout(LOOK_DEADLINE, reconcile(&store, || cx.now())).await;
        let wait = match done.unwrap_or(Err(Error::Deadline(LOOK_DEADLINE))) {
            Ok((report, wait)) => {
                backoff.reset(&());
                send_report(&reports, &nudge, report);
                wait
            }
            Err(error) => {
                tracing::warn!(reason = error.reason(), %error, "certificates could not be kept");
                let known = reports.borrow().clone().unwrap_or_default();
                let message = format!("{error}; do: {}", error.advice().action);
                let verdict = Some(Verdict::no(error.reason(), message));
                send_report(&reports, &nudge, TransportReport { verdict, ..known });
                backoff.next(())
            }
        };
        tokio::select! {
            () = cx.shutdown.clone().wait() => return,
            Some(()) = woken.recv() => while woken.try_recv().is_ok() {},
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Tells what is new, and the controller that there is something new.
fn send_report(
    reports: &watch::Sender<Option<TransportReport>>,
    nudge: &mpsc::Sender<()>,
    report: TransportReport,
) {
    let new = reports.send_if_modified(|old| {
        let other = old.as_ref() != Some(&report);
        *old = Some(report);
        other
    });
    if new {
        // A full queue holds a nudge already.
        let _full = nudge.try_send(());
    }
}

/// Watches of everything that a look rests on.
fn watches(cx: &Context) -> (JoinSet<()>, mpsc::Receiver<()>) {
    let (wake, woken) = mpsc::channel(WAKES_MAX);
    let mut all = JoinSet::new();
    let secrets: Api<Secret> = Api::namespaced(cx.api.clone(), SYSTEM_NAMESPACE);
    let maps: Api<ConfigMap> = Api::namespaced(cx.api.clone(), SYSTEM_NAMESPACE);
    let authorities: Api<RuntimeAuthority> = Api::all(cx.api.clone());
    let stop = || cx.shutdown.clone();
    let always = || true;
    for name in [AUTHORITY_CA_SECRET, AUTHORITY_TLS_SECRET] {
        let api = secrets.clone();
        all.spawn(watch_one::follow(stop(), api, name.to_owned(), wake.clone(), (), always));
    }
    let (bundle, authority) = (AUTHORITY_CA_BUNDLE.to_owned(), AUTHORITY_NAME.to_owned());
    all.spawn(watch_one::follow(stop(), maps, bundle, wake.clone(), (), always));
    all.spawn(watch_one::follow(stop(), authorities, authority, wake, (), always));
    (all, woken)
}

/// Looks and acts until there is nothing but to rest: what to tell, and how long to rest.
async fn reconcile(
    store: &CertificateStore,
    now: impl Fn() -> Timestamp,
) -> Result<(TransportReport, Duration), Error> {
    for _ in 0..STEPS_PER_LOOK_MAX {
        let observation = store.read().await?;
        let now = now();
        let step = plan(&observation.observed, now);
        match &step {
            Step::Rest(rest) => {
                let wait = Duration::try_from(rest.until.duration_since(now)).unwrap_or_default();
                return Ok((TransportReport::of(&observation.observed, rest), wait));
            }
            step => {
                tracing::info!(step = step.name(), "certificates");
                store.apply(step, observation, now).await?;
            }
        }
    }
    Err(Error::Certificate {
        what: "the certificates",
        detail: "somebody else writes them at the same time".to_owned(),
    })
}
