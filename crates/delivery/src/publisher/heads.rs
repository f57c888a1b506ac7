//! Publishes the head of the publisher's ledger chain in RuntimeAuthority status: truncation and
//! restore are judged against it (PROTOCOLS.md §8).

use std::time::Duration;

use kube::Api;
use kube::api::Patch;
use regent_api::RuntimeAuthority;
use regent_protocol::ledger::Head;
use regent_types::labels;
use tokio::sync::watch;

use regent_operator::Context;
use regent_operator::error::ReconcileError;

/// Time for further events to gather before a head is published.
const GATHER: Duration = Duration::from_secs(2);
/// Pause between two heads: once a minute is what PROTOCOLS.md §8 asks for at most.
const PAUSE: Duration = Duration::from_secs(10);

/// Follows a chain until it has no writer any more, or the component ends.
pub(crate) async fn follow(cx: Context, chain: String, mut heads: watch::Receiver<Option<Head>>) {
    let mut stop = std::pin::pin!(cx.shutdown.clone().wait());
    let mut published = None;
    let mut pause = GATHER;
    loop {
        let ended = tokio::select! {
            changed = heads.changed() => changed.is_err(),
            () = &mut stop => true,
        };
        if !ended {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = &mut stop => {}
            }
        }
        let head = heads.borrow_and_update().as_ref().map(Head::text);
        if let Some(head) = head.filter(|head| published.as_ref() != Some(head)) {
            match write(&cx, &chain, &head).await {
                Ok(()) => published = Some(head),
                Err(error) => {
                    tracing::warn!(component = "publisher", %error, "ledger head not published");
                }
            }
        }
        if ended || cx.shutdown.given() {
            return;
        }
        pause = PAUSE;
    }
}

async fn write(cx: &Context, chain: &str, head: &str) -> Result<(), ReconcileError> {
    let api: Api<RuntimeAuthority> = Api::all(cx.api.clone());
    let patch = serde_json::json!({ "status": { "ledgerHeads": { chain: head } } });
    let params = cx.manager().patch();
    let name = labels::AUTHORITY_NAME;
    let answer = api.patch_status(name, &params, &Patch::Merge(patch)).await;
    answer.map_err(|e| {
        ReconcileError::api("patch status of", &format!("RuntimeAuthority {name}"), &e)
    })?;
    tracing::info!(component = "publisher", head, "ledger head published");
    Ok(())
}
