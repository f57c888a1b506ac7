//! The one human act after cluster loss, played: opens holder shares with phase 0's identity file and recovers
//! the authority for the new cluster's unseal identity (PROTOCOLS.md §3, S5.7-4).

use regent_components::warden;
use regent_types::resources::RuntimeAuthority;

use super::trust::Trust;
use crate::failure::Failure;

/// What `regent authority recover --identity FILE` would do, done with the same code.
pub(super) async fn recover(
    admin: &kube::Client,
    vault: &regent_vault::Client,
    trust: &Trust,
) -> anyhow::Result<()> {
    let authorities: kube::Api<RuntimeAuthority> = kube::Api::all(admin.clone());
    let found = authorities.get(regent_types::labels::AUTHORITY_NAME).await?;
    let recipient = found.status.and_then(|s| s.unseal_recipient).unwrap_or_default();
    warden::recover(vault, trust.identities(), &recipient)
        .await
        .map_err(|e| Failure::of("recovering the authority", &e))?;
    Ok(())
}
