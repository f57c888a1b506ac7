//! Whether anything is served yet: phase 4 begins with the first ready ExternalSecret, or PushSecret where there is
//! no ExternalSecret (C3-1). Watched until then, and not a moment longer.

use futures::StreamExt;
use futures::stream::select;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Api;
use kube::runtime::watcher;
use regent_api::condition::{READY, is_true};
use regent_api::{ExternalSecret, PushSecret};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use regent_operator::Context;
use regent_operator::object_watch;

/// What the watches have said so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Said {
    externals: Of,
    pushes: Of,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Of {
    listed: bool,
    any: bool,
    ready: bool,
}

impl Said {
    /// Whether the system serves: with a ready ExternalSecret, or, where nothing is to be materialized, with a ready
    /// PushSecret. A publisher alone does not make a steady state. `None` while it is not known.
    fn served(self) -> Option<bool> {
        let Self { externals, pushes } = self;
        if externals.ready || (externals.listed && !externals.any && pushes.ready) {
            return Some(true);
        }
        (externals.listed && pushes.listed).then_some(false)
    }
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
    let materialized =
        object_watch::watch(Api::<ExternalSecret>::all(api.clone()), watcher::Config::default())
            .map(|event| sign(event, |o| o.status.as_ref().map(|s| s.conditions.as_slice())))
            .map(|take| Box::new(move |said: &mut Said| take(&mut said.externals)) as Take);
    let published = object_watch::watch(Api::<PushSecret>::all(api), watcher::Config::default())
        .map(|event| sign(event, |o| o.status.as_ref().map(|s| s.conditions.as_slice())))
        .map(|take| Box::new(move |said: &mut Said| take(&mut said.pushes)) as Take);
    let mut signs = select(materialized.boxed(), published.boxed());
    let mut said = Said::default();
    while let Some(take) = signs.next().await {
        take(&mut said);
        if let Some(served) = said.served() {
            tell.send_replace(Some(served));
            if served {
                return;
            }
        }
    }
}

/// What an event adds to what was said.
type Take = Box<dyn FnOnce(&mut Said) + Send>;

fn sign<K>(
    event: Result<watcher::Event<K>, watcher::Error>,
    conditions: impl Fn(&K) -> Option<&[Condition]>,
) -> impl FnOnce(&mut Of) + Send + 'static {
    let (mut listed, mut any, mut ready) = (false, false, false);
    match event {
        Ok(watcher::Event::Apply(o) | watcher::Event::InitApply(o)) => {
            any = true;
            ready = conditions(&o).is_some_and(|all| is_true(all, READY));
        }
        Ok(watcher::Event::InitDone) => listed = true,
        Ok(watcher::Event::Init | watcher::Event::Delete(_)) => {}
        Err(error) => {
            tracing::debug!(%error, "watching ExternalSecrets and PushSecrets is tried again");
        }
    }
    move |of| {
        of.listed |= listed;
        of.any |= any;
        of.ready |= ready;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// C3-1, C4-2: phase 4 needs materialization where anything is to be materialized.
    #[test]
    fn a_publisher_alone_serves_only_where_nothing_is_to_be_materialized() {
        let none = Of { listed: true, any: false, ready: false };
        let waits = Of { listed: true, any: true, ready: false };
        let ready = Of { listed: true, any: true, ready: true };
        let table = [
            (Of::default(), Of::default(), None),
            (Of::default(), ready, None),
            (none, Of::default(), None),
            (none, none, Some(false)),
            (none, ready, Some(true)),
            (waits, ready, Some(false)),
            (ready, none, Some(true)),
            (ready, waits, Some(true)),
        ];
        for (externals, pushes, expected) in table {
            assert_eq!(Said { externals, pushes }.served(), expected, "{externals:?} {pushes:?}");
        }
    }
}
