//! Keeps the [`View`] current from watches, and wakes whoever waits for it to change.

use std::sync::{Arc, Mutex, PoisonError};

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::serde::de::DeserializeOwned;
use kube::runtime::watcher;
use kube::{Api, Resource};
use regent_api::{
    EncryptedManifest, EventTrigger, ExternalSecret, GitSource, PushSecret, RuntimeAuthority,
    RuntimeSecret, WorkflowRun,
};
use regent_operator::object_watch;
use tokio::sync::watch;

use regent_host::view::{KINDS, ObjectEvent, View};

/// A view that follows the cluster.
pub struct Watch {
    view: Arc<Mutex<View>>,
    changed: watch::Receiver<u64>,
    task: tokio::task::JoinHandle<()>,
}

impl Watch {
    /// Starts to follow the cluster that `client` reaches.
    pub fn start(client: kube::Client) -> Self {
        let view = Arc::new(Mutex::new(View::unlisted()));
        let (sender, changed) = watch::channel(0);
        let shared = Arc::clone(&view);
        let task = tokio::spawn(async move {
            let mut all = futures::stream::select_all([
                follow(&client, |o: GitSource| ObjectEvent::Git(Box::new(o))),
                follow(&client, |o: EncryptedManifest| ObjectEvent::Manifest(Box::new(o))),
                follow(&client, |o: RuntimeAuthority| ObjectEvent::Authority(Box::new(o))),
                follow(&client, |o: RuntimeSecret| ObjectEvent::Secret(Box::new(o))),
                follow(&client, |o: ExternalSecret| ObjectEvent::External(Box::new(o))),
                follow(&client, |o: PushSecret| ObjectEvent::Push(Box::new(o))),
                follow(&client, |o: WorkflowRun| ObjectEvent::Run(Box::new(o))),
                follow(&client, |o: EventTrigger| ObjectEvent::Trigger(Box::new(o))),
            ]);
            while let Some(seen) = all.next().await {
                shared.lock().unwrap_or_else(PoisonError::into_inner).see(seen);
                sender.send_modify(|count| *count += 1);
            }
        });
        Self { view, changed, task }
    }

    /// What `look` makes of the view now.
    pub fn look<T>(&self, look: impl FnOnce(&View) -> T) -> T {
        look(&self.view.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for the next change.
    pub async fn changed(&mut self) {
        // An error means that the task ended with the process.
        let _ended = self.changed.changed().await;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type ObjectEvents = futures::stream::BoxStream<'static, ObjectEvent>;

/// Everything of one kind; failures are logged and the watch is taken up again after a pause.
fn follow<K>(client: &kube::Client, wrap: fn(K) -> ObjectEvent) -> ObjectEvents
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
{
    object_watch::watch(Api::<K>::all(client.clone()), watcher::Config::default())
        .inspect_err(|error| tracing::debug!(error = %error, "watch interrupted"))
        .filter_map(move |event| futures::future::ready(event.ok().map(|event| seen(event, wrap))))
        .boxed()
}

/// What an event says.
fn seen<K: Resource<DynamicType = ()>>(
    event: watcher::Event<K>,
    wrap: fn(K) -> ObjectEvent,
) -> ObjectEvent {
    let kind = KINDS.into_iter().find(|kind| *kind == K::kind(&())).unwrap_or_default();
    match event {
        watcher::Event::Init => ObjectEvent::Listing(kind),
        watcher::Event::InitDone => ObjectEvent::Listed(kind),
        watcher::Event::Apply(object) | watcher::Event::InitApply(object) => wrap(object),
        watcher::Event::Delete(object) => ObjectEvent::Gone(Box::new(wrap(object))),
    }
}
