//! The one human act after cluster loss, played: opens holder shares with phase 0's identity file and recovers
//! the authority for the new cluster's unseal identity (PROTOCOLS.md §3, S5.7-4).

use regent_control::warden::Person;
use regent_types::seal::SealedShares;

use super::trust::Trust;
use regent_host::failure::Failure;

/// What `regent authority recover --identity FILE [--shares FILE]` does, done with the same code.
pub async fn recover(
    admin: kube::Client,
    vault: regent_vault::Client,
    trust: &Trust,
    saved: Option<SealedShares>,
) -> anyhow::Result<()> {
    let person = Person { api: admin, vault, identities: trust.identities(), saved };
    person.recover().await.map_err(|e| Failure::of("recovering the authority", &e))?;
    Ok(())
}
