//! Warden (PROTOCOLS.md §3): makes the runtime authority usable and keeps it so, and never sees a secret value.
//!
//! ```text
//!   observe ─► Observed ─► plan (pure) ─► Step ─► apply ─► observe …  until there is only to rest
//!     RuntimeAuthority, unseal identity,     │
//!     health, sealed shares, configuration   ├─ initialize       once; share_plan: who gets which share
//!                                            ├─ unseal_identity  made once
//!                                            ├─ sealed_shares    in Kubernetes
//!                                            ├─ unseal           opens shares, gives them
//!                                            ├─ issuer           the API server's signing keys
//!                                            ├─ repairs          when another repair may be made
//!                                            ├─ reconfigure      root or configurator, while repairing
//!                                            └─ root_tokens      revoked, the own one and others
//!   reconcile         the loop over these steps; ctx, link and memory are what it goes on with
//!   report            what it came to, in the status; ledger_event: in the ledger
//!   operator_actions  what only people do: unseal, recover; operator_login: join, repair a login
//!   snapshots         what the embedded authority tells of them; snapshot_look asks it
//!   serving           whether anything is served yet
//!   transport         a loop of its own over certificates; it reports to this one
//! ```
//!
//! The embedded authority seals its shares itself and commits them with its root key. OpenBao and
//! Vault answer `sys/init` in clear, once: warden seals the shares in memory, stores them in
//! Kubernetes, reads them back, and only then goes on; a crash in between is `InitializedKeysLost`,
//! for an authority that is empty by construction.
//!
//! While the authority rests in order it is asked its health, every 5 s and whenever the RuntimeAuthority changes, and every
//! 30 s how its snapshots stand, where it takes any (every 5 s while they are not as they are to be); its configuration is compared every 10 minutes and after every
//! change of health.

mod apply;
mod args;
mod configure;
mod ctx;
mod error;
mod initialize;
mod issuer;
mod labels;
mod ledger_event;
mod link;
mod memory;
mod observe;
mod observed;
mod operator_actions;
mod operator_login;
mod plan;
mod reconcile;
mod reconfigure;
mod recover_error;
mod repairs;
mod report;
mod root_tokens;
mod sealed_shares;
mod serving;
mod share_plan;
mod snapshot_look;
mod snapshots;
mod status;
mod transport;
mod unseal;
mod unseal_identity;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures::StreamExt;
use kube::Api;
use kube::runtime::controller::Config;
use regent_api::RuntimeAuthority;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use regent_operator::Context;
use regent_operator::guarded::guarded;
use regent_operator::object_watch;

pub use args::Args;
pub use error::Error;
pub use operator_actions::{Person, RecoverOutcome, recover, sealed_shares};
pub use recover_error::RecoverError;

/// Runs warden until the shutdown signal.
///
/// # Errors
/// [`Error::Task`] if its helper task fails; everything else becomes a condition and is tried
/// again.
pub async fn run(cx: Context, args: Args) -> Result<(), Error> {
    // One nudge is enough, whoever sent it.
    let (nudge, nudged) = mpsc::channel(1);
    let (watcher_task, serving) = serving::spawn(&cx, nudge.clone());
    let (transport_task, transport) = transport::spawn(&cx, nudge);
    let ctx = Arc::new(ctx::Ctx::new(cx.clone(), args, serving, transport));
    let api: Api<RuntimeAuthority> = Api::all(cx.api.clone());
    object_watch::controller(api)
        // There is one RuntimeAuthority; further ones only learn that they are not it.
        .with_config(Config::default().concurrency(2))
        .reconcile_all_on(ReceiverStream::new(nudged))
        .graceful_shutdown_on(cx.shutdown.clone().wait())
        .run(guarded("warden", reconcile::reconcile), reconcile::error_policy, ctx)
        .for_each(regent_operator::watch_error::log_broken_watches("warden"))
        .await;
    let mut ended = Ok(());
    for task in [watcher_task, transport_task] {
        task.abort();
        if task.await.is_err_and(|error| error.is_panic()) {
            ended = Err(Error::Task);
        }
    }
    ended
}
