//! `regent authority join`: the one human act for a second cluster on the same authority (C9-1).

use clap::Args;
use regent_types::seal::UNATTENDED;

use super::HolderArgs;
use crate::output::Out;

/// Arguments of `regent authority join`.
#[derive(Debug, Args)]
#[command(after_help = "\
In the first cluster, which goes on as it is:
  regent authority shares > sealed-shares.yaml
In the second, whose RuntimeAuthority names another installation and a login mount of its own
(spec.external.login: {mount: east-2, method: Keys}):
  regent authority join --identity holders.txt --shares sealed-shares.yaml

Makes auth/east-2, its roles and its policies, and nothing else; the root token that does it is made from the shares and
revoked at the end. The shares are sealed to this cluster as well, so that it can unseal by itself.")]
pub struct JoinArgs {
    /// With what, and where.
    #[command(flatten)]
    pub holder: HolderArgs,
}

pub(super) async fn run(args: &JoinArgs, out: Out) -> anyhow::Result<u8> {
    let identities = args.holder.identities(out)?;
    let person = args.holder.person(&identities).await?;
    let outcome = person.join().await.map_err(super::failed("joining the authority"))?;
    let by = outcome.opened_by.join(", ");
    let sealed = match outcome.holders.iter().any(|holder| holder == UNATTENDED) {
        true => "its shares are sealed to this cluster as well",
        false => "this cluster cannot open its seal by itself",
    };
    out.line(&format!("let in with the shares of {by}; {sealed}; warden goes on from here"));
    Ok(0)
}
