//! Values that somebody else wrote: one cheap look at the version of each path that is materialized, every few seconds.
//! Writes of regent's own are told by RuntimeSecrets and PushSecrets at once.

use std::collections::HashMap;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use regent_operator::trusted_authority::AuthorityEndpoint;
use regent_types::SecretPath;

use super::authority::Seen;
use super::worker::Worker;
use crate::store::Served;

const ROUND: Duration = Duration::from_secs(5);
/// Looks in one go, of which a second passes until the next go: at most so many a second.
const GO: usize = 64;
/// Looks at the same time.
const AT_ONCE: usize = 4;
/// Rounds that are left out after one in which a look was refused: the policy of the materializer may be an older one.
const REFUSED_ROUNDS: u32 = 60;
/// How long one authority may take for its part of a round: the next round of the others waits for it.
const PART_MAX: Duration = Duration::from_secs(10);

type Site = (Served, SecretPath);

/// Looks at all paths again and again. It never ends.
pub(crate) async fn run(worker: &Worker) {
    let mut left_out = HashMap::<AuthorityEndpoint, u32>::new();
    loop {
        tokio::time::sleep(ROUND).await;
        left_out.retain(|_, rounds| {
            *rounds -= 1;
            *rounds > 0
        });
        let parts = due(worker).into_iter().filter(|(site, _)| !left_out.contains_key(site));
        let parts = parts.map(|(authority, due)| async move {
            let part = tokio::time::timeout(PART_MAX, round(worker, &due)).await;
            (authority, part.unwrap_or(false))
        });
        let refused = futures::future::join_all(parts).await.into_iter().filter(|(_, r)| *r);
        left_out.extend(refused.map(|(authority, _)| (authority, REFUSED_ROUNDS)));
    }
}

/// The paths that a synced ExternalSecret renders, by authority: one that fails keeps nobody from the others.
fn due(worker: &Worker) -> HashMap<AuthorityEndpoint, Vec<(Site, Seen)>> {
    let mut due = HashMap::<_, Vec<_>>::new();
    for (site, seen) in worker.authorities.seen() {
        if worker.tables().is_rendered(&site.1) {
            due.entry(site.0.endpoint.clone()).or_default().push((site, seen));
        } else {
            worker.authorities.unsee(&site);
        }
    }
    due
}

/// One look at each path of an authority; whether one was refused.
async fn round(worker: &Worker, due: &[(Site, Seen)]) -> bool {
    for (index, go) in due.chunks(GO).enumerate() {
        if index > 0 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let looks: Vec<BoxFuture<'_, End>> =
            go.iter().map(|(site, seen)| look(worker, site, seen).boxed()).collect();
        let ends: Vec<End> = stream::iter(looks).buffer_unordered(AT_ONCE).collect().await;
        if ends.contains(&End::Refused) {
            return true;
        }
        if ends.contains(&End::Failed) {
            return false;
        }
    }
    false
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Looked,
    /// The authority does not answer: it is asked again in the next round.
    Failed,
    Refused,
}

async fn look(worker: &Worker, site: &Site, seen: &Seen) -> End {
    let (store, path) = site;
    match worker.authorities.version(store, path).await {
        Ok(now) if now == *seen => End::Looked,
        Ok(now) => {
            worker.authorities.note(store, path, now);
            worker.on_other_version(path);
            End::Looked
        }
        Err(error) if error.is_denied() => End::Refused,
        Err(_) => End::Failed,
    }
}

/// Runs until the signal to stop, beside the passes.
pub(crate) async fn until_stopped(worker: &Worker) {
    let stop = worker.cx.shutdown.clone().wait();
    tokio::select! {
        () = stop => {}
        () = worker.authorities.let_go() => {}
        () = run(worker) => {}
    }
}
