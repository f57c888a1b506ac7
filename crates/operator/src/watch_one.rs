//! One object watched by its name: all that a Role with `resourceNames` and without `list` allows
//! (DESIGN.md §2). Metadata only.

use std::fmt::Debug;
use std::time::Duration;

use futures::StreamExt;
use kube::Api;
use kube::api::{WatchEvent, WatchParams};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use crate::Shutdown;
use crate::backoff::Growth;

/// Seconds after which the server ends a watch (the longest that it allows is 300).
const WATCH_S: u32 = 290;
/// Pauses before a watch is taken up again.
const PAUSES: Growth = Growth::new(Duration::from_secs(1), Duration::from_secs(30));

/// Watches object `name`, sending `event` for each change, until nobody receives, it is not `wanted` any more, or
/// `stop` is given.
pub async fn follow<K, T>(
    stop: Shutdown,
    api: Api<K>,
    name: String,
    events: mpsc::Sender<T>,
    event: T,
    wanted: impl Fn() -> bool,
) where
    K: Clone + DeserializeOwned + Debug + kube::Resource<DynamicType = ()> + Send + 'static,
    T: Clone,
{
    let mut stop = std::pin::pin!(stop.wait());
    let mut failures = 0_u32;
    while wanted() {
        let lived = tokio::select! {
            lived = once(&api, &name, &events, &event) => lived,
            () = events.closed() => return,
            () = &mut stop => return,
        };
        failures = match lived {
            Ok(()) => 0,
            Err(error) => {
                let kind = K::kind(&());
                tracing::warn!(%kind, object = name, %error, "the watch of one object broke");
                failures.saturating_add(1)
            }
        };
        tokio::select! {
            () = tokio::time::sleep(PAUSES.pause(failures)) => {}
            () = &mut stop => return,
        }
    }
}

/// One watch. From version 0 it begins with the state that is there, so nothing between two watches
/// is lost.
async fn once<K, T>(
    api: &Api<K>,
    name: &str,
    events: &mpsc::Sender<T>,
    event: &T,
) -> kube::Result<()>
where
    K: Clone + DeserializeOwned + Debug,
    T: Clone,
{
    let params = WatchParams::default().fields(&format!("metadata.name={name}")).timeout(WATCH_S);
    let mut stream = std::pin::pin!(api.watch_metadata(&params, "0").await?);
    while let Some(seen) = stream.next().await {
        match seen? {
            WatchEvent::Bookmark(_) => {}
            WatchEvent::Error(status) => return Err(kube::Error::Api(status)),
            WatchEvent::Added(_) | WatchEvent::Modified(_) | WatchEvent::Deleted(_) => {
                // The receiver is gone when the component ends.
                if events.send(event.clone()).await.is_err() {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}
