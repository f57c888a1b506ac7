//! Publishes where the orchestrator's ledger chain ends, of whatever authority is open.

use tokio::sync::{oneshot, watch};

use super::authority::Gate;
use regent_operator::Context;
use regent_operator::ledger_heads::LedgerHeads;

/// Follows the ledger of whatever authority is open, until `drained` says that nobody writes any
/// more; then the last head is published once more.
pub(super) async fn follow(
    cx: Context,
    mut gate: watch::Receiver<Gate>,
    mut drained: oneshot::Receiver<()>,
) {
    let mut heads = LedgerHeads::new(cx);
    loop {
        let ledger = match &*gate.borrow_and_update() {
            Gate::Open(authority) => Some(authority.ledger.clone()),
            Gate::Closed(_) => None,
        };
        let over = match ledger {
            Some(ledger) => {
                let moved = gate_moved(&mut gate, &mut drained);
                heads.follow(ledger.writer(), ledger.heads(), moved).await
            }
            None => None,
        };
        // A chain without a writer says nothing more until there is another authority.
        let over = match over {
            Some(over) => over,
            None => gate_moved(&mut gate, &mut drained).await,
        };
        if over {
            return;
        }
    }
}

/// Until the gate moves; `true` where it was for the last time, or nobody writes any more.
async fn gate_moved(gate: &mut watch::Receiver<Gate>, drained: &mut oneshot::Receiver<()>) -> bool {
    tokio::select! {
        changed = gate.changed() => changed.is_err(),
        _ = drained => true,
    }
}
