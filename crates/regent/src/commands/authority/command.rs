//! The subcommands, and which file runs each.

use clap::Subcommand;

use super::{accept_restore, join, recover, restore, serve, shares, snapshot, unseal};
use crate::output::Out;

/// What is done with the runtime authority.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
InitializedKeysLost in RuntimeAuthority status: OpenBao or Vault was initialized and warden died before its
shares were stored. It is empty: stop it, delete its storage, start it; warden goes on by itself. The embedded
authority cannot get there, because its root key and its sealed shares are one commit.")]
pub enum AuthorityCommand {
    /// Hosts the embedded authority as a process of its own, as on a cluster.
    Serve(serve::ServeArgs),
    /// Prints the sealed shares, which are ciphertext: keep a copy beside the root of trust.
    Shares(shares::SharesArgs),
    /// Opens the seal with holders' identities, and repairs the login where warden cannot.
    Unseal(unseal::UnsealArgs),
    /// After cluster loss: opens the seal with holders' identities, for this cluster's unseal identity.
    Recover(recover::RecoverArgs),
    /// Has the embedded authority take a snapshot now, and waits until that was restored on trial.
    Snapshot(snapshot::SnapshotArgs),
    /// Makes a new data file from a snapshot: what `regent authority serve` starts on after its storage was lost.
    Restore(restore::RestoreArgs),
    /// After a restore of an older state: what is there counts from now on, and the ledger goes on behind the gap.
    AcceptRestore(accept_restore::AcceptRestoreArgs),
    /// A second cluster on the authority of another: lets it in at a login mount of its own.
    Join(join::JoinArgs),
}

/// Runs the subcommand and returns the exit code of the process.
pub async fn run(command: &AuthorityCommand, out: Out) -> anyhow::Result<u8> {
    match command {
        AuthorityCommand::Serve(args) => serve::run(args).await,
        AuthorityCommand::Shares(args) => shares::run(args, out).await,
        AuthorityCommand::Unseal(args) => unseal::run(args, out).await,
        AuthorityCommand::Recover(args) => recover::run(args, out).await,
        AuthorityCommand::Snapshot(args) => snapshot::run(args, out).await,
        AuthorityCommand::Restore(args) => restore::run(args, out).await,
        AuthorityCommand::AcceptRestore(args) => accept_restore::run(args, out).await,
        AuthorityCommand::Join(args) => join::run(args, out).await,
    }
}
