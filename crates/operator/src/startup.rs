//! What a component waits for before it begins: asked again, ever more slowly, and each time it is said why not.

use regent_types::identity::Identity;
use regent_types::{Advice, Explain};

use crate::Shutdown;
use crate::backoff::Growth;

/// Tries until it succeeds; `false` where the signal to stop came first.
pub async fn until<E: Explain, F: Future<Output = Result<(), E>>>(
    identity: Identity,
    shutdown: &Shutdown,
    pauses: Growth,
    attempt: impl Fn() -> F,
) -> bool {
    let component = identity.name();
    let mut failures = 0_u32;
    while let Err(error) = attempt().await {
        let Advice { expected, found, action } = error.advice();
        let reason = error.reason();
        tracing::warn!(component, reason, expected, found, action, "component waits");
        if tokio::time::timeout(pauses.pause(failures), shutdown.clone().wait()).await.is_ok() {
            return false;
        }
        failures = failures.saturating_add(1);
    }
    true
}
