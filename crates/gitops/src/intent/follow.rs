//! Watches the metadata of everything that a GitSource applied, kind by kind, for [`Drift`].

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::{BoxStream, SelectAll};
use kube::api::{Api, DynamicObject};
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Event};
use regent_operator::object_watch;
use regent_operator::watch_error::watch_summary;
use regent_types::labels;

use super::drift::Drift;
use super::kinds::{KINDS, Kind};

/// Tells `drift` of every object that bears a source's label. It never ends.
pub(super) fn objects(
    client: kube::Client,
    system_namespace: &str,
    drift: Arc<Drift>,
) -> impl Future<Output = ()> + use<> {
    let mut all = SelectAll::new();
    for kind in KINDS {
        let resource = kind.resource();
        // GitSources are written in regent's own namespace alone.
        let api: Api<PartialObjectMeta<DynamicObject>> = match kind.kind {
            "GitSource" => Api::namespaced_with(client.clone(), system_namespace, &resource),
            _ => Api::all_with(client.clone(), &resource),
        };
        let selected = watcher::Config::default().labels(labels::SOURCE);
        let events = object_watch::watch(api, selected);
        all.push(events.map(move |event| (kind, event)).boxed());
    }
    tell(all, drift)
}

type Told = (&'static Kind, watcher::Result<Event<PartialObjectMeta<DynamicObject>>>);

async fn tell(mut all: SelectAll<BoxStream<'static, Told>>, drift: Arc<Drift>) {
    while let Some((kind, event)) = all.next().await {
        match event {
            Ok(event) => drift.told(kind.order(), &event, |object| &object.metadata),
            Err(error) => {
                // Each further try that fails is no news.
                if drift.broke(kind.order()) {
                    let (plural, found) = (kind.plural, watch_summary(&error));
                    tracing::warn!(
                        component = "intent",
                        kind = plural,
                        found,
                        "watch broke and is taken up again"
                    );
                }
            }
        }
    }
}
