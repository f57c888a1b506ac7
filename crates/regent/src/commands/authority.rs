//! `regent authority`: what a person does to the authority itself.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use kube::Api;
use regent_components::warden;
use regent_manifest::keys::Identities;
use regent_types::labels::AUTHORITY_NAME;
use regent_types::resources::RuntimeAuthority;

use super::open::read_text;
use crate::cli::ClusterArgs;
use crate::connect;
use crate::failure::Failure;
use crate::output::Out;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum AuthorityCommand {
    /// After cluster loss: opens the seal with holders' identities, for this cluster's unseal identity.
    Recover(RecoverArgs),
}

/// Arguments of `regent authority recover`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  regent authority recover --identity holders.txt      the one human act after cluster loss")]
pub struct RecoverArgs {
    /// File with enough holders' identities to reach the threshold.
    #[arg(short, long)]
    pub identity: PathBuf,
    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// Runs it.
pub async fn run(command: &AuthorityCommand, out: Out) -> anyhow::Result<u8> {
    let AuthorityCommand::Recover(args) = command;
    let text = read_text(&args.identity)?;
    let identities = Identities::parse(text.expose())
        .map_err(|e| Failure::of(&format!("reading {}", args.identity.display()), &e))?;
    let api = connect::kubernetes(&args.cluster).await?;
    let client = connect::authority(&args.cluster, &api).await?;
    let found = Api::<RuntimeAuthority>::all(api).get(AUTHORITY_NAME).await?;
    let recipient = found.status.and_then(|s| s.unseal_recipient).unwrap_or_default();
    warden::recover(&client, &identities, &recipient)
        .await
        .map_err(|e| Failure::of("recovering the authority", &e))?;
    out.line("the authority is unsealed and its shares are sealed anew; warden goes on from here");
    Ok(0)
}
