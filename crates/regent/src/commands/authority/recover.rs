//! `regent authority recover`: the one human act after cluster loss (S5.7-4, C2-3).

use clap::Args;
use regent_types::seal::UNATTENDED;

use super::HolderArgs;
use crate::output::Out;

/// Arguments of `regent authority recover`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  regent authority recover --identity holders.txt
      embedded: new shares are made, every older one is dead
  regent authority recover --identity holders.txt --shares sealed-shares.yaml
      OpenBao, Vault: the saved shares are put back and sealed to this cluster as well; whoever still reads a lost
      cluster's unseal identity can open the seal until it is rekeyed")]
pub struct RecoverArgs {
    /// With what, and where.
    #[command(flatten)]
    pub holder: HolderArgs,
}

pub(super) async fn run(args: &RecoverArgs, out: Out) -> anyhow::Result<u8> {
    let identities = args.holder.identities(out)?;
    let person = args.holder.person(&identities).await?;
    let outcome = person.recover().await.map_err(super::failed("recovering the authority"))?;
    let by = outcome.opened_by.join(", ");
    match outcome.holders.iter().any(|holder| holder == UNATTENDED) {
        true => out.line(&format!(
            "unsealed with the shares of {by}, and sealed anew for this cluster; warden goes on from here"
        )),
        false => out.line(&format!(
            "unsealed with the shares of {by}; run `regent authority unseal` with the same identities, which also \
             repairs the login"
        )),
    }
    Ok(0)
}
