//! `regent authority unseal`: what a person does where `seal.unattended` is false, in one command: open the seal, and
//! repair the login if warden then finds that it cannot log in (PROTOCOLS.md §3).

use std::time::Duration;

use clap::Args;
use kube::runtime::wait::await_condition;
use regent_api::RuntimeAuthority;
use regent_api::condition::{READY, get};
use regent_control::warden::Person;
use regent_types::Advice;

use super::HolderArgs;
use crate::output::Out;
use regent_host::failure::Failure;

/// Longest wait for warden's word on the unsealed authority: it looks every few seconds while anything is amiss.
const WARDEN_LIMIT: Duration = Duration::from_secs(90);
/// Warden's reason where nobody can log in.
const CANNOT_LOG_IN: &str = "CannotLogIn";

/// Arguments of `regent authority unseal`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  regent authority unseal --identity holders.txt")]
pub struct UnsealArgs {
    /// With what, and where.
    #[command(flatten)]
    pub holder: HolderArgs,
}

pub(super) async fn run(args: &UnsealArgs, out: Out) -> anyhow::Result<u8> {
    let identities = args.holder.identities(out)?;
    let person = args.holder.person(&identities).await?;
    let by = person.unseal().await.map_err(super::failed("unsealing the authority"))?;
    out.line(&format!("unsealed with the shares of {}", by.join(", ")));
    if wardens_word(&person, settled).await? != CANNOT_LOG_IN {
        return Ok(0);
    }
    let changed = person.repair_login().await.map_err(super::failed("repairing the login"))?;
    out.line(&format!("login repaired, root token revoked: {}", changed.join(", ")));
    wardens_word(&person, |word| word.is_some_and(|word| word != CANNOT_LOG_IN)).await?;
    Ok(0)
}

/// In order, or in need of the person.
fn settled(word: Option<&str>) -> bool {
    word.is_some_and(|word| matches!(word, CANNOT_LOG_IN | "Active" | "SealedSharesLost"))
}

/// Waits until warden's reason about the unsealed authority is `enough`, and returns it.
async fn wardens_word(
    person: &Person<'_>,
    enough: impl Fn(Option<&str>) -> bool,
) -> anyhow::Result<String> {
    let (api, name) = super::authorities(person);
    let found =
        await_condition(api, name, |found: Option<&RuntimeAuthority>| enough(found.and_then(word)));
    let silent = || {
        let advice = Advice::new(
            "warden's word in RuntimeAuthority status",
            format!("none within {WARDEN_LIMIT:?}"),
            "the authority is unsealed; look with `regent status` whether warden runs, then run this again",
        );
        Failure::new("WardenSilent", "whether the login needs repair is not known", advice)
    };
    let found = tokio::time::timeout(WARDEN_LIMIT, found).await.map_err(|_| silent())??;
    Ok(found.as_ref().and_then(word).unwrap_or_default().to_owned())
}

/// The reason of `Ready`, once warden has seen it unsealed.
fn word(found: &RuntimeAuthority) -> Option<&str> {
    let status = found.status.as_ref().filter(|status| status.sealed == Some(false))?;
    get(&status.conditions, READY).map(|ready| ready.reason.as_str())
}
