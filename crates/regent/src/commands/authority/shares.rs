//! `regent authority shares`: the sealed shares, for the copy that outlives the cluster (PROTOCOLS.md §3).

use clap::Args;
use regent_control::warden;

use crate::commands::cluster_args::ClusterArgs;
use crate::connect;
use crate::output::Out;

/// Arguments of `regent authority shares`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  regent authority shares > sealed-shares.yaml      ciphertext; of OpenBao and Vault there is no other copy")]
pub struct SharesArgs {
    /// Kubeconfig and context of the cluster that is asked.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// Prints them, as YAML or JSON.
pub(super) async fn run(args: &SharesArgs, out: Out) -> anyhow::Result<u8> {
    let api = connect::kubernetes(&args.cluster).await?;
    let vault = connect::authority(&args.cluster, &api).await?;
    let shares = warden::sealed_shares(&api, &vault).await;
    out.value(&shares.map_err(super::failed("reading the sealed shares"))?)?;
    Ok(0)
}
