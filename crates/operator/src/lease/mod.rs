//! Leader election: of several replicas of a component one works, the others wait (C2-5).
//!
//! ```text
//!   watch the Lease ─► decide (pure) ─► create | take under resourceVersion ─► work ─► renew … release
//! ```
//!
//! A waiting replica watches, so that a release is followed at once; a dead leader's Lease is taken when it was
//! seen unchanged for its duration. Who cannot renew stops working before others may begin. Nothing correct rests
//! on any of this (PROTOCOLS.md §1.9): every effect is conditional, a stolen Lease only costs a conflict.

mod api;
mod decide;
#[cfg(test)]
mod tests;

use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::runtime::watcher::watch_object;
use kube::runtime::{WatchStreamExt, watcher};
use regent_types::labels::SYSTEM_NAMESPACE;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::object_watch::WatchBackoff;
use crate::{Context, Shutdown};
use api::{LeaseClient, held};
use decide::{Decision, decide};

/// How long a Lease is held after each renewal.
const DURATION: Duration = Duration::from_secs(30);
const RENEW: Duration = Duration::from_secs(10);
/// A renewal that failed is tried again after this long.
const RETRY: Duration = Duration::from_secs(2);
/// Without a renewal for this long, work stops: before others may take over.
const STOP_AFTER: Duration = Duration::from_secs(22);
/// How long work may take to stop.
const GRACE: Duration = Duration::from_secs(6);
const _: () = assert!(STOP_AFTER.as_secs() + GRACE.as_secs() < DURATION.as_secs());
const _: () = assert!(RENEW.as_secs() + 5 * RETRY.as_secs() < STOP_AFTER.as_secs());

/// Whether this replica works or waits; told to whoever answers readiness probes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Leadership {
    /// The Lease was not seen yet.
    #[default]
    Unknown,
    /// Another replica works, and its Lease is not over.
    Waiting,
    /// This replica works, since it holds the Lease.
    Leading,
}

/// Runs `work` whenever this replica, known as `me`, leads, until `cx.shutdown`. `work` gets a signal to stop of its
/// own. Returns what `work` returned where it ended by itself.
pub async fn run_as_leader<W, F, E>(
    cx: &Context,
    me: &str,
    leadership: &watch::Sender<Leadership>,
    mut work: W,
) -> Result<(), E>
where
    W: FnMut(Shutdown) -> F,
    F: Future<Output = Result<(), E>>,
{
    let client = LeaseClient {
        api: Api::namespaced(cx.api.clone(), SYSTEM_NAMESPACE),
        name: cx.identity.account(),
        me: me.to_owned(),
        duration: DURATION,
    };
    loop {
        let mut lease = tokio::select! {
            lease = acquire(cx, &client, leadership) => lease,
            () = cx.shutdown.clone().wait() => return Ok(()),
        };
        leadership.send_replace(Leadership::Leading);
        tracing::info!(component = cx.identity.name(), holder = me, "leads");
        let (stop, signal) = Shutdown::new();
        let mut task = Box::pin(work(signal));
        let over = tokio::select! {
            done = &mut task => Some(done),
            () = renew_loop(cx, &client, &mut lease) => {
                tracing::warn!(component = cx.identity.name(), reason = "LeaseLost", "stops working");
                None
            }
            () = cx.shutdown.clone().wait() => {
                stop.send_replace(true);
                // What does not stop in time is dropped where it is, as a crash would.
                Some(timeout(GRACE, &mut task).await.unwrap_or(Ok(())))
            }
        };
        leadership.send_replace(Leadership::Unknown);
        if let Some(done) = over {
            if let Err(error) = client.release(&lease, cx.now()).await {
                tracing::warn!(component = cx.identity.name(), %error, "the lease was not released");
            }
            return done;
        }
        stop.send_replace(true);
        if let Ok(done) = timeout(GRACE, &mut task).await {
            done?;
        }
    }
}

/// Waits until the Lease can be taken, and takes it.
async fn acquire(
    cx: &Context,
    client: &LeaseClient,
    leadership: &watch::Sender<Leadership>,
) -> Lease {
    let mut seen =
        watch_object(client.api.clone(), &client.name).backoff(WatchBackoff::default()).boxed();
    let mut last: Option<Lease> = None;
    let mut since = Instant::now();
    let mut known = false;
    loop {
        if known {
            let now = held_now(last.as_ref());
            match decide(now.as_ref(), &client.me, since.elapsed()) {
                Decision::Wait(left) => {
                    leadership.send_replace(Leadership::Waiting);
                    tokio::select! {
                        Some(event) = seen.next() => take_in(event, &mut last, &mut since, &mut known),
                        () = sleep_until(Instant::now() + left) => {}
                    }
                    continue;
                }
                Decision::Create => match client.create(cx.now()).await {
                    Ok(lease) => return lease,
                    Err(error) => lost_race(cx, &error),
                },
                Decision::Take => {
                    if let Some(old) = &last {
                        match client.take(old, cx.now()).await {
                            Ok(lease) => return lease,
                            Err(error) => lost_race(cx, &error),
                        }
                    }
                }
            }
        }
        // Nothing can be decided before the next event; after a failure nothing is tried before it or a pause.
        known = false;
        tokio::select! {
            Some(event) = seen.next() => take_in(event, &mut last, &mut since, &mut known),
            () = sleep_until(Instant::now() + RENEW) => known = true,
        }
    }
}

fn held_now(lease: Option<&Lease>) -> Option<decide::LeaderRecord> {
    lease.map(held)
}

type LeaseEvent = Result<Option<Lease>, watcher::Error>;

fn take_in(event: LeaseEvent, last: &mut Option<Lease>, since: &mut Instant, known: &mut bool) {
    match event {
        Ok(lease) => {
            if held_now(lease.as_ref()) != held_now(last.as_ref()) {
                *since = Instant::now();
            }
            *last = lease;
            *known = true;
        }
        Err(error) => tracing::debug!(%error, "watching the lease is tried again"),
    }
}

fn lost_race(cx: &Context, error: &kube::Error) {
    tracing::debug!(component = cx.identity.name(), %error, "the lease was not taken");
}

/// Renews until that has not succeeded for too long, or somebody else holds the Lease.
async fn renew_loop(cx: &Context, client: &LeaseClient, lease: &mut Lease) {
    let mut last = Instant::now();
    let mut next = last + RENEW;
    loop {
        let end = last + STOP_AFTER;
        sleep_until(next.min(end)).await;
        match timeout_at(end, renew(client, lease, cx.now())).await {
            Ok(Ok(true)) => {
                last = Instant::now();
                next = last + RENEW;
                continue;
            }
            Ok(Ok(false)) | Err(_) => return,
            Ok(Err(error)) => lost_race(cx, &error),
        }
        next = Instant::now() + RETRY;
        if next >= end {
            return;
        }
    }
}

/// One renewal; whether this process still holds the Lease.
async fn renew(client: &LeaseClient, lease: &mut Lease, now: Timestamp) -> kube::Result<bool> {
    match client.take(lease, now).await {
        Ok(new) => {
            *lease = new;
            Ok(true)
        }
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => {
            // Perhaps by this process, with an answer that never came.
            match client.api.get_opt(&client.name).await? {
                Some(now) if held(&now).holder == client.me => {
                    *lease = now;
                    Ok(true)
                }
                _ => Ok(false),
            }
        }
        Err(error) => Err(error),
    }
}
