//! Whether anything is served yet: phase 4 begins with the first ready ExternalSecret or PushSecret
//! (C3-1). Watched until then, and not a moment longer.

use futures::StreamExt;
use futures::stream::select;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Api;
use kube::runtime::{WatchStreamExt, watcher};
use regent_types::condition::{READY, is_true};
use regent_types::resources::{ExternalSecret, PushSecret};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::Context;

/// What one watch said.
enum Sign {
    Ready,
    /// The first list ended without a ready one.
    NoneYet,
    Nothing,
}

/// Watches until something is ready, then nudges the controller once. The receiver says `None`
/// while not known.
pub(super) fn spawn(
    cx: &Context,
    nudge: mpsc::Sender<()>,
) -> (JoinHandle<()>, watch::Receiver<Option<bool>>) {
    let (tell, told) = watch::channel(None);
    let api = cx.api.clone();
    let stop = cx.shutdown.clone();
    let task = tokio::spawn(async move {
        tokio::select! {
            () = until_served(api, &tell) => {
                // A full queue holds a nudge already.
                let _full = nudge.try_send(());
            }
            () = stop.wait() => {}
        }
        // Kept until the end, so that the receiver keeps its value.
        drop(tell);
    });
    (task, told)
}

async fn until_served(api: kube::Client, tell: &watch::Sender<Option<bool>>) {
    let materialized = watcher(Api::<ExternalSecret>::all(api.clone()), watcher::Config::default())
        .default_backoff()
        .map(|event| sign(event, |o| o.status.as_ref().map(|s| s.conditions.as_slice())));
    let published = watcher(Api::<PushSecret>::all(api), watcher::Config::default())
        .default_backoff()
        .map(|event| sign(event, |o| o.status.as_ref().map(|s| s.conditions.as_slice())));
    let mut signs = select(materialized.boxed(), published.boxed());
    let mut lists_without = 0;
    while let Some(sign) = signs.next().await {
        match sign {
            Sign::Ready => {
                tell.send_replace(Some(true));
                return;
            }
            Sign::NoneYet => lists_without += 1,
            Sign::Nothing => {}
        }
        if lists_without == 2 {
            tell.send_replace(Some(false));
        }
    }
}

fn sign<K>(
    event: Result<watcher::Event<K>, watcher::Error>,
    conditions: impl Fn(&K) -> Option<&[Condition]>,
) -> Sign {
    match event {
        Ok(watcher::Event::Apply(o) | watcher::Event::InitApply(o)) => {
            match conditions(&o).is_some_and(|all| is_true(all, READY)) {
                true => Sign::Ready,
                false => Sign::Nothing,
            }
        }
        Ok(watcher::Event::InitDone) => Sign::NoneYet,
        Ok(watcher::Event::Init | watcher::Event::Delete(_)) => Sign::Nothing,
        Err(error) => {
            tracing::debug!(%error, "watching ExternalSecrets and PushSecrets is tried again");
            Sign::Nothing
        }
    }
}
