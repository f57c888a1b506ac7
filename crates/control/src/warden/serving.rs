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
struct Serving {
    externals: KindState,
    pushes: KindState,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct KindState {
    listed: bool,
    any: bool,
    ready: bool,
}

impl Serving {
    /// Whether the system serves: with a ready ExternalSecret, or, where nothing is to be materialized, with a ready
    /// PushSecret. A publisher alone does not make a steady state. `None` while it is not known.
    fn is_serving(self) -> Option<bool> {
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
    let (serving_sender, serving_receiver) = watch::channel(None);
    let api = cx.api.clone();
    let stop = cx.shutdown.clone();
    let task = tokio::spawn(async move {
        tokio::select! {
            () = watch_until_serving(api, &serving_sender) => {
                // A full queue holds a nudge already.
                let _full = nudge.try_send(());
            }
            () = stop.wait() => {}
        }
        // Kept until the end, so that the receiver keeps its value.
        drop(serving_sender);
    });
    (task, serving_receiver)
}

async fn watch_until_serving(api: kube::Client, serving_sender: &watch::Sender<Option<bool>>) {
    let materialized =
        object_watch::watch(Api::<ExternalSecret>::all(api.clone()), watcher::Config::default())
            .map(|event| {
                event_update(event, |o| o.status.as_ref().map(|s| s.conditions.as_slice()))
            })
            .map(|update| {
                Box::new(move |serving: &mut Serving| update(&mut serving.externals)) as Update
            });
    let published = object_watch::watch(Api::<PushSecret>::all(api), watcher::Config::default())
        .map(|event| event_update(event, |o| o.status.as_ref().map(|s| s.conditions.as_slice())))
        .map(|update| Box::new(move |serving: &mut Serving| update(&mut serving.pushes)) as Update);
    let mut updates = select(materialized.boxed(), published.boxed());
    let mut serving = Serving::default();
    while let Some(update) = updates.next().await {
        update(&mut serving);
        if let Some(is_serving) = serving.is_serving() {
            serving_sender.send_replace(Some(is_serving));
            if is_serving {
                return;
            }
        }
    }
}

/// What an event adds to what was said.
type Update = Box<dyn FnOnce(&mut Serving) + Send>;

fn event_update<K>(
    event: Result<watcher::Event<K>, watcher::Error>,
    conditions: impl Fn(&K) -> Option<&[Condition]>,
) -> impl FnOnce(&mut KindState) + Send + 'static {
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
        let none = KindState { listed: true, any: false, ready: false };
        let waits = KindState { listed: true, any: true, ready: false };
        let ready = KindState { listed: true, any: true, ready: true };
        let table = [
            (KindState::default(), KindState::default(), None),
            (KindState::default(), ready, None),
            (none, KindState::default(), None),
            (none, none, Some(false)),
            (none, ready, Some(true)),
            (waits, ready, Some(false)),
            (ready, none, Some(true)),
            (ready, waits, Some(true)),
        ];
        for (externals, pushes, expected) in table {
            assert_eq!(
                Serving { externals, pushes }.is_serving(),
                expected,
                "{externals:?} {pushes:?}"
            );
        }
    }
}
