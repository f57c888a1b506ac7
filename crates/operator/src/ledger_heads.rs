//! Publishes where a ledger chain ends, in RuntimeAuthority status and in the log: truncation and restore are judged
//! against it (PROTOCOLS.md §8).

use std::time::Duration;

use kube::Api;
use kube::api::Patch;
use regent_api::RuntimeAuthority;
use regent_protocol::ledger::Head;
use regent_types::labels;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::Context;
use crate::api_error::ApiError;

/// While events keep coming, once in this long.
const BUSY: Duration = Duration::from_secs(60);
/// After this long without an event.
const IDLE: Duration = Duration::from_secs(2);
/// But never more often than this.
const PAUSE: Duration = Duration::from_secs(10);

/// The heads that one component publishes, of one chain after the other.
pub struct LedgerHeads {
    cx: Context,
    published: Option<String>,
    last: Option<Instant>,
}

impl LedgerHeads {
    /// None is published yet.
    pub fn new(cx: Context) -> Self {
        Self { cx, published: None, last: None }
    }

    /// Follows the `heads` of `chain` until `ended`, whose outcome it returns, or until the chain has no writer any more
    /// (`None`); then its last head is published at once. Holds no handle on the chain. A head that cannot be published
    /// is said in the log, and the next one is.
    pub async fn follow<T>(
        &mut self,
        chain: &str,
        mut heads: watch::Receiver<Option<Head>>,
        ended: impl Future<Output = T>,
    ) -> Option<T> {
        let mut ended = std::pin::pin!(ended);
        // When the first event came that no published head has, and the last one.
        let mut waiting: Option<(Instant, Instant)> = None;
        let outcome = loop {
            let wake = waiting.map(|(first, last)| {
                let due = (last + IDLE).min(first + BUSY);
                self.last.map_or(due, |published| due.max(published + PAUSE))
            });
            let publish = tokio::time::sleep_until(wake.unwrap_or_else(Instant::now));
            tokio::select! {
                changed = heads.changed() => {
                    if changed.is_err() {
                        break None;
                    }
                    let now = Instant::now();
                    waiting = Some((waiting.map_or(now, |(first, _)| first), now));
                }
                () = publish, if wake.is_some() => {
                    waiting = None;
                    self.publish(chain, &heads).await;
                }
                outcome = &mut ended => break Some(outcome),
            }
        };
        self.publish(chain, &heads).await;
        outcome
    }

    async fn publish(&mut self, chain: &str, heads: &watch::Receiver<Option<Head>>) {
        let head = heads.borrow().as_ref().map(Head::text);
        let Some(head) = head.filter(|head| self.published.as_ref() != Some(head)) else { return };
        let component = self.cx.identity.name();
        match self.write(chain, &head).await {
            Ok(()) => {
                tracing::info!(component, head, "ledger head published");
                self.published = Some(head);
            }
            Err(error) => tracing::warn!(component, %error, "ledger head not published"),
        }
        self.last = Some(Instant::now());
    }

    async fn write(&self, chain: &str, head: &str) -> Result<(), ApiError> {
        let name = labels::AUTHORITY_NAME;
        let api: Api<RuntimeAuthority> = Api::all(self.cx.api.clone());
        let patch = serde_json::json!({ "status": { "ledgerHeads": { chain: head } } });
        let answer = api.patch_status(name, &self.cx.manager().patch(), &Patch::Merge(patch)).await;
        let object = || format!("RuntimeAuthority {name}");
        answer.map(|_| ()).map_err(|e| ApiError::new("patch status of", object(), &e))
    }
}

#[cfg(test)]
#[path = "ledger_heads_tests.rs"]
mod tests;
