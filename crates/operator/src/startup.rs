//! What a component waits for before it begins: asked again, ever more slowly, and each time it is said why not.

use std::time::Duration;

use regent_types::identity::Identity;
use regent_types::{Advice, Explain};

use crate::Shutdown;

/// Pauses between two tries: the first one, doubled up to the longest.
#[derive(Clone, Copy, Debug)]
pub struct Pauses {
    /// After the first failure.
    pub first: Duration,
    /// From then on, at most.
    pub longest: Duration,
}

/// Tries until it succeeds; `false` where the signal to stop came first.
pub async fn until<E: Explain, F: Future<Output = Result<(), E>>>(
    identity: Identity,
    shutdown: &Shutdown,
    pauses: Pauses,
    attempt: impl Fn() -> F,
) -> bool {
    let component = identity.name();
    let mut pause = pauses.first;
    while let Err(error) = attempt().await {
        let Advice { expected, found, action } = error.advice();
        let reason = error.reason();
        tracing::warn!(component, reason, expected, found, action, "component waits");
        if tokio::time::timeout(pause, shutdown.clone().wait()).await.is_ok() {
            return false;
        }
        pause = pause.saturating_mul(2).min(pauses.longest);
    }
    true
}
