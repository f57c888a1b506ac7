//! Publishes the head of the orchestrator's ledger chain in RuntimeAuthority status and in the
//! log: truncation and restore are judged against it (PROTOCOLS.md §8).

use std::time::Duration;

use kube::Api;
use kube::api::Patch;
use regent_api::RuntimeAuthority;
use regent_protocol::ledger::Head;
use regent_types::labels;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::authority::Gate;
use super::error::Error;
use regent_operator::Context;
use regent_operator::ledger::Ledger;

/// While events keep coming, once in this long.
const BUSY: Duration = Duration::from_secs(60);
/// After this long without an event.
const IDLE: Duration = Duration::from_secs(2);
/// But never more often than this.
const PAUSE: Duration = Duration::from_secs(10);

struct Publisher {
    cx: Context,
    published: Option<String>,
    last: Option<Instant>,
}

/// Follows the ledger of whatever authority is open, until `drained` says that nobody writes any
/// more; then the last head is published once more.
pub(super) async fn follow(
    cx: Context,
    mut gate: watch::Receiver<Gate>,
    mut drained: oneshot::Receiver<()>,
) {
    let mut publisher = Publisher { cx, published: None, last: None };
    loop {
        let heads = match &*gate.borrow_and_update() {
            Gate::Open(authority) => Some(authority.ledger.clone()),
            Gate::Closed(_) => None,
        };
        let over = match heads {
            Some(ledger) => publisher.watch(&ledger, &mut gate, &mut drained).await,
            None => tokio::select! {
                changed = gate.changed() => changed.is_err(),
                _ = &mut drained => true,
            },
        };
        if over {
            return;
        }
    }
}

impl Publisher {
    /// Until the gate moves (`false`) or nobody writes any more (`true`).
    async fn watch(
        &mut self,
        ledger: &Ledger,
        gate: &mut watch::Receiver<Gate>,
        drained: &mut oneshot::Receiver<()>,
    ) -> bool {
        let mut heads = ledger.heads();
        let mut waiting = false;
        let mut due = Instant::now();
        loop {
            let now = Instant::now();
            let soonest = self.last.map_or(now, |at| at + PAUSE);
            let latest = self.last.map_or(now + IDLE, |at| at + BUSY);
            let wake = due.max(soonest).min(latest.max(soonest));
            tokio::select! {
                changed = heads.changed() => {
                    if changed.is_err() {
                        return false;
                    }
                    waiting = true;
                    due = Instant::now() + IDLE;
                }
                () = tokio::time::sleep_until(wake), if waiting => {
                    waiting = false;
                    self.publish(ledger).await;
                }
                changed = gate.changed() => {
                    self.publish(ledger).await;
                    return changed.is_err();
                }
                _ = &mut *drained => {
                    self.publish(ledger).await;
                    return true;
                }
            }
        }
    }

    async fn publish(&mut self, ledger: &Ledger) {
        let head = ledger.head().as_ref().map(Head::text);
        let Some(text) = head.filter(|h| self.published.as_ref() != Some(h)) else { return };
        match write(&self.cx, ledger.writer(), &text).await {
            Ok(()) => self.published = Some(text),
            Err(error) => {
                tracing::warn!(component = "orchestrator", %error, "ledger head not published");
            }
        }
        self.last = Some(Instant::now());
    }
}

async fn write(cx: &Context, chain: &str, head: &str) -> Result<(), Error> {
    let api: Api<RuntimeAuthority> = Api::all(cx.api.clone());
    let patch = serde_json::json!({ "status": { "ledgerHeads": { chain: head } } });
    let params = cx.manager().patch();
    let name = labels::AUTHORITY_NAME;
    let answer = api.patch_status(name, &params, &Patch::Merge(patch)).await;
    answer.map_err(|e| Error::api("patch", format!("RuntimeAuthority {name}"), &e))?;
    tracing::info!(component = "orchestrator", head, "ledger head published");
    Ok(())
}
