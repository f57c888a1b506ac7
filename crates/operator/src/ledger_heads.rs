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
use crate::published_head::runtime_authority;

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
        let head = heads.borrow().clone();
        let Some(head) = head.filter(|h| self.published.as_ref() != Some(&h.text())) else {
            return;
        };
        let component = self.cx.identity.name();
        let text = head.text();
        match self.write(chain, &head).await {
            Ok(true) => {
                tracing::info!(component, head = text, "ledger head published");
                self.published = Some(text);
            }
            Ok(false) => {
                let reason = "LedgerWentBack";
                tracing::warn!(component, head = text, reason, "a later head was published before");
            }
            Err(error) => tracing::warn!(component, %error, "ledger head not published"),
        }
        self.last = Some(Instant::now());
    }

    /// Publishes `head` over an earlier one; `false` where a later one is published. A published head never goes back.
    async fn write(&self, chain: &str, head: &Head) -> Result<bool, ApiError> {
        let name = labels::AUTHORITY_NAME;
        let object = || format!("RuntimeAuthority {name}");
        let Some(found) = runtime_authority(&self.cx.api).await? else { return Ok(false) };
        let before = found.status.as_ref().and_then(|s| s.ledger_heads.get(chain));
        let before = before.and_then(|text| Head::parse(text));
        if before.as_ref().is_some_and(|before| before.seq > head.seq) {
            return Ok(false);
        }
        let patch = serde_json::json!({
            "metadata": { "resourceVersion": found.metadata.resource_version },
            "status": { "ledgerHeads": { chain: head.text() } },
        });
        let api: Api<RuntimeAuthority> = Api::all(self.cx.api.clone());
        let answer = api.patch_status(name, &self.cx.manager().patch(), &Patch::Merge(patch)).await;
        answer.map(|_| true).map_err(|e| ApiError::new("patch status of", object(), &e))
    }
}

#[cfg(test)]
#[path = "ledger_heads_tests.rs"]
mod tests;
